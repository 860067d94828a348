--- The benches run and say what they promise; how fast, they are asked by hand.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support_training.lua"

local function result_of(arguments)
    local code, output, errors = support.run("%s", "tests/bench/" .. arguments)
    assert.is_equal(0, code, errors)
    return assert(effv2.json_decode(output:match "([^\n]*)\n?$")), output
end

describe("the bench of", function()
    teardown(support.clean)

    for _, mode in ipairs { "train", "infer" } do
        it("whole steps times, weighs and counts: " .. mode, function()
            local result, output = result_of("train_step.lua model=efficientnetv2-tiny image=16 batch=2 steps=2 warmup=1 "
                .. "classes=5 threads=1 profile=true mode=" .. mode)
            for _, key in ipairs { "images_per_s", "fastest", "peak_rss_mb", "start_rss_mb", "gflops", "peak_gflops",
                "fraction_of_peak" } do
                assert.is_true(result[key] > 0, key)
            end
            local same = { model = "efficientnetv2-tiny", image = 16, batch = 2, mode = mode, threads = 1, peer = "effv2" }
            for key, value in pairs(same) do
                assert.is_equal(value, result[key])
            end
            assert.matches("\nlayer +calls", output)
            local macs = effv2.models.summary("efficientnetv2-tiny", 16, { classes = 5 }).macs
            local flops = 2 * macs * (mode == "train" and 3 or 1)
            assert.is_near(1, result.gflops * 1e9 / (result.images_per_s * flops), 0.02) -- without squeeze-excite's products
        end)
    end

    it("train_step compares with another number of threads", function()
        local result = result_of("train_step.lua model=efficientnetv2-tiny image=16 batch=2 steps=3 warmup=1 classes=5 threads=2 "
            .. "beside=1")
        local median, least, most = unpack(result.speedup)
        assert.is_true(least > 0 and least <= median and median <= most)
        assert.is_equal(2, result.threads)
    end)

    it("kernels knows every shape and variant", function()
        local result = result_of "kernels.lua model=efficientnetv2-tiny image=16 batch=1 trials=1 threads=1"
        local kinds, chosen = {}, {}
        for _, line in ipairs(result.results) do
            assert.is_true(line.rates.forward > 0)
            kinds[line.kind] = (kinds[line.kind] or 0) + 1
            local shape = line.kind .. line.shape
            chosen[shape] = (chosen[shape] or 0) + (line.chosen and 1 or 0)
        end
        assert.is_true(kinds.conv2d > 5 and kinds.depthwise > 2 and kinds.norm > 5)
        for shape, count in pairs(chosen) do
            assert.is_equal(1, count, shape)
        end
        assert.is_true(result.peak_gflops > 0 and result.read_gb_s > 0)
    end)

    it("the loader reads every picture", function()
        local folder = recipes.folder()
        for _, magnitude in ipairs { 0, 10 } do
            local result = result_of(("loader.lua data='%s/data' image=32 epochs=1 batch=4 randaugment=%d")
                :format(folder, magnitude))
            assert.is_true(result.images_per_s > 0)
            assert.is_equal(12, result.pictures)
            assert.is_equal(magnitude, result.randaugment)
        end
    end)
end)
