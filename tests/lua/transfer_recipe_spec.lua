--- recipes/transfer.lua: so many updates, in whole epochs, on the sets of table 9.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local function run(arguments)
    return recipes.run("transfer", arguments)
end

--- Flowers-102 as published, but of 12 pictures.
local function make_flowers()
    local folder, source = support.new_name(), support.data().train
    assert(effv2.make_dir(folder))
    assert(effv2.make_dir(folder .. "/jpg"))
    for _, name in ipairs { "imagelabels.mat", "setid.mat" } do
        assert(effv2.write_file(folder .. "/" .. name, assert(effv2.read_file("tests/golden/mat/flowers/" .. name))))
    end
    for i = 1, 12 do
        assert(effv2.write_png(("%s/jpg/image_%05d.jpg"):format(folder, i), source:image(i, 40)))
    end
    return folder
end

describe("recipes/transfer.lua", function()
    local weights

    setup(function()
        weights = recipes.folder() .. "/w.safetensors"
    end)

    teardown(support.clean)

    it("runs in seconds with drawn pictures, for the updates that are asked for", function()
        local here = support.new_name()
        local code, output, errors = run("scale=smoke steps=15 run=" .. here)
        assert.is_equal(0, code, errors)
        assert.is_true(recipes.result(output).seconds < 60)
        assert.matches("2 epochs of 10 updates", errors)
        assert.is_equal(20, support.metrics(here, "epoch")[2].step)
    end)

    it("takes the training and the test pictures of Flowers-102, and looks at the latter as often as asked", function()
        local here = support.new_name()
        local code, output, errors = run(("data=%s model=efficientnetv2-tiny weights=%s steps=6 batch_size=3 micro_batch=3 "
            .. "image_size=16 eval_size=16 evaluations=1 run=%s"):format(make_flowers(), weights, here))
        assert.is_equal(0, code, errors)
        assert.is_true(recipes.result(output).top1 <= 1)
        local looks = 0
        for _, epoch in ipairs(support.metrics(here, "epoch")) do
            looks = looks + (epoch.top1 and 1 or 0)
        end
        assert.is_equal(1, looks)
    end)

    it("has section 5.3, and what the released code has instead", function()
        local _, paper = run "--print-config"
        local _, official = run "rule=official --print-config"
        for name, values in pairs {
            steps = { "10000", "10000" }, batch_size = { "512", "512" }, lr = { "0.001", "0.001" },
            weight_decay = { "0", "1e%-05" }, image_size = { "384", "384" }, ema = { "0.9999", "0.9996" },
        } do
            for i, text in ipairs { paper, official } do
                assert.matches(("%s +%s "):format(name, values[i]), text)
            end
        end
    end)

    it("prints its plan without data and weights", function()
        local code, output, errors = run "dry_run=true model=efficientnetv2-tiny"
        assert.is_equal(0, code, errors)
        local plan = recipes.result(output)
        assert.is_same({ 104 * 97, 21 }, { plan.updates, plan.evaluations })
    end)

    it("explains missing weights", function()
        local code, _, errors = run "data=shapes"
        assert.is_equal(2, code)
        assert.matches("weights=FILE is needed", errors)
    end)
end)
