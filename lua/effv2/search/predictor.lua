--- A model of step times, linear in what a network costs, for searches that ask for more networks than can be timed.
local keys = require "effv2.keys"
local models = require "effv2.models"
local least_squares = require "effv2.search.least_squares"
local step_time = require "effv2.search.step_time"

local predictor = {}

local Predictor = {}
Predictor.__index = Predictor

local FEATURES = {
    "constant", "multiply-adds, full", "multiply-adds, MBConv", "activations, full", "activations, MBConv", "parameters",
    "blocks",
}

--- The costs that the time of a step is put together from: those of MBConv's stages apart, since depthwise convolutions
-- are bound by memory and full ones (stem, Fused-MBConv, head) are not.
local function features(model, image, classes)
    local options = step_time.options_of(model, classes)
    local rows = models.summary(options, image)
    local macs, activations, blocks = { full = 0, mb = 0 }, { full = 0, mb = 0 }, 0
    for _, row in ipairs(rows) do
        local stage = options.stages[tonumber(row.name:match "^stage(%d+)$")]
        local kind = stage and stage.op == "mb" and "mb" or "full"
        macs[kind], activations[kind] = macs[kind] + row.macs, activations[kind] + row.activations
        blocks = blocks + (stage and stage.layers or 0)
    end
    return { 1, macs.full, macs.mb, activations.full, activations.mb, rows.parameters, blocks }
end

local function dot(a, b)
    local sum = 0
    for i = 1, #a do
        sum = sum + a[i] * b[i]
    end
    return sum
end

--- Coefficients for the least squares of relative errors, without sample `left_out`.
local function fit_relative(rows, seconds, left_out)
    local scaled, ones = {}, {}
    for i, row in ipairs(rows) do
        if i ~= left_out then
            local one = {}
            for j, x in ipairs(row) do
                one[j] = x / seconds[i]
            end
            scaled[#scaled + 1], ones[#ones + 1] = one, 1
        end
    end
    return least_squares(scaled, ones)
end

--- Fits a model of step times, linear in a network's costs, to measurements.
-- @param samples { { model = name or description, seconds = }, ... }, all measured with one batch size; at least ten
-- @param given { image = pixels a side, classes = 1000 where a model has no number }
-- @return a predictor: predict(model) gives seconds; error = { mean =, worst = } of the relative errors that it made on each
-- sample when it was fitted to the others; prints as a table
function predictor.fit(samples, given)
    local what = "search.fit_step_time"
    local o = keys.check(what, given, { image = keys.none, classes = 1000 })
    keys.want_whole(what, "image", o.image, 1)
    if type(samples) ~= "table" or #samples < #FEATURES + 3 then
        error(("%s: %d samples, wanted at least %d"):format(what, type(samples) == "table" and #samples or 0,
            #FEATURES + 3), 2)
    end
    local rows, seconds = {}, {}
    for i, sample in ipairs(samples) do
        if type(sample.seconds) ~= "number" or not (sample.seconds > 0 and sample.seconds < math.huge) then
            error(("%s: seconds of sample %d is %s, wanted a number above 0"):format(what, i, keys.show(sample.seconds)), 2)
        end
        rows[i], seconds[i] = features(sample.model, o.image, o.classes), sample.seconds
    end
    local errors = { mean = 0, worst = 0 }
    for i, row in ipairs(rows) do
        local deviation = math.abs(dot(row, fit_relative(rows, seconds, i)) / seconds[i] - 1)
        errors.mean = errors.mean + deviation / #rows
        errors.worst = math.max(errors.worst, deviation)
    end
    return setmetatable({
        coefficients = fit_relative(rows, seconds), error = errors, samples = #rows, image = o.image, classes = o.classes,
    }, Predictor)
end

--- The seconds of a training step that the fit expects.
function Predictor:predict(model)
    return dot(features(model, self.image, self.classes), self.coefficients)
end

--- Plain data, for predictor.restore in another process.
function Predictor:state()
    return {
        coefficients = { unpack(self.coefficients) }, error = { mean = self.error.mean, worst = self.error.worst },
        samples = self.samples, image = self.image, classes = self.classes,
    }
end

--- The predictor that a state stands for.
function predictor.restore(state)
    if type(state) ~= "table" or type(state.coefficients) ~= "table" or #state.coefficients ~= #FEATURES then
        error(("search.restore_step_time: a %s, wanted what state() of a predictor gave, with %d coefficients"):format(
            type(state), #FEATURES), 2)
    end
    return setmetatable(Predictor.state(state), Predictor)
end

function Predictor:__tostring()
    local lines = { ("step time at %d pixels, from %d samples; error on samples left out: mean %.1f %%, worst %.1f %%"):format(
        self.image, self.samples, 100 * self.error.mean, 100 * self.error.worst) }
    for i, name in ipairs(FEATURES) do
        lines[#lines + 1] = ("  %-24s %12.4g s"):format(name, self.coefficients[i])
    end
    return table.concat(lines, "\n")
end

return predictor
