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
local keys = require "effv2.keys"
local nn = require "effv2.nn"
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
    normalise = keys.none, options = {},
}

local function names()
    local list = {}
    for name in pairs(registry) do
        list[#list + 1] = name
    end
    table.sort(list)
    return list
end

local function find(name)
    if type(name) ~= "string" then
        error(("models: the name is a %s, wanted a string"):format(type(name)), 0)
    end
    if not registry[name] then
        local hint = suggest.hint(name, names())
        error(("models: unknown model '%s'%s"):format(name, hint ~= "" and hint or "; models.list() has them"), 0)
    end
    return registry[name]
end

--- Adds a model to the registry, or replaces one.
-- @param entry { name =, doc =, source =, sizes = { train =, eval = }, dropout =, params = (with 1000 classes),
-- normalise = { mean =, std = } of pixels 0..255, evaluation = { fit = "crop" | "stretch", crop = the share of the
-- shorter side, filter = as in augment.steps.resize }, options = defaults that differ from the common ones, and either
-- stem =, stages =, head = or build = function(options) that returns a module and cost = function(sheet, options) for
-- models.summary (models/cost.lua) }
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
    return defaults
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
    local config = keys.check(entry.name, options, option_defaults(entry), 3)
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
    config.name, config.sizes, config.normalise = entry.name, entry.sizes, entry.normalise
    config.evaluation = entry.evaluation
    return config
end

--- The entry and the options of create(name, options) or create { stem =, stages =, head =, ... }.
local function entry_of(name, options)
    if type(name) ~= "table" then
        return find(name), options
    end
    local description = stages.check("custom", name)
    return {
        name = "custom", stem = description.stem, stages = description.stages, head = description.head,
        dropout = common.dropout, options = {},
    }, name
end

--- A model by name, with fresh parameters (deterministic after effv2.manual_seed).
-- @param name as models.list() shows it, or the options of a new network: { stem =, stages =, head =, ... }
-- @param options classes = 1000 (0: no classifier), in_channels = 3, dropout, drop_path = 0.2 (of the last block; the
-- i-th of N has i / N of it), padding = "same" (TensorFlow's) or "symmetric" (PyTorch's), activation = "silu",
-- bn_eps = 1e-3, bn_momentum = 0.99, width = 1 and depth = 1 (factors), and stem, stages, head to replace the table's
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
    for _, name in ipairs(names()) do
        if name:match(wanted) then
            matching[#matching + 1] = name
        end
    end
    return matching
end

--- What is registered under a name: name, doc, source, stem, stages, head, sizes, dropout, params, normalise,
-- evaluation, options.
-- print(models.describe(name)) is the table of stages as the paper prints it.
function models.describe(name)
    local copy = {}
    for key, value in pairs(find(name)) do
        copy[key] = value
    end
    return setmetatable(copy, { __tostring = text.description })
end

--- A description with scaled widths and depths: { stem =, stages =, head = }, for models.create or models.register.
-- @param args { base = name or description, width = 1, depth = 1, round_limit = 0 }
function models.scale(args)
    args = keys.check("models.scale", args, { base = keys.none, width = 1, depth = 1, round_limit = 0 })
    local base = type(args.base) == "table" and stages.check("models.scale", args.base) or find(args.base)
    return stages.scale(base, args.width, args.depth, args.round_limit)
end

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
        models.register(entry)
    end
end

return models
