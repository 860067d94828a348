--- The database of studies: what is written there, and by whom, so that several processes can share it.
--
--     studies   id, name, direction, definition (JSON), created
--     trials    id, study, number, seed, parameters (JSON), status, value, started, seconds, host, pid, stamp, worker,
--               log, message, attempts, failures
--     metrics   trial, epoch (NULL: of the whole trial), name, value
--
-- status: waiting, running, complete, stopped (by a stopper) or failed. A running trial belongs to the coordinator
-- (host, pid, stamp) that claimed it; each claim is an attempt with a number, and only the last attempt may write. Times
-- are seconds, started since 1970.
local core = require "effv2.core"

local store = {}

local Store = {}
Store.__index = Store

local APPLICATION = 0x65663273 -- "ef2s", SQLite's application_id
local VERSION = 1

local SCHEMA = [[
CREATE TABLE studies (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, direction TEXT NOT NULL, definition TEXT NOT NULL,
    created INTEGER NOT NULL);
CREATE TABLE trials (
    id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES studies (id), number INTEGER NOT NULL, seed INTEGER NOT NULL,
    parameters TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'complete', 'stopped', 'failed')),
    value REAL, started INTEGER, seconds REAL, host TEXT, pid INTEGER, stamp TEXT, worker INTEGER, log TEXT, message TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, UNIQUE (study, number, seed));
CREATE INDEX trials_by_status ON trials (study, status);
CREATE TABLE metrics (trial INTEGER NOT NULL REFERENCES trials (id), epoch INTEGER, name TEXT NOT NULL, value REAL);
CREATE UNIQUE INDEX metrics_of_trial ON metrics (trial, name, coalesce(epoch, -1));
]]

function Store:rows(sql, ...)
    return assert(self.database:rows(sql, ...))
end

function Store:run(sql, ...)
    return assert(self.database:run(sql, ...))
end

--- Calls f alone among all processes; all that it writes is kept, or nothing if it raises. Returns what f returns.
function Store:transaction(f)
    self:run "BEGIN IMMEDIATE"
    local done, result = pcall(f)
    if done then
        self:run "COMMIT"
        return result
    end
    self.database:run "ROLLBACK" -- fails where SQLite has rolled back itself
    error(result, 0)
end

local function pragma(self, name)
    return self:rows("PRAGMA " .. name)[1][name]
end

local function check_application(self)
    local application, version = pragma(self, "application_id"), pragma(self, "user_version")
    if application ~= APPLICATION then
        error(("%s: a database, but not one of studies; name another file"):format(self.path), 0)
    elseif version ~= VERSION then
        error(("%s: its studies are of version %d, this effv2 knows version %d"):format(self.path, version, VERSION), 0)
    end
end

--- Opens the database of studies at `path`, making it when it is missing unless `read_only`.
function store.open(path, read_only)
    local self = setmetatable({ path = path, database = assert(core.open_database(path, read_only)) }, Store)
    if not read_only then
        self:transaction(function()
            if #self:rows "SELECT name FROM sqlite_master LIMIT 1" == 0 and pragma(self, "application_id") == 0 then
                self:run(SCHEMA)
                self:run(("PRAGMA application_id = %d"):format(APPLICATION))
                self:run(("PRAGMA user_version = %d"):format(VERSION))
            end
        end)
    end
    check_application(self)
    return self
end

function Store:close()
    self.database:close()
end

-- ---- studies --------------------------------------------------------------------------------------------

--- { id, name, direction, definition (a table), created } of the study, or nil.
function Store:study(name)
    local row = self:rows("SELECT * FROM studies WHERE name = ?", name)[1]
    if row then
        row.definition = assert(core.json_decode(row.definition, self.path))
    end
    return row
end

--- Every study with the number of its trials by status, the oldest first.
function Store:studies()
    return self:rows [[
        SELECT s.name, s.direction, s.created, count(t.id) AS trials, total(t.status = 'complete') AS complete,
            total(t.status = 'stopped') AS stopped, total(t.status = 'failed') AS failed,
            total(t.status = 'running') AS running, total(t.status = 'waiting') AS waiting
        FROM studies s LEFT JOIN trials t ON t.study = s.id GROUP BY s.id ORDER BY s.id]]
end

--- Puts a study there unless there is one of that name; returns it as it is then.
function Store:add_study(name, direction, definition)
    return self:transaction(function()
        self:run("INSERT OR IGNORE INTO studies (name, direction, definition, created) VALUES (?, ?, ?, ?)", name, direction,
            core.json_encode(definition), os.time())
        return self:study(name)
    end)
