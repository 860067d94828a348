--- Runs the trainings of an experiment as a study: each in a process of its own, several at a time, killed ones again.
local core = require "effv2.core"
local records = require "effv2.experiment.records"
local statistics = require "effv2.experiment.statistics"
local training = require "effv2.experiment.training"

local trials = {}

--- A copy of a table with the changes, which may be nested, put over it. A list is replaced as a whole, and so is a `model`:
-- a network is never made of two descriptions.
local function changed(settings, changes)
    local copy = {}
    for key, value in pairs(settings) do
        copy[key] = value
    end
    for key, value in pairs(changes or {}) do
        local both = type(value) == "table" and type(copy[key]) == "table" and #value == 0 and key ~= "model"
        copy[key] = both and changed(copy[key], value) or value
    end
    return copy
end
trials.changed = changed

--- The settings of every training: a list by arm of lists by seed.
function trials.settings(base, arms, seeds)
    local all = {}
    for i, arm in ipairs(arms) do
        all[i] = {}
        for seed = 0, seeds - 1 do
            local settings = changed(base, arm.training)
            settings.seed = seed
            all[i][seed + 1] = training.check(settings)
        end
    end
    return all
end

--- Removes a folder and what is in it.
local function remove_folder(path)
    for _, entry in ipairs(core.list_dir(path) or {}) do
        local inside = path .. "/" .. entry.name
        if entry.is_dir then
            remove_folder(inside)
        else
            core.remove_file(inside)
        end
    end
    core.remove_file(path)
end

--- Makes a folder and takes it, once nobody else has it: another experiment may run the same training.
local function wait_for(folder)
    while true do
        assert(core.make_dir(folder))
        local lock, message, code = core.lock_dir(folder)
        if lock then
            return lock
        elseif code ~= "state" and core.dir_exists(folder) then
            error(message, 0)
        end
        core.sleep(1)
    end
end

--- What a trial does: its training, unless a record has it.
-- @param text the plan of write_objective
function trials.objective(text)
    local plan = assert(core.json_decode(text))
    local kept = records.open(plan.records)
    return function(trial)
        local settings = plan.trainings[trial.params.training][trial.seed + 1]
        local folder = ("%s/%s"):format(plan.scratch, training.key(settings))
        local lock = wait_for(folder)
        local result = kept:find(settings)
        if not result then
            result = training.run(settings, {
                path = plan.path, run = folder .. "/run", workers = plan.workers,
                report = function(epoch, top1) trial:report(epoch, top1) end,
            })
            kept:keep(settings, result)
        end
        remove_folder(folder)
        lock:release()
        return result.top1
    end
end

--- The settings of every arm's trainings under its name.
local function by_name(arms, all)
    local named = {}
    for i, arm in ipairs(arms) do
        if named[arm.name] then
            error(("experiment: two trainings are named \"%s\""):format(arm.name), 0)
        end
        named[arm.name] = all[i]
    end
    return named
end

--- Writes the file that trials run, so that none runs the script of the experiment again, and returns its path.
local function write_objective(o, named, name)
    local plan = core.json_encode {
        trainings = named, records = o.records.folder, scratch = o.scratch, path = o.path, workers = o.workers,
    }
    local path = ("%s/%s.lua"):format(o.scratch, name)
    assert(core.write_file(path, ('return require("effv2.experiment.trials").objective(%q)\n'):format(plan)))
    return path
end

--- How many trainings there are, and how many of them have a record.
function trials.count(records_of, all)
    local count, done = 0, 0
    for _, by_seed in ipairs(all) do
        for _, settings in ipairs(by_seed) do
            count, done = count + 1, done + (records_of:find(settings) and 1 or 0)
        end
    end
    return count, done
end

local function names_of_arms(arms)
    local names = {}
    for i, arm in ipairs(arms) do
        names[i] = arm.name
    end
    return names
end

--- The study that runs the trainings. Those that ended without leaving a record, or whose record was removed since, it runs
-- again.
local function study_of(o, all)
    local names, named = names_of_arms(o.arms), by_name(o.arms, all)
    local name = ("%s-%s"):format(o.name, core.digest(core.json_encode { names, all }))
    local study = require "effv2.search.study" {
        name = name, path = o.scratch .. "/study.db", space = { training = names }, sampler = "grid", seeds = o.seeds,
        jobs = o.jobs, objective = write_objective(o, named, name),
    }
    study:again(function(trial) return not o.records:find(named[trial.parameters.training][trial.seed + 1]) end)
    return study
end

--- The results of an arm over its seeds.
local function result_of(o, study, arm, by_seed)
    local top1, seconds, first, runs, machines = {}, {}, nil, {}, {}
    for i, settings in ipairs(by_seed) do
        local result, machine = o.records:find(settings)
        if not result then
            error(("%s: the training with seed %d failed; effv2 recipes/study.lua show %s db=%s says why"):format(arm.name,
                settings.seed, study.name, study.path), 0)
        end
        first = first or result
        top1[i], seconds[i], runs[i] = 100 * result.top1, result.processor_seconds or result.seconds, result
        machines[i] = ("%s (%s)"):format(machine.cpu, machine.isa)
    end
    return {
        name = arm.name, arm = arm, top1 = statistics.spread(top1), seconds = statistics.spread(seconds),
        parameters = first.parameters, runs = runs, machines = machines,
    }
end

--- Runs the trainings that have no record yet.
-- @param o { name =, base = settings, arms = list of { name =, training = changes of them }, seeds =, jobs =, path = of the
-- data, records =, scratch = a folder, workers = }
-- @return by arm { name =, arm =, top1 = in percent and seconds = (spreads over the seeds; seconds of computing, all threads
-- together, which other work on the machine hardly changes; of a training that was interrupted those that passed),
-- parameters =, runs = the results and machines = texts, by seed }
function trials.run(o)
    local all = trials.settings(o.base, o.arms, o.seeds)
    local count, done = trials.count(o.records, all)
    local study
    if done < count then
        assert(core.make_dir(o.scratch))
        study = study_of(o, all):run()
    end
    local results = {}
    for i, arm in ipairs(o.arms) do
        results[i] = result_of(o, study, arm, all[i])
    end
    return results
end

return trials
