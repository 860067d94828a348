--- The process of one trial. It runs the script of the study again, up to study:run(), which finds here which trial
-- it is, calls the objective, records the result and ends the process.
local core = require "effv2.core"
local store = require "effv2.search.store"

local worker = {}

--- The environment variable that tells a process which trial it is, in JSON; processes of its own do not see it.
worker.VARIABLE = "EFFV2_TRIAL"

local task -- { database =, study =, id =, attempt =, parent =, threads =, objective = }, or nil

--- Called when effv2 is loaded: a process that is a trial ends with the process that started it.
function worker.begin()
    local text = core.take_variable(worker.VARIABLE)
    if text then
        task = assert(core.json_decode(text, worker.VARIABLE))
        if not core.follow_process(task.parent) then
            os.exit(1)
        end
    end
end

--- The trial that this process is, or nil.
function worker.task()
    return task
end

-- ---- the trial as the objective sees it -----------------------------------------------------------------

local Trial = {}
Trial.__index = Trial

local stop = setmetatable({}, { __tostring = function() return "the trial was stopped early" end })

local function want_metrics(metrics, what)
    for name, value in pairs(metrics or {}) do
        if type(name) ~= "string" or type(value) ~= "number" then
            error(("%s: metric %s is a %s, wanted a number under a name"):format(what, tostring(name), type(value)), 3)
        elseif name == "value" then
            error(("%s: a metric cannot be called value, which the objective's own is called"):format(what), 3)
        end
    end
end

--- Records the value that the objective has reached after `epoch` (whole, growing), and further metrics by name.
-- Does not return when the study's stopper ends the trial, which then counts as stopped with this value.
function Trial:report(epoch, value, metrics)
    if type(epoch) ~= "number" or epoch < 0 or epoch ~= math.floor(epoch) then
        error(("trial:report: epoch is %s, wanted a whole number from 0"):format(tostring(epoch)), 2)
    elseif type(value) ~= "number" then
        error(("trial:report: value is a %s, wanted a number"):format(type(value)), 2)
    end
    local last = self.curve[#self.curve]
    if last and epoch <= last.epoch then
        error(("trial:report: epoch %d after epoch %d, wanted growing numbers"):format(epoch, last.epoch), 2)
    end
    want_metrics(metrics, "trial:report")
    local all = { value = value }
    for name, number in pairs(metrics or {}) do
        all[name] = number
    end
    if not self.store:report(self.row.id, self.row.attempts, epoch, all) then
        os.exit(1) -- another process runs this trial by now
    end
    self.curve[#self.curve + 1] = { epoch = epoch, value = value }
    local function peers(first, last_epoch, complete)
        return self.store:peers(self.row, first, last_epoch, complete)
    end
    if self.stopper:should_stop(self.curve, peers, self.maximize) then
        error(stop, 0)
    elseif core.interrupted() then
        error("interrupted", 0)
    end
end

local function new_trial(study, opened, row)
    return setmetatable({
        number = row.number, seed = row.seed, params = row.parameters, threads = task.threads, log = row.log,
        run = ("%s-%d.run"):format(row.log:gsub("%.log$", ""), row.attempts),
        curve = {}, store = opened, row = row, stopper = study.stopper, maximize = study.direction == "maximize",
    }, Trial)
end

-- ---- running it -----------------------------------------------------------------------------------------

--- Whether an error stands for a signal that asks the process to end, which says nothing of the trial.
local function is_interruption(problem)
    return core.interrupted() or type(problem) == "table" and (problem.exit_code == 75 or problem.exit_code == 130)
end

local function describe(problem)
    if problem == stop then
        return problem
    end
    local text = type(problem) == "table" and problem.message or tostring(problem)
    return { problem = problem, text = text, trace = debug.traceback(text, 2) }
end

--- What the objective's return stands for.
local function result_of(value, metrics)
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
        return { status = "failed", message = ("the objective returned %s, wanted a finite number"):format(
            type(value) == "number" and tostring(value) or "a " .. type(value)) }
    elseif metrics ~= nil and type(metrics) ~= "table" then
        return { status = "failed", message = ("the objective's second result is a %s, wanted a table of metrics"):format(
            type(metrics)) }
    end
    local fine, message = pcall(want_metrics, metrics, "the objective's second result")
    if not fine then
        return { status = "failed", message = message }
    end
    return { status = "complete", value = value, metrics = metrics }
end

--- The result of a call of the objective, or nil when a signal ended it.
local function attempt(objective, trial)
    local done, value, metrics = xpcall(objective, describe, trial)
    if done then
        return result_of(value, metrics)
    elseif value == stop then
        return { status = "stopped", value = trial.curve[#trial.curve].value }
    elseif is_interruption(value.problem) then
        return nil
    end
    io.stderr:write(value.trace, "\n")
    return { status = "failed", message = value.text }
end

--- Runs the trial that this process is, one of the study's, and ends the process.
function worker.run(study)
    local opened = store.open(task.database)
    local row = opened:begin(task.id, task.attempt)
    if not row then
        os.exit(1) -- another process runs this trial by now
    end
    core.manual_seed(row.seed)
    local started = core.clock()
    local result = attempt(study.objective, new_trial(study, opened, row))
    if not result then
        os.exit(75)
    end
    result.seconds = core.clock() - started
    opened:finish(row.id, row.attempts, result)
    opened:close()
    print(("trial %d, seed %d: %s%s"):format(row.number, row.seed, result.status,
        result.value and (", value %.9g"):format(result.value) or ": " .. result.message))
    os.exit(result.status ~= "failed")
end

return worker
