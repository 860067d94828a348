--- What a training would do and cost on this machine: effv2.train { ..., dry_run = true }.
--
-- Stages, updates and rates are computed. Time and memory come from a few forward and backward passes at each image
-- size, with as many pictures as one can wait for; what was measured, and what follows from it, is said in its text.
local core = require "effv2.core"
local epoch_end = require "effv2.train.epoch_end"
local evaluate = require "effv2.train.evaluate"
local plan_text = require "effv2.train.plan_text"
local trainer = require "effv2.train.trainer"

local WORK = 2e10         -- multiply-adds of a measured forward pass, if that leaves LEAST pictures
local LEAST, MOST = 2, 64 -- pictures in a measured pass
local PASSES, PATIENCE = 3, 3 -- measured passes of a size, and seconds after which no further one begins
local MOST_SIZES = 6      -- image sizes that are measured; the time of others is interpolated

-- ---- measuring --------------------------------------------------------------------------------------

--- How many pictures of a batch to measure with; few where the network's work is known to be large.
local function pictures(model, size, batch)
    local models = require("effv2").models
    local known, summary = pcall(models.summary, model, size)
    local affordable = known and math.floor(WORK / summary.macs) or LEAST
    return math.min(batch, math.max(LEAST, math.min(MOST, affordable)))
end

