--- models: networks by name. A model is a table of stages (see models/stages.lua) or a function that builds a module.
--
--     local model = effv2.models.create("efficientnetv2-s", { classes = 10 })
--     print(effv2.models.summary("efficientnetv2-s", 384))
--     local mine = effv2.models.create {
--       classes = 10, stem = { channels = 16, stride = 1 }, head = 256,
--       stages = {
--         { op = "fused", channels = 16, expansion = 1 },
--         { op = "mb", channels = 32, stride = 2, layers = 2 },
--       },
--     }
local cost = require "effv2.models.cost"
local file = require "effv2.models.file"
local keys = require "effv2.keys"
local names_of = require "effv2.names_of"
local nn = require "effv2.nn"
local presets = require "effv2.models.presets"
local stages = require "effv2.models.stages"
local suggest = require "effv2.suggest"
local text = require "effv2.models.text"

local models = {}

local registry = {} -- name -> what models.register was given

-- Options of every table of stages; a model's own defaults come before these.
local common = {
    classes = 1000, in_channels = 3, dropout = 0.2, drop_path = 0.2, padding = "same", activation = "silu",
    bn_eps = 1e-3, bn_momentum = 0.99, width = 1, depth = 1, round_limit = 0,
}

local entry_keys = {
    name = keys.none, doc = "", source = "", build = keys.none, stem = keys.none, stages = keys.none, head = keys.none,
    cost = keys.none, sizes = keys.none, evaluation = keys.none, dropout = 0.2, params = keys.none,
    normalise = keys.none, options = {}, presets = {},
}

--- What a registered entry would be, of a network in a file.
local function entry_of_file(path)
    local description, message = file.read(path)
    if not description then
        error("models: " .. message, 0)
    end
    local entry = {
        name = path, doc = "", stem = description.stem, stages = description.stages, head = description.head,
        sizes = description.sizes, dropout = description.dropout or common.dropout, options = {}, presets = {},
    }
    for key, value in pairs(description) do
        if entry[key] == nil then
            entry.options[key] = value
        end
    end
    keys.check("models: " .. path, entry.options, common, 0)
    return entry
end

local function find(name)
    if type(name) ~= "string" then
        error(("models: the name is a %s, wanted a string"):format(type(name)), 0)
    elseif name:match "%.lua$" then
        return entry_of_file(name)
    end
    if not registry[name] then
        local hint = suggest.hint(name, names_of(registry))
        error(("models: unknown model '%s'%s"):format(name, hint ~= "" and hint or "; models.list() has them"), 0)
    end
    return registry[name]
end

