--- recipes/imagenet_progressive.lua: table 6, the two rules, the held-out pictures, plans.
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local function run(arguments)
    return recipes.run("imagenet_progressive", arguments)
end

--- The settings as --print-config has them: { name = text }.
local function settings(arguments)
    local code, output, errors = run(arguments .. " --print-config")
    assert.is_equal(0, code, errors)
    local found = {}
    for name, value in output:gmatch "  (%S+) +(%S+)" do
        found[name] = value
    end
    return found
end

describe("recipes/imagenet_progressive.lua", function()
    teardown(support.clean)

    it("has table 6, and what the released code has instead", function()
        for _, row in ipairs {
            { "s", "paper", "128,300", "5,15", "0,0", "0,0", "0.1,0.3", "384", "0.99" },
            { "m", "paper", "128,380", "5,20", "0,0.2", "0,0", "0.1,0.4", "480", "0.99" },
            { "l", "paper", "128,380", "5,25", "0,0.5", "0,0", "0.1,0.5", "480", "0.99" },
            { "s", "official", "128,300", "5,10", "0,0", "0,0", "0.2,0.2", "384", "0.9" },
            { "m", "official", "128,384", "5,15", "0,0.2", "0,0.2", "0.3,0.3", "480", "0.9" },
            { "l", "official", "128,384", "5,20", "0,0.5", "0,0.5", "0.4,0.4", "480", "0.9" },
        } do
            local found = settings(("model=efficientnetv2-%s rule=%s scale=paper"):format(row[1], row[2]))
            assert.is_same({ unpack(row, 3) }, { found.image_size, found.randaugment, found.mixup, found.cutmix,
                found.dropout, found.eval_size, found.bn_momentum })
            assert.is_same({ "350", "4096", "0.256", "25000", "0.9999", "4" },
                { found.epochs, found.batch_size, found.lr, found.minival, found.ema, found.stages })
        end
    end)

    it("keeps the best epoch by the held-out pictures and judges it by the others", function()
        local folder = support.new_name()
        local code, output, errors = run("scale=smoke run=" .. folder)
        assert.is_equal(0, code, errors)
        local result = recipes.result(output)
        assert.matches("576 %+ 64 images", errors)
        assert.matches("on the 160 pictures to validate: top%-1", errors)
        local best = 0
        for _, epoch in ipairs(support.metrics(folder, "epoch")) do
            best = math.max(best, epoch.top1, epoch.ema_top1)
        end
        assert.is_equal(best, result.best)
        assert.is_near(math.floor(result.top1 * 160 + 0.5), result.top1 * 160, 1e-6)
    end)

    it("prints its plan without data", function()
        local code, output, errors = run "scale=paper dry_run=true model=efficientnetv2-tiny image_size=16,32"
        assert.is_equal(0, code, errors)
        assert.matches("drawn pictures, as many as ImageNet has", errors)
        local plan = recipes.result(output)
        assert.is_same({ true, 1256167, 25000, 350 * 306 }, { plan.dry_run, plan.images, plan.val_images, plan.updates })
        assert.is_true(plan.seconds > 0 and plan.bytes > 0)
        assert.matches("\n +4 +262%.5%-350 +26775 +32 ", output)
    end)

    it("goes on with a run by its own scale", function()
        local whole, parts = support.new_name(), support.new_name()
        local arguments = "scale=smoke epochs=2 checkpoint_every=0 run="
        assert.is_equal(0, (run(arguments .. whole)))
        support.run(([[%%s & job=$!
            while kill -0 $job 2>/dev/null && ! grep -q epoch '%s/metrics.jsonl' 2>/dev/null; do sleep 0.01; done
            kill -TERM $job; wait $job]]):format(parts),
            ("--threads 1 recipes/imagenet_progressive.lua %s%s"):format(arguments, parts))
        local code, output, errors = run("resume=" .. parts)
        assert.is_equal(0, code, errors)
        assert.is_equal(parts, recipes.result(output).run)
        support.assert_same_run(whole, parts)
    end)

    for _, case in ipairs {
        { "no data", "scale=paper", 2, "data=PATH is needed", "dry_run=true" },
        { "parts that do not fit", "micro_batch=100", 2, "micro_batch: a batch of 64", "multiple of micro_batch" },
        { "an unknown scale", "scale=tiny", 2, "scale: 'tiny' is none of paper, small, smoke", "" },
        { "an unknown rule", "rule=offical", 2, "rule: 'offical' is none of paper, official", "official" },
        { "an unknown model", "model=efficientnetv2-q", 1, "unknown model 'efficientnetv2-q'", "did you mean" },
        { "a minival that leaves nothing", "minival=9000", 1, "minival", "" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = run(case[2])
            assert.is_equal(case[3], code, errors)
            assert.is_truthy(errors:find(case[4], 1, true), errors)
            assert.is_truthy(errors:find(case[5], 1, true), errors)
            assert.is_nil(errors:find("traceback", 1, true), errors)
        end)
    end

    it("is small when nothing is given, and the paper's with data", function()
        assert.is_same({ "small", "24" }, { settings("").scale, settings("").epochs })
        local found = settings("data=" .. support.here)
        assert.is_same({ "paper", "350", "efficientnetv2-s" }, { found.scale, found.epochs, found.model })
    end)
end)
