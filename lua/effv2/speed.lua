--- speed { model =, image = }: how long a training step, or an inference, of a network takes on this machine.
--
-- A process of its own works on random images, so that neither memory nor threads of the caller are in the way. Machines
-- have faster and slower minutes: what is to be compared is best measured by turns, in several rounds (speed.compare).
local core = require "effv2.core"
local keys = require "effv2.keys"

local speed = {}

-- ---- the process that is timed ----------------------------------------------------------------------

--- What says how late it is: the wall's clock, or the seconds that this process has computed on all its threads.
local CLOCKS = { wall = core.clock, processor = os.clock }

local function training_step(model, batch)
    local optimiser = require("effv2.optim").rmsprop { weight_decay = 1e-5 }:attach(model)
    local labels = core.zeros(batch, { dtype = "int64" })
    return function(images, i)
        core.seed_step(0, i)
        optimiser:zero_grad()
        core.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
        optimiser:step { lr = 1e-3 }
    end
end

local function inference(model)
    local folded = require("effv2.nn").fold(model:eval())
    return function(images)
        core.no_grad(folded, images)
    end
end

local MODES = { train = training_step, infer = inference }

--- Rising times of steps.
local function time_steps(model, job)
    local clock, work = CLOCKS[job.clock], MODES[job.mode](model, job.batch)
    local images = core.randn(job.batch, job.image, job.image, model.config.in_channels)
    local times = {}
    for i = 1 - job.warmup, job.steps do
        local began = clock()
        core.step(function() work(images, i + job.warmup) end)
        times[i] = clock() - began
    end
    table.sort(times)
    return times
end

local function median(sorted)
    local n = #sorted
    return (sorted[math.ceil(n / 2)] + sorted[math.floor(n / 2) + 1]) / 2
end
speed.median = median

--- What the process does: prints the result of a job, both JSON.
function speed.work(text)
    local job = assert(core.json_decode(text))
    core.set_threads(job.threads)
    core.manual_seed(0)
    local model = require("effv2.models").create(job.model, job.options)
    local parameters = model:num_parameters()
    local times = time_steps(model, job)
    print(core.json_encode {
        seconds = median(times), fastest = times[1], slowest = times[#times], parameters = parameters,
        peak_rss = core.memory().peak_rss,
    })
end

-- ---- measuring --------------------------------------------------------------------------------------

--- Runs a job with the program that runs this and returns what it printed.
local function output_of(job)
    local path = os.tmpname()
    local code = ("require('effv2.speed').work(%q)"):format(core.json_encode(job))
    local pid, message = core.start_process({ core.program_path(), "-e", code }, {}, path)
    local output = message
    if pid then
        core.look_at_process(pid, true)
        output = core.read_file(path)
    end
    os.remove(path)
    return output
end

--- The result of a job: { seconds =, fastest =, slowest =, parameters =, peak_rss = }.
-- @param what the function's name, for errors
function speed.run(what, job)
    local output = output_of(job)
    local result = core.json_decode(output:match "([^\n]*)\n*$")
    if type(result) ~= "table" or not result.seconds then
        error(("%s: the process that times the network ended with: %s"):format(what, output:match "^(.-)%s*$"), 0)
    end
    return result
end

--- Defaults of what is measured.
speed.DEFAULTS = { batch = 16, steps = 10, warmup = 2, clock = "wall" }

--- Checks the numbers of a job.
function speed.check(what, job, level)
    for _, name in ipairs { "image", "batch", "steps", "threads" } do
        keys.want_whole(what, name, job[name], 1, false, level)
    end
    keys.want_whole(what, "warmup", job.warmup, 0, false, level)
    if not CLOCKS[job.clock] then
        error(("%s: unknown clock '%s', wanted wall or processor"):format(what, job.clock), level)
    elseif not MODES[job.mode] then
        error(("%s: unknown mode '%s', wanted train or infer"):format(what, tostring(job.mode)), level)
    end
    return job
end

local function read(given, level)
    local o = keys.check("speed", given, {
        model = keys.none, options = {}, image = keys.none, batch = speed.DEFAULTS.batch, steps = speed.DEFAULTS.steps,
        warmup = speed.DEFAULTS.warmup, threads = core.threads(), clock = speed.DEFAULTS.clock, mode = "train",
    }, level)
    if o.model == nil then
        error("speed: model is missing, wanted a name of models.list(), the path of a file, or a description", level)
    end
    return speed.check("speed", o, level)
end

--- Times several networks by turns.
-- @param list of what speed takes
-- @param rounds how often each is timed (1 when not given)
-- @return a list of { seconds = a batch (the median of the rounds' medians), images_per_s =, fastest =, slowest =,
-- parameters =, peak_rss = bytes, all = seconds of each round }
function speed.compare(list, rounds)
    keys.want_whole("speed.compare", "rounds", rounds, 1, true)
    local jobs, found = {}, {}
    for i, given in ipairs(list) do
        jobs[i] = read(given, 3)
    end
    for _ = 1, rounds or 1 do
        for i, job in ipairs(jobs) do
            local one = speed.run("speed", job)
            found[i] = found[i] or { all = {}, fastest = one.fastest, slowest = one.slowest, parameters = one.parameters,
                peak_rss = one.peak_rss }
            table.insert(found[i].all, one.seconds)
            found[i].fastest = math.min(found[i].fastest, one.fastest)
            found[i].slowest = math.max(found[i].slowest, one.slowest)
        end
    end
    for i, one in ipairs(found) do
        table.sort(one.all)
        one.seconds = median(one.all)
        one.images_per_s = jobs[i].batch / one.seconds
    end
    return found
end

--- Times one network.
-- @param given { model = a name of models.list(), the path of a file, or a description, options = further ones of
-- models.create, image = pixels a side, batch = 16, steps = 10, warmup = 2, threads = as here, mode = "train" (a step with
-- RMSProp) or "infer" (norms folded in), clock = "wall" or "processor": that adds up what all threads have computed, so
-- what else the machine does hardly counts in it }
-- @return as an entry of speed.compare
return setmetatable(speed, {
    __call = function(_, given)
        return speed.compare({ given }, 1)[1]
    end,
})
