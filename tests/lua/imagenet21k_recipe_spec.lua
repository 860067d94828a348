--- recipes/imagenet21k.lua: pictures in several folders, the two rules, a plan for XL's settings.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local function run(arguments)
    return recipes.run("imagenet21k", arguments)
end

--- A folder of <wnid>/<image> of 40 pictures, every fourth of which stands in two folders.
local function make_set()
    local folder, source = support.new_name(), support.data().train
    assert(effv2.make_dir(folder))
    for i = 1, 40 do
        for _, class in ipairs(i % 4 == 0 and { 0, 1 } or { i % 3 }) do
            local wnid = ("%s/n0000000%d"):format(folder, class)
            assert(effv2.make_dir(wnid))
            assert(effv2.write_png(("%s/%d.png"):format(wnid, i), source:image(i, 32)))
        end
    end
    return folder
end

describe("recipes/imagenet21k.lua", function()
    teardown(support.clean)

    it("runs in seconds with drawn pictures", function()
        local code, output, errors = run("scale=smoke run=" .. support.new_name())
        assert.is_equal(0, code, errors)
        local result = recipes.result(output)
        assert.is_true(result.top1 >= 0 and result.top1 <= 1 and result.seconds < 60)
    end)

    it("trains on pictures of several labels, by either loss", function()
        local folder, losses = make_set(), {}
        for i, loss in ipairs { "softmax", "sigmoid" } do
            local here = support.new_name()
            local code, _, errors = run(("data=%s scale=smoke kind=imagenet21k val_count=8 batch_size=16 micro_batch=8 "
                .. "epochs=1 loss=%s run=%s"):format(folder, loss, here))
            assert.is_equal(0, code, errors)
            assert.matches("32 %+ 8 images", errors)
            losses[i] = support.metrics(here, "epoch")[1].loss
        end
        assert.is_true(losses[1] ~= losses[2])
    end)

    it("has the paper's settings, and the released code's", function()
        local _, paper = run "model=efficientnetv2-xl --print-config"
        local _, official = run "model=efficientnetv2-xl rule=official --print-config"
        for name, values in pairs {
            epochs = { "60", "60" }, lr = { "0.256", "0.128" }, image_size = { "128,380", "224,224" },
            dropout = { "0.1,0.5", "0,0" }, drop_path = { "0.2", "0" }, label_smoothing = { "0.1", "0" },
            warmup_epochs = { "5", "1" }, val_count = { "100000", "100000" }, eval_size = { "512", "224" },
        } do
            for i, text in ipairs { paper, official } do
                assert.is_equal(values[i], text:match("\n? +" .. name .. " +(%S+)"))
            end
        end
    end)

    it("prints its plan without data", function()
        local code, output, errors = run "dry_run=true model=efficientnetv2-tiny image_size=16,32 epochs=30"
        assert.is_equal(0, code, errors)
        local plan = recipes.result(output)
        assert.is_same({ 13e6, 1e5, 30 * 3173 }, { plan.images, plan.val_images, plan.updates })
        assert.matches("21841 classes", output)
    end)

    it("explains what is missing", function()
        local code, _, errors = run ""
        assert.is_equal(2, code)
        assert.matches("data=PATH is needed, such as that of ImageNet%-21k %(dry_run=true", errors)
    end)
end)
