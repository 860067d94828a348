--- A run's folder: configuration, metrics, log and checkpoints, each written so that a crash harms nothing.
--
--     RUN/config.json          the resolved settings, as data; there as soon as the run can be resumed
--     RUN/metrics.jsonl        one object a line, kind "step" or "epoch", appended
--     RUN/log.txt              what standard error said, in plain lines
--     RUN/checkpoints/         last, previous (to resume) and best (weights), .safetensors
local core = require "effv2.core"

local run = {}

local Run = {}
Run.__index = Run

--- A new folder, runs/20261124-141503-<label>, with a suffix when it is taken. Made under another name and renamed,
-- so that two processes never share one.
local function claim_fresh_folder(label)
    local claim = ("runs/.new-%s-%d"):format(core.host_name(), core.process_id())
    assert(core.make_dir(claim .. "/checkpoints"))
    local base = ("runs/%s-%s"):format(os.date "%Y%m%d-%H%M%S", label)
    local folder, n = base, 1
    local ok, message = core.rename_file(claim, folder)
    while not ok and core.dir_exists(folder) do
        n = n + 1
        folder = ("%s-%d"):format(base, n)
        ok, message = core.rename_file(claim, folder)
    end
    assert(ok, message)
    return folder
end

--- The run in a folder, which is this process's until Run:release.
local function take(folder)
    local lock, message, code = core.lock_dir(folder)
    if not lock then
        local cure = code == "state" and " (wait until it ends, or name another folder with run=)" or ""
        error(message .. cure, 0)
    end
    return setmetatable({ folder = folder, lock = lock }, Run)
end

--- Makes the folder of a new run; one that already holds a run, or is another process's, is refused.
function run.create(folder, label)
    if not folder then
        return take(claim_fresh_folder(label))
    end
    assert(core.make_dir(folder .. "/checkpoints"))
    local taken = take(folder)
    if core.file_exists(folder .. "/config.json") then
        taken:release()
        error(("%s holds a run already: continue it with resume=%s, or name another folder with run="):format(folder,
            folder), 0)
    end
    return taken
end

--- Gives the folder back. The end of the process does so too.
function Run:release()
    self.lock:release()
end

function Run:write_settings(settings)
    assert(core.write_file(self.folder .. "/config.json", core.json_encode(settings, true) .. "\n"))
end

--- Opens an existing run's folder to go on; one that another process is at work in is refused.
function run.open(folder)
    if not core.dir_exists(folder) then
        error(("resume=%s: there is no such folder"):format(folder), 0)
    end
    if not core.file_exists(folder .. "/config.json") then
        error(("resume=%s: no run is there, or it ended before its first checkpoint: start it with run=%s"):format(folder,
            folder), 0)
    end
    return take(folder)
end

--- The settings that a run was started with, a table; nil, message when they cannot be read.
function run.settings(folder)
    local text, message = core.read_file(folder .. "/config.json")
    if not text then
        return nil, message
    end
    local settings
    settings, message = core.json_decode(text, folder .. "/config.json")
    if settings ~= nil and type(settings) ~= "table" then
        return nil, ("%s/config.json: it holds a %s, wanted an object of settings"):format(folder, type(settings))
    end
    return settings, message
end

function Run:checkpoint_path(name)
    return ("%s/checkpoints/%s.safetensors"):format(self.folder, name)
end

--- Appends one object to metrics.jsonl.
function Run:metric(values)
    assert(core.append_line(self.folder .. "/metrics.jsonl", core.json_encode(values)))
end

--- Text to standard error and to the log.
function Run:log(text)
    io.stderr:write(text, "\n")
    self:note(text)
end

--- Text to the log alone.
function Run:note(text)
    for line in (text .. "\n"):gmatch "(.-)\n" do
        assert(core.append_line(self.folder .. "/log.txt", line))
    end
end

--- Drops the metrics behind a checkpoint (a killed run had gone on), keeping them aside.
-- @param step of the checkpoint
-- @param epochs_done that were evaluated before it
function Run:cut_metrics(step, epochs_done)
    local path = self.folder .. "/metrics.jsonl"
    if not core.file_exists(path) then
        return
    end
    local kept, cut = {}, {}
    for line in assert(core.read_file(path)):gmatch "[^\n]+" do
        local value = core.json_decode(line, path)
        local known = type(value) == "table" and type(value.step) == "number" and value.step <= step
            and (value.kind ~= "epoch" or value.epoch <= epochs_done)
        table.insert(known and kept or cut, line)
    end
    if #cut == 0 then
        return
    end
    assert(core.write_file(("%s/metrics.cut-%d.jsonl"):format(self.folder, step), table.concat(cut, "\n") .. "\n"))
    assert(core.write_file(path, #kept > 0 and table.concat(kept, "\n") .. "\n" or ""))
end

return run
