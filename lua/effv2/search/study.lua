--- A study: many trials of an objective, each a process of its own, recorded in an SQLite database.
--
--     local space = effv2.search.space
--     local study = effv2.search.study {
--       name = "lr", path = "study.db", trials = 200, jobs = 2, seeds = 3, direction = "maximize",
--       space = { lr = space.log(1e-4, 1e-1), width = space.int(1, 8), act = { "relu", "silu" } },
--       objective = function(trial)
--         for epoch = 1, 10 do
--           ... trial.params.lr ... trial.seed ...
--           trial:report(epoch, accuracy, { loss = loss })
--         end
--         return accuracy, { parameters = count }
--       end,
--     }
--     study:run()
--     print(study:summary())
--
-- Each trial runs the script again, up to study:run(), which then calls the objective for that trial alone: what stands
-- before it should be quick. The same command goes on with a study that was interrupted; trials with a result are not
-- run again, and several such processes share the trials of a database.
local coordinator = require "effv2.search.coordinator"
local keys = require "effv2.keys"
local results = require "effv2.search.results"
local space = require "effv2.search.space"
local stopper = require "effv2.search.stopper"
local store = require "effv2.search.store"
local suggest = require "effv2.suggest"
local worker = require "effv2.search.worker"
local core = require "effv2.core"

local Study = {}
Study.__index = Study

-- ---- arguments ------------------------------------------------------------------------------------------

local defaults = {
    name = keys.none,         -- in the database: letters, digits, "_", "-", "."
    path = "study.db",        -- the database
    objective = keys.none,    -- function(trial), or the path of a Lua file that returns one
    space = keys.none,        -- { name = what it may be }, see effv2.search.space
    trials = keys.none,       -- configurations; of a grid all by default
    seeds = 1,                -- each is run with the seeds seed, seed + 1, ...
    seed = 0,                 -- of the random parameters, and the first of the trials
    jobs = 1,                 -- trials at a time; they share the threads of this process
    direction = "maximize",   -- or "minimize"
    sampler = "random",       -- or "grid"
    stopper = keys.none,      -- "none", "median", "halving", or one of effv2.search.stopper
    retries = 0,              -- how often a failed trial is run again
    logs = keys.none,         -- a folder for their output; study-logs/NAME beside study.db by default
    quiet = false,            -- shows nothing while it runs
}

local function want_word(name, value, words)
    for _, word in ipairs(words) do
        if word == value then
            return
        end
    end
    error(("study: %s is %s, wanted %s%s"):format(name, keys.show(value), table.concat(words, " or "),
        type(value) == "string" and suggest.hint(value, words) or ""), 4)
end

local function want_name(name)
    if type(name) ~= "string" or not name:match "^[%w_][%w_.%-]*$" then
        error(("study: name is %s, wanted letters, digits, '_', '-' and '.'"):format(keys.show(name)), 4)
    end
end

--- The function that an objective stands for: itself, or what a Lua file returns.
local function load_objective(objective)
    if type(objective) == "function" then
        return objective
    elseif type(objective) ~= "string" then
        error(("study: objective is %s, wanted a function(trial) or the path of a Lua file that returns one"):format(
            objective == nil and "missing" or "a " .. type(objective)), 4)
    end
    local chunk, message = loadfile(objective)
    if not chunk then
        error("study: objective: " .. message, 4)
    end
    package.path = ("%s/?.lua;%s"):format(objective:match "^(.*)/" or ".", package.path)
    local loaded = chunk()
    if type(loaded) ~= "function" then
        error(("study: objective: %s returns a %s, wanted a function(trial)"):format(objective, type(loaded)), 4)
    end
    return loaded
end

local function make_stopper(given)
    if given == nil then
        return stopper.none {}
    elseif type(given) == "string" then
        want_word("stopper", given, { "none", "median", "halving" })
        return stopper[given] {}
    elseif type(given) ~= "table" or not given.should_stop then
        error("study: stopper is no stopper, wanted none, median, halving, or one of effv2.search.stopper", 4)
    end
    return given
end

local function check(given)
    local s = keys.check("study", given, defaults, 3)
    want_name(s.name)
    keys.want_whole("study", "trials", s.trials, 1, s.sampler == "grid", 3)
    for _, name in ipairs { "jobs", "seeds" } do
        keys.want_whole("study", name, s[name], 1, false, 3)
    end
    keys.want_whole("study", "seed", s.seed, 0, false, 3)
    keys.want_whole("study", "retries", s.retries, 0, false, 3)
    want_word("direction", s.direction, { "maximize", "minimize" })
    want_word("sampler", s.sampler, { "random", "grid" })
    s.stopper = make_stopper(s.stopper)
    s.objective_file = type(s.objective) == "string" and s.objective or nil
    s.objective = load_objective(s.objective)
    local made, result = pcall(space.new, s.space)
    if not made then
        error("study: " .. result, 3)
    end
    s.space = result
    s.logs = s.logs or ("%s-logs/%s"):format(s.path:gsub("%.db$", ""), s.name)
    return s
end

-- ---- the definition, which stays the same as long as the study lives -------------------------------------

