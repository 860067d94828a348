--- The registry of models: counts against the published ones, options, tables of stages of one's own.
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

local function create_tiny(options)
    options = options or {}
    options.classes = options.classes or 10
    return models.create("efficientnetv2-tiny", options)
end

local function count_buffers(model)
    local n = 0
    for _, tensor in ipairs(model:buffers()) do
        n = n + tensor:numel()
    end
    return n
end

describe("the published networks", function()
    -- parameters with 1000 classes, per part: stem, stages, head, classifier (counted in torchvision's and the official
    -- models)
    local parts = {
        ["efficientnetv2-s"] = { 696, 10464, 303552, 589184, 917680, 3463840, 14561832, 330240, 1281000 },
        ["efficientnetv2-m"] = { 696, 15696, 396192, 1126048, 1686340, 6650852, 24627064, 17697548, 657920, 1281000 },
        ["efficientnetv2-l"] = { 928, 37120, 1032320, 2390336, 3553224, 14501728, 54866360, 40030496, 821760, 1281000 },
        ["efficientnetv2-b0"] = { 928, 4640, 52736, 136000, 230652, 947048, 4238380, 248320, 1281000 },
    }
    local totals = {
        ["efficientnetv2-s"] = 21458488, ["efficientnetv2-m"] = 54139356, ["efficientnetv2-l"] = 118515272,
        ["efficientnetv2-xl"] = 208119808, ["efficientnetv2-b0"] = 7139704, ["efficientnetv2-b1"] = 8141052,
        ["efficientnetv2-b2"] = 10096086, ["efficientnetv2-b3"] = 14358406, ["efficientnet-b0"] = 5288548,
        ["efficientnet-b1"] = 7794184, ["efficientnet-b2"] = 9109994, ["efficientnet-b3"] = 12233232,
        ["efficientnet-b4"] = 19341616, ["efficientnet-b5"] = 30389784, ["efficientnet-b6"] = 43040704,
        ["efficientnet-b7"] = 66347960,
    }

    it("have the published numbers of parameters in their tables", function()
        for name, total in pairs(totals) do
            assert.is_equal(total, models.summary(name).parameters, name)
            assert.is_equal(total, models.describe(name).params, name)
        end
        for name, numbers in pairs(parts) do
            local counted = {}
            for i, row in ipairs(models.summary(name)) do
                counted[i] = row.parameters
            end
            assert.are.same(numbers, counted, name)
        end
    end)

    it("have the numbers of parameters that the registry says, every one", function()
        for _, name in ipairs(models.list()) do
            local entry = models.describe(name)
            if entry.params then
                assert.is_equal(entry.params, models.summary(name).parameters, name)
                assert.is_true(entry.source ~= "" and entry.sizes.train <= entry.sizes.eval, name)
            end
        end
    end)

    it("have the multiply-adds that layer-by-layer counters find", function()
        for name, giga in pairs {
            ["efficientnetv2-s"] = { [384] = 8.366, [300] = 5.308, [128] = 0.934, [171] = 1.799 },
            ["efficientnetv2-m"] = { [480] = 24.582, [384] = 15.737 },
            ["efficientnetv2-b0"] = { [224] = 0.718, [192] = 0.528 },
            ["efficientnetv2-b3"] = { [300] = 3.011 }, ["efficientnet-b4"] = { [380] = 4.394 },
        } do
            for size, expected in pairs(giga) do
                assert.is_near(expected, models.summary(name, size).macs / 1e9, 0.0005, name)
            end
        end
    end)

    it("have these numbers when they are built", function()
        for name, expected in pairs {
            ["efficientnetv2-s"] = { 21458488, 153872, 452 }, ["efficientnetv2-b0"] = { 7139704, 60608, 243 },
            ["efficientnetv2-b3"] = { 14358406, 109216, 362 }, ["efficientnet-b0"] = { 5288548, 42016, 213 },
        } do
            local model = models.create(name)
            assert.are.same(expected, { model:num_parameters(), count_buffers(model), #model:parameters() }, name)
            collectgarbage()
        end
    end)

    it("change with the classes alone", function()
        for classes, expected in pairs { [0] = 20177488, [10] = 20190298, [100] = 20305588, [21843] = 48158371 } do
            assert.is_equal(expected, models.summary("efficientnetv2-s", 384, { classes = classes }).parameters)
        end
    end)

    it("squeeze to a quarter of each block's input", function()
        local model = models.create("efficientnetv2-b0", { classes = 10 })
        local widths = {}
        for _, stage in ipairs { 4, 5, 6 } do
            widths[#widths + 1] = model.stages[stage].block1.squeeze_excite.squeezed
            widths[#widths + 1] = model.stages[stage].block2.squeeze_excite.squeezed
        end
        assert.are.same({ 12, 24, 24, 28, 28, 48 }, widths)
        assert.is_nil(model.stage2.block1.squeeze_excite)
    end)

    it("are made of the stages that describe shows", function()
        local text = tostring(models.describe "efficientnetv2-s")
        assert.is_truthy(text:find("stage6 +MBConv6, k3x3 +2 +256 +15 +0.25"))
        assert.is_truthy(text:find("stage1 +Fused%-MBConv1, k3x3 +1 +24 +2 *\n"))
        assert.is_truthy(tostring(models.summary("efficientnetv2-s", 384)):find("total +21,458,488 +8.366 G"))
    end)
end)

describe("ResNets", function()
    it("have the published numbers of parameters", function()
        local totals = { [18] = 11689512, [34] = 21797672, [50] = 25557032, [101] = 44549160, [152] = 60192808 }
        for depth, total in pairs(totals) do
            assert.is_equal(total, models.describe("resnet" .. depth).params)
        end
        for depth, tensors in pairs { [18] = 62, [50] = 161 } do
            local model = models.create("resnet" .. depth)
            assert.are.same({ totals[depth], tensors }, { model:num_parameters(), #model:parameters() })
            collectgarbage()
        end
    end)

    local function create_small(options)
        options = options or {}
        options.classes, options.width, options.layers = 10, 8, options.layers or { 1, 2, 1 }
        return models.create(options.block == "basic" and "resnet18" or "resnet50", options)
    end

    it("have stages of their strides and widths", function()
        local x, model = effv2.randn(2, 33, 40, 3), create_small():eval()
        local shapes, features = { [0] = "2x9x10x8", "2x9x10x32", "2x5x5x64", "2x3x3x128" }, model:features(x)
        for i = 0, 3 do
            assert.is_equal(shapes[i], shape_of(features[i]))
        end
        assert.is_equal(model.pool(features[3]):tobytes(), model:embed(x):tobytes())
        assert.is_equal("2x10", shape_of(model(x)))
        assert.is_equal(2, model.stage2.block1.middle.conv.stride) -- v1.5: not in the first 1x1
        assert.is_nil(model.stage2.block2.shortcut)
        assert.is_equal("2x7", shape_of(model:set_classes(7)(x)))
        assert.is_equal("2x3x3x32", shape_of(create_small { block = "basic" }:features(x)[3]))
    end)

    it("start as shortcuts when asked", function()
        local model = create_small { zero_init = true }
        local block, x = model.stage2.block2, effv2.randn(2, 5, 5, 64):relu()
        assert.is_equal(x:tobytes(), block(x):tobytes())
    end)

    it("refuse what they cannot build", function()
        for text, options in pairs {
            ['block is "wide"'] = { block = "wide" }, ["layers is empty"] = { layers = {} },
            ["layers[2] is 1.5"] = { layers = { 1, 1.5 } }, ["width is 0"] = { width = 0 },
        } do
            assert.is_truthy(message_of(models.create, "resnet50", options):find(text, 1, true), text)
        end
    end)
end)

describe("the small network", function()
    it("fits small machines", function()
        local summary = models.summary("efficientnetv2-tiny", 32, { classes = 10 })
        assert.is_true(summary.parameters > 0.5e6 and summary.parameters < 1.5e6)
        assert.is_true(summary.macs > 20e6 and summary.macs < 40e6)
        assert.is_equal(summary.parameters, create_tiny():num_parameters())
    end)

    it("takes images of any size", function()
        local model = create_tiny():eval()
        for _, size in ipairs { { 32, 32 }, { 33, 47 }, { 16, 16 } } do
            assert.is_equal("2x10", shape_of(model(effv2.randn(2, size[1], size[2], 3))))
        end
    end)

    it("learns to tell a batch apart", function()
        effv2.manual_seed(1)
        local model = create_tiny { drop_path = 0, dropout = 0, classes = 4 }
        local images, labels = effv2.randn(8, 16, 16, 3), effv2.tensor({ 0, 1, 2, 3, 0, 1, 2, 3 }, "int64")
        local optimiser = effv2.optim.sgd { momentum = 0.9 }:attach(model)
        local loss
        for _ = 1, 12 do
            loss = effv2.step(function()
                optimiser:zero_grad()
                local l = effv2.cross_entropy(model(images), labels)
                l:backward()
                optimiser:step { lr = 0.02 }
                return l:item()
            end)
        end
        assert.is_true(loss < 0.1, "loss " .. loss)
    end)
end)

describe("models.create", function()
    it("is deterministic after manual_seed", function()
        effv2.manual_seed(7)
        local a = create_tiny()
        effv2.manual_seed(7)
        local b = create_tiny()
        effv2.manual_seed(8)
        local c = create_tiny()
        for i, tensor in ipairs(a:parameters()) do
            assert.is_equal(tensor:tobytes(), b:parameters()[i]:tobytes())
        end
        assert.is_not_equal(a.stem.conv.weight:tobytes(), c.stem.conv.weight:tobytes())
        assert.is_not_equal(a.stage2.block2.expand.conv.weight:tobytes(), a.stage3.block1.expand.conv.weight:tobytes())
    end)

    it("starts as the official code does", function()
        local model = models.create("efficientnetv2-b0")
        local function deviation(tensor)
            return math.sqrt(effv2.mean(tensor:square()):item())
        end
        local expand, depthwise = model.stage6.block2.expand.conv.weight, model.stage6.block2.depthwise.conv.weight
        assert.is_near(math.sqrt(2 / (6 * 192)), deviation(expand), 0.01 * math.sqrt(2 / (6 * 192)))
        assert.is_near(math.sqrt(2 / 9), deviation(depthwise), 0.04)
        local limit = 1 / math.sqrt(1000)
        assert.is_near(limit / math.sqrt(3), deviation(model.classifier.weight), 0.01 * limit)
        assert.is_equal(0, deviation(model.classifier.bias))
        assert.is_equal(1, deviation(model.stage6.block2.project.norm.gamma))
    end)

    it("passes its options on", function()
        local model = create_tiny {
            in_channels = 1, dropout = 0.4, bn_eps = 1e-5, bn_momentum = 0.5, padding = "symmetric",
        }
        assert.is_equal("3x3x1x16", shape_of(model.stem.conv.weight))
        assert.is_near(0.4, model.dropout.p, 1e-6)
        assert.is_equal(1, model.stage2.block1.expand.conv.padding)
        assert.is_equal(2, model.stage2.block1.expand.conv.stride)
        for _, module in model:modules() do
            if module:type() == "BatchNorm2d" then
                assert.are.same({ 1e-5, 0.5 }, { module.eps, module.momentum })
            end
        end
        assert.is_equal("efficientnetv2-tiny", model.config.name)
        assert.is_equal(10, model.config.classes)
        assert.is_equal(0.9, create_tiny().config.bn_momentum) -- the table's own default
        assert.is_equal(0.99, models.create("efficientnetv2-b0").config.bn_momentum)
    end)

    it("drops the branches of later blocks more often: p i / N over all blocks", function()
        local model = create_tiny { drop_path = 0.2 }
        local function check(p)
            local blocks = model:blocks()
            assert.is_equal(10, #blocks)
            for i, block in ipairs(blocks) do
                assert.is_equal(block.residual, block.drop_path ~= nil)
                if block.residual then
                    assert.is_near(p * (i - 1) / 10, block.drop_path.p, 1e-7)
                end
            end
        end
        check(0.2)
        check(0.5, model:set_drop_path(0.5))
        check(0, model:set_drop_path(0))
        model:set_dropout(0.35)
        assert.is_near(0.35, model.dropout.p, 1e-7)
    end)

    it("gives features, embeddings and logits that belong together", function()
        local model = create_tiny():eval()
        local x = effv2.randn(2, 32, 32, 3)
        local features, embedding = model:features(x), model:embed(x)
        local shapes = { [0] = "2x32x32x16", "2x32x32x16", "2x16x16x32", "2x8x8x56", "2x4x4x96", "2x4x4x128" }
        for i = 0, 5 do
            assert.is_equal(shapes[i], shape_of(features[i]))
        end
        assert.is_equal(5, #features)
        assert.is_equal(model.pool(features.head):tobytes(), embedding:tobytes())
        assert.is_equal(model.classifier(embedding):tobytes(), model(x):tobytes())

        local headless = create_tiny { classes = 0 }:eval()
        headless:load_state(model:state(), { strict = false })
        assert.is_nil(headless.classifier)
        assert.is_equal(embedding:tobytes(), headless(x):tobytes())
        headless:set_classes(7):eval()
        assert.is_equal("2x7", shape_of(headless(x)))
        assert.is_equal("classifier.bias", headless:named_parameters()[#headless:parameters()].name)
    end)

    it("says where in the model an input does not fit", function()
        local model = create_tiny()
        assert.is_truthy(message_of(model, effv2.zeros(1, 32, 32, 1)):find("^in stem%.conv: .*x has 1 channels"))
        model.stage2.block1.project.conv = nn.Conv2d { in_channels = 3, out_channels = 3 }
        assert.is_truthy(message_of(model, effv2.zeros(1, 32, 32, 3)):find("^in stage2%.block1%.project%.conv: "))
    end)

    it("names the nearest when a name or option is unknown", function()
        local function fails(text, ...)
            assert.is_truthy(message_of(...):find(text, 1, true), text)
        end
        fails("did you mean efficientnetv2-s?", models.create, "efficientnetv2_s_")
        fails("unknown model 'resnet-50'", models.create, "resnet-50")
        fails("did you mean classes?", create_tiny, { clases = 3 })
        fails("did you mean drop_path?", create_tiny, { droppath = 0.1 })
        fails("dropout is 1, must be in [0, 1)", create_tiny, { dropout = 1 })
        fails("classes is a string, wanted a number", create_tiny, { classes = "ten" })
        fails("classes is 1.5", create_tiny, { classes = 1.5 })
        fails('wanted "same" or "symmetric"', create_tiny, { padding = "valid" })
        fails("the name is a nil", models.create)
    end)
end)

describe("presets", function()
    local function options_of(name, preset)
        local model = models.create(name, { preset = preset, classes = 0 })
        local config, norm = model.config, model.stem.norm
        return { config.padding, norm.eps, norm.momentum, config.normalise.mean[1], config.evaluation.filter }
    end

    it("are what timm and torchvision have", function()
        for _, case in ipairs {
            { "efficientnetv2-b0", "official", { "same", 1e-3, 0.99, 123.675, "tf_bicubic" } },
            { "efficientnetv2-b0", "timm", { "symmetric", 1e-5, 0.9, 123.675, "pil_bicubic" } },
            { "efficientnetv2-b0", "timm-tf", { "same", 1e-3, 0.9, 123.675, "pil_bicubic" } },
            { "efficientnetv2-s", "official", { "same", 1e-3, 0.99, 128, "tf_bilinear" } },
            { "efficientnetv2-s", "timm-tf", { "same", 1e-3, 0.9, 127.5, "pil_bicubic" } },
            { "efficientnetv2-s", "torchvision", { "symmetric", 1e-3, 0.9, 123.675, "pil_bilinear" } },
            { "efficientnet-b0", "torchvision", { "symmetric", 1e-5, 0.9, 123.675, "pil_bicubic" } },
        } do
            assert.are.same(case[3], options_of(case[1], case[2]))
            collectgarbage()
        end
        local b5 = models.describe("efficientnet-b5").presets.torchvision.options
        assert.are.same({ padding = "symmetric", bn_eps = 1e-3, bn_momentum = 0.99 }, b5)
    end)

    it("have widths and sizes of their own", function()
        assert.is_equal(12227212, models.summary("efficientnet-b3", 300, { preset = "official-v2" }).parameters)
        assert.is_equal(39381472, models.summary("regnety-8gf", 224, { preset = "torchvision" }).parameters)
        assert.are.same({ 288, 288, 3 }, models.summary("efficientnet-b2", nil, { preset = "torchvision" }).input)
    end)

    it("give way to options, and are named where one is unknown", function()
        local model = create_tiny { preset = "official", padding = "symmetric" }
        assert.is_equal("symmetric", model.config.padding)
        assert.is_equal("same", models.create("efficientnetv2-b0", { preset = "timm", padding = "same" }).config.padding)
        assert.is_truthy(message_of(models.create, "efficientnetv2-s", { preset = "tim" })
            :find('unknown preset "tim"; it has official, timm, timm-tf, torchvision', 1, true))
    end)

    it("and every model of the zoo say how pictures are looked at", function()
        local fits, filters = { crop = true, stretch = true, official = true }, {}
        for _, filter in ipairs { "tf_bilinear", "tf_bicubic", "pil_bilinear", "pil_bicubic" } do
            filters[filter] = true
        end
        for _, name in ipairs(models.list()) do
            local entry = models.describe(name)
            local looks = { entry.params and entry.evaluation }
            for _, preset in pairs(entry.presets) do
                looks[#looks + 1] = preset.evaluation
            end
            for _, look in ipairs(looks) do
                assert.is_true(fits[look.fit] and filters[look.filter], name)
                assert.is_true(look.crop == nil or look.crop > 0.8 and look.crop <= 1, name)
            end
            if entry.params then
                assert.is_equal(3, #entry.normalise.mean, name)
            end
        end
    end)
end)

describe("tables of stages", function()
    local description = {
        stem = { channels = 8, stride = 1 }, head = 32,
        stages = {
            { op = "fused", channels = 8, expansion = 1 },
            { op = "mb", channels = 16, stride = 2, layers = 2, kernel = 5 },
        },
    }

    it("make networks without being registered", function()
        local model = models.create {
            stem = description.stem, head = description.head, stages = description.stages, classes = 3,
        }
        assert.is_equal("2x3", shape_of(model(effv2.randn(2, 8, 8, 3))))
        assert.is_equal("5x5x1x32", shape_of(model.stage2.block1.depthwise.conv.weight))
        assert.is_equal(2, model.stage2.block1.squeeze_excite.squeezed)
        assert.is_equal(model:num_parameters(), models.summary(model, 8).parameters)
        assert.is_equal(2, description.stages[2].layers)
        assert.is_nil(description.stages[2].se) -- what was given is not changed
    end)

    it("count what is built, whatever the stages", function()
        for _, stages in ipairs {
            { { op = "fused", channels = 8, expansion = 1, se = 0.25, layers = 2 } },
            {
                { op = "fused", channels = 16, expansion = 2, se = 0.5, stride = 2 },
                { op = "mb", channels = 16, expansion = 1 },
            },
            {
                { op = "mb", channels = 12, expansion = 2.5, se = 0, kernel = 5 },
                { op = "mb", channels = 12, layers = 3 },
            },
        } do
            local model = create_tiny { stages = stages, head = 24 }
            assert.is_equal(model:num_parameters(), models.summary(model).parameters)
            local rows, features = models.summary(model, { 9, 14 }), model:features(effv2.randn(1, 9, 14, 3))
            for i = 1, #stages do
                local row = rows[i + 1]
                assert.is_equal(("1x%dx%dx%d"):format(row.height, row.width, row.channels), shape_of(features[i]))
            end
        end
    end)

    it("can be registered, listed and scaled", function()
        models.register {
            name = "spec-net", doc = "a test", stem = description.stem, stages = description.stages, head = 32,
            options = { drop_path = 0, classes = 5 }, sizes = { train = 8, eval = 8 },
        }
        assert.are.same({ "spec-net" }, models.list "spec*")
        assert.is_equal("1x5", shape_of(models.create("spec-net")(effv2.randn(1, 8, 8, 3))))
        local wide = models.scale { base = "spec-net", width = 2, depth = 1.5 }
        assert.are.same({ 16, 16, 32, 64 },
            { wide.stem.channels, wide.stages[1].channels, wide.stages[2].channels, wide.head })
        assert.are.same({ 2, 3 }, { wide.stages[1].layers, wide.stages[2].layers })
        local model = models.create("spec-net", { width = 2, depth = 1.5 })
        assert.is_equal(3, model.config.stages[2].layers)
        assert.is_equal(models.summary("spec-net", 8, { width = 2, depth = 1.5 }).parameters, model:num_parameters())
    end)

    it("scale by two coefficients to the other members", function()
        for name, factors in pairs { b1 = { 1, 1.1 }, b2 = { 1.1, 1.2 }, b3 = { 1.2, 1.4 } } do
            local scaled = models.scale { base = "efficientnetv2-b0", width = factors[1], depth = factors[2] }
            assert.is_equal(models.describe("efficientnetv2-" .. name).params, models.summary(scaled).parameters)
        end
        local b2 = models.compound(1, { base = "efficientnet-b0", round_limit = 0.9 })
        assert.is_equal(models.describe("efficientnet-b2").params, models.summary(b2).parameters)
        assert.are.same({ train = 258, eval = 258 }, b2.sizes)
    end)

    it("scale as EfficientNetV2 does: capped sizes, more layers late", function()
        local m = models.scale {
            base = "efficientnetv2-b0", width = 1.6, depth = 2.2, size = 2.2, late = 1.3, largest = 480,
        }
        local layers = {}
        for i, stage in ipairs(m.stages) do
            layers[i] = stage.layers
        end
        assert.are.same({ 3, 5, 5, 8, 14, 23 }, layers)
        assert.are.same({ train = 422, eval = 480 }, m.sizes)
        assert.are.same({ 480, 480, 3 }, models.summary(m).input)
        assert.is_equal(480, models.create(models.scale { base = m, width = 0.1, depth = 0.1 }).config.sizes.eval)
        assert.is_truthy(message_of(models.scale, { base = "efficientnetv2-b0", late = 0 })
            :find("late is 0, wanted a number above 0", 1, true))
        assert.is_truthy(message_of(models.scale, { base = "resnet50" }):find("resnet50 is not made of stages", 1, true))
    end)

    it("change by surgery: the paper's table 3", function()
        -- parameters and multiply-adds of EfficientNet-B4 at 380 px with the first stages fused, each kernel kept
        for last, wanted in pairs {
            [0] = { 19341616, 4.394 }, [3] = { 20945870, 9.648 }, [5] = { 43528144, 22.995 }, [7] = { 132121624, 36.045 },
        } do
            local stages = {}
            for i = 1, last do
                stages[i] = { op = "fused" }
            end
            local summary = models.summary(models.change("efficientnet-b4", { stages = stages }), 380)
            assert.is_equal(wanted[1], summary.parameters)
            assert.is_near(wanted[2], summary.macs / 1e9, 0.0005)
        end
    end)

    it("change part by part", function()
        local changed = models.change("efficientnetv2-tiny", {
            stem = { stride = 2 }, head = 256,
            stages = {
                [1] = false, [2] = { op = "mb" }, [3] = { se = 0.5, kernel = 5, expansion = 2, layers = 1, channels = 40 },
                [6] = { op = "mb", channels = 160 },
            },
        })
        assert.are.same({ 16, 2, 3, 256, 5 },
            { changed.stem.channels, changed.stem.stride, changed.stem.kernel, changed.head, #changed.stages })
        assert.are.same({ op = "mb", channels = 32, expansion = 4, kernel = 3, stride = 2, layers = 2, se = 0.25 },
            changed.stages[1])
        assert.are.same({ op = "fused", channels = 40, expansion = 2, kernel = 5, stride = 2, layers = 1, se = 0.5 },
            changed.stages[2])
        assert.is_equal(160, changed.stages[5].channels)
        changed.classes = 3
        assert.is_equal("2x3", shape_of(models.create(changed)(effv2.randn(2, 32, 32, 3))))
        assert.is_equal(5, #models.describe("efficientnetv2-tiny").stages)
        local function fails(text, changes)
            assert.is_truthy(message_of(models.change, "efficientnetv2-tiny", changes):find(text, 1, true), text)
        end
        fails("there is no stage 9, of 5", { stages = { [9] = {} } })
        fails("stage 2 is a number, wanted a table, or false to remove it", { stages = { [2] = 3 } })
        fails("did you mean kernel?", { stages = { { kernle = 3 } } })
    end)

    it("scale as each family's code does", function()
        local base = models.describe "efficientnetv2-b0"
        local scaled = models.scale { base = base, width = 1.2, depth = 1.4 }
        assert.are.same({ 40, 16, 1536 }, { scaled.stem.channels, scaled.stages[1].channels, scaled.head })
        assert.is_equal(24, models.scale { base = base, width = 1.2, round_limit = 0.9 }.stages[1].channels)
    end)

    it("can be replaced by a function that builds", function()
        models.register {
            name = "spec-built", options = { hidden = 4 },
            build = function(options)
                return nn.Sequential {
                    nn.GlobalAvgPool {}, nn.Dense { in_features = options.in_channels, out_features = options.hidden },
                    nn.Dense { in_features = options.hidden, out_features = options.classes },
                }
            end,
        }
        local model = models.create("spec-built", { classes = 3, hidden = 6 })
        assert.is_equal("2x3", shape_of(model(effv2.randn(2, 4, 4, 3))))
        assert.are.same({ "spec-built", 6 }, { model.config.name, model.config.hidden })
        assert.is_truthy(message_of(models.create, "spec-built", { hiden = 1 }):find("did you mean hidden?", 1, true))
        assert.is_truthy(message_of(models.summary, "spec-built", 8):find("has no stages and no cost", 1, true))
        assert.is_equal("spec-built", tostring(models.describe "spec-built"))
    end)

    it("are refused with the stage that is wrong", function()
        local function fails(text, changes)
            assert.is_truthy(message_of(create_tiny, changes):find(text, 1, true), text)
        end
        fails("stage 2: op is conv", { stages = { { op = "mb", channels = 8 }, { op = "conv", channels = 8 } } })
        fails("stage 1: channels is nil", { stages = { { op = "mb" } } })
        fails("stage 1: layers is 1.5", { stages = { { op = "mb", channels = 8, layers = 1.5 } } })
        fails("stage 1: unknown argument 'kernle' (did you mean kernel?)",
            { stages = { { op = "mb", channels = 8, kernle = 3 } } })
        fails("wanted a list of at least one stage", { stages = {} })
        fails("stem: channels is 0", { stem = { channels = 0 } })
        assert.is_truthy(message_of(models.register, { name = "x" }):find("needs either build or stages", 1, true))
        assert.is_truthy(message_of(models.register, {
            name = "x", stem = description.stem, stages = description.stages, head = 8, options = { dropuot = 1 },
        }):find("did you mean dropout?", 1, true))
    end)

    it("list by pattern", function()
        assert.are.same({ "efficientnetv2-b0", "efficientnetv2-b1", "efficientnetv2-b2", "efficientnetv2-b3" },
            models.list "efficientnetv2-b?")
        assert.are.same({}, models.list "none.*")
        assert.is_true(#models.list() >= 17)
    end)
end)
