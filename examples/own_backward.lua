--- A differentiable function with its own backward, in Lua: rounding with a straight-through gradient.
--
-- Rounding has the derivative 0 almost everywhere, so nothing would learn through it. The straight-through estimator
-- (Bengio et al. 2013) passes the gradient as if the function were the identity, here within [-1, 1] only.
local effv2 = require "effv2"

local levels = 4 -- of each sign, as in a quantised network

local Quantise = effv2.Function {
    name = "quantise",
    forward = function(x)
        local codes = x:totable()
        for i, value in ipairs(codes) do
            codes[i] = math.max(-1, math.min(1, math.floor(value * levels + 0.5) / levels))
        end
        return effv2.tensor(codes), x
    end,
    backward = function(x, dy)
        local inside = x:totable()
        for i, value in ipairs(inside) do
            inside[i] = math.abs(value) <= 1 and 1 or 0
        end
        return dy * effv2.tensor(inside)
    end,
}

effv2.manual_seed(1)
local target = effv2.tensor { -0.75, 0.25, 0.5, 1.0 }
local x = (effv2.randn(4) * 0.3):requires_grad(true)
local optimiser = effv2.optim.sgd {}:attach { x }
for step = 1, 30 do
    effv2.step(function()
        optimiser:zero_grad()
        local loss = effv2.sum((Quantise(x) - target):square())
        loss:backward()
        optimiser:step { lr = 0.1 }
        if step % 10 == 0 then
            print(("step %d: loss %.4f"):format(step, loss:item()))
        end
    end)
end
print("quantised", Quantise(x))

-- A backward that is meant to be the true derivative can be checked against differences.
local Swish = effv2.Function {
    name = "swish",
    forward = function(v) return v * v:sigmoid(), v end,
    backward = function(v, dy)
        local s = v:sigmoid()
        return dy * (s + v * s * (1 - s))
    end,
}
local worst = effv2.Function.gradient_error(Swish, { effv2.randn(4, 8) })
print(("swish: the gradient deviates from differences by %.1e at most"):format(worst))
