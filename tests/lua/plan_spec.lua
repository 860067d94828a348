--- effv2.train { dry_run = true }: what it computes, what it measures, and that nothing is trained.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

local function plan(changes)
    local arguments = support.arguments(changes)
    arguments.dry_run = true
    return effv2.train(arguments), arguments
end

local function column(list, name)
    local values = {}
    for i, item in ipairs(list) do
        values[i] = item[name]
    end
    return values
end

describe("the plan of a training", function()
    teardown(support.clean)

    it("has the stages with their updates, epochs and rates", function()
        local made, o = plan { epochs = 5, batch_size = 12, accumulate = 2 }
        assert.is_same({ 4, 20, 48, 20, 10, 2, 5 }, { made.updates_per_epoch, made.updates, made.images, made.val_images,
            made.classes, made.parts, made.evaluations })
        assert.is_same({ 0, 10 }, column(made.stages, "first_update"))
        assert.is_same({ 10, 10 }, column(made.stages, "updates"))
        assert.is_same({ { 0, 2.5 }, { 2.5, 5 } }, column(made.stages, "epochs"))
        for i, stage in ipairs(made.stages) do
            assert.is_same(o.schedule:at((i - 1) / 2), stage.settings)
            local rates = {}
            for step = stage.first_update, stage.first_update + stage.updates - 1 do
                table.insert(rates, o.lr:at(step, 4, 20))
            end
            assert.is_same({ math.min(unpack(rates)), math.max(unpack(rates)) }, stage.lr)
        end
    end)

    it("has as many updates as the training", function()
        for _, epochs in ipairs { 1, 3, 7 } do
            local made, total = plan { epochs = epochs, schedule = support.schedule { stages = 3 } }, 0
            for _, updates in ipairs(column(made.stages, "updates")) do
                total = total + updates
            end
            assert.is_equal(epochs * 4, total)
        end
    end)

    it("trains nothing and writes nothing", function()
        local o = support.arguments {}
        local before = {}
        for i, tensor in ipairs(o.model:parameters()) do
            before[i] = tensor:tobytes()
        end
        o.dry_run = true
        effv2.train(o)
        for i, tensor in ipairs(o.model:parameters()) do
            assert.is_true(before[i] == tensor:tobytes())
        end
        assert.is_false(effv2.dir_exists(o.run))
    end)

    it("adds up its time, and larger images and batches take more of it and of memory", function()
        local made = plan {}
        local sum = made.evaluation_seconds
        for _, stage in ipairs(made.stages) do
            assert.is_true(stage.seconds > 0 and stage.images_per_second > 0)
            sum = sum + stage.seconds
        end
        assert.is_near(sum, made.seconds, 1e-9 * sum)
        assert.is_true(made.evaluation_seconds > 0)
        assert.is_true(made.stages[1].bytes < made.stages[2].bytes)
        assert.is_equal(made.stages[2].bytes, made.bytes)
        assert.is_true(plan { batch_size = 24 }.bytes > made.bytes)
    end)

    it("knows the memory that an update then needs", function()
        local schedule = effv2.schedule.fixed { image_size = 32 }
        local made = plan { schedule = schedule, batch_size = 48, epochs = 1 }
        collectgarbage()
        effv2.memory_trim()
        effv2.memory_reset_peak()
        local before = effv2.memory().live
        support.train { schedule = schedule, batch_size = 48, epochs = 1 }
        local used = effv2.memory().peak - before
        assert.is_true(made.bytes > used / 2 and made.bytes < used * 2, ("%g planned, %g used"):format(made.bytes, used))
    end)

    it("measures a few of many sizes", function()
        local sizes = {}
        local schedule = effv2.schedule.custom(function(progress)
            return { stage = math.floor(progress * 12), image_size = 16 + math.floor(progress * 12) }
        end)
        local made = plan { schedule = schedule, epochs = 3 }
        for i, m in ipairs(made.measures) do
            sizes[i] = m.size
        end
        assert.is_same({ 16, 18, 20, 23, 25, 27 }, sizes)
        assert.is_equal(12, #made.stages)
        local between, low, high = made.stages[2], made.measures[1], made.measures[2]
        local bytes = low.bytes + (17 ^ 2 - 16 ^ 2) / (18 ^ 2 - 16 ^ 2) * (high.bytes - low.bytes)
        assert.is_near(low.kept + 12 * bytes, between.bytes, 1)
    end)

    it("is made without pictures to validate, and with very few to train", function()
        local data = support.data { train = 12, val = 3 }
        data.val = nil
        local made = plan { data = data, ema = false }
        assert.is_same({ 0, 0, 1 }, { made.evaluations, made.evaluation_seconds, made.updates_per_epoch })
    end)

    it("prints as a table that says what was measured", function()
        local text = tostring((plan { epochs = 5 }))
        for _, part in ipairs {
            "48 + 20 images, 10 classes", "5 epochs of 4 updates at batch 12", "learning rate: exponential from 0.02",
            "stage", "randaugment", "drop_path", "2.5-5", "images/s", "in all, on this machine: about",
            "5 evaluations at 24 pixels", "Measured, with", "12, 12 pictures at 16, 24 pixels", "In proportion",
        } do
            assert(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
        end
    end)

    it("says that a busy machine is measured too slow", function()
        local made = plan {}
        assert.is_true(made.load == nil or made.load >= 0)
        made.threads, made.load = 2, 1
        assert.is_nil(tostring(made):find("busy", 1, true))
        made.load = 5.2
        assert.is_truthy(tostring(made):find("The machine was busy (load 5.2)", 1, true))
    end)

    it("is refused like the training itself", function()
        assert.has_error(function() plan { batch_size = 480 } end)
        assert.has_error(function() plan { lr = {} } end)
    end)
end)
