--- effv2: design, train and study EfficientNetV2-class image models.
-- The module holds the functions of the core (tensors, operations, differentiation) and loads its parts
-- (nn, models, data, ...) when they are first used.
local core = require "effv2.core"

local effv2 = { _VERSION = core.version }

local parts = {
    nn = true, models = true, optim = true, lr = true, schedule = true, augment = true, data = true, io = true, report = true,
}

for name, value in pairs(core) do
    effv2[name] = value
end

--- effv2.config { key = default, ... }: the recipe's settings, with what the command line says.
-- See lua/effv2/config.lua.
local functions = { config = "effv2.config", train = "effv2.train", Function = "effv2.func" }

return setmetatable(effv2, {
    __index = function(_, name)
        if parts[name] or functions[name] then
            local part = require("effv2." .. (functions[name] and functions[name]:sub(7) or name))
            rawset(effv2, name, part)
            return part
        end
        return nil
    end,
})
