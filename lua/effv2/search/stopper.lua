--- Stoppers: which trials of a study end early, so that the time goes to the better ones.
--
-- A stopper looks at each report of a trial and at what other trials of the study reported at the same point.
local keys = require "effv2.keys"

local stopper = {}

local Stopper = {}
Stopper.__index = Stopper

local function make(name, settings, stops)
    return setmetatable({ name = name, settings = settings, stops = stops }, Stopper)
end

--- A value as "more is better"; a value that is missing or NaN is worse than any.
local function score(value, maximize)
    if value == nil or value ~= value then
        return -math.huge
    end
    return maximize and value or -value
end

local function scores(values, maximize)
    local list = {}
    for i, value in ipairs(values) do
        list[i] = score(value, maximize)
    end
    table.sort(list)
    return list
end

--- Whether the trial ends with its last report. Pure but for `peers`.
-- @param curve the trial's reports so far, a list of { epoch =, value = }, the last being new
-- @param peers(first, last, complete) gives the values that other trials reported first at an epoch in
-- first <= epoch < last; of trials with a result alone if `complete`
-- @param maximize whether more is better
function Stopper:should_stop(curve, peers, maximize)
    return self.stops(curve, peers, maximize)
end

--- Every trial goes on to its end.
function stopper.none(given)
    return make("none", keys.check("stopper.none", given, {}), function()
        return false
    end)
end

local function median(list)
    local middle = #list / 2
    return #list % 2 == 1 and list[math.ceil(middle)] or (list[middle] + list[middle + 1]) / 2
end

--- Stops a trial whose best report so far is worse than the median of what the finished trials reported at the same
-- epoch. startup: so many finished trials are needed first; warmup: epochs up to this one are never stopped.
function stopper.median(given)
    local s = keys.check("stopper.median", given, { startup = 5, warmup = 0 })
    keys.want_whole("stopper.median", "startup", s.startup, 1)
    keys.want_whole("stopper.median", "warmup", s.warmup, 0)
    return make("median", s, function(curve, peers, maximize)
        local epoch, best = curve[#curve].epoch, -math.huge
        if epoch <= s.warmup then
            return false
        end
        for _, report in ipairs(curve) do
            best = math.max(best, score(report.value, maximize))
        end
        local others = scores(peers(epoch, epoch + 1, true), maximize)
        return #others >= s.startup and best < median(others)
    end)
end

--- Asynchronous successive halving (Li et al. 2020): at epoch first, first * factor, first * factor ^ 2, ... a trial
-- goes on if it is among the best 1 / factor of the trials that came so far.
function stopper.halving(given)
    local s = keys.check("stopper.halving", given, { first = 1, factor = 4 })
    keys.want_whole("stopper.halving", "first", s.first, 1)
    keys.want_whole("stopper.halving", "factor", s.factor, 2)
    return make("halving", s, function(curve, peers, maximize)
        local epoch, rung = curve[#curve].epoch, s.first
        if epoch < rung then
            return false
        end
        while rung * s.factor <= epoch do
            rung = rung * s.factor
        end
        if curve[#curve - 1] and curve[#curve - 1].epoch >= rung then
            return false -- it passed this rung with an earlier report
        end
        local others = scores(peers(rung, rung * s.factor, false), maximize)
        local own, better = score(curve[#curve].value, maximize), 0
        for _, other in ipairs(others) do
            better = better + (other > own and 1 or 0)
        end
        return own == -math.huge or better >= math.max(1, math.floor((#others + 1) / s.factor))
    end)
end

--- A stopper as plain data, { name =, settings = }, and the stopper of such data.
function Stopper:definition()
    return { name = self.name, settings = self.settings }
end

function stopper.from(definition)
    return stopper[definition.name](definition.settings)
end

return stopper
