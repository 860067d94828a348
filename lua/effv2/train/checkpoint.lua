--- Checkpoints: everything that a training needs to go on exactly where it stood, in one safetensors file.
--
-- Tensors: model.<path>, optimiser.<state>, average.<part>. Scalars (step, sums of the running epoch, best result)
-- are JSON in the metadata entry "effv2.state". Nothing in the file is executed.
local core = require "effv2.core"

local checkpoint = {}

local FORMAT = "1"

--- Saves model, optimiser, average (or nil) and the table of scalars.
function checkpoint.save(path, model, optimiser, average, state)
    local tensors = {}
    for name, tensor in pairs(model:state()) do
        tensors["model." .. name] = tensor
    end
    local states, steps = optimiser:state()
    for name, tensor in pairs(states) do
        tensors["optimiser." .. name] = tensor
    end
    local updates
    if average then
        local averages
        averages, updates = average:state()
        for name, tensor in pairs(averages) do
            tensors["average." .. name] = tensor
        end
    end
    local ok, message = core.save(path, tensors, {
        ["effv2.format"] = FORMAT,
        ["effv2.version"] = core.version,
        ["effv2.state"] = core.json_encode { run = state, optimiser_steps = steps, average_updates = updates or 0 },
    })
    if not ok then
        error(message, 0)
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

--- Loads what save wrote; returns the table of scalars. Any damage is an error that names the file.
function checkpoint.load(path, model, optimiser, average)
    local tensors, metadata = core.load(path, true)
    if not tensors then
        error(metadata, 0)
    end
    local stored = metadata["effv2.state"] and core.json_decode(metadata["effv2.state"], path)
    if metadata["effv2.format"] ~= FORMAT or type(stored) ~= "table" then
        error(path .. ": not a training checkpoint of effv2 (weights alone cannot be resumed)", 0)
    end
    model:load_state(part(tensors, "model."), { strict = true })
    optimiser:load_state(part(tensors, "optimiser."), stored.optimiser_steps)
    if average then
        average:load_state(part(tensors, "average."), stored.average_updates)
    end
    return stored.run
end

--- Weights alone (the average where there is one), for inference and fine-tuning.
function checkpoint.export(path, model, average, metadata)
    local function write()
        return core.save(path, model:state(), metadata)
    end
    local ok, message
    if average then
        ok, message = average:apply(write)
    else
        ok, message = write()
    end
    if not ok then
        error(message, 0)
    end
end

return checkpoint
