--- The loop that keeps `jobs` trials of a study running, each a process, until none is left.
local board = require "effv2.search.board"
local core = require "effv2.core"
local worker = require "effv2.search.worker"

local coordinator = {}

local Coordinator = {}
Coordinator.__index = Coordinator

local PAUSE = 0.01         -- seconds between two looks at the processes, after one has ended,
local LONGEST_PAUSE = 0.2  -- and while nothing happens
local IDLE = 0.3           -- and between two looks for a trial, when there was none
local GRACE = 3            -- so long may a trial take to end itself when it is asked to
local TAIL_LINES, TAIL_BYTES = 12, 4000
local SIGINT, SIGKILL, SIGTERM = 2, 9, 15

--- The last lines of a file.
local function tail(path)
    local file = io.open(path, "rb")
    if not file then
        return ""
    end
    file:seek("set", math.max(0, file:seek "end" - TAIL_BYTES))
    local text, lines = file:read "*a", {}
    file:close()
    for line in text:gmatch "[^\r\n]+" do
        lines[#lines + 1] = line
    end
    return table.concat(lines, "\n", math.max(1, #lines - TAIL_LINES + 1))
end

--- How a process ended that left no result, and what it last wrote.
local function message_of(kind, code, log)
    local text
    if kind == "signal" then
        text = ("killed by signal %d (%s)"):format(code, core.signal_name(code))
    elseif code == 0 then
        text = "ended without a result (exit code 0): does the script reach study:run()?"
    else
        text = ("ended with exit code %d"):format(code)
    end
    local last = tail(log)
    return last ~= "" and text .. "\n" .. last or text
end

-- ---- trials ---------------------------------------------------------------------------------------------

function Coordinator:start(trial)
    local task = core.json_encode {
        database = self.path, study = self.name, id = trial.id, attempt = trial.attempts, parent = core.process_id(),
        threads = self.threads, objective = self.objective,
    }
    local pid, message = core.start_process(self.command,
        { worker.VARIABLE .. "=" .. task, "OMP_NUM_THREADS=" .. self.threads }, trial.log)
    if not pid then
        self.store:release(trial)
        error(message, 0)
    end
    self.children[#self.children + 1] = { pid = pid, trial = trial, started = core.clock() }
end

--- Starts trials while there are free places and trials that nobody has. False when there is no trial.
function Coordinator:fill()
    while #self.children < self.jobs do
        local trial = self.store:claim(self.wishes)
        if not trial then
            return false
        end
        self:start(trial)
    end
    return true
end

--- Records how a process ended, unless it has recorded its result itself.
function Coordinator:settle(child, kind, code)
    local trial = child.trial
    local failed = self.store:finish(trial.id, trial.attempts, {
        status = "failed", message = message_of(kind, code, trial.log), seconds = core.clock() - child.started,
    })
    local row = self.store:trial(trial.id)
    if failed or row.attempts == trial.attempts then
        self.board:ended(row)
    end
end

--- Takes the processes that have ended out of the list; calls ended(child, kind, code) for each.
function Coordinator:reap(ended)
    local going = {}
    for _, child in ipairs(self.children) do
        local kind, code = core.look_at_process(child.pid)
        if kind then
            ended(child, kind, code)
        else
            going[#going + 1] = child
        end
    end
    local changed = #going < #self.children
    self.children = going
    return changed
end

--- Ends all processes; trials without a result count as not run.
function Coordinator:stop()
    local function forget(child)
        self.store:release(child.trial)
    end
    local asked = core.clock()
    for _, child in ipairs(self.children) do
        core.signal_process(child.pid, SIGTERM)
    end
    while #self.children > 0 and core.clock() - asked < GRACE do
        self:reap(forget)
        core.sleep(PAUSE)
    end
    for _, child in ipairs(self.children) do
        core.signal_process(child.pid, SIGKILL)
        core.look_at_process(child.pid, true)
        forget(child)
    end
    self.children = {}
end

-- ---- the loop -------------------------------------------------------------------------------------------

function Coordinator:check_signal()
    if core.interrupted() then
        local code = core.take_interrupt() == SIGINT and 130 or 75
        error({ exit_code = code, message = ("study %s: interrupted; the same command goes on"):format(self.name) }, 0)
    end
end

--- True when every trial of the sweep has ended, also those that other processes run.
function Coordinator:is_done()
    local progress = self.store:progress(self.wishes)
    self.board:wait_for(progress.others)
    return #self.children == 0 and progress.running == 0
end

function Coordinator:loop()
    local look_again, pause, done = 0, PAUSE, false
    while not done do
        self:check_signal()
        pause = math.min(pause * 1.2, LONGEST_PAUSE)
        if self:reap(function(...) self:settle(...) end) then
            look_again, pause = 0, PAUSE
        end
        if #self.children < self.jobs and core.clock() >= look_again and not self:fill() then
            look_again = core.clock() + IDLE
            done = self:is_done()
        end
        if not done then
            self.board:show()
            core.sleep(pause)
        end
    end
end

--- Runs a sweep. given: store, study (id), name, path, direction, command (a list), objective (a file, or nil), jobs,
-- count (trials), last_seed, retries, logs (a folder), quiet.
function coordinator.run(given)
    local self = setmetatable({ children = {} }, Coordinator)
    for name, value in pairs(given) do
        self[name] = value
    end
    self.threads = math.max(1, math.floor(core.threads() / self.jobs))
    self.wishes = {
        study = self.study, count = self.count, last_seed = self.last_seed, retries = self.retries,
        log = function(trial)
            return ("%s/%05d-%d.log"):format(self.logs, trial.number, trial.seed)
        end,
    }
    assert(core.make_dir(self.logs))
    self.board = board.new(self)
    local fine, problem = pcall(self.loop, self)
    local stopped, message = pcall(self.stop, self)
    self.board:close()
    if not fine or not stopped then
        error(not fine and problem or message, 0)
    end
end

return coordinator