local function median(list)
    table.sort(list)
    return list[math.ceil(#list / 2)]
end

--- Seconds that f takes, once the first call has prepared what later ones find ready.
local function timed(f)
    f()
    local times, began = {}, core.clock()
    repeat
        local started = core.clock()
        f()
        times[#times + 1] = core.clock() - started
    until #times == PASSES or core.clock() - began > PATIENCE
    return median(times)
end

--- A batch, and the seconds in which the calling thread made it.
local function make_batch(t, settings)
    local loader, began = t:open_loader(0, settings), core.clock()
    local batch, seconds = loader:next(), core.clock() - began
    began = core.clock()
    local warm = loader:next()
    if warm then
        batch, seconds = warm, core.clock() - began
    end
    loader:close()
    return batch, seconds
end

--- Seconds and bytes of a picture in training at one size: { size =, pictures =, compute =, prepare =, bytes =, kept = }.
local function measure_size(t, settings)
    local part = t.micro
    t.micro = pictures(t.o.model, settings.image_size, part) -- what the loader takes
    t:regularise(settings)
    t.o.model:train()
    local batch, prepare = make_batch(t, settings)
    local count = t.micro
    t.micro = part
    local held = { next = function() return batch end }
    core.memory_trim()
    core.memory_reset_peak()
    local kept = core.memory().live
    local compute = timed(function()
        t.optimiser:zero_grad()
        core.step(t.forward_backward, t, held)
    end)
    local update = timed(function() t.optimiser:step { lr = 0, average = t.average } end)
    return {
        size = settings.image_size, pictures = count, compute = compute / count, prepare = prepare / count,
        bytes = (core.memory().peak - kept) / count, kept = kept, update = update,
    }
end

--- Seconds of a picture in an evaluation, its preparation included.
local function measure_evaluation(t)
    local o = t.o
    local arguments = epoch_end.evaluation(t)
    local count, list = pictures(o.model, arguments.size, math.min(o.eval_batch_size, o.data.val:size())), {}
    for i = 1, count do
        list[i] = i
    end
    arguments.source, arguments.workers, arguments.batch_size = o.data.val:subset(list), 0, count
    return timed(function() evaluate(arguments) end) / count
end

--- The sizes of a plan's stages, smallest first, each with the settings of its first stage.
local function distinct_sizes(parts)
    local seen, list = {}, {}
    for _, part in ipairs(parts) do
        local size = part.settings.image_size
        if not seen[size] then
            seen[size] = true
            list[#list + 1] = part.settings
        end
    end
    table.sort(list, function(a, b) return a.image_size < b.image_size end)
    return list
end

--- At most MOST_SIZES of them, the smallest and the largest among these.
local function chosen_sizes(list)
    if #list <= MOST_SIZES then
        return list
    end
    local chosen = {}
    for i = 1, MOST_SIZES do
        chosen[i] = list[1 + math.floor((i - 1) * (#list - 1) / (MOST_SIZES - 1) + 0.5)]
    end
    return chosen
end

--- A measured value at a size: linear in the number of pixels between its measured neighbours.
local function at_size(measures, size, name)
    for i, upper in ipairs(measures) do
        if size <= upper.size then
            local lower = measures[i - 1]
            if not lower or size == upper.size then
                return upper[name]
            end
            local share = (size ^ 2 - lower.size ^ 2) / (upper.size ^ 2 - lower.size ^ 2)
            return lower[name] + share * (upper[name] - lower[name])
        end
    end
    return measures[#measures][name]
end

-- ---- computing --------------------------------------------------------------------------------------

--- The first update at or after a share of the training.
local function first_update(share, total)
    return math.floor(share * total + 1 - 1e-6)
end

local function rates(t, from, to)
    local least, most = math.huge, 0
    for step = from, to - 1 do
        local rate = t.o.lr:at(step, t.steps_per_epoch, t.total)
        least, most = math.min(least, rate), math.max(most, rate)
    end
    return { least, most }
end

--- Seconds of a picture in training: pictures are prepared on the cores that compute, unless in the same thread.
local function seconds_per_picture(measures, size, workers)
    return at_size(measures, size, "compute") + at_size(measures, size, "prepare") / (workers > 0 and core.threads() or 1)
end

--- The stages: a list of { stage =, settings =, first_update =, updates =, epochs = { from, to }, lr = { least, most },
-- images_per_second =, bytes =, seconds = }.
local function stages_of(t, parts, measures, workers)
    local o, list = t.o, {}
    for i, part in ipairs(parts) do
        local from, to = first_update(part.from, t.total), first_update(part.to, t.total)
        local size = part.settings.image_size
        local per_picture = seconds_per_picture(measures, size, workers)
        list[i] = {
            settings = part.settings, first_update = from, updates = to - from,
            epochs = { from / t.steps_per_epoch, to / t.steps_per_epoch }, lr = rates(t, from, to),
            images_per_second = 1 / per_picture,
            bytes = measures[1].kept + at_size(measures, size, "bytes") * t.micro,
            seconds = (to - from) * (o.batch_size * per_picture + measures[1].update),
        }
    end
    return list
end

local function evaluations(o)
    return o.data.val and math.floor((o.epochs - 1) / o.eval_every) + 1 or 0
end

local function sum(list, name)
    local total = 0
    for _, item in ipairs(list) do
        total = total + item[name]
    end
    return total
end

--- How many threads want to run on this machine, over the last minute; nil where that cannot be told.
local function load_average()
    return tonumber((core.read_file "/proc/loadavg" or ""):match "^%S+")
end

--- The plan of a training with the checked arguments of effv2.train. The model's weights are as before, but its
-- batch-norm statistics have seen the measured pictures.
-- @return { parameters =, images =, val_images =, classes =, epochs =, updates =, updates_per_epoch =, batch_size =,
-- parts = (accumulate), lr =, optimizer =, stages = as stages_of gives them, evaluations =, evaluation_seconds = (all),
-- seconds = (the whole), bytes = (of tensors at the largest), measures =, threads =,
-- load = (before it) }; tostring() is the table.
local function plan(o)
    local workers, load = o.workers, load_average() -- before there is work of its own
    o.workers = 0 -- pictures are made by the thread that measures
    local t, measures = trainer.new(o), {}
    local parts = o.schedule:plan(t.run_info)
    for i, settings in ipairs(chosen_sizes(distinct_sizes(parts))) do
        measures[i] = measure_size(t, settings)
        core.memory_trim()
    end
    local count, evaluation = evaluations(o), o.data.val and measure_evaluation(t) or 0
    local stages, passes = stages_of(t, parts, measures, workers), t.average and 2 or 1
    local made = {
        model = o.model.config and o.model.config.name or "model", parameters = t.optimiser.flat:numel(),
        images = o.data.train:size(), val_images = o.data.val and o.data.val:size() or 0, classes = o.data.classes,
        epochs = o.epochs, updates = t.total, updates_per_epoch = t.steps_per_epoch, batch_size = o.batch_size,
        parts = o.accumulate, lr = trainer.describe_rate(o.lr), optimizer = o.optimizer.name, stages = stages,
        eval_size = epoch_end.evaluation(t).size, evaluations = count, measures = measures, threads = core.threads(), load = load,
        evaluation_seconds = count * passes * (o.data.val and o.data.val:size() or 0) * evaluation, bytes = 0,
    }
    for _, stage in ipairs(stages) do
        made.bytes = math.max(made.bytes, stage.bytes)
    end
    made.seconds = sum(stages, "seconds") + made.evaluation_seconds
    return setmetatable(made, { __tostring = plan_text })
end

return plan