end

--- Puts the trials 0 .. count - 1 there, each once a seed; those that are there stay as they are.
-- @param parameters_of(number) gives a table
function Store:add_trials(study, count, seeds, parameters_of)
    self:transaction(function()
        local known = {}
        for _, row in ipairs(self:rows("SELECT number, seed FROM trials WHERE study = ?", study)) do
            known[row.number .. ":" .. row.seed] = true
        end
        for number = 0, count - 1 do
            local parameters
            for _, seed in ipairs(seeds) do
                if not known[number .. ":" .. seed] then
                    parameters = parameters or core.json_encode(parameters_of(number))
                    self:run("INSERT INTO trials (study, number, seed, parameters, status) VALUES (?, ?, ?, ?, 'waiting')",
                        study, number, seed, parameters)
                end
            end
        end
    end)
end

-- ---- claims ---------------------------------------------------------------------------------------------

local function own_claim()
    return core.host_name(), core.process_id(), core.process_stamp()
end

--- Whether the coordinator behind a claim may still be at work; of other machines nothing is known.
local function is_alive(claim)
    return claim.host ~= core.host_name() or core.process_stamp(claim.pid) == claim.stamp
end

local RELEASE = "UPDATE trials SET status = 'waiting', host = NULL, pid = NULL, stamp = NULL, worker = NULL "

local function release_dead(self, study)
    local claims = self:rows("SELECT DISTINCT host, pid, stamp FROM trials WHERE study = ? AND status = 'running'", study)
    for _, claim in ipairs(claims) do
        if not is_alive(claim) then
            self:run(RELEASE .. "WHERE study = ? AND status = 'running' AND host = ? AND pid = ? AND stamp = ?", study,
                claim.host, claim.pid, claim.stamp)
        end
    end
end

--- Takes the next trial that nobody has, or nil. wishes: study, count and last_seed (what the sweep comprises),
-- retries (how often a failed trial is run again), log(row) (the path of its log).
function Store:claim(wishes)
    return self:transaction(function()
        release_dead(self, wishes.study)
        local row = self:rows([[
            SELECT * FROM trials WHERE study = ? AND number < ? AND seed <= ?
                AND (status = 'waiting' OR (status = 'failed' AND failures <= ?))
            ORDER BY status = 'failed', number, seed LIMIT 1]], wishes.study, wishes.count, wishes.last_seed, wishes.retries)[1]
        if not row then
            return nil
        end
        row.attempts, row.log = row.attempts + 1, wishes.log(row)
        local host, pid, stamp = own_claim()
        self:run([[
            UPDATE trials SET status = 'running', attempts = ?, log = ?, host = ?, pid = ?, stamp = ?, started = ?,
                worker = NULL, value = NULL, seconds = NULL, message = NULL WHERE id = ?]],
            row.attempts, row.log, host, pid, stamp, os.time(), row.id)
        self:run("DELETE FROM metrics WHERE trial = ?", row.id)
        return row
    end)
end

--- Gives a claimed trial back as if it had not been run; nothing happens if it has ended meanwhile.
function Store:release(trial)
    self:run(RELEASE .. "WHERE id = ? AND attempts = ? AND status = 'running'", trial.id, trial.attempts)
end

--- Lets a trial that has ended be claimed once more.
function Store:again(trial)
    self:run(RELEASE .. "WHERE id = ? AND status IN ('complete', 'stopped', 'failed')", trial.id)
end

--- Gives back the running trials of a study that processes of `host` claimed; returns how many. For a machine or a
-- container that is known to be gone: a process that does live there loses its trial.
function Store:release_host(study, host)
    return self:run(RELEASE .. "WHERE study = ? AND status = 'running' AND host = ?", study, host)
end

--- How many trials of a sweep have each status; the trials of others, { host, pid, count }, are in others.
function Store:progress(wishes)
    local counts = { waiting = 0, running = 0, complete = 0, stopped = 0, failed = 0, others = {} }
    for _, row in ipairs(self:rows("SELECT status, count(*) AS n FROM trials WHERE study = ? AND number < ? AND seed <= ? "
        .. "GROUP BY status", wishes.study, wishes.count, wishes.last_seed)) do
        counts[row.status] = row.n
    end
    local host, pid, stamp = own_claim()
    counts.others = self:rows([[
        SELECT host, pid, count(*) AS n FROM trials WHERE study = ? AND status = 'running' AND number < ? AND seed <= ?
            AND NOT (host = ? AND pid = ? AND stamp = ?) GROUP BY host, pid]],
        wishes.study, wishes.count, wishes.last_seed, host, pid, stamp)
    return counts
