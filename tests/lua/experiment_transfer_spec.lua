--- What transfer experiments add to a training as data: a part of the classes, weights of another training; and the
-- published networks, whose counts must be the paper's.
local effv2 = require "effv2"
local published = require "effv2.experiment.published"
local training = require "effv2.experiment.training"
local support = dofile "tests/lua/support.lua"

local changed = effv2.experiment.changed

local FIRST = {
    data = { kind = "shapes", train = 60, val = 20, classes = { 0, 4 } },
    model = {
        stem = { channels = 8, stride = 2 }, head = 16, stages = { { op = "fused", channels = 8, expansion = 1, stride = 2 } },
    },
    epochs = 1, batch_size = 10, optimizer = { rule = "sgd" }, lr = { curve = "constant", peak = 0.01 },
    schedule = { kind = "fixed", image_size = 8 }, augment = { crop = "none" }, eval_size = 8, eval_rule = "whole",
}

--- The training on the other classes; its rate is too small to change a weight.
local function second(more)
    return changed(changed(FIRST, {
        data = { classes = { 5, 9 }, per_class = 3 }, batch_size = 5, lr = { peak = 1e-30 }, pretrained = FIRST,
    }), more)
end

local function weights_of(path)
    return assert(effv2.load(path, true))
end

describe("a training", function()
    it("sees the classes and the number of pictures that it asks for", function()
        local opened = training.open { kind = "shapes", train = 200, val = 40, classes = { 5, 9 }, per_class = 3 }
        assert.are.same({ 0, 0, 0, 0, 0, 3, 3, 3, 3, 3 }, opened.train:class_counts())
        for label, count in ipairs(opened.val:class_counts()) do
            assert.are.equal(label > 5, count > 0)
        end
        assert.are.equal(10, opened.classes)
    end)

    it("is not the same with and without what it begins with, whose seed is its own", function()
        local settings = training.check(second { seed = 3 })
        assert.are.equal(3, settings.pretrained.seed)
        local from_scratch = changed(settings)
        from_scratch.pretrained = nil
        assert.are_not.equal(training.key(settings), training.key(from_scratch))
        assert.are_not.equal(training.key(settings), training.key(training.check(second { seed = 4 })))
    end)

    it("begins with the weights of the other training and a new classifier", function()
        support.in_folder(function(folder)
            local run = folder .. "/run"
            local result = training.run(second(), { run = run, workers = 0 })
            assert.is_true(result.pretraining.seconds > 0 and result.pretraining.top1 >= 0)
            local before = weights_of(run .. "/pretraining/checkpoints/best.safetensors")
            local after = weights_of(run .. "/checkpoints/best.safetensors")
            local same, others = 0, 0
            for name, tensor in pairs(before) do
                local difference = (tensor - after[name]):abs():sum():item()
                if name:match "^classifier%.weight" then
                    others = others + 1
                    assert.is_true(difference > 0, name)
                elseif name:match "weight$" then
                    same = same + 1
                    assert.are.equal(0, difference, name)
                end
            end
            assert.is_true(same > 2 and others == 1)
        end)
    end)
end)

describe("the published networks", function()
    it("have as many parameters here as in the paper, to three per cent", function()
        for _, entry in ipairs(published.models) do
            local cost = published.cost(entry)
            if cost then
                assert.is_near(1, cost.parameters / 1e6 / entry.parameters, 0.03, entry.name)
            end
        end
    end)

    it("have as many multiply-adds as the paper has FLOPs, to seven per cent; of ResNet-RS half as many", function()
        for _, entry in ipairs(published.models) do
            local cost = published.cost(entry)
            if cost then
                local expected = entry.family == "ResNet-RS" and 0.5 or 1
                assert.is_near(expected, cost.macs / 1e9 / entry.flops, 0.07 * expected, entry.name)
            end
        end
    end)

    it("are found by name, and a name that is none is an error", function()
        assert.are.equal("efficientnet-b6", published.find({ "EfficientNet-B6" })[1].model)
        assert.has_error(function() published.find { "EfficientNet-B9" } end, "published: there is no network EfficientNet-B9")
    end)
end)
