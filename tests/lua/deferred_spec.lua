--- A norm that is computed where it is read gives what a computed one gives, to every kind of reader.
local effv2 = require "effv2"
local golden = dofile "tests/lua/golden.lua"

local TOLERANCE = 2e-6 -- of a norm's scale: fused and separate arithmetic round differently

local function conv(args)
    return function(y, w)
        return y:conv2d(w, nil, args)
    end
end

local CHANNELS = 17 -- no multiple of a vector

local readers = {
    { name = "a 1x1 convolution", weight = { 1, 1, CHANNELS, 9 }, read = conv {} },
    { name = "a 1x1 convolution with stride", weight = { 1, 1, CHANNELS, 33 }, read = conv { stride = 2 } },
    { name = "a 3x3 convolution", weight = { 3, 3, CHANNELS, 48 }, read = conv { padding = "same" } },
    { name = "a 3x3 convolution with stride", weight = { 3, 3, CHANNELS, 7 }, read = conv { padding = 1, stride = 2 } },
    { name = "a grouped convolution", weight = { 3, 3, 1, 2 * CHANNELS }, read = conv { padding = 1, groups = CHANNELS } },
    { name = "a depthwise convolution", weight = { 3, 3, 1, CHANNELS }, read = conv { padding = 1, groups = CHANNELS } },
    { name = "a depthwise convolution with stride", weight = { 5, 5, 1, CHANNELS },
        read = conv { padding = "same", stride = 2, groups = CHANNELS } },
    { name = "the mean over pixels", read = function(y) return y:global_avg_pool() end },
    { name = "squeeze-excite and a 1x1 convolution", weight = { CHANNELS, 4 }, read = function(y, w)
        local excited = y:squeeze_excite(w, effv2.zeros(4), w:permute { 2, 1 }, effv2.ones(CHANNELS))
        return excited:conv2d(w:reshape { 1, 1, CHANNELS, 4 })
    end },
    { name = "squeeze-excite twice, a sum, and a 3x3 convolution", weight = { CHANNELS, 4 }, read = function(y, w)
        local function excite(x)
            return x:squeeze_excite(w, effv2.zeros(4), w:permute { 2, 1 }, effv2.ones(CHANNELS), "relu")
        end
        return excite(excite(y)):conv2d(effv2.ones(3, 3, CHANNELS, 2)) + excite(y):slice(4, 1, 2)
            :slice(2, 2, 6):slice(3, 2, 5)
    end },
    { name = "drop-path", read = function(y)
        effv2.seed_step(0, 2)
        return y:drop_path(0.5)
    end },
    { name = "drop-path and a residual sum", weight = { 3, 7, 6, CHANNELS }, read = function(y, w)
        effv2.seed_step(0, 2)
        return w + y:drop_path(0.5)
    end },
    { name = "a residual sum of two of them", read = function(y)
        effv2.seed_step(0, 2)
        return y:drop_path(0.5) + y
    end },
    { name = "a gate", weight = { 3, 1, 1, CHANNELS }, read = function(y, w) return y * w end },
    { name = "a sum", weight = { 3, 7, 6, CHANNELS }, read = function(y, w) return w + y end },
    { name = "a sum with itself", read = function(y) return y + y * 2 end },
    { name = "an activation", read = function(y) return y:gelu() end },
    { name = "a view", read = function(y) return y:permute { 1, 4, 2, 3 }:slice(3, 2, 5) end },
    { name = "two convolutions", weight = { 1, 1, CHANNELS, 5 }, read = function(y, w)
        return y:conv2d(w) + y:conv2d(w):relu()
    end },
}

local function random(seed, shape)
    effv2.manual_seed(seed)
    return effv2.randn(unpack(shape)):requires_grad(true)
end

