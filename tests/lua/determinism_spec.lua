--- The same seed gives the same bits, whatever the number of threads and of workers.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

--- Wide enough that layers are cut into several chunks, which the threads share.
local function wide_model()
    return support.model {
        stem = { channels = 16, stride = 1 }, head = 64,
        stages = {
            { op = "fused", channels = 16, expansion = 1 },
            { op = "fused", channels = 24, expansion = 4, stride = 2, layers = 2 },
            { op = "mb", channels = 32, expansion = 4, stride = 2, layers = 2, se = 0.25 },
        },
    }
end

--- Twenty updates with dropout, stochastic depth, Mixup, CutMix, RandAugment, average and clipping.
local function train(threads, workers, changes)
    effv2.set_threads(threads)
    local given = {
        data = support.data { train = 60, val = 20, seed = 3 }, epochs = 4, batch_size = 12, workers = workers, clip_norm = 2,
    }
    for key, value in pairs(changes) do
        given[key] = value
    end
    if given.wide then
        effv2.manual_seed(given.seed or 5)
        given.model, given.wide = wide_model(), nil
        given.schedule = support.schedule { image_size = { 32, 48 } }
    end
    return support.train(given).run
end

local function batches(threads, workers)
    effv2.set_threads(threads)
    local loader = effv2.data.loader {
        source = support.data().train, batch_size = 8, size = 32, seed = 4, workers = workers, mixup = 0.3, cutmix = 0.5,
        pipeline = effv2.augment.train { randaugment = { n = 3, magnitude = 12 }, cutout = 8 },
    }
    local parts = {}
    for epoch = 0, 2 do
        for batch in loader:batches { epoch = epoch } do
            for _, name in ipairs { "images", "labels", "targets", "indices" } do
                parts[#parts + 1] = batch[name]:tobytes()
            end
        end
    end
    loader:close()
    return table.concat(parts)
end

describe("the same bits", function()
    local threads_before

    setup(function()
        threads_before = effv2.threads()
    end)

    teardown(function()
        effv2.set_threads(threads_before)
        support.clean()
    end)

    local cases = {
        { name = "one batch an update", changes = {} },
        { name = "two parts an update", changes = { accumulate = 2 } },
        { name = "a wider network at larger sizes", changes = { wide = true } },
        { name = "a wider network, three parts an update", changes = { wide = true, accumulate = 3 } },
    }
    for _, case in ipairs(cases) do
        it("come from a training on any number of threads and workers: " .. case.name, function()
            local first = train(1, 1, case.changes)
            assert.is_equal(20, support.state(first).run.step)
            for _, other in ipairs { { 2, 1 }, { 1, 2 }, { 2, 4 }, { 1, 0 } } do
                support.assert_same_run(first, train(other[1], other[2], case.changes))
            end
        end)
    end

    it("come from every loader", function()
        local first = batches(1, 1)
        for _, other in ipairs { { 2, 1 }, { 1, 2 }, { 1, 4 }, { 2, 0 } } do
            assert.is_true(first == batches(other[1], other[2]))
        end
    end)

    it("do not come from another seed", function()
        local a, b = train(1, 1, { epochs = 1 }), train(1, 1, { epochs = 1, seed = 6 })
        assert.has_error(function() support.assert_same_run(a, b) end)
        assert.is_not_equal(support.metrics(a)[1].loss, support.metrics(b)[1].loss)
    end)

    it("change with each random part of a training", function()
        local first = train(1, 1, { epochs = 1 })
        for _, change in ipairs {
            { schedule = support.schedule { dropout = { 0.2, 0.3 } } },
            { schedule = support.schedule { drop_path = { 0.2, 0.3 } } },
            { schedule = support.schedule { mixup = { 0.2, 0.3 } } },
            { schedule = support.schedule { cutmix = { 0.3, 0.4 } } },
            { schedule = support.schedule { randaugment = { 4, 9 } } },
        } do
            change.epochs = 1
            local tensors, other = support.tensors(first), support.tensors(train(1, 1, change))
            assert.is_false(tensors["model.stem.conv.weight"] == other["model.stem.conv.weight"])
        end
    end)

    it("are drawn anew for each part of a batch and for each update", function()
        local layer = effv2.layers.Dropout { p = 0.5 }
        local ones = effv2.ones(256)
        local function mask()
            return layer(ones):tobytes()
        end
        effv2.seed_step(1, 7)
        local first, second = mask(), mask()
        effv2.seed_step(1, 8)
        local later = mask()
        effv2.seed_step(1, 7)
        assert.is_true(first ~= second and first ~= later and second ~= later)
        assert.is_true(first == mask() and second == mask())
    end)
end)
