--- weights: a model's parameters and statistics in safetensors files, in our names and in those of other libraries.
--
--     local model = assert(effv2.weights.open("efficientnetv2-s", "tf_efficientnetv2_s.safetensors", { layout = "timm" }))
--     assert(effv2.weights.save(model, "s.safetensors"))
--
-- Layouts: "effv2" (names are paths in the model), "timm", "torchvision". Files hold names and numbers alone: nothing in
-- them is executed. Half precisions and float64 become float32.
local core = require "effv2.core"
local fitting = require "effv2.nn.fitting"
local keys = require "effv2.keys"
local names = require "effv2.weights.names"
local suggest = require "effv2.suggest"

local weights = { layouts = names.layouts }

local function check_layout(what, layout)
    for _, known in ipairs(names.layouts()) do
        if layout == known then
            return
        end
    end
    error(("%s: unknown layout '%s'%s"):format(what, tostring(layout), suggest.cure(tostring(layout), names.layouts())), 3)
end

-- ---- comparing --------------------------------------------------------------------------------------

--- A report of weights.load in one line; "" when everything fits.
weights.describe = fitting.describe

local function compare(entries, tensors)
    local theirs = {}
    for i, entry in ipairs(entries) do
        theirs[i] = { name = entry.theirs, tensor = entry.tensor, axes = entry.axes }
    end
    return fitting.compare(theirs, tensors, names.is_counter)
end

--- The layout other than `layout` in which most of the tensors' names are the model's, if more than half are.
local function likely_layout(model, tensors, layout)
    for _, other in ipairs(names.layouts()) do
        local ok, entries = pcall(names.of, model, other)
        local hits = 0
        for _, entry in ipairs(ok and other ~= layout and entries or {}) do
            hits = hits + (tensors[entry.theirs] and 1 or 0)
        end
        if hits > 0 and 2 * hits > #entries then
            return other
        end
    end
end

--- What is wrong with a file, and what would be right.
local function misfit(model, tensors, layout, path, report)
    local likely = likely_layout(model, tensors, layout)
    local cure = likely and ("the names are those of layout %s"):format(likely)
        or "take the weights of this model and layout, or strict = false for what does fit"
    return ("%s: does not fit %s in layout %s: %s (%s)"):format(path, model.config and model.config.name or model:type(),
        layout, weights.describe(report), cure)
end

-- ---- files ------------------------------------------------------------------------------------------

--- Copies the tensors of a safetensors file into a model.
-- @param options layout = "effv2", strict = true: nothing is copied unless all names and shapes fit
-- @return a report { missing =, unexpected = names, misshaped = { { name =, given =, wanted = shapes, dtype = } },
-- loaded = count } in the file's names; or nil, message, code
function weights.load(model, path, options)
    local o = keys.check("weights.load", options, { layout = "effv2", strict = true })
    check_layout("weights.load", o.layout)
    local entries = names.of(model, o.layout)
    local tensors, message, code = core.load(path)
    if not tensors then
        return nil, message, code
    end
    local report, matching = compare(entries, tensors)
    if o.strict and weights.describe(report) ~= "" then
        return nil, misfit(model, tensors, o.layout, path, report), "format"
    end
    core.no_grad(fitting.copy, matching)
    for _, tensor in pairs(tensors) do
        tensor:free()
    end
    return report
end

--- Writes a model's parameters and statistics as a safetensors file, whole or not at all.
-- @param options layout = "effv2", metadata = { key = text }
-- @return true; or nil, message, code
function weights.save(model, path, options)
    local o = keys.check("weights.save", options, { layout = "effv2", metadata = {} })
    check_layout("weights.save", o.layout)
    local entries, metadata = names.of(model, o.layout), {}
    local tensors = o.layout == "effv2" and {} or names.counters(entries)
    for _, entry in ipairs(entries) do
        tensors[entry.theirs] = core.no_grad(entry.axes.export, entry.tensor):contiguous()
    end
    if o.layout ~= "effv2" then
        metadata.format = "pt" -- what PyTorch's readers look for
    end
    for key, value in pairs(o.metadata) do
        metadata[key] = value
    end
    return core.save(path, tensors, metadata)
end

--- The shape in a file, { [name] = shape }, of a tensor outside the blocks.
local function shape_of_part(shapes, layout, part, leaf)
    for _, name in ipairs(names.of_part(layout, part)) do
        local shape = shapes[name .. leaf]
        if shape then
            return shape
        end
    end
    return {}
end

--- The image size for which a transformer has so many positions: its patches are a square, the class token is before them.
local function side_for(positions, patch)
    local side = math.sqrt((positions or 0) - 1)
    return side >= 1 and side == math.floor(side) and side * patch or nil
end

--- The options of models.create that a file decides: classes, by the length of the classifier's bias; image_size of a
-- transformer, by its positions; and preset, where a layout leaves no choice.
-- @return the options; or nil, message, code
local function options_in(entry, path, layout)
    local entries, message, code = core.inspect(path)
    if not entries then
        return nil, message, code
    end
    local shapes = {}
    for _, tensor in ipairs(entries) do
        shapes[tensor.name] = tensor.shape
    end
    local bias, patch = shape_of_part(shapes, layout, "classifier", ".bias"), entry.options.patch
    return {
        classes = #bias == 1 and bias[1] or nil,
        image_size = patch and side_for(shape_of_part(shapes, layout, "position_embedding", "")[2], patch),
        preset = layout == "torchvision" and entry.presets.torchvision and layout or nil,
    }
end

--- A model by name with the weights of a file, for as many classes as these are for; nothing is drawn at random.
-- A transformer is made for the image size that the file has positions for, and weights of torchvision get its preset.
-- @param name of models.list()
-- @param options layout = "effv2", and model = options of models.create, which come before the file's
-- @return the model in eval(), and the report of weights.load; or nil, message, code
function weights.open(name, path, options)
    local models = require "effv2.models"
    local o = keys.check("weights.open", options, { layout = "effv2", model = {} })
    check_layout("weights.open", o.layout)
    local entry = models.describe(name) -- a wrong name is said before a wrong file
    local given, message, code = options_in(entry, path, o.layout)
    if not given then
        return nil, message, code
    end
    for key, value in pairs(o.model) do
        given[key] = value
    end
    local model = core.without_drawing(models.create, name, given)
    local report
    report, message, code = weights.load(model, path, { layout = o.layout })
    if not report then
        return nil, message, code
    end
    return model:eval(), report
end

return weights