end

-- ---- a running trial ------------------------------------------------------------------------------------

--- The trial for the process that runs it, its parameters a table; nil when it belongs to another attempt by now.
function Store:begin(id, attempt)
    local changed = self:run("UPDATE trials SET worker = ? WHERE id = ? AND attempts = ? AND status = 'running'",
        core.process_id(), id, attempt)
    return changed == 1 and self:trial(id) or nil
end

local function is_current(self, id, attempt)
    return #self:rows("SELECT id FROM trials WHERE id = ? AND attempts = ? AND status = 'running'", id, attempt) == 1
end

local function write_metrics(self, id, epoch, metrics)
    for name, value in pairs(metrics) do
        self:run("INSERT OR REPLACE INTO metrics (trial, epoch, name, value) VALUES (?, ?, ?, ?)", id, epoch, name, value)
    end
end

--- Records metrics, { name = number }, of an epoch. False when the trial belongs to another attempt by now.
function Store:report(id, attempt, epoch, metrics)
    return self:transaction(function()
        if not is_current(self, id, attempt) then
            return false
        end
        write_metrics(self, id, epoch, metrics)
        return true
    end)
end

--- Ends an attempt: result has status, and where known value, seconds, message, metrics. False, and nothing is
-- written, when the trial has ended already or belongs to another attempt.
function Store:finish(id, attempt, result)
    return self:transaction(function()
        if not is_current(self, id, attempt) then
            return false
        end
        self:run("UPDATE trials SET status = ?, value = ?, seconds = ?, message = ?, failures = failures + ? WHERE id = ?",
            result.status, result.value, result.seconds, result.message, result.status == "failed", id)
        write_metrics(self, id, nil, result.metrics or {})
        return true
    end)
end

--- What other trials of the study reported first at an epoch in first <= epoch < last; see stopper:should_stop.
function Store:peers(trial, first, last, complete)
    local list = {}
    local rows = self:rows([[
        SELECT m.value AS value, min(m.epoch) AS epoch FROM metrics m JOIN trials t ON t.id = m.trial
        WHERE t.study = ? AND t.id <> ? AND m.name = 'value' AND m.epoch >= ? AND m.epoch < ?
            AND (t.status = 'complete' OR NOT ?) GROUP BY m.trial]], trial.study, trial.id, first, last, complete)
    for i, row in ipairs(rows) do
        list[i] = row.value or 0 / 0
    end
    return list
end

-- ---- reading --------------------------------------------------------------------------------------------

local function with_parameters(self, row)
    row.parameters = assert(core.json_decode(row.parameters, self.path))
    return row
end

function Store:trial(id)
    local row = self:rows("SELECT * FROM trials WHERE id = ?", id)[1]
    return row and with_parameters(self, row)
end

--- The last values of every metric of a study's trials: { [id] = { name = value } }.
local function last_metrics(self, study)
    local by_trial = {}
    for _, row in ipairs(self:rows([[
        SELECT m.trial AS trial, m.name AS name, m.value AS value, max(coalesce(m.epoch, 9e15)) AS epoch
        FROM metrics m JOIN trials t ON t.id = m.trial WHERE t.study = ? GROUP BY m.trial, m.name]], study)) do
        by_trial[row.trial] = by_trial[row.trial] or {}
        by_trial[row.trial][row.name] = row.value
    end
    return by_trial
end

--- All trials of a study by number and seed; metrics holds the last value of each metric, the trial's own first.
function Store:trials(study)
    local metrics = last_metrics(self, study)
    local list = self:rows("SELECT * FROM trials WHERE study = ? ORDER BY number, seed", study)
    for _, row in ipairs(list) do
        with_parameters(self, row)
        row.metrics = metrics[row.id] or {}
        row.metrics.value = nil
    end
    return list
end

--- The reports of a trial, a list of { epoch, name, value } by epoch.
function Store:reports(id)
    return self:rows("SELECT epoch, name, value FROM metrics WHERE trial = ? AND epoch IS NOT NULL ORDER BY epoch, name", id)
end

--- The running trials of a study with their last report (epoch, reported).
function Store:running(study)
    local list = self:rows([[
        SELECT t.*, m.value AS reported, max(m.epoch) AS epoch FROM trials t
        LEFT JOIN metrics m ON m.trial = t.id AND m.name = 'value'
        WHERE t.study = ? AND t.status = 'running' GROUP BY t.id ORDER BY t.started, t.id]], study)
    for _, row in ipairs(list) do
        with_parameters(self, row)
    end
    return list
end

return store
