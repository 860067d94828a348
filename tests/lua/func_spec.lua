--- Differentiable functions written in Lua, and the check of their gradients.
local effv2 = require "effv2"

local Function = effv2.Function

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return message
end

local Product = Function {
    name = "product",
    forward = function(a, b)
        return a * b, { a, b }
    end,
    backward = function(saved, dy)
        return dy * saved[2], dy * saved[1]
    end,
}

describe("effv2.Function", function()
    it("computes forward and hands its own gradients on", function()
        local a = effv2.tensor({ 1, 2, 3 }):requires_grad(true)
        local b = effv2.tensor({ 4, 5, 6 }):requires_grad(true)
        local y = Product(a, b)
        assert.are.same({ 4, 10, 18 }, y:totable())
        effv2.sum(y * effv2.tensor { 1, 10, 100 }):backward()
        assert.are.same({ 4, 50, 600 }, a:grad():totable())
        assert.are.same({ 1, 20, 300 }, b:grad():totable())
    end)

    it("may lie about the gradient, and between other operations", function()
        local Reverse = Function {
            forward = function(x)
                return x * 1
            end,
            backward = function(_, dy)
                return -dy
            end,
        }
        local x = effv2.tensor({ 2 }):requires_grad(true)
        effv2.sum(Reverse(x * 3) * 5):backward()
        assert.are.same({ -15 }, x:grad():totable())
    end)

    it("gives no gradient where backward returns nil, and runs none where none is wanted", function()
        local calls = 0
        local First = Function {
            forward = function(a, b)
                return a + b
            end,
            backward = function(_, dy)
                calls = calls + 1
                return dy
            end,
        }
        local a, b = effv2.ones(2):requires_grad(true), effv2.ones(2):requires_grad(true)
        First(a, b):sum():backward()
        assert.are.same({ 1, 1 }, a:grad():totable())
        assert.is_nil(b:grad())
        assert.is_equal(1, calls)
        assert.is_false(First(effv2.ones(2), effv2.ones(2)):requires_grad())
        assert.is_equal(1, calls)
    end)

    it("says so when what backward needs ended with its step", function()
        local a = effv2.full(2, 3):requires_grad(true)
        local y = effv2.step(function()
            return Product(a * 1, a * 3)
        end)
        assert.is_truthy(message_of(y.backward, effv2.sum(y)):find("freed at the end of its step", 1, true))
    end)

    it("refuses wrong arguments and results", function()
        local function fails(text, ...)
            assert.is_truthy(message_of(...):find(text, 1, true), text)
        end
        local function identity(x)
            return x
        end
        fails("backward is a nil, wanted a function", Function, { forward = identity })
        fails("did you mean backward", Function, { forward = identity, bakward = identity })
        fails("wanted a tensor", Product, 3, 4)
        local no_tensor = Function {
            forward = function()
                return 3
            end,
            backward = identity,
        }
        fails("forward returned a number, wanted a tensor", no_tensor, effv2.ones(1))
        local function backward_of(backward)
            return function()
                Function { forward = identity, backward = backward }(effv2.ones(2):requires_grad(true)):sum():backward()
            end
        end
        fails("gradient 1 is a string, wanted a tensor or nil", backward_of(function() return "x" end))
        fails("gradient 1 is float32 3, the input is 2", backward_of(function() return effv2.ones(3) end))
        fails("func_spec.lua", backward_of(function() error "stop" end))
        assert.is_equal("Function product", tostring(Product))
    end)
end)

describe("gradient_error", function()
    it("is small for right gradients and large for wrong ones", function()
        effv2.manual_seed(2)
        local a, b = effv2.randn(3, 4), effv2.randn(3, 4)
        local before = a:tobytes()
        assert.is_true(Function.gradient_error(Product, { a, b }) < 1e-3)
        assert.is_equal(before, a:tobytes())
        local Wrong = Function {
            forward = Product.forward,
            backward = function(saved, dy)
                return dy * saved[2], dy * saved[1] * 1.5
            end,
        }
        assert.is_true(Function.gradient_error(Wrong, { a, b }) > 0.05)
    end)

    it("checks layers with their parameters", function()
        effv2.manual_seed(3)
        local layer = effv2.nn.Dense { in_features = 4, out_features = 3 }
        local x = effv2.randn(5, 4)
        assert.is_true(Function.gradient_error(layer, { x }, { others = layer:parameters() }) < 1e-3)
        local Scaled = Function {
            forward = function(w)
                return w * 2
            end,
            backward = function(_, dy)
                return dy
            end,
        }
        assert.is_true(Function.gradient_error(function(v)
            return effv2.matmul(v, Scaled(layer.weight))
        end, { x }, { others = { layer.weight } }) > 0.05)
    end)
end)
