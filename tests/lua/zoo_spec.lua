--- The families beside EfficientNet: their counts, their parts, what they refuse.
local effv2 = require "effv2"

local models, nn = effv2.models, effv2.nn

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return message
end

local function shape_of(tensor)
    return table.concat(tensor:shape(), "x")
end

local function largest(x)
    return effv2.max(effv2.abs(x):reshape { -1 }):item()
end

--- Parameters, tensors of parameters, and multiply-adds at some sizes, as timm's models of these names have them.
local function assert_counts(published)
    for name, wanted in pairs(published) do
        assert.is_equal(wanted.params, models.describe(name).params, name)
        for size, giga in pairs(wanted.macs or {}) do
            assert.is_near(giga, models.summary(name, size).macs / 1e9, 0.0005, name)
        end
    end
end

local function assert_built_as_counted(name, options)
    local model = models.create(name, options)
    assert.is_equal(models.summary(model, 64).parameters, model:num_parameters(), name)
    return model
end

describe("vision transformers", function()
    local small = { classes = 10, image_size = 32, patch = 8, width = 24, depth = 2, heads = 3 }

    local function create_small(changes)
        local options = { drop_path = 0 }
        for _, list in ipairs { small, changes or {} } do
            for key, value in pairs(list) do
                options[key] = value
            end
        end
        return models.create("vit-ti-16", options)
    end

    it("have the published counts", function()
        assert_counts {
            ["vit-ti-16"] = { params = 5717416, macs = { [224] = 1.254 } }, ["vit-s-16"] = { params = 22050664 },
            ["vit-s-32"] = { params = 22878952 }, ["vit-b-16"] = { params = 86567656, macs = { [224] = 17.564 } },
            ["vit-b-32"] = { params = 88224232 }, ["vit-l-16"] = { params = 304326632 },
            ["vit-l-32"] = { params = 306535400 }, ["deit-ti-16"] = { params = 5717416 },
            ["deit-s-16"] = { params = 22050664 }, ["deit-b-16"] = { params = 86567656 },
        }
        for name, params in pairs {
            ["vit-b-16"] = 86859496, ["vit-b-32"] = 88297192, ["vit-l-16"] = 304715752, ["vit-l-32"] = 306632680,
        } do
            assert.is_equal(params, models.summary(name, 384, { image_size = 384 }).parameters, name)
        end
        local model = assert_built_as_counted "vit-ti-16"
        assert.is_equal(152, #model:parameters())
    end)

    it("take images of any size", function()
        local model = create_small():eval()
        for _, size in ipairs { { 32, 32 }, { 16, 40 }, { 33, 47 } } do
            local x = effv2.randn(2, size[1], size[2], 3)
            assert.is_equal("2x10", shape_of(model(x)))
            local features, tokens = model:features(x), 1 + math.ceil(size[1] / 8) * math.ceil(size[2] / 8)
            for i = 0, 2 do
                assert.is_equal(("2x%dx24"):format(tokens), shape_of(features[i]))
            end
            local logits = model.classifier(model:embed(x))
            assert.is_equal(logits:tobytes(), model(x):tobytes())
        end
        local padded = effv2.concat({ effv2.randn(1, 32, 30, 3), effv2.zeros(1, 32, 2, 3) }, 3)
        assert.is_equal(model(padded):tobytes(), model(padded:slice(3, 1, 30)):tobytes())
    end)

    it("interpolate positions as torch does", function()
        local values = {}
        for i = 1, 12 do
            values[i] = math.sin(1.7 * (i - 1))
        end
        local embedding = effv2.concat({ effv2.tensor { { { 7 } } }, effv2.tensor(values):reshape { 1, 12, 1 } }, 2)
        -- torch.nn.functional.interpolate(mode = "bicubic", antialias = True)
        for _, case in ipairs {
            { 5, 2, { 0.453128, -0.415161, 0.487326, -0.461076, 0.532006, -0.527232, 0.492687, -0.510142, 0.461434,
                -0.491194 } },
            { 2, 7, { 0.096222, 0.445628, 0.945985, 0.34598, -0.461473, -0.756336, -0.8716, 0.768838, 0.738405, 0.583143,
                -0.229611, -0.904692, -0.532201, -0.254255 } },
        } do
            local got = models.resize_positions(embedding, { 3, 4 }, { case[1], case[2] })
            local wanted = effv2.concat({ effv2.tensor { 7 }, effv2.tensor(case[3]) }, 1)
            assert.is_true(largest(got:reshape { -1 } - wanted) < 2e-6)
        end
        assert.is_equal(embedding, models.resize_positions(embedding, { 3, 4 }, { 3, 4 }))
    end)

    it("train every parameter, positions of another grid too", function()
        local model = create_small()
        model(effv2.randn(2, 24, 40, 3)):sum():backward()
        for _, parameter in ipairs(model:named_parameters()) do
            assert.is_truthy(parameter.tensor:grad(), parameter.name)
        end
        assert.is_true(largest(model.position_embedding:grad()) > 0)
    end)

    it("drop the branches of the last block with the whole probability", function()
        local model = create_small { depth = 3, drop_path = 0.2 }
        for i, p in ipairs { 0, 0.1, 0.2 } do
            assert.is_near(p, model.encoder["block" .. i].drop_path.p, 1e-7)
        end
        assert.is_equal("1x7", shape_of(model:set_classes(7)(effv2.randn(1, 32, 32, 3))))
        assert.is_equal("1x24", shape_of(create_small { classes = 0 }(effv2.randn(1, 32, 32, 3))))
    end)

    it("refuse what they cannot build", function()
        for text, options in pairs {
            ["5 heads do not divide"] = { heads = 5 }, ["depth is 0"] = { depth = 0 }, ["patch is 1.5"] = { patch = 1.5 },
        } do
            assert.is_truthy(message_of(create_small, options):find(text, 1, true), text)
        end
    end)
end)

describe("ResNet-RS", function()
    local small = {
        classes = 10, deep_stem = true, stem_pool = "conv", average_shortcut = true, se_ratio = 0.25, width = 16,
        layers = { 1, 2, 1 },
    }

    it("has the published counts", function()
        assert_counts {
            resnetrs50 = { params = 35691912, macs = { [160] = 2.279, [224] = 4.454 } },
            resnetrs101 = { params = 63618696, macs = { [192] = 6.012 } },
            resnetrs152 = { params = 86621576, macs = { [256] = 15.528 } },
            resnetrs200 = { params = 93209992, macs = { [256] = 20.093 } },
            resnetrs270 = { params = 129861448, macs = { [256] = 26.950 } },
            resnetrs350 = { params = 163956168, macs = { [288] = 43.494 } },
            resnetrs420 = { params = 191891656, macs = { [320] = 63.942 } },
            resnet50 = { params = 25557032, macs = { [224] = 4.089, [380] = 11.959 } },
            resnet152 = { params = 60192808, macs = { [224] = 11.514, [380] = 33.778 } },
        }
        assert_built_as_counted("resnetrs50", small)
        assert_built_as_counted("resnet18", { width = 16, layers = { 1, 2 } })
    end)

    it("has a stem of three convolutions, averaging shortcuts and gates", function()
        local model = models.create("resnetrs50", small):eval()
        assert.is_equal("3x3x8x16", shape_of(model.stem.conv3.conv.weight))
        assert.is_equal("2x10x9x16", shape_of(model:features(effv2.randn(2, 40, 33, 3))[0]))
        assert.is_equal("AvgPool2d", model.stage2.block1.shortcut.pool:type())
        assert.is_equal("ConvNormAct", model.stage1.block1.shortcut:type())
        assert.is_equal(32, model.stage2.block1.squeeze_excite.squeezed)
        assert.is_equal("2x10", shape_of(model(effv2.randn(2, 40, 33, 3))))
    end)

    it("drops the branches of the last block with the whole probability", function()
        local model, probabilities = models.create("resnetrs200", small), {}
        for i, block in ipairs(model:blocks()) do
            probabilities[i] = block.drop_path.p
        end
        for i, p in ipairs { 0, 0.1 / 3, 0.2 / 3, 0.1 } do
            assert.is_near(p, probabilities[i], 1e-7)
        end
    end)

    it("refuses a pool that it does not know", function()
        local message = message_of(models.create, "resnetrs50", { stem_pool = "mean" })
        assert.is_truthy(message:find('stem_pool is "mean", wanted "max", "conv" or "none"', 1, true))
    end)
end)

describe("a ResNet for small images", function()
    local options = { classes = 10, width = 16, stem_kernel = 3, stem_stride = 1, stem_pool = "none" }

    it("keeps the size up to the second stage and costs what was counted", function()
        local model = assert_built_as_counted("resnet18", options)
        assert.is_equal("3x3x3x16", shape_of(model.stem.conv.weight))
        local features = model:features(effv2.randn(2, 32, 24, 3))
        for i, wanted in pairs { [0] = "2x32x24x16", "2x32x24x16", "2x16x12x32", "2x8x6x64", "2x4x3x128" } do
            assert.is_equal(wanted, shape_of(features[i]))
        end
        assert.is_equal("2x10", shape_of(model:eval()(effv2.randn(2, 32, 32, 3))))
        local deep = { classes = 10, width = 16, layers = { 1, 1 }, stem_stride = 1, stem_pool = "none" }
        local resnetrs = assert_built_as_counted("resnetrs50", deep)
        assert.is_equal("1x20x16x16", shape_of(resnetrs:features(effv2.randn(1, 20, 16, 3))[0]))
    end)

    it("multiplies and adds what the sum by hand says", function()
        local small = { classes = 10, width = 4, stem_kernel = 3, stem_stride = 1, stem_pool = "none", layers = { 1, 1 } }
        local stem, one = 32 * 32 * 9 * 3 * 4, 2 * 32 * 32 * 9 * 4 * 4
        local two = 16 * 16 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)
        assert.is_equal(stem + one + two + 8 * 10, models.summary("resnet18", 32, small).macs)
        small.stem_stride, small.stem_kernel = 2, 5
        assert.is_equal(16 * 16 * 25 * 3 * 4 + (one + two) / 4 + 8 * 10, models.summary("resnet18", 32, small).macs)
    end)

    it("has a stem of whole numbers", function()
        for _, name in ipairs { "stem_kernel", "stem_stride" } do
            local message = message_of(models.create, "resnet18", { [name] = 0 })
            assert.is_truthy(message:find(name .. " is 0, wanted a whole number from 1", 1, true), message)
        end
    end)
end)

