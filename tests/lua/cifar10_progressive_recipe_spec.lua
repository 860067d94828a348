--- recipes/cifar10_progressive.lua: its smoke run and its plan.
local support = dofile "tests/lua/support_training.lua"
local recipes = dofile "tests/lua/support_recipes.lua"

local function run(arguments)
    return recipes.run("cifar10_progressive", arguments)
end

describe("recipes/cifar10_progressive.lua", function()
    teardown(support.clean)

    it("runs in seconds with drawn pictures", function()
        local code, output, errors = run("scale=smoke run=" .. support.new_name())
        assert.is_equal(0, code, errors)
        local result = recipes.result(output)
        assert.is_true(result.top1 == result.ema_top1 and result.top1 <= 1 and result.seconds > 0)
    end)

    it("prints its plan", function()
        local code, output, errors = run "scale=smoke dry_run=true epochs=4"
        assert.is_equal(0, code, errors)
        local plan = recipes.result(output)
        assert.is_same({ 640, 160, 20, 1 }, { plan.images, plan.val_images, plan.updates, plan.evaluations })
        assert.matches("\n +4 +3%-4 +5 +24 +6 +0%.2 +0%.2 ", output)
    end)
end)
