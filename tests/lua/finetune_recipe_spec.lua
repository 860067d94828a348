--- recipes/finetune.lua: a folder of photos, with weights and without, and the way to use the result.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local TINY = "model=efficientnetv2-tiny epochs=1 batch_size=4 micro_batch=4 image_size=16,24 eval_size=24 "

local function run(arguments)
    return recipes.run("finetune", arguments)
end

describe("recipes/finetune.lua", function()
    local folder

    setup(function()
        folder = recipes.folder()
    end)

    teardown(support.clean)

    it("learns, in seconds, with drawn pictures", function()
        local here = support.new_name()
        local code, output, errors = run("scale=smoke run=" .. here)
        assert.is_equal(0, code, errors)
        local epochs = support.metrics(here, "epoch")
        assert.is_true(epochs[#epochs].loss < epochs[1].loss)
        assert.is_true(recipes.result(output).best > 0.1)
    end)

    it("trains on a folder of photos from scratch, and predict takes the result", function()
        local here = support.new_name()
        local code, _, errors = run(TINY .. ("data=%s/data run=%s"):format(folder, here))
        assert.is_equal(0, code, errors)
        local arguments = assert(errors:match "to use it: effv2 recipes/predict.lua (.-) PHOTO")
        local output
        code, output, errors = recipes.run("predict", ("%s %s/data/class0/3.png"):format(arguments, folder))
        assert.is_equal(0, code, errors)
        assert.matches("class[012]", output)
    end)

    it("begins with weights, whose classifier alone is new", function()
        local here = support.new_name()
        local code, _, errors = run(TINY .. ("data=%s/data weights=%s/t.safetensors layout=timm lr=0 run=%s"):format(folder,
            folder, here))
        assert.is_equal(0, code, errors)
        local before = assert(effv2.load(folder .. "/w.safetensors"))
        local after = assert(effv2.load(here .. "/checkpoints/best.safetensors"))
        assert.is_equal(before["stem.conv.weight"]:tobytes(), after["stem.conv.weight"]:tobytes())
        assert.is_equal(0, after["classifier.weight"]:abs():sum():item())
    end)

    it("says which preset the weights it began with asked for", function()
        effv2.manual_seed(2)
        local file = folder .. "/b0.safetensors"
        local b0 = effv2.models.create("efficientnetv2-b0", { classes = 2 })
        assert(effv2.weights.save(b0, file, { layout = "timm" }))
        local code, _, errors = run(("data=%s/data epochs=1 batch_size=2 micro_batch=2 image_size=32,32 eval_size=32 "
            .. "weights=%s layout=timm preset=timm run=%s"):format(folder, file, support.new_name()))
        assert.is_equal(0, code, errors)
        assert.matches("model=efficientnetv2%-b0 preset=timm weights=", errors)
    end)

    it("trains longer and at growing sizes without weights", function()
        local _, scratch = run "--print-config"
        local _, pretrained = run "weights=x --print-config"
        for name, values in pairs { epochs = { "%d%d", "15" }, stages = { "4", "1" }, lr = { "0%.002", "0%.0003" } } do
            assert.matches(("  %s +%s "):format(name, values[1]), scratch)
            assert.matches(("  %s +%s "):format(name, values[2]), pretrained)
        end
    end)

    it("prints its plan", function()
        local code, output, errors = run(TINY .. ("data=%s/data dry_run=true"):format(folder))
        assert.is_equal(0, code, errors)
        assert.is_true(recipes.result(output).seconds > 0)
        assert.is_nil(errors:find("to use it", 1, true))
    end)

    for _, case in ipairs {
        { "a missing folder", "", 2, "data=PATH is needed" },
        { "a folder that is not there", "data=/nope", 1, "/nope: No such file" },
        { "too few photos", "data=FOLDER/data model=efficientnetv2-tiny", 1, "batch_size is 32, but there are only" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = run((case[2]:gsub("FOLDER", folder)))
            assert.is_equal(case[3], code, errors)
            assert.is_truthy(errors:find(case[4], 1, true), errors)
        end)
    end
end)