describe("RegNetY", function()
    local small = { classes = 10, layers = { 1, 2 }, widths = { 16, 24 }, group = 8, stem_width = 8 }

    it("has the published counts", function()
        assert_counts {
            ["regnety-8gf"] = { params = 39180068, macs = { [224] = 7.963 } },
            ["regnety-16gf"] = { params = 83590140, macs = { [224] = 15.912 } },
        }
        assert_built_as_counted("regnety-8gf", small)
        -- torchvision's has another first width
        assert.is_equal(39381472, models.summary("regnety-8gf", 224, { widths = { 224, 448, 896, 2016 } }).parameters)
    end)

    it("is made of grouped convolutions with a gate behind them", function()
        local model = models.create("regnety-8gf", small)
        local block, x = model.stage2.block1, effv2.randn(2, 33, 40, 3)
        assert.is_equal("3x3x8x24", shape_of(block.middle.conv.weight))
        assert.is_equal(4, block.squeeze_excite.squeezed)
        assert.is_equal("2x5x5x24", shape_of(model:features(x)[2]))
        assert.is_equal("2x10", shape_of(model:eval()(x)))
        assert.is_equal(model.classifier(model:embed(x)):tobytes(), model(x):tobytes())
    end)

    it("refuses what it cannot build", function()
        for text, options in pairs {
            ["widths[1] is 20, wanted a multiple of 8"] = { layers = { 1 }, widths = { 20 }, group = 8 },
            ["1 layers and 2 widths"] = { layers = { 1 }, widths = { 8, 8 } }, ["group is 0"] = { group = 0 },
        } do
            assert.is_truthy(message_of(models.create, "regnety-8gf", options):find(text, 1, true), text)
        end
    end)
end)

