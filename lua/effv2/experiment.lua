--- Experiments: what the tables and figures of the paper, and studies beyond it, share.
--
--     local experiment = effv2.experiment
--     local x = experiment {
--       name = "table13_adaptive_regularization", title = "Table 13: adaptive regularisation", section = "5.4",
--       asks = "Does regularisation that follows the image size help?",
--     }
--     local found = x:train { { name = "vanilla", training = { schedule = { ... } } }, { name = "adaptive", ... } }
--     x:report { columns = { "schedule", "top-1 (%)" }, rows = ..., claims = { x:claim("...", found[2], found[1]) } }
--
-- An experiment runs at a scale (experiment/scales.lua), which `scale=` names: on which data and how long networks are
-- trained, and with which sizes and strengths. Its trainings are a study (docs/sweeps.md), each with a record of its own
-- (experiment/records.lua); killed at any point, the same command goes on. It writes a page with a table, a CSV and a plot.
local config = require "effv2.config"
local core = require "effv2.core"
local keys = require "effv2.keys"
local networks = require "effv2.experiment.networks"
local page = require "effv2.experiment.page"
local published = require "effv2.experiment.published"
local records = require "effv2.experiment.records"
local scales = require "effv2.experiment.scales"
local speed = require "effv2.speed"
local statistics = require "effv2.experiment.statistics"
local trials = require "effv2.experiment.trials"

local experiment = {
    scales = scales, changed = trials.changed, cost = networks.cost, published = published, spread = statistics.spread,
}

local Experiment = {}
Experiment.__index = Experiment

-- ---- the command line -------------------------------------------------------------------------------

local function refuse(format, ...)
    error({ exit_code = 2, message = format:format(...) }, 0)
end

--- The folder where results are kept: beside the script; of smoke runs below runs/.
local function default_out(scale)
    return scale == "smoke" and "runs/experiments" or ((arg and arg[0] or ""):match "^(.*)/" or ".") .. "/results"
end

local function read_settings(e)
    local scale_list = e.scales or scales.names
    local scale = scale_list[1]
    for _, name in ipairs(scale_list) do
        scale = name == config.given "scale" and name or scale
    end
    local defaults = {
        scale = config.choice(scale_list[1], scale_list), data = config.optional "string", seeds = scales[scale].seeds,
        jobs = core.threads(), workers = 1, out = default_out(scale), dry_run = false,
        help = {
            ("%s (section %s)."):format(e.title, e.section), e.asks,
            scale = "smoke: seconds, drawn pictures; cifar, flowers: minutes a training; paper: ImageNet, as the paper has it",
            data = "the folder of the scale's data; else $EFFV2_DATA/<its usual name>, or ~/.cache/effv2-data/<that>",
            seeds = "how many seeds each training is run with",
            jobs = "trainings at a time; they share the threads",
            workers = "threads of each that prepare images",
            out = "the folder of the results",
            dry_run = "print what would be trained, and train nothing",
        },
    }
    for key, value in pairs(e.settings or {}) do
        defaults[key] = value
    end
    for key, text in pairs(e.help or {}) do
        defaults.help[key] = text
    end
    local cfg = config(defaults)
    for _, name in ipairs { "seeds", "jobs", "workers" } do
        if cfg[name] < 1 or cfg[name] ~= math.floor(cfg[name]) then
            refuse("%s: a whole number from 1 wanted, not %g", name, cfg[name])
        end
    end
    return cfg
end

--- Where the data of the scale is; nil where they are drawn.
function Experiment:data_path()
    local cfg, scale = self.cfg, self.scale
    if not scale.data.folder then
        return nil
    end
    local home = os.getenv "EFFV2_DATA" or (os.getenv "HOME" or "") .. "/.cache/effv2-data"
    local path = cfg.data or ("%s/%s"):format(home, scale.data.folder)
    if not (core.dir_exists(path) or core.file_exists(path)) then
        refuse("scale=%s needs data=FOLDER (there is no %s)", cfg.scale, path)
    end
    return path
end

-- ---- trainings --------------------------------------------------------------------------------------

--- The name of the folder that data= gives where a scale takes any folder of pictures, unless it is the usual one: trainings
-- with other pictures have other records.
local function name_of_data(cfg, data)
    local name = data.kind == "folder" and cfg.data and cfg.data:match "([^/]+)/*$"
    return name ~= data.folder and name or nil
