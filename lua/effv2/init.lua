--- effv2: design, train and study EfficientNetV2-class image models.
-- The module holds the functions of the core (tensors, operations, differentiation) and loads its parts
-- (nn, models, data, ...) when they are first used.
local core = require "effv2.core"
local suggest = require "effv2.suggest"

local effv2 = { _VERSION = core.version }

for name, value in pairs(core) do
    effv2[name] = value
end

suggest.guard(effv2.layers, "effv2.layers")

if os.getenv "EFFV2_TRIAL" then -- this process is a trial of a study
    require("effv2.search.worker").begin()
end

--- Names that are loaded on first use, and the module behind each.
local parts = {
    augment = "effv2.augment", classifier = "effv2.classifier", config = "effv2.config", data = "effv2.data",
    evaluate = "effv2.train.evaluate", experiment = "effv2.experiment", Function = "effv2.func", help = "effv2.help",
    lr = "effv2.lr", models = "effv2.models", nn = "effv2.nn", onnx = "effv2.onnx", optim = "effv2.optim",
    profile = "effv2.profile", recipe = "effv2.recipe", report = "effv2.report", schedule = "effv2.schedule",
    search = "effv2.search", speed = "effv2.speed", train = "effv2.train", weights = "effv2.weights",
}

local function known_names()
    local names = {}
    for name in pairs(effv2) do
        names[#names + 1] = name
    end
    for name in pairs(parts) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

return setmetatable(effv2, {
    names = parts,
    __index = function(_, name)
        if not parts[name] then
            error(("effv2 has no '%s'%s"):format(tostring(name), suggest.hint(tostring(name), known_names())), 2)
        end
        local part = require(parts[name])
        if type(part) == "table" then
            suggest.guard(part, "effv2." .. name)
        end
        rawset(effv2, name, part)
        return part
    end,
})
