--- effv2.speed: steps and inferences timed in a process of their own, several networks by turns, clear errors.
local effv2 = require "effv2"
local bad_input = dofile "tests/lua/support.lua"

local speed = effv2.speed

--- A job that takes a moment; `changes` replaces some of it.
local function job(changes)
    local given = { model = bad_input.network(), image = 8, batch = 2, steps = 3, warmup = 1, threads = 1 }
    for key, value in pairs(changes or {}) do
        given[key] = value
    end
    return given
end

local function is_plausible(one, batch)
    assert.is_true(one.fastest > 0 and one.fastest <= one.seconds and one.seconds <= one.slowest)
    assert.is_near(batch / one.seconds, one.images_per_s, 1e-9 * one.images_per_s)
    assert.is_true(one.peak_rss > 2 ^ 20 and one.peak_rss < 2 ^ 32)
end

describe("speed", function()
    it("times steps of training, or inferences, of a description with its parameters", function()
        for _, mode in ipairs { "train", "infer" } do
            local one = speed(job { mode = mode })
            is_plausible(one, 2)
            assert.is_equal(bad_input.model():num_parameters(), one.parameters)
            assert.is_same({ one.seconds }, one.all)
        end
    end)

    it("takes models by name with options, and the processor's clock", function()
        local options = { classes = 3, width = 8, layers = { 1, 1 }, stem_kernel = 3 }
        local one = speed(job { model = "resnet18", options = options, clock = "processor", batch = 1 })
        is_plausible(one, 1)
        assert.is_equal(effv2.models.create("resnet18", options):num_parameters(), one.parameters)
    end)

    it("times several by turns: the median of the rounds' medians, the fastest and slowest of all", function()
        local order, run = {}, speed.run
        local seconds = { a = { 3, 1, 8 }, b = { 10, 30, 20 } }
        speed.run = function(what, given) -- stands for the processes
            local name = given.model
            order[#order + 1] = what .. " " .. name
            local s = table.remove(seconds[name], 1)
            return { seconds = s, fastest = s / 2, slowest = 2 * s, parameters = #order, peak_rss = 1 }
        end
        local fine, found = pcall(speed.compare, { job { model = "a" }, job { model = "b", batch = 5 } }, 3)
        speed.run = run
        assert.is_true(fine, found)
        assert.is_equal("speed a speed b speed a speed b speed a speed b", table.concat(order, " "))
        assert.is_same({ 3, 0.5, 16, { 1, 3, 8 }, 1 },
            { found[1].seconds, found[1].fastest, found[1].slowest, found[1].all, found[1].parameters })
        assert.is_same({ 20, 0.25, 5, 60, 2 },
            { found[2].seconds, found[2].images_per_s, found[2].fastest, found[2].slowest, found[2].parameters })
    end)

    it("has the median of an even number of times between the two in the middle", function()
        assert.is_same({ 2, 2.5, 7 }, { speed.median { 1, 2, 9 }, speed.median { 1, 2, 3, 9 }, speed.median { 7 } })
    end)

    it("does not change what it is given", function()
        local given = { model = bad_input.network(), image = 8, batch = 1, steps = 1, warmup = 0 }
        speed.compare { given }
        assert.is_same({ model = bad_input.network(), image = 8, batch = 1, steps = 1, warmup = 0 }, given)
    end)

    for _, case in ipairs {
        { "a network that cannot be made", { model = bad_input.network { dropuot = 0.1 } },
            "the process that times the network ended with", "did you mean dropout?" },
        { "an unknown name", { model = "efficientnetv2-z" }, "ended with", "efficientnetv2-z" },
        { "an unknown clock", { clock = "cpu" }, "unknown clock 'cpu'", "wall or processor" },
        { "an unknown mode", { mode = "test" }, "unknown mode 'test'", "train or infer" },
        { "a wrong key", { size = 8 }, "unknown argument 'size'", "batch" },
        { "no image", { image = 0 }, "image is 0", "a whole number from 1" },
        { "half a step", { steps = 0.5 }, "steps is 0.5", "a whole number from 1" },
        { "a warm-up below 0", { warmup = -1 }, "warmup is -1", "a whole number from 0" },
    } do
        it("refuses " .. case[1], function()
            bad_input.check { case[1], function() speed(job(case[2])) end, unpack(case, 3) }
        end)
    end

    it("refuses no rounds, and no model", function()
        bad_input.check { "rounds", function() speed.compare({ job() }, 0) end, "rounds is 0", "a whole number from 1" }
        local none = job()
        none.model = nil
        bad_input.check { "model", function() speed(none) end, "speed: model is missing", "a description" }
    end)
end)
