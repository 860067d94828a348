--- S of the reward: how long a training step of a network takes on this machine.
--
-- A process of its own trains on random images, so that neither memory nor threads of the search are in the way; the
-- result is the median of its steps. Machines speed up and slow down: where a reference is given it is timed just before,
-- and the share of both is what compares.
local core = require "effv2.core"
local keys = require "effv2.keys"

local step_time = {}

-- ---- the process that is timed ----------------------------------------------------------------------

local function quoted(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- What says how late it is: the wall's clock, or the seconds that this process has computed on all its threads.
local CLOCKS = { wall = core.clock, processor = os.clock }

--- Rising times of training steps.
local function time_steps(model, job)
    local clock = CLOCKS[job.clock]
    local optimiser = require("effv2.optim").rmsprop { weight_decay = 1e-5 }:attach(model)
    local images = core.randn(job.batch, job.image, job.image, model.config.in_channels)
    local labels = core.zeros(job.batch, { dtype = "int64" })
    local times = {}
    for i = 1 - job.warmup, job.steps do
        local began = clock()
        core.step(function()
            core.seed_step(0, i + job.warmup)
            optimiser:zero_grad()
            core.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
            optimiser:step { lr = 1e-3 }
        end)
        times[i] = clock() - began
    end
    table.sort(times)
    return times
end

local function median(sorted)
    local n = #sorted
    return (sorted[math.ceil(n / 2)] + sorted[math.floor(n / 2) + 1]) / 2
end

--- What the process does: prints the result of a job, both JSON.
function step_time.work(text)
    local job = assert(core.json_decode(text))
    core.set_threads(job.threads)
    core.manual_seed(0)
    local model = require("effv2.models").create(job.model)
    local times = time_steps(model, job)
    print(core.json_encode {
        seconds = median(times), fastest = times[1], slowest = times[#times], parameters = model:num_parameters(),
    })
end

--- Runs a job with the program that runs this, even if its file has been replaced since.
local function run(what, job)
    local code = ("require('effv2.search.step_time').work(%q)"):format(core.json_encode(job))
    local pipe = assert(io.popen(('exec /proc/$PPID/exe -e %s 2>&1'):format(quoted(code))))
    local output = pipe:read "*a"
    pipe:close()
    local result = core.json_decode(output:match "([^\n]*)\n*$")
    if type(result) ~= "table" or not result.seconds then
        error(("%s: the process that times the network ended with: %s"):format(what, output:match "^(.-)%s*$"), 0)
    end
    return result
end

-- ---- measuring --------------------------------------------------------------------------------------

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
        image = keys.none, batch = 16, steps = 10, warmup = 2, threads = core.threads(), classes = 1000,
        clock = "wall", reference = keys.none, rounds = 1,
    })
    for _, name in ipairs { "image", "batch", "steps", "threads", "rounds" } do
        keys.want_whole(what, name, o[name], 1)
    end
    keys.want_whole(what, "warmup", o.warmup, 0)
    if not CLOCKS[o.clock] then
        error(("%s: unknown clock '%s', wanted wall or processor"):format(what, o.clock), 2)
    end
    local job = {
        image = o.image, batch = o.batch, steps = o.steps, warmup = o.warmup, threads = o.threads, clock = o.clock,
    }
    local function timed(network)
        job.model = step_time.options_of(network, o.classes)
        return run(what, job)
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
    result.seconds = median(seconds)
    if o.reference then
        result.share, result.reference = median(shares), median(references)
    end
    return result.seconds, result
end

return step_time