end

--- The settings of a training at this scale, without model and schedule, with changes put over them.
function Experiment:base(changes)
    local data = self.scale.data
    local settings = trials.changed(self.scale.training, {
        data = { kind = data.kind, name = name_of_data(self.cfg, data), train = data.train, val = data.val },
    })
    return trials.changed(settings, changes)
end

--- What a training's settings say of a schedule with the scale's strengths: kind = "fixed" trains at one image size
-- throughout, with the last strengths; the others go from the scale's first values to its last ones.
-- @param more of what effv2.schedule[kind] takes, put over it
function Experiment:schedule(kind, more)
    local scale, settings = self.scale, { kind = kind }
    for _, name in ipairs { "image_size", "randaugment", "mixup", "dropout" } do
        settings[name] = kind == "fixed" and scale[name][2] or scale[name]
    end
    if kind == "progressive" or kind == "size_only" then
        settings.stages = scale.stages
    end
    return { schedule = trials.changed(settings, more) }
end

--- A network in a training's settings.
function experiment.with_network(network, changes)
    return trials.changed({ model = network.model, options = network.options }, changes)
end

local function print_plan(self, all, arms)
    for i, by_seed in ipairs(all) do
        local cost = networks.cost({ model = by_seed[1].model, options = by_seed[1].options }, by_seed[1].eval_size,
            self.scale.classes or 10)
        print(("%-44s %d seeds  %d epochs  %.2f M parameters, %.1f M multiply-adds at %d px"):format(arms[i].name, #by_seed,
            by_seed[1].epochs, cost.parameters / 1e6, cost.macs / 1e6, by_seed[1].eval_size))
    end
    local count, done = trials.count(self.records, all)
    print(core.json_encode { dry_run = true, experiment = self.name, scale = self.cfg.scale, trainings = count, done = done })
    os.exit(0)
end

--- How many trainings of train(), which takes the same, have a record.
function Experiment:done(arms, changes, seeds)
    local _, done = trials.count(self.records, trials.settings(self:base(changes), arms, seeds or self.cfg.seeds))
    return done
end

--- Trains every arm with every seed; what has a record is not trained again.
-- @param arms list of { name =, training = changes of base(), and whatever the experiment likes }
-- @param changes of base() for all of them
-- @param seeds how many, where not as the command line says
-- @return as experiment/trials.lua has it
function Experiment:train(arms, changes, seeds)
    local cfg, base = self.cfg, self:base(changes)
    seeds = seeds or cfg.seeds
    if cfg.dry_run then
        print_plan(self, trials.settings(base, arms, seeds), arms)
    end
    local found = trials.run {
        name = self.name, base = base, arms = arms, seeds = seeds, jobs = cfg.jobs, workers = cfg.workers,
        path = self:data_path(), records = self.records, scratch = self.scratch,
    }
    self:add_up(found)
    return found
end

--- Counts trainings, their seconds and their machines for the page.
function Experiment:add_up(found)
    local sum = self.trained
    for _, result in ipairs(found) do
        for i, seconds in ipairs(result.seconds.values) do
            sum.count, sum.seconds, sum.machines[result.machines[i]] = sum.count + 1, sum.seconds + seconds, true
        end
    end
end

--- What make() gives, plain data, from the file beside the results that an earlier run has left, or made and left there.
-- @param what a word for the file's name
-- @param key plain data: what is made is a function of it
-- @param owner the name of the experiment beside whose results the file is, where it is not this one
function Experiment:keep(what, key, make, owner)
    local folder = owner and ("%s/%s"):format(self.cfg.out, owner) or self.folder
    local path = ("%s/%s-%s-%s.json"):format(folder, self.cfg.scale, what, core.digest(core.json_encode(key)))
    local kept = core.read_file(path)
    if kept then
        return assert(core.json_decode(kept, path))
    end
    local made = make()
    assert(core.make_dir(folder))
    assert(core.write_file(path, core.json_encode(made, true) .. "\n"))
    return made
end

