--- The names, shapes and axes that the tensors of a model have in the files of another library.
local core = require "effv2.core"
local layouts = require "effv2.weights.layouts"

local names = {}

-- ---- axes: ours are [kh][kw][in][out] and [in][out], those of PyTorch [out][in][kh][kw] and [out][in] -------------

local function same(tensor)
    return tensor
end

local swap = function(tensor)
    return tensor:permute { 2, 1 }
end

local kept = { import = same, export = same }

local convolution = {
    import = function(tensor) return tensor:permute { 3, 4, 2, 1 } end,
    export = function(tensor) return tensor:permute { 4, 3, 1, 2 } end,
}

local axes = {
    Conv2d = convolution, ScaledConv2d = convolution,
    Dense = { import = swap, export = swap },
    SqueezeExcite = { -- two products here, two 1x1 convolutions there
        import = function(tensor) return tensor:reshape { tensor:size(1), tensor:size(2) }:permute { 2, 1 } end,
        export = function(tensor) return tensor:reshape { 1, 1, tensor:size(1), tensor:size(2) }:permute { 4, 3, 1, 2 } end,
    },
}

--- The gain of a ScaledConv2d is [out][1][1][1] there.
local gain = {
    import = function(tensor) return tensor:reshape { tensor:size(1) } end,
    export = function(tensor) return tensor:reshape { tensor:size(1), 1, 1, 1 } end,
}

local leaves = { gamma = "weight", beta = "bias", running_variance = "running_var" }

-- ---- names ------------------------------------------------------------------------------------------

local function kind_of(block)
    for _, candidate in ipairs(layouts.kinds) do
        local fits = true
        for _, part in ipairs(candidate.has) do
            fits = fits and block[part] ~= nil
        end
        if fits then
            return candidate.kind
        end
    end
end

--- The path in the layout of a part of ours, or of a parameter of a model or block itself: "stage2.block1.expand.conv" ->
-- "blocks.1.0.conv_exp"; nil for none.
-- @param modules { [path] = module } of the model
local function translate(layout, model, modules, path)
    local place = layout.block
    local block, inner = path:match(place.path)
    if not block then
        local part = layout.parts[path]
        return part and part:format(#(model.stages or {}) + 1)
    end
    local numbers = {}
    for number in block:gmatch "%d+" do
        numbers[#numbers + 1] = number + place.add[#numbers + 1]
    end
    local part = (layout.blocks[kind_of(modules[block])] or {})[inner]
    return part and place.name:gsub("{(%d)}", function(i) return numbers[tonumber(i)] end) .. part
end

--- "stage4.block1.squeeze_excite", "reduce_weight" -> "stage4.block1.squeeze_excite.reduce", "weight"
local function split_gate(path, name)
    local part, leaf = name:match "^(%a+)_(%a+)$"
    return path .. "." .. part, leaf
end

local function axes_of(kind, leaf, tensor)
    if kind == "ScaledConv2d" and leaf == "gain" then
        return gain
    end
    return tensor:dim() > 1 and axes[kind] or kept
end

local function join(part, leaf)
    return part .. (part:match "_$" and "" or ".") .. leaf
end

--- The name in the layout of a tensor of ours, nil for none, and how its axes lie.
local function locate(layout, model, modules, name, tensor)
    local whole = translate(layout, model, modules, name)
    if whole then
        return whole, kept
    end
    local path, leaf = name:match "^(.*)%.([^.]+)$"
    if not path then
        return nil
    end
    local kind = modules[path]:type()
    if kind == "SqueezeExcite" then
        path, leaf = split_gate(path, leaf)
    end
    local part = translate(layout, model, modules, path)
    return part and join(part, leaves[leaf] or leaf), axes_of(kind, leaf, tensor)
end

--- The names of the layouts.
function names.layouts()
    return { "effv2", "timm", "torchvision" }
end

local function all_tensors(model)
    local list = model:named_parameters()
    for _, buffer in ipairs(model:named_buffers()) do
        list[#list + 1] = buffer
    end
    return list
end

--- Every tensor of the model: a list of { name =, theirs = its name in the layout, tensor =, axes = { import =,
-- export = } }. An error for a model, or a part of one, that the layout has no names for.
function names.of(model, layout)
    local list, modules = {}, {}
    local known = layout ~= "effv2" and layouts[layout][model:type()]
    if known == nil then
        error(("weights: layout %s has no names for a model of class %s"):format(layout, model:type()), 0)
    end
    for path, module in model:modules() do
        modules[path] = module
    end
    for i, entry in ipairs(all_tensors(model)) do
        local theirs, how = entry.name, kept
        if known then
            theirs, how = locate(known, model, modules, entry.name, entry.tensor)
        end
        if not theirs then
            error(("weights: layout %s has no name for %s of this model"):format(layout, entry.name), 0)
        end
        list[i] = { name = entry.name, theirs = theirs, tensor = entry.tensor, axes = how }
    end
    return list
end

--- Whether a tensor of a file stands for nothing here: PyTorch's norms count their batches.
function names.is_counter(name)
    return name:match "%.num_batches_tracked$" ~= nil
end

--- The counters that PyTorch expects beside the norms of a model: { [name] = 0 }.
function names.counters(entries)
    local counters = {}
    for _, entry in ipairs(entries) do
        local norm = entry.theirs:match "^(.*)%.running_mean$"
        if norm then
            counters[norm .. ".num_batches_tracked"] = core.zeros({}, { dtype = "int64" })
        end
    end
    return counters
end

--- The names that a part outside the blocks ("classifier") can have in a layout, whatever the class of the model.
function names.of_part(layout, part)
    local list = { layout == "effv2" and part or nil }
    for _, family in pairs(layouts[layout] or {}) do
        list[#list + 1] = family.parts[part]
    end
    return list
end

return names
