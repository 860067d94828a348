--- Containers: modules made of other modules.
local core = require "effv2.core"
local keys = require "effv2.keys"
local Module = require "effv2.nn.module"
local run = require "effv2.nn.run"

local containers = {}

--- Sequential { layer, {"name", layer}, ... }: applies its steps one after another.
-- A step is a layer, a module or a function; without a name it is called by its number.
local Sequential = Module.class "Sequential"
containers.Sequential = Sequential

function Sequential:init(steps)
    if steps ~= nil and type(steps) ~= "table" then
        error(("Sequential: a %s, wanted a list of layers"):format(type(steps)), 3)
    end
    rawset(self, "steps", {})
    for i, step in ipairs(steps or {}) do
        local named = type(step) == "table" and not Module.is_module(step) and type(step[1]) == "string"
        self:add(named and step[2] or step, named and step[1] or i)
    end
end

local function is_step(value)
    return Module.is_layer(value) or Module.is_module(value) or type(value) == "function"
end

--- Adds a step at the end; returns the container.
function Sequential:add(step, name)
    name = name or #self.steps + 1
    if not is_step(step) then
        error(("Sequential: step %s is a %s, wanted a layer, a module or a function"):format(name, type(step)), 2)
    elseif rawget(self, name) ~= nil or Sequential[name] ~= nil then
        error(("Sequential: there is already a step or method '%s'"):format(name), 2)
    end
    self[name] = step
    table.insert(self.steps, name)
    return self
end

function Sequential:forward(x)
    local list = {}
    for i, name in ipairs(self.steps) do
        list[i] = self[name]
    end
    return run(list, x)
end

--- Residual { layer, drop_path = p }: x + layer(x), where the branch is dropped for a sample with probability p.
local Residual = Module.class "Residual"
containers.Residual = Residual

function Residual:init(args)
    local body = type(args) == "table" and args[1]
    if not is_step(body) then
        error(("Residual: the first item is a %s, wanted a layer or a module"):format(type(body)), 3)
    end
    local named = {}
    for key, value in pairs(args) do
        if key ~= 1 then
            named[key] = value
        end
    end
    named = keys.check("Residual", named, { drop_path = 0 }, 3)
    self.body = body
    self.drop_path = core.layers.DropPath { p = named.drop_path }
end

function Residual:forward(x)
    return x + self.drop_path(self.body(x))
end

return containers