--- With dry_run=true prints what would be timed, and ends: for experiments that train nothing, before time().
function Experiment:plan_times(what, list)
    if not self.cfg.dry_run then
        return
    end
    for _, job in ipairs(list) do
        print(("%s: %s, %d x %d px"):format(what, job.model, job.batch, job.image))
    end
    print(core.json_encode { dry_run = true, experiment = self.name, scale = self.cfg.scale, times = #list })
    os.exit(0)
end

--- Times networks by turns (effv2.speed), or takes the times that this machine had before: speeds of a fresh machine are
-- measured again.
-- @param what a word that names the measurement
-- @param list of what effv2.speed takes
-- @param rounds 3 when not given; at scale=smoke 1, with a step each
-- @param owner of keep(), for times that several experiments need
function Experiment:time(what, list, rounds, owner)
    local smoke, jobs = self.cfg.scale == "smoke", {}
    for i, job in ipairs(list) do
        jobs[i] = trials.changed(job, smoke and { steps = 1, warmup = 0 } or {})
    end
    return self:keep(what, { jobs, core.info().cpu, core.threads() }, function()
        return speed.compare(jobs, smoke and 1 or rounds or 3)
    end, owner)
end

--- The values of a result, or of each of a list of results.
local function samples_of(results)
    local samples = {}
    for i, result in ipairs(results.top1 and { results } or results) do
        samples[i] = result.top1.values
    end
    return samples
end

--- A claim of the paper as a comparison of two results of train(), or of the means of two lists of results: that the first
-- has the higher top-1.
-- @param unit of the values, "points" when not given
-- @return { text =, unit =, verdict = "holds", "does not hold" (the opposite does) or "is not decided" (the difference is
-- smaller than its 95 % interval, or there is one seed only), difference = in the unit, interval = half of it }
function Experiment.claim(_, text, better, worse, unit)
    local difference, interval = statistics.difference(samples_of(better), samples_of(worse))
    local verdict = "is not decided"
    if interval and math.abs(difference) > interval then
        verdict = difference > 0 and "holds" or "does not hold"
    end
    return { text = text, unit = unit or "points", verdict = verdict, difference = difference, interval = interval }
end

--- Writes the page, the CSV and the plot, prints the table, and as the last line a JSON object. With dry_run=true writes
-- nothing.
-- @param r { columns =, rows = (of report.table), claims = list of claim(), notes = list of paragraphs, plot = panels of
-- report.plot, or f(path) that draws, picture = "svg" or "png", more = further tables: a list of { name = of its CSV, title =,
-- columns =, rows = } }
function Experiment:report(r)
    r = keys.check("experiment: report", r, {
        columns = keys.none, rows = keys.none, claims = {}, notes = {}, plot = keys.none, picture = "svg", more = {},
    })
    if self.cfg.dry_run then -- nothing was to be trained or timed, or it would have ended before
        print(core.json_encode { dry_run = true, experiment = self.name, scale = self.cfg.scale, trainings = 0 })
        return
    end
    local result = page.write(self, r)
    print(core.json_encode(result))
end

--- @param given { name = the script's, title =, section = of the paper, asks = the question, settings = further keys of the
-- command line and help = of these, scales = those that it has (all when not given) }
-- @return an experiment: cfg (the command line), scale (of experiment.scales), networks (of this scale, see
-- experiment/networks.lua), and the methods above
return setmetatable(experiment, {
    __call = function(_, given)
        local e = keys.check("experiment", given, {
            name = keys.none, title = keys.none, section = keys.none, asks = keys.none, settings = {}, help = {},
            scales = keys.none,
        })
        for _, name in ipairs { "name", "title", "section", "asks" } do
            if type(e[name]) ~= "string" then
                error(("experiment: %s is %s, wanted a text"):format(name, keys.show(e[name])), 2)
            end
        end
        local cfg = read_settings(e)
        local folder = ("%s/%s"):format(cfg.out, e.name)
        return setmetatable({
            name = e.name, title = e.title, section = e.section, asks = e.asks, cfg = cfg, scale = scales[cfg.scale],
            networks = networks.of(cfg.scale), folder = folder, scratch = cfg.out .. "/.work",
            records = records.open(("%s/trainings/%s"):format(cfg.out, cfg.scale)),
            trained = { count = 0, seconds = 0, machines = {} },
        }, Experiment)
    end,
})
