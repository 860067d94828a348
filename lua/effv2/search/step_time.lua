--- S of the reward: how long a training step of a network takes on this machine.
--
-- Machines speed up and slow down: where a reference is given it is timed just before, and the share of both is what
-- compares. effv2.speed does the timing, in a process of its own.
local core = require "effv2.core"
local keys = require "effv2.keys"
local speed = require "effv2.speed"

local step_time = {}

--- The options of models.create that a name, a path or a description stands for, with a number of classes.
function step_time.options_of(model, classes)
    local models = require "effv2.models"
    local options = {}
    for key, value in pairs(type(model) == "table" and model or models.scale { base = model }) do
        options[key] = value
    end
    options.classes = options.classes or classes
    return options
end

--- Times training steps of a network of stages, each time in a process of its own.
-- @param model a name of models.list(), the path of a file, or a description
-- @param given { image = pixels a side, batch = 16, steps = 10, warmup = 2, threads = as here, classes = 1000 where the model
-- has no number, clock = "wall" or "processor", reference = another such model or its seconds, rounds = 1 (how often both
-- are timed) }. The processor's clock adds up what all threads have computed. What else the machine does hardly counts in
-- it, so with threads = 1 it gives a step's time on a core of its own
-- @return seconds of a step (the median of the rounds' medians), and { seconds =, fastest =, slowest =, parameters =,
-- share = of the reference's time (the median of the rounds'), reference = its seconds }
function step_time.measure(model, given)
    local what = "search.step_time"
    local o = keys.check(what, given, {
        image = keys.none, batch = speed.DEFAULTS.batch, steps = speed.DEFAULTS.steps, warmup = speed.DEFAULTS.warmup,
        threads = core.threads(), classes = 1000, clock = speed.DEFAULTS.clock, reference = keys.none, rounds = 1,
    })
    keys.want_whole(what, "rounds", o.rounds, 1)
    local job = speed.check(what, {
        image = o.image, batch = o.batch, steps = o.steps, warmup = o.warmup, threads = o.threads, clock = o.clock,
        mode = "train",
    }, 3)
    local function timed(network)
        job.model = step_time.options_of(network, o.classes)
        return speed.run(what, job)
    end
    local seconds, shares, references, result = {}, {}, {}, nil
    for round = 1, o.rounds do
        local reference = o.reference
        references[round] = type(reference) == "number" and reference or reference and timed(reference).seconds or nil
        local one = timed(model)
        result = result or one
        seconds[round] = one.seconds
        shares[round] = references[round] and one.seconds / references[round]
        result.fastest, result.slowest = math.min(result.fastest, one.fastest), math.max(result.slowest, one.slowest)
    end
    for _, list in ipairs { seconds, shares, references } do
        table.sort(list)
    end
    result.seconds = speed.median(seconds)
    if o.reference then
        result.share, result.reference = speed.median(shares), speed.median(references)
    end
    return result.seconds, result
end

return step_time
