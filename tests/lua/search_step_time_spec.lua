--- Step times: measured in a process of its own, predicted by a fit that states its error; scaling the winner.
local effv2 = require "effv2"
local least_squares = require "effv2.search.least_squares"
local bad_input = dofile "tests/lua/support.lua"

local models, search = effv2.models, effv2.search

local space = search.networks.stages {
    stem = { channels = 8 }, head = 16, sizes = { train = 200, eval = 300 },
    stages = { { channels = 8, layers = { 1, 2 } }, { channels = 16, layers = { 1, 2, 3 }, stride = 2 } },
}

describe("the time of a step", function()
    it("is taken in a process of its own, beside a reference", function()
        local options = bad_input.network()
        local seconds, more = search.step_time(options, {
            image = 16, batch = 2, steps = 3, warmup = 1, threads = 1, rounds = 2,
            reference = { stem = { channels = 4 }, head = 8, stages = { { op = "mb", channels = 4 } } },
        })
        assert.is_equal(bad_input.model():num_parameters(), more.parameters)
        assert.is_equal(seconds, more.seconds)
        assert.is_true(more.fastest > 0 and more.fastest <= seconds and seconds <= more.slowest)
        assert.is_true(more.share > 0 and more.reference > 0)
    end)

    it("is a share of seconds that were measured before", function()
        local seconds, more = search.step_time(bad_input.network(), {
            image = 8, batch = 1, steps = 1, warmup = 0, threads = 1, reference = 0.5, clock = "processor",
        })
        assert.is_equal(seconds / 0.5, more.share)
    end)

    it("is not guessed where the network cannot be made", function()
        local network = bad_input.network { dropuot = 0.1 }
        bad_input.check { "step_time", function() search.step_time(network, { image = 8, steps = 1 }) end,
            "the process that times the network ended with", "did you mean dropout?" }
        bad_input.check { "clock", function() search.step_time(network, { image = 8, clock = "cpu" }) end,
            "unknown clock 'cpu'", "wall or processor" }
        bad_input.check { "image", function() search.step_time(network, {}) end, "image is missing", "whole number" }
    end)
end)

--- Networks with times that a formula gives, times 1 + noise by turns up and down.
local function samples_of(count, noise)
    local rng, list = search.random(4), {}
    for i = 1, count do
        local model = space:stages(space:random(rng))
        local rows = models.summary(model, 32, {})
        local exact = 0.01 + 2e-9 * rows.macs + 3e-9 * rows.parameters + 1e-8 * rows.activations
        list[i] = { model = model, seconds = exact * (1 + (i % 2 == 0 and noise or -noise)), exact = exact }
    end
    return list
end

describe("a predictor of step times", function()
    it("finds the formula that the times come from, and says that it errs nowhere", function()
        local samples = samples_of(40, 0)
        local predictor = search.fit_step_time({ unpack(samples, 1, 30) }, { image = 32 })
        assert.is_true(predictor.error.worst < 1e-6)
        for i = 31, 40 do
            assert.is_near(1, predictor:predict(samples[i].model) / samples[i].exact, 1e-6)
        end
        assert.matches("from 30 samples; error on samples left out: mean 0.0 %%, worst 0.0 %%", tostring(predictor))
    end)

    it("says how far it errs on samples that it has not seen", function()
        local predictor = search.fit_step_time(samples_of(30, 0.05), { image = 32 })
        assert.is_true(predictor.error.mean > 0.04 and predictor.error.mean < 0.12, predictor.error.mean)
        assert.is_true(predictor.error.worst >= predictor.error.mean)
    end)

    it("predicts the same in another process, from its state", function()
        local predictor = search.fit_step_time(samples_of(20, 0.05), { image = 32 })
        local again = search.restore_step_time(effv2.json_decode(effv2.json_encode(predictor:state())))
        local network = space:stages(space:random(search.random(8)))
        assert.is_equal(predictor:predict(network), again:predict(network))
        assert.is_equal(tostring(predictor), tostring(again))
        bad_input.check { "state", function() search.restore_step_time {} end, "a table", "with 7 coefficients" }
    end)

    it("wants enough samples, and times", function()
        local samples = samples_of(12, 0)
        bad_input.check { "few", function() search.fit_step_time({ unpack(samples, 1, 5) }, { image = 32 }) end,
            "5 samples", "at least 10" }
        samples[3].seconds = nil
        bad_input.check { "time", function() search.fit_step_time(samples, { image = 32 }) end,
            "seconds of sample 3 is missing", "above 0" }
    end)
end)

describe("least squares", function()
    it("fits the line that the normal equations give", function()
        local line = least_squares({ { 1, 1 }, { 1, 2 }, { 1, 3 } }, { 1, 2, 2 }) -- by hand: 2 / 3 + x / 2
        assert.is_near(2 / 3, line[1], 1e-12)
        assert.is_near(1 / 2, line[2], 1e-12)
    end)

    it("solves nearly dependent columns, and leaves dependent ones out", function()
        local rows, targets = {}, {}
        for i = 1, 8 do
            local x = i / 8
            rows[i] = { 1, x, x + 1e-5 * x * x, 2 * x }
            targets[i] = 3 + rows[i][3]
        end
        local found = least_squares(rows, targets)
        assert.is_equal(0, found[4])
        assert.is_near(3, found[1], 1e-9)
        assert.is_near(1, found[3], 1e-5)
        assert.is_near(0, found[2], 1e-5)
    end)
end)

describe("scaling the winner", function()
    local winner = space:stages(space:decode { 1, 1, 2, 2, 2, 1, 3, 3 })

    it("makes channels, layers and images larger, images up to the limit, late stages more", function()
        local scaled = search.scale(winner, { width = 1.5, depth = 2, image = 2, late_layers = 1.5 })
        assert.is_equal(16, scaled.stages[1].channels) -- 12 rounds to 16
        assert.is_equal(24, scaled.stages[2].channels)
        assert.is_equal(winner.stages[1].layers * 2, scaled.stages[1].layers)
        assert.is_equal(winner.stages[2].layers * 3, scaled.stages[2].layers)
        assert.are.same({ train = 400, eval = 480 }, scaled.sizes)
        assert.is_equal(winner.stages[2].op, scaled.stages[2].op)
        assert.is_true(models.create(scaled):num_parameters() > models.create(winner):num_parameters())
        assert.is_equal(100, search.scale(winner, { max_image = 100 }).sizes.eval)
    end)

    it("reads the winner's file too, and writes the larger one", function()
        bad_input.in_folder(function(folder)
            assert(models.write(folder .. "/winner.lua", winner))
            local scaled = search.scale(folder .. "/winner.lua", { depth = 2 })
            assert.are.same(search.scale(winner, { depth = 2 }), scaled)
            assert(models.write(folder .. "/large.lua", scaled))
            assert.are.same(scaled.stages, models.read(folder .. "/large.lua").stages)
        end)
    end)

    it("names what it does not know", function()
        bad_input.check { "key", function() search.scale(winner, { late = 2 }) end, "'late'", "late_layers" }
    end)
end)