--- Adds a model to the registry, or replaces one.
-- @param entry { name =, doc =, source =, sizes = { train =, eval = }, dropout =, params = (with 1000 classes),
-- normalise = { mean =, std = } of pixels 0..255,
-- evaluation = { fit = "crop" (the centre), "stretch" (the whole, squashed) or "official" (augment.eval's rule), crop =
-- the share that is kept (default: the 32-pixel rule's of a crop, else all), filter = as in augment.steps.resize },
-- options = defaults that differ from the common ones,
-- presets = { name = { options =, normalise =, evaluation =, size = } } of other implementations (models/presets.lua),
-- and either stem =, stages =, head = or build = function(options) that returns a module and cost = function(sheet,
-- options) for models.summary (models/cost.lua) }
function models.register(entry)
    entry = keys.check("models.register", entry, entry_keys)
    if type(entry.name) ~= "string" then
        error(("models.register: name is %s, wanted a string"):format(tostring(entry.name)), 2)
    elseif (entry.build == nil) == (entry.stages == nil) then
        error(("models.register: %s needs either build or stages"):format(entry.name), 2)
    end
    if entry.stages then
        local description = stages.check(entry.name, entry)
        entry.stem, entry.stages, entry.head = description.stem, description.stages, description.head
        keys.check("models.register: options of " .. entry.name, entry.options, common)
    end
    registry[entry.name] = entry
end

local function option_defaults(entry)
    local defaults = {}
    if entry.stages then
        for key, value in pairs(common) do
            defaults[key] = value
        end
        defaults.stem, defaults.stages, defaults.head = entry.stem, entry.stages, entry.head
        defaults.dropout = entry.dropout
    else
        defaults.classes, defaults.in_channels = common.classes, common.in_channels
    end
    for key, value in pairs(entry.options) do
        defaults[key] = value
    end
    defaults.preset = "official"
    return defaults
end

--- What the preset that the options ask for changes.
local function preset_of(entry, options)
    local name = type(options) == "table" and options.preset or "official"
    if name == "official" then
        return {}
    elseif not entry.presets[name] then
        local known = { "official" }
        for preset in pairs(entry.presets) do
            known[#known + 1] = preset
        end
        table.sort(known)
        error(("%s: unknown preset %s; it has %s"):format(entry.name, keys.show(name), table.concat(known, ", ")), 0)
    end
    return entry.presets[name]
end

local function want_range(what, config, key, least, below)
    if not (config[key] >= least and config[key] < below) then
        error(("%s: %s is %g, must be in [%g, %g)"):format(what, key, config[key], least, below), 0)
    end
end

local function want_positive(what, config)
    for _, key in ipairs { "width", "depth", "bn_eps" } do
        if not (config[key] > 0 and config[key] < math.huge) then
            error(("%s: %s is %g, wanted a number above 0"):format(what, key, config[key]), 0)
        end
    end
    if config.in_channels < 1 or config.in_channels ~= math.floor(config.in_channels) then
        error(("%s: in_channels is %g, wanted a whole number from 1"):format(what, config.in_channels), 0)
    end
end

--- The resolved options of a model: a plain table with name, sizes and normalise, and with checked stages.
local function resolve(entry, options)
    local preset, defaults = preset_of(entry, options), option_defaults(entry)
    for key, value in pairs(preset.options or {}) do
        defaults[key] = value
    end
    local config = keys.check(entry.name, options, defaults, 3)
    if entry.stages then
        local description = stages.check(entry.name, config)
        want_positive(entry.name, config)
        if config.width ~= 1 or config.depth ~= 1 then
            description = stages.scale(description, config.width, config.depth, config.round_limit)
        end
        config.stem, config.stages, config.head = description.stem, description.stages, description.head
        want_range(entry.name, config, "dropout", 0, 1)
        want_range(entry.name, config, "drop_path", 0, 1)
    end
    if config.classes ~= math.floor(config.classes) or config.classes < 0 then
        error(("%s: classes is %g, wanted a whole number (0: no classifier)"):format(entry.name, config.classes), 0)
    end
    config.name, config.normalise = entry.name, preset.normalise or entry.normalise
    config.evaluation = preset.evaluation or entry.evaluation
    config.sizes = preset.size and { train = entry.sizes.train, eval = preset.size } or entry.sizes
    return config
end

--- The entry and the options of create(name, options) or create { stem =, stages =, head =, ... }.
local function entry_of(name, options)
    if type(name) ~= "table" then
        return find(name), options
    end
    local description, own = stages.check("custom", name), {}
    for key, value in pairs(name) do
        own[key] = key ~= "sizes" and value or nil
    end
    return {
        name = "custom", stem = description.stem, stages = description.stages, head = description.head,
        sizes = name.sizes, dropout = common.dropout, options = {}, presets = {},
    }, own
end

--- A model by name, with fresh parameters (deterministic after effv2.manual_seed).
-- @param name as models.list() shows it, or the path of a file that models.write wrote (it ends in .lua), or the options
-- of a new network: { stem =, stages =, head =, ... }
-- @param options classes = 1000 (0: no classifier), in_channels = 3, dropout, drop_path = 0.2 (of the last block; the
-- i-th of N has i / N of it), padding = "same" (TensorFlow's) or "symmetric" (PyTorch's), activation = "silu",
-- bn_eps = 1e-3, bn_momentum = 0.99, width = 1 and depth = 1 (factors), and stem, stages, head to replace the table's;
-- preset = "official", or "timm", "timm-tf" (timm's models with tf_), "torchvision": the defaults that those have.
-- Families that are not tables of stages have options of their own: describe(name).options
-- @return a module: stem, stage1 .. stageN (also stages[i]), head, pool, dropout, classifier; config; set_dropout(p),
-- set_drop_path(p), features(x), embed(x)
function models.create(name, options)
    local entry
    entry, options = entry_of(name, options)
    local config = resolve(entry, options)
    if entry.stages then
        return require("effv2.models.network")(config)
    end
    local model = entry.build(config)
    if not nn.is_module(model) then
        error(("models.create: build of %s returned a %s, wanted a module"):format(entry.name, type(model)), 2)
    end
    if model.config == nil then
        rawset(model, "config", config)
    end
    return model
end

local function lua_pattern(glob)
    return "^" .. glob:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

--- The names of all models, sorted; with a pattern such as "efficientnetv2-*" those that match.
function models.list(pattern)
    local wanted, matching = lua_pattern(pattern or "*"), {}
    for _, name in ipairs(names_of(registry)) do
        if name:match(wanted) then
            matching[#matching + 1] = name
        end
    end
    return matching
end

--- What is registered under a name: name, doc, source, stem, stages, head, sizes, dropout, params, normalise,
-- evaluation, options, presets.
-- print(models.describe(name)) is the table of stages as the paper prints it.
function models.describe(name)
    local copy = {}
    for key, value in pairs(find(name)) do
        copy[key] = value
    end
    return setmetatable(copy, { __tostring = text.description })
end

--- The table of stages that a name or a description stands for.
local function staged(what, base)
    if type(base) == "table" then
        return stages.check(what, base)
    end
    local entry = find(base)
    if not entry.stages then
        error(("%s: %s is not made of stages"):format(what, base), 3)
    end
    return entry
end

local function scaled_sizes(sizes, factor, largest)
    local scaled = {}
    for name, size in pairs(sizes) do
        scaled[name] = math.min(math.floor(size * factor + 0.5), largest)
    end
    return scaled
end

--- Compound scaling: a description with scaled widths, depths and image sizes, { stem =, stages =, head =, sizes = },
-- for models.create or models.register. With `late` and `largest` it is EfficientNetV2's, which is not uniform: the
-- last stages grow more, and images stop growing.
--     local b3 = effv2.models.scale { base = "efficientnetv2-b0", width = 1.2, depth = 1.4 }
--     local m = effv2.models.scale {
--       base = "efficientnetv2-b0", width = 1.6, depth = 2.2, size = 2.2, late = 1.3, largest = 480,
--     }
-- @param args { base = name or description, width = 1, depth = 1, size = 1 (factors), late = 1 (how many times more
-- layers the last stage has beside `depth`; from the middle of the network to there the factor grows evenly), largest =
-- the most pixels a side, round_limit = 0 (see stages.round_channels) }
function models.scale(args)
    args = keys.check("models.scale", args,
        { base = keys.none, width = 1, depth = 1, size = 1, late = 1, largest = math.huge, round_limit = 0 })
    for _, name in ipairs { "width", "depth", "size", "late", "largest" } do
        if not (args[name] > 0) then -- luacheck: ignore 581 (a NaN is refused)
            error(("models.scale: %s is %g, wanted a number above 0"):format(name, args[name]), 2)
        end
    end
    local base = staged("models.scale", args.base)
    local scaled = stages.scale(base, args.width, args.depth, args.round_limit, args.late)
    local sizes = type(args.base) == "table" and args.base.sizes or base.sizes
    scaled.sizes = sizes and scaled_sizes(sizes, args.size, args.largest)
    return scaled
end

--- The coefficients of EfficientNet's compound scaling for phi: width 1.1^phi, depth 1.2^phi, size 1.15^phi, so that
-- multiply-adds grow about 2^phi times. models.scale takes them.
-- @param given { base =, alpha = 1.2, beta = 1.1, gamma = 1.15 }, what models.scale takes beside them
function models.compound(phi, given)
    local o = keys.check("models.compound", given,
        { base = keys.none, alpha = 1.2, beta = 1.1, gamma = 1.15, late = 1, largest = math.huge, round_limit = 0 })
    return models.scale {
        base = o.base, depth = o.alpha ^ phi, width = o.beta ^ phi, size = o.gamma ^ phi, late = o.late,
        largest = o.largest, round_limit = o.round_limit,
    }
end

--- Surgery: a description with some of its parts changed, for models.create or models.register.
--     local fused = effv2.models.change("efficientnet-b4", {
--       stages = { { op = "fused" }, { op = "fused" }, { op = "fused", kernel = 3 } },
--     })
-- @param base name or description
-- @param changes { stem = { channels =, ... }, stages = { [i] = { op =, channels =, layers =, ... } }, head = }: what
-- is not named stays, but a stage whose op changes gets the squeeze-excite that is usual for the new one unless `se`
-- says otherwise; stages[i] = false removes a stage, and one behind the last is added
function models.change(base, changes)
    local description = staged("models.change", base)
    local changed = stages.change("models.change", description, changes)
    changed.sizes = type(base) == "table" and base.sizes or description.sizes
    return changed
end

--- Writes a network of stages as a Lua file of data, whole or not at all; models.create, summary, scale, change and the
-- recipes' model= take its path in place of a name.
--     effv2.models.write("mine.lua", effv2.models.scale { base = "efficientnetv2-b0", depth = 0.5 }, "half as deep")
-- @param path of the file; models.create wants it to end in .lua
-- @param description { stem =, stages =, head =, sizes =, and other options of models.create }
-- @param comment lines that go above (optional)
models.write = file.write

--- Reads such a file: the description, checked; nil and a message where it holds none. It is parsed, never run.
models.read = file.read

--- The resolved options of a model, and what writes its costs on a sheet (nil: nothing does).
local function costed(model, options)
    if nn.is_module(model) then
        local config = model.config or {}
        local entry = registry[config.name] or {}
        return config, config.stages and cost.stages or entry.cost
    end
    local entry
    entry, options = entry_of(model, options)
    return resolve(entry, options), entry.stages and cost.stages or entry.cost
end

--- A position embedding [1][1 + h w][channels] of a transformer for another grid of patches, for weights of another
-- image size: models.resize_positions(embedding, { h, w }, { new_h, new_w }). Bicubic, as timm does it.
models.resize_positions = require("effv2.models.positions").resize

--- Output shape, parameters, multiply-adds and bytes of activations of each part for one image, computed without
-- building or running.
-- @param model one made by models.create, a name, or the options of a new network
-- @param size of the image: a number or { height, width } (default: the model's evaluation size)
-- @param options of models.create, with a name
-- @return rows { name =, height =, width =, channels =, parameters =, macs =, activations = } with totals parameters,
-- macs and activations; prints as a table. Activations are the bytes that convolutions and dense layers write, which
-- is what training keeps for backward.
function models.summary(model, size, options)
    local config, write = costed(model, options)
    if not write then
        error(("models.summary: %s has no stages and no cost"):format(config.name or "the model"), 2)
    end
    size = size or config.sizes and config.sizes.eval
    if size == nil then
        error("models.summary: " .. config.name .. " has no size of its own, give one", 2)
    end
    local height, width = size, size
    if type(size) == "table" then
        height, width = size[1], size[2]
    end
    for _, side in ipairs { height or "missing", width or "missing" } do
        if type(side) ~= "number" or side < 1 or side ~= math.floor(side) then
            error(("models.summary: a side of the image is %s, wanted a whole number of pixels from 1"):format(tostring(side)), 2)
        end
    end
    local sheet = cost.sheet(height, width, config.in_channels)
    write(sheet, config)
    local rows = sheet.rows
    rows.name, rows.input = config.name, { height, width, config.in_channels }
    return setmetatable(rows, { __tostring = text.summary })
end

for _, family in ipairs { "tables", "resnet", "vit", "regnet", "nfnet" } do
    for _, entry in ipairs(require("effv2.models." .. family)) do
        entry.presets = entry.presets or {}
        for name, preset in pairs(presets[entry.name] or {}) do
            entry.presets[name] = preset
        end
        models.register(entry)
    end
end

return models
