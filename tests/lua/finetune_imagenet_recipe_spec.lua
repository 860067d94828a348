--- recipes/finetune_imagenet.lua: weights with another classifier, the two rules.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local function run(arguments)
    return recipes.run("finetune_imagenet", arguments)
end

describe("recipes/finetune_imagenet.lua", function()
    local folder

    setup(function()
        folder = recipes.folder()
    end)

    teardown(support.clean)

    it("begins with the weights of a file, in any layout, and a classifier for the data", function()
        for _, file in ipairs { "w.safetensors layout=effv2", "t.safetensors layout=timm" } do
            local here = support.new_name()
            local code, output, errors = run(("scale=smoke lr=0 epochs=1 weights=%s/%s run=%s"):format(folder, file, here))
            assert.is_equal(0, code, errors)
            assert.is_true(recipes.result(output).top1 <= 1)
            local before = assert(effv2.load(folder .. "/w.safetensors"))
            local after = assert(effv2.load(here .. "/checkpoints/best.safetensors"))
            assert.is_equal(before["stem.conv.weight"]:tobytes(), after["stem.conv.weight"]:tobytes())
            assert.is_equal(3, before["classifier.bias"]:size(1))
            assert.is_equal(10, after["classifier.bias"]:size(1))
        end
    end)

    it("has the paper's falling rate, and the released code's constant one", function()
        for rule, rates in pairs { paper = "cosine from 0.005", official = "constant from 0.005" } do
            local code, output, errors = run("scale=smoke dry_run=true rule=" .. rule)
            assert.is_equal(0, code, errors)
            assert.is_truthy(output:find(rates, 1, true), output)
        end
    end)

    it("prints its plan without data and weights", function()
        local code, output, errors = run "dry_run=true model=efficientnetv2-tiny"
        assert.is_equal(0, code, errors)
        assert.is_equal(15 * 2502, recipes.result(output).updates)
    end)

    for _, case in ipairs {
        { "missing weights", "data=shapes", 2, "weights=FILE is needed: those of recipes/imagenet21k.lua" },
        { "missing data", "weights=x", 2, "data=PATH is needed" },
        { "weights that are not there", "scale=smoke weights=/nope", 1, "weights: /nope: cannot read: No such file" },
        { "another layout", "scale=smoke layout=timm weights=FOLDER/w.safetensors", 1, "the names are those of layout effv2" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = run((case[2]:gsub("FOLDER", folder)))
            assert.is_equal(case[3], code, errors)
            assert.is_truthy(errors:find(case[4], 1, true), errors)
            assert.is_nil(errors:find("traceback", 1, true), errors)
        end)
    end
end)
