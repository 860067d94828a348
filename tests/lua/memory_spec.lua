--- A training's memory is flat: the same bytes after every step, no new memory at a size once two steps were done there,
-- and a collector that runs all the time changes nothing.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

local MEGABYTE = 1e6

--- Resident bytes; 0 with a sanitizer, which keeps freed memory aside.
local function resident()
    local maps = assert(effv2.read_file "/proc/self/maps")
    return maps:find "lib[at]san" and 0 or effv2.memory().rss
end

--- A training step on random images, as a function of its number and the image size.
local function stepper(given)
    effv2.manual_seed(1)
    local model = given.model or support.model()
    local optimiser = effv2.optim.rmsprop { weight_decay = 1e-5 }:attach(model)
    local ema = effv2.optim.ema(0.99):attach(model, optimiser)
    local labels = effv2.zeros(8, { dtype = "int64" })
    return function(step, size)
        effv2.seed_step(0, step)
        optimiser:zero_grad()
        effv2.step(function()
            local images = effv2.randn(8, size, size, 3)
            effv2.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
        end)
        optimiser:step { lr = 1e-3, clip_norm = 1 }
        ema:update()
    end
end

describe("the memory of training steps", function()
    after_each(function()
        collectgarbage "restart"
    end)

    teardown(support.clean)

    it("is flat over 240 steps at changing image sizes, whenever the collector runs", function()
        local train = stepper {}
        local sizes, turns, per_turn = { 32, 48, 24, 64 }, 3, 20
        local live, rss = nil, {}
        local step = 0
        effv2.memory_trim()
        for turn = 1, turns do
            for _, size in ipairs(sizes) do
                effv2.memory_trim()
                collectgarbage "stop"
                local allocations
                for i = 1, per_turn do
                    step = step + 1
                    train(step, size)
                    local now = effv2.memory()
                    if i >= 3 then
                        live = live or now.live
                        assert.is_equal(live, now.live, ("step %d, at %d px"):format(step, size))
                        assert.is_equal(allocations, now.allocations, ("step %d, at %d px"):format(step, size))
                    end
                    allocations = now.allocations
                end
                collectgarbage "restart"
                rss[turn] = math.max(rss[turn] or 0, resident())
            end
        end
        assert.is_equal(240, step)
        assert.is_true(rss[3] - rss[2] < MEGABYTE, ("grew from %.1f to %.1f MB"):format(rss[2] / 1e6, rss[3] / 1e6))
    end)

    it("returns what a larger size needed", function()
        local train = stepper {}
        for step = 1, 3 do
            train(step, 24)
        end
        effv2.memory_trim()
        train(4, 24)
        local small = effv2.memory()
        for step = 5, 7 do
            train(step, 96)
        end
        local large = effv2.memory()
        effv2.memory_trim()
        train(8, 24)
        local again = effv2.memory()
        assert.is_true(large.cached > 4 * small.cached)
        assert.is_equal(small.cached, again.cached)
        assert.is_equal(small.live, again.live)
    end)

    it("does not depend on the number of steps in Lua's own heap", function()
        local train = stepper {}
        local function heap_after(steps)
            for step = 1, steps do
                train(step, 16)
            end
            collectgarbage()
            collectgarbage()
            return collectgarbage "count"
        end
        heap_after(20)
        local before = heap_after(50)
        assert.is_true(heap_after(200) - before < 4, "kilobytes") -- compiled traces come and go
    end)
end)

describe("the memory of effv2.train", function()
    teardown(support.clean)

    it("is the same after every epoch of a stage", function()
        local seen = {}
        support.train {
            epochs = 12, schedule = support.schedule { stages = 3 },
            on_epoch = function(metrics)
                seen[metrics.epoch] = { stage = metrics.stage, live = effv2.memory().live, rss = resident() }
            end,
        }
        assert.is_equal(3, seen[12].stage)
        for epoch = 2, 12 do
            assert.is_equal(seen[1].live, seen[epoch].live, "epoch " .. epoch)
        end
        assert.is_true(seen[12].rss - seen[9].rss < MEGABYTE, "within the last stage")
    end)

    it("is given back when the training is over", function()
        support.train { epochs = 1 }
        effv2.memory_trim()
        local before = effv2.memory().live
        support.train { epochs = 2 }
        pcall(support.train, { epochs = 2, stop_after = 3 })
        pcall(support.train, { epochs = 2, augment = function() error "on purpose" end })
        effv2.memory_trim()
        assert.is_equal(before, effv2.memory().live)
    end)
end)

describe("a collector that never rests", function()
    teardown(support.clean)

    -- A whole collection at every allocation, in a process of its own, whose heap is small. Compiled traces are off: one
    -- that begins with an allocation would leave for a collection for ever.
    local script = [[
        local support = dofile "tests/lua/support_training.lua"
        jit.off()
        jit.flush()
        collectgarbage("setpause", 0)
        collectgarbage("setstepmul", 1000000)
        support.train { accumulate = 2, workers = 2, run = arg[1] }
        support.train { accumulate = 2, resume = arg[1] }
    ]]

    it("frees nothing that is in use and changes no bit of a training", function()
        local calm, tortured = support.train { accumulate = 2 }.run, support.new_name()
        local code, _, errors = support.run("%s", ("--threads 2 %s %s"):format(support.write(script), tortured))
        assert.is_equal(0, code, errors)
        support.assert_same_run(calm, tortured)
    end)
end)