--- The reader's result and all gradients.
local function run(reader, activation, deferred)
    local x, gamma, beta = random(1, { 3, 7, 6, CHANNELS }), random(2, { CHANNELS }), random(3, { CHANNELS })
    local w = reader.weight and random(4, reader.weight)
    local y = x:batch_norm(gamma, beta, { activation = activation, deferred = deferred })
    local z = reader.read(y, w)
    z:backward(random(5, z:shape()))
    return { z, x:grad(), gamma:grad(), beta:grad(), w and w:grad() }
end

describe("a deferred norm", function()
    for _, isa in ipairs(golden.instruction_sets()) do
        for _, reader in ipairs(readers) do
            it(("is read by %s with %s"):format(reader.name, isa), function()
                golden.with_isa(isa, function()
                    for _, activation in ipairs { "none", "relu", "silu" } do
                        local want, got = run(reader, activation, false), run(reader, activation, true)
                        for i, tensor in ipairs(want) do
                            assert.is_true(golden.error_of_norm(got[i], tensor) <= TOLERANCE, i .. " " .. activation)
                        end
                    end
                end)
            end)
        end
    end

    it("is an ordinary tensor to Lua", function()
        local x, gamma, beta = random(1, { 2, 3, 3, 4 }), random(2, { 4 }), random(3, { 4 })
        local eager = x:batch_norm(gamma, beta, { activation = "relu" })
        local y = x:batch_norm(gamma, beta, { activation = "relu", deferred = true })
        assert.are.same({ 2, 3, 3, 4 }, y:shape())
        assert.are.same(eager:totable(), y:totable())
        assert.are.equal(tostring(eager), tostring(y))
        assert.are.equal(eager:sum():item(), y:sum():item())
    end)

    it("holds no memory of its own", function()
        local gamma, beta, x = effv2.ones(64), effv2.zeros(64), effv2.randn(4, 16, 16, 64)
        collectgarbage()
        local before = effv2.memory().live
        local y = x:batch_norm(gamma, beta, { deferred = true })
        assert.is_true(effv2.memory().live - before < x:numel() * 4 / 8)
        assert.are.equal(64, y:size(4))
    end)

    it("is the same over a convolution that backward computes again", function()
        local function train(recompute)
            local x, w, gamma, beta = random(1, { 2, 6, 5, 4 }), random(2, { 3, 3, 4, 9 }), random(3, { 9 }), random(4, { 9 })
            local raw = x:conv2d(w, nil, { padding = 1, recompute = recompute })
            local y = raw:batch_norm(gamma, beta, { deferred = true }) + raw:slice(4, 1, 1)
            y:backward(random(5, y:shape()))
            return { y:totable(), x:grad():totable(), w:grad():totable(), gamma:grad():totable() }
        end
        assert.are.same(train(false), train(true))
    end)

    it("of a convolution that backward computes again keeps nothing but the sum", function()
        local x, w, gamma, beta = effv2.randn(4, 16, 16, 4), random(2, { 1, 1, 4, 64 }), random(3, { 64 }), random(4, { 64 })
        local function kept(recompute)
            collectgarbage()
            local before = effv2.memory().live
            local raw = x:conv2d(w, nil, { recompute = recompute })
            local normed = raw:batch_norm(gamma, beta, { deferred = true })
            local y = normed + 1
            raw:free()
            normed:free()
            return effv2.memory().live - before, y
        end
        assert.is_true(kept(true) < kept(false) - 4 * 16 * 16 * 64 * 4 / 2)
    end)

    it("can be walked back twice", function()
        local x, gamma, beta, w = random(1, { 2, 5, 5, 4 }), random(2, { 4 }), random(3, { 4 }), random(4, { 3, 3, 4, 6 })
        local z = x:batch_norm(gamma, beta, { activation = "silu", deferred = true }):conv2d(w, nil, { padding = 1 })
        local dz = random(5, z:shape())
        z:backward { gradient = dz, keep_graph = true }
        local once = (w:grad() * 2):totable()
        z:backward(dz)
        assert.are.same(once, w:grad():totable())
    end)
end)
