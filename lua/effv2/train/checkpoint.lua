--- Checkpoints: everything that a training needs to go on exactly where it stood, in one safetensors file.
--
-- Tensors: model.<path>, optimiser.<state>, average.<part>. Scalars (step, sums of the running epoch, best result)
-- are JSON in the metadata entry "effv2.state". Nothing in the file is executed. A run keeps two, last and previous,
-- so that one of them is whole at any moment.
local core = require "effv2.core"
local names_of = require "effv2.names_of"

local checkpoint = {}

local FORMAT = "1"

local function add(tensors, prefix, part)
    for name, tensor in pairs(part) do
        tensors[prefix .. name] = tensor
    end
end

--- Writes the run's checkpoint `last`; the one before becomes `previous`.
-- @param average of optim.ema, or nil
-- @param state a table of scalars
function checkpoint.save(run, model, optimiser, average, state)
    local tensors = {}
    local states, steps = optimiser:state()
    local averages, updates = {}, 0
    if average then
        averages, updates = average:state()
    end
    add(tensors, "model.", model:state())
    add(tensors, "optimiser.", states)
    add(tensors, "average.", averages)
    local last, next_one = run:checkpoint_path "last", run:checkpoint_path "next"
    assert(core.save(next_one, tensors, {
        ["effv2.format"] = FORMAT,
        ["effv2.version"] = core.version,
        ["effv2.state"] = core.json_encode { run = state, optimiser_steps = steps, average_updates = updates },
    }))
    if core.file_exists(last) then
        assert(core.rename_file(last, run:checkpoint_path "previous"))
    end
    assert(core.rename_file(next_one, last))
end

--- Reads what save wrote: { path, tensors, state, optimiser_steps, average_updates }; nil, message for what is not a
-- whole checkpoint.
function checkpoint.read(path)
    local tensors, metadata = core.load(path, true)
    if not tensors then
        return nil, metadata
    end
    local stored = metadata["effv2.state"] and core.json_decode(metadata["effv2.state"], path)
    if metadata["effv2.format"] ~= FORMAT or type(stored) ~= "table" or type(stored.run) ~= "table" then
        return nil, path .. ": not a training checkpoint of effv2 (weights alone cannot be resumed)"
    end
    return {
        path = path, tensors = tensors, state = stored.run, optimiser_steps = stored.optimiser_steps,
        average_updates = stored.average_updates,
    }
end

--- The newest checkpoint of a run that is whole, and a list of why others were passed over.
function checkpoint.newest(run)
    local reasons = {}
    for _, name in ipairs { "last", "previous" } do
        local path = run:checkpoint_path(name)
        local found, reason = checkpoint.read(path)
        if found then
            return found, reasons
        end
        reasons[#reasons + 1] = reason
        if core.file_exists(path) then -- out of the way: the next save would make it `previous`
            assert(core.rename_file(path, run:checkpoint_path(name .. "-damaged")))
        end
    end
    error(("resume=%s: no usable checkpoint (start again with run= and another folder)\n  %s"):format(run.folder,
        table.concat(reasons, "\n  ")), 0)
end

--- Refuses a checkpoint of a run with other settings. What an older version did not write down is not compared.
function checkpoint.check_identity(found, now)
    local stored = found.state.identity or {}
    for _, name in ipairs(names_of(now)) do
        local value = now[name]
        if stored[name] ~= nil and stored[name] ~= value then
            error(("%s: the run was started with %s = %s, now it is %s (start a new run, or pass the old value)"):format(
                found.path, name, tostring(stored[name]), tostring(value)), 0)
        end
    end
end

local function part(tensors, prefix)
    local found = {}
    for name, tensor in pairs(tensors) do
        if name:sub(1, #prefix) == prefix then
            found[name:sub(#prefix + 1)] = tensor
        end
    end
    return found
end

--- Gives model, optimiser and average what the checkpoint holds; raises when it belongs to others.
function checkpoint.restore(found, model, optimiser, average)
    local ok, message = pcall(model.load_state, model, part(found.tensors, "model."))
    if not ok then
        message = message:gsub("^%S+%.lua:%d+: ", ""):gsub(" %(strict = .*$", "")
        error(("%s: it is of another model (make the same one, or start a new run): %s"):format(found.path, message), 0)
    end
    optimiser:load_state(part(found.tensors, "optimiser."), found.optimiser_steps)
    if average then
        average:load_state(part(found.tensors, "average."), found.average_updates)
    end
end

--- Weights alone (those of the average where there is one), for inference and fine-tuning.
function checkpoint.export(path, model, average, metadata)
    local function write()
        return core.save(path, model:state(), metadata)
    end
    if average then
        assert(average:apply(write))
    else
        assert(write())
    end
end

return checkpoint