local function definition_of(s)
    return { space = s.space:texts(), sampler = s.sampler, stopper = s.stopper:definition(), seed = s.seed,
        direction = s.direction }
end

--- The values of nested tables under dotted names, as texts.
local function flatten(value, name, flat)
    if type(value) ~= "table" then
        flat[name] = tostring(value)
        return flat
    end
    for key, item in pairs(value) do
        flatten(item, name and name .. "." .. key or key, flat)
    end
    return flat
end

--- What differs between two definitions, a list of texts.
local function differences(there, here)
    local a, b, names, list = flatten(there, nil, {}), flatten(here, nil, {}), {}, {}
    for _, flat in ipairs { a, b } do
        for name in pairs(flat) do
            names[name] = true
        end
    end
    for name in pairs(names) do
        if a[name] ~= b[name] then
            list[#list + 1] = ("%s is %s there and %s here"):format(name, a[name] or "missing", b[name] or "missing")
        end
    end
    table.sort(list)
    return list
end

local function check_definition(s, row)
    local list = differences(row.definition, definition_of(s))
    if #list > 0 then
        error(("study: %s holds a study \"%s\" of another definition: %s; take another name, or the old definition"):format(
            s.path, s.name, table.concat(list, "; ")), 0)
    end
end

-- ---- running --------------------------------------------------------------------------------------------

--- Where parameters of trial number n (from 0) come from, and how many trials there are.
local function sampling(s)
    if s.sampler == "random" then
        return s.trials, function(number)
            return s.space:random(s.seed, number)
        end
    end
    local grid = s.space:grid()
    return math.min(s.trials or #grid, #grid), function(number)
        return grid[number + 1]
    end
end

local function seeds_of(s)
    local seeds = {}
    for i = 1, s.seeds do
        seeds[i] = s.seed + i - 1
    end
    return seeds
end

--- The command that runs a trial: this script with its arguments, or the objective's file alone.
local function command_of(s)
    local program = core.program_path()
    if s.objective_file then
        return { program, "-e", "require('effv2') require('effv2.search.study').run_file()" }
    end
    if not arg or not arg[0] or arg[0] == "-" or not core.file_exists(arg[0]) then
        error("study: the objective is a function, and each trial runs its script again; write it into a file and run that, "
            .. "or give objective = \"FILE.lua\"", 0)
    end
    local command, first = { program }, 0
    while arg[first - 1] do
        first = first - 1
    end
    for i = first + (first < 0 and 1 or 0), #arg do -- plain LuaJIT has its own name and options before the script
        command[#command + 1] = arg[i]
    end
    return command
end

--- Whether this process is a trial of this study.
local function is_own_trial(self)
    local task = worker.task()
    return task and task.database == self.path and task.study == self.name
end

--- Runs the trials that are not done yet, `jobs` at a time, and returns the study when all are done. A signal ends it
-- early with an error; the trials that ran then count as not run.
function Study:run()
    if is_own_trial(self) then
        worker.run(self)
    elseif worker.task() then
        return self -- a trial of a study that stands further down in the script
    end
    local opened = store.open(self.path)
    local row = opened:add_study(self.name, self.direction, definition_of(self))
    check_definition(self, row)
    local count, parameters_of = sampling(self)
    opened:add_trials(row.id, count, seeds_of(self), parameters_of)
    coordinator.run {
        store = opened, study = row.id, name = self.name, path = self.path, direction = self.direction, jobs = self.jobs,
        count = count, last_seed = self.seed + self.seeds - 1, retries = self.retries, logs = self.logs,
        quiet = self.quiet, objective = self.objective_file, command = command_of(self),
    }
    opened:close()
    return self
end

--- Has trials that have ended run once more by the next run().
-- @param wanted(trial) says whether: it gets a row of the database, parameters a table
function Study:again(wanted)
    if not core.file_exists(self.path) then
        return
    end
    local opened = store.open(self.path)
    local row = opened:study(self.name)
    for _, trial in ipairs(row and opened:trials(row.id) or {}) do
        if wanted(trial) then
            opened:again(trial)
        end
    end
    opened:close()
end

--- The results in the database: see effv2.search.results.
function Study:results()
    return results.open(self.path, self.name)
end

--- The configurations with mean and deviation of their values over the seeds, the best first; prints as a table.
function Study:summary()
    local all = self:results()
    local summary = all:summary()
    all:close()
    return summary
end

--- The best configuration (an entry of the summary), or nil when no trial has a result.
function Study:best()
    local first = self:summary()[1]
    return first and first.mean and first or nil
end

-- ---- a trial of an objective in a file ------------------------------------------------------------------

local study = {}

--- What a process runs that is a trial of an objective in a file.
function study.run_file()
    local task = assert(worker.task(), "this process is no trial")
    local opened = store.open(task.database)
    local definition = assert(opened:study(task.study)).definition
    opened:close()
    worker.run { objective = load_objective(task.objective), stopper = stopper.from(definition.stopper),
        direction = definition.direction }
end

return setmetatable(study, {
    __call = function(_, given)
        return setmetatable(check(given), Study)
    end,
})
