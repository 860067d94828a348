--- effv2.Function { name =, forward =, backward = }: a differentiable function with its own backward, in Lua.
--
--     local Cube = effv2.Function {
--       name = "cube",
--       forward = function(x) return x * x * x, x end,         -- the result, and what backward needs
--       backward = function(x, dy) return dy * 3 * x * x end,  -- a gradient, or nil, for each input
--     }
--     local y = Cube(x)
--
-- What is composed of existing operations has its gradient for free; this is for a gradient that should be another
-- one (straight-through estimators, gradient reversal), or that can be had cheaper than by following every operation.
local core = require "effv2.core"
local keys = require "effv2.keys"

local Function = {}
Function.__index = Function

--- Calls forward without recording it; the result's gradient will come from backward.
-- @param ... one to 31 tensors
function Function:__call(...)
    return core.apply_function(self.forward, self.backward, ...)
end

function Function:__tostring()
    return "Function " .. self.name
end

local function construct(_, args)
    args = keys.check("Function", args, { name = "function", forward = keys.none, backward = keys.none })
    for _, name in ipairs { "forward", "backward" } do
        if type(args[name]) ~= "function" then
            error(("Function: %s is a %s, wanted a function"):format(name, type(args[name])), 2)
        end
    end
    return setmetatable(args, Function)
end

--- The elements of x whose derivatives are checked: all, or `most` spread evenly.
local function positions(numel, most)
    local list, step = {}, math.max(1, numel / most)
    local at = 1
    while at <= numel do
        list[#list + 1] = math.floor(at)
        at = at + step
    end
    return list
end

--- f(inputs) without recording.
local function evaluate(f, inputs)
    return core.no_grad(function()
        return f(unpack(inputs))
    end)
end

--- The largest deviation of f's gradient from central differences, as a share of 1 + the derivative's size.
-- About 1e-3 is what float32 allows; 0.1 is a wrong gradient. The inputs keep their values.
-- @param f a Function, a layer, a module or any function of tensors that returns one tensor
-- @param inputs the list of tensors that are passed to it and differentiated
-- @param options step = 1e-2 of the differences, most = 32 elements of each input, others = further tensors that f uses
-- (parameters) and whose gradients are checked too
function Function.gradient_error(f, inputs, options)
    options = keys.check("gradient_error", options, { step = 1e-2, most = 32, others = {} })
    local checked = { unpack(inputs) }
    for _, tensor in ipairs(options.others) do
        checked[#checked + 1] = tensor
    end
    for _, x in ipairs(checked) do
        x:requires_grad(true):zero_grad()
    end
    local y = f(unpack(inputs))
    local weight = core.randn(y:shape())
    core.sum(y * weight):backward()
    local worst = 0
    for _, x in ipairs(checked) do
        local gradient = (x:grad() or core.zeros(x:shape())):reshape(x:numel())
        local flat = x:detach():reshape(x:numel())
        for _, i in ipairs(positions(x:numel(), options.most)) do
            local held = flat[i]
            flat[i] = held + options.step
            local above = evaluate(f, inputs)
            flat[i] = held - options.step
            local below = evaluate(f, inputs)
            flat[i] = held
            local slope = core.sum((above - below) * weight):item() / (2 * options.step)
            worst = math.max(worst, math.abs(slope - gradient[i]) / (1 + math.abs(slope)))
        end
    end
    for _, x in ipairs(checked) do
        x:zero_grad()
    end
    return worst
end

return setmetatable(Function, {
    __call = construct,
    __tostring = function()
        return "class Function"
    end,
})
