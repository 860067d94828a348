--- Step scopes: what is made in a step and not kept is gone at its end, and says so when it is used later.
local effv2 = require "effv2"

local FREED = "tensor was freed at the end of its step; call :keep%(%) on it inside the step"

local function live()
    collectgarbage()
    return effv2.memory().live
end

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

describe("a step", function()
    it("frees what was made inside, at once", function()
        collectgarbage "stop"
        local before = effv2.memory().live
        local held, during = nil, nil
        effv2.step(function()
            held = effv2.randn(1000, 10) + 1
            during = effv2.memory().live
        end)
        local after = effv2.memory().live
        collectgarbage "restart"
        assert.is_true(during - before >= 2 * 40000)
        assert.is_equal(before, after)
        assert.is_not_nil(held)
    end)

    it("leaves handles that name what happened", function()
        local x, view
        effv2.step(function()
            x = effv2.ones(3)
            view = x:reshape { 3, 1 }
        end)
        for _, dead in ipairs { x, view } do
            assert.matches(FREED, message_of(function() return dead + 1 end))
            assert.matches(FREED, message_of(function() return dead:sum() end))
            assert.matches(FREED, message_of(function() return effv2.zeros(3) + dead end))
            assert.matches(FREED, message_of(function() return dead[1] end))
            assert.matches(FREED, message_of(function() return dead:shape() end))
            assert.matches(FREED, message_of(function() return dead:keep() end))
            assert.matches(FREED, message_of(effv2.concat, { effv2.zeros(3), dead }))
            assert.is_equal("[a tensor that was freed at the end of its step]", tostring(dead))
        end
        local layer = effv2.layers.Dense { in_features = 3, out_features = 2 }
        assert.matches(FREED, message_of(layer, x))
    end)

    it("returns what the function returns, and keeps the tensors among it", function()
        local a, b, c, d = effv2.step(function(x, y)
            return effv2.full(x, 2), nil, y, effv2.full(y, 2):sum()
        end, 3, "4" + 0)
        assert.is_same({ 3, 3 }, a:totable())
        assert.is_nil(b)
        assert.is_equal(4, c)
        assert.is_equal(8, d:item())
        assert.is_equal(0, select("#", effv2.step(function() end)))
    end)

    it("keeps what is told to stay, but not what is hidden in a table", function()
        local kept, list
        effv2.step(function()
            kept = effv2.ones(2):keep()
            list = { effv2.ones(2) }
            return list
        end)
        assert.is_same({ 1, 1 }, kept:totable())
        assert.matches(FREED, message_of(function() return list[1]:sum() end))
    end)

    it("does not touch tensors from outside", function()
        local x = effv2.ones(3)
        effv2.step(function()
            x:fill(2)
            return x
        end)
        assert.is_same({ 2, 2, 2 }, x:totable())
    end)

    it("ends when its function raises, and hands the error on unchanged", function()
        local before, x = live(), nil
        local reason = { code = 7 }
        local ok, got = pcall(effv2.step, function()
            x = effv2.ones(1000)
            error(reason)
        end)
        assert.is_false(ok)
        assert.is_equal(reason, got)
        assert.matches(FREED, message_of(function() return x:sum() end))
        assert.is_equal(before, live())
        assert.matches("add: ", message_of(effv2.step, function() return effv2.ones(2) + effv2.ones(3) end))
        assert.is_equal(before, live())
    end)

    it("may lie within another, and gives its results to that one", function()
        local before, from_inner, outer_own, kept = live(), nil, nil, nil
        effv2.step(function()
            outer_own = effv2.ones(4)
            from_inner = effv2.step(function()
                kept = effv2.ones(5):keep()
                return effv2.ones(3) * 2, kept
            end)
            assert.is_equal(outer_own, (effv2.step(function() return outer_own end)))
            effv2.step(function() effv2.step(function() return outer_own end) end)
            assert.is_same({ 2, 2, 2 }, from_inner:totable())
            assert.is_same({ 1, 1, 1, 1 }, outer_own:totable())
        end)
        assert.matches(FREED, message_of(function() return from_inner:sum() end))
        assert.matches(FREED, message_of(function() return outer_own:sum() end))
        assert.is_same({ 1, 1, 1, 1, 1 }, kept:totable())
        kept = nil
        assert.is_equal(before, live())
    end)

    it("does not end gradients, parameters or running statistics", function()
        local layer = effv2.layers.BatchNorm2d { channels = 4 }
        local weight = effv2.ones(4):requires_grad(true)
        effv2.step(function()
            layer:train()
            ;(layer(effv2.randn(2, 3, 3, 4)) * weight):sum():backward()
        end)
        assert.is_equal(4, weight:grad():numel())
        for _, entry in ipairs(layer:named_parameters()) do
            assert.is_equal(4, entry.tensor:grad():numel())
        end
        assert.is_true(layer:named_buffers()[1].tensor:square():sum():item() > 0)
    end)

    it("ends a graph of which only the loss was returned", function()
        local weight = effv2.ones(100):requires_grad(true)
        local loss = effv2.step(function()
            return (weight * 2):square():sum()
        end)
        loss:backward()
        assert.is_equal(8, weight:grad()[1])
    end)

    it("calls functions and models, and nothing else", function()
        local model = effv2.nn.Sequential { effv2.nn.Dense { in_features = 3, out_features = 2 } }
        assert.is_same({ 1, 2 }, effv2.step(model, effv2.ones(1, 3)):shape())
        assert.is_same({ 1, 2 }, effv2.no_grad(model, effv2.ones(1, 3)):shape())
        assert.is_same({ 1, 2 }, effv2.step(model[1], effv2.ones(1, 3)):shape())
        assert.matches("step: the first argument is a number, wanted a function or a model", message_of(effv2.step, 5))
        assert.matches("no_grad: the first argument is a table", message_of(effv2.no_grad, {}))
    end)
end)
