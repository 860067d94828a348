--- The records of trainings: one JSON file each, named by its settings, with settings, result and machine.
--
-- A record stands for its training: what is there is not run again, by this experiment or another one, on this machine or
-- after a clone. Removing the file has the training run again.
local core = require "effv2.core"
local training = require "effv2.experiment.training"

local records = {}

local Records = {}
Records.__index = Records

--- Keeps records in a folder.
function records.open(folder)
    return setmetatable({ folder = folder }, Records)
end

function Records:path(settings)
    return ("%s/%s.json"):format(self.folder, training.key(settings))
end

--- The result of a training that was run, and the machine that ran it: { cpu =, isa =, threads = }; nil where it was not.
function Records:find(settings)
    local path = self:path(settings)
    if not core.file_exists(path) then
        return nil
    end
    local record, message = core.json_decode(assert(core.read_file(path)), path)
    if message then
        error(message .. "; remove it to have that training run again", 0)
    elseif type(record) ~= "table" or type(record.result) ~= "table" or type(record.result.top1) ~= "number"
        or core.json_encode(record.settings) ~= core.json_encode(settings) then
        error(path .. ": it is no record of the training that its name stands for; remove it to have that run again", 0)
    end
    return record.result, record.machine
end

--- Keeps a result.
function Records:keep(settings, result)
    local info = core.info()
    assert(core.make_dir(self.folder))
    assert(core.write_file(self:path(settings), core.json_encode({
        settings = settings, result = result, version = core.version,
        machine = { cpu = info.cpu, isa = info.isa, threads = core.threads() },
    }, true) .. "\n"))
end

return records