describe("NFNet", function()
    local small = { classes = 10, layers = { 1, 2 }, widths = { 32, 64 }, group = 16, stem_width = 16 }

    it("has the published counts", function()
        assert_counts { ["nfnet-f0"] = { params = 71489284, macs = { [192] = 6.977, [256] = 12.384 } } }
        local model = assert_built_as_counted("nfnet-f0", small)
        assert.is_equal(0, #model:buffers())
    end)

    it("standardises the weights of its convolutions", function()
        local conv = nn.ScaledConv2d { in_channels = 6, out_channels = 4, kernel_size = 3, groups = 2 }
        conv.weight:copy(effv2.randn(3, 3, 3, 4) * 3 + 1)
        conv.gain:copy(effv2.tensor { 1, 2, 0.5, 1 })
        local rows = conv:standardised():reshape { 27, 4 }
        local mean, square = effv2.mean(rows, { axes = { 1 } }):totable(), effv2.sum(rows:square(), { axes = { 1 } }):totable()
        for i, gain in ipairs { 1, 2, 0.5, 1 } do
            assert.is_near(0, mean[i], 1e-6)
            assert.is_near(gain ^ 2, square[i], 1e-4)
        end
        local x = effv2.randn(2, 5, 4, 6)
        local wanted = x:conv2d(conv:standardised(), conv.bias, { padding = "same", groups = 2 })
        assert.is_equal(wanted:tobytes(), conv(x):tobytes())
        assert.is_truthy(message_of(nn.ScaledConv2d, { in_channels = 6, out_channels = 4, groups = 4 })
            :find("4 groups do not divide 6 input and 4 output channels", 1, true))
    end)

    it("starts as its shortcuts and trains every parameter", function()
        local model = models.create("nfnet-f0", small)
        local block, x = model.stage2.block2, effv2.randn(2, 5, 5, 64)
        assert.is_equal(x:tobytes(), block(x):tobytes())
        block.skip_gain:fill(1)
        model(effv2.randn(2, 33, 40, 3)):sum():backward()
        for _, parameter in ipairs(model:named_parameters()) do
            assert.is_truthy(parameter.tensor:grad(), parameter.name)
        end
        assert.is_equal("2x5x5x128", shape_of(model:features(effv2.randn(2, 33, 40, 3)).head))
        assert.is_truthy(message_of(models.create, "nfnet-f0", { activation = "tanh" }):find('activation is "tanh"', 1, true))
    end)
end)

describe("nn.fold", function()
    it("keeps what small members of the families compute", function()
        effv2.manual_seed(1)
        for _, case in ipairs {
            { "vit-ti-16", { image_size = 32, patch = 8, width = 24, depth = 2, heads = 3 } },
            { "resnetrs50", { width = 16, layers = { 1, 2, 1 } } },
            { "regnety-8gf", { layers = { 1, 2 }, widths = { 16, 24 }, group = 8, stem_width = 8 } },
            { "nfnet-f0", { layers = { 1, 2 }, widths = { 32, 64 }, group = 16, stem_width = 16 } },
            { "resnet18", { width = 16, layers = { 1, 1 }, se_ratio = 0.25, activation = "gelu" } },
        } do
            local name, options = unpack(case)
            options.classes = 5
            local x, model = effv2.randn(2, 40, 33, 3), models.create(name, options)
            for _, parameter in ipairs(model:named_parameters()) do
                if parameter.tensor:dim() <= 1 then
                    effv2.no_grad(function()
                        parameter.tensor:copy(parameter.tensor + effv2.randn(parameter.tensor:shape()) * 0.2)
                    end)
                end
            end
            effv2.no_grad(model, x) -- statistics of norms
            model:eval()
            local wanted = effv2.no_grad(model, x)
            local got = effv2.no_grad(nn.fold(model), x)
            assert.is_true(largest(got - wanted) <= 1e-5 * largest(wanted), name)
        end
    end)
end)
