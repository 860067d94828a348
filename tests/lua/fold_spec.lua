--- Folded models compute what the model in eval() computes; the convolution's arguments for inference; free().
local effv2 = require "effv2"

local nn = effv2.nn

local function largest(x)
    return effv2.max(effv2.abs(x):reshape { -1 }):item()
end

--- Norms that do something: gammas and betas at random, and the statistics of one batch.
local function with_statistics(module, x)
    for _, layer in module:modules() do
        if layer:type() == "BatchNorm2d" then
            local channels = layer.channels
            layer.gamma:copy(effv2.randn(channels) * 0.2 + 1)
            layer.beta:copy(effv2.randn(channels) * 0.2)
            layer.momentum = 0
        end
    end
    effv2.no_grad(module, x)
    return module:eval()
end

local function assert_folds(module, x)
    with_statistics(module, x)
    local want = effv2.no_grad(module, x)
    local folded = nn.fold(module)
    for _ = 1, 2 do
        local got = effv2.step(effv2.no_grad, folded, x)
        assert.is_same(want:shape(), got:shape())
        assert.is_true(largest(got - want) <= 1e-5 * largest(want), ("%g of %g"):format(largest(got - want), largest(want)))
    end
    return folded
end

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

describe("nn.fold", function()
    before_each(function() effv2.manual_seed(1) end)

    it("folds every kind of convolution with its norm", function()
        for _, activation in ipairs { "none", "relu", "silu", "gelu" } do
            for _, own in ipairs { { kernel_size = 3, stride = 2 }, { padding = "symmetric", kernel_size = 5 },
                { groups = 12, kernel_size = 3 }, { groups = 3 } } do
                own.in_channels, own.out_channels, own.activation = 12, own.groups == 12 and 12 or 21, activation
                assert_folds(nn.ConvNormAct(own), effv2.randn(3, 7, 9, 12))
            end
        end
    end)

    it("folds blocks, with and without a path around them", function()
        for _, activation in ipairs { "silu", "relu", "gelu" } do
            for _, block in ipairs { "MBConv", "FusedMBConv" } do
                for _, own in ipairs { {}, { stride = 2 }, { expansion = 1 }, { se_ratio = 0 }, { out_channels = 20 },
                    { expansion = 1, se_ratio = 0.5, kernel_size = 5 } } do
                    own.in_channels, own.out_channels, own.activation = 8, own.out_channels or 8, activation
                    assert_folds(nn[block](own), effv2.randn(2, 6, 8, 8))
                end
            end
        end
    end)

    it("folds the blocks of ResNets", function()
        for _, block in ipairs { "basic", "bottleneck" } do
            for _, activation in ipairs { "relu", "gelu" } do
                local model = effv2.models.create("resnet18", {
                    classes = 5, block = block, layers = { 2, 1 }, width = 8, activation = activation,
                })
                assert_folds(model, effv2.randn(2, 33, 40, 3))
            end
        end
    end)

    it("folds whole models", function()
        local x = effv2.randn(2, 48, 48, 3)
        local folded = assert_folds(effv2.models.create("efficientnetv2-tiny", { classes = 7 }), x)
        assert.is_true(largest(effv2.no_grad(folded.embed, folded, x)) > 0)
        assert.is_equal(0, #folded:parameters())
    end)

    it("runs on parts of a batch that is large", function()
        local x = effv2.randn(25, 96, 96, 3)
        local model = effv2.models.create("efficientnetv2-tiny", { classes = 7 })
        local folded, cuts = assert_folds(model, x), 0
        local stem = folded.stem.forward
        folded.stem.forward = function(...)
            cuts = cuts + 1
            return stem(...)
        end
        local logits = effv2.no_grad(folded, x)
        assert.is_true(cuts > 1)
        assert.is_true(largest(logits:slice(1, 20, 20) - effv2.no_grad(folded, x:slice(1, 20, 20))) < 1e-5)
    end)

    it("folds modules of one's own by their parts, and shares what they share", function()
        local Twice = nn.class "Twice"
        function Twice:init()
            local block = nn.MBConv { in_channels = 6, out_channels = 6 }
            self.first, self.list = block, { block, nn.LayerNorm { features = 6 } }
            self.body = nn.Sequential { block, nn.FusedMBConv { in_channels = 6, out_channels = 6 }, nn.Dropout { p = 0.5 } }
            self.classifier = nn.Dense { in_features = 6, out_features = 4, bias = false }
            self:add_parameter("scale", effv2.randn(6))
        end
        function Twice:forward(x)
            return self.classifier(self.list[2](self.list[1](self.first(x)) + self.body(x)) * self.scale)
        end
        local folded = assert_folds(Twice(), effv2.randn(2, 5, 5, 6))
        assert.is_true(rawequal(folded.first, folded.list[1]))
        assert.is_true(rawequal(folded.first, folded.body[1]))
    end)

    it("leaves the model alone, and is not reached by it", function()
        local x = effv2.randn(2, 32, 32, 3)
        local model = effv2.models.create("efficientnetv2-tiny", { classes = 3, dropout = 0.5, drop_path = 0.5 }):eval()
        local before, folded = effv2.no_grad(model, x):tobytes(), nn.fold(model)
        local want = effv2.no_grad(folded, x):tobytes()
        assert.is_equal(before, effv2.no_grad(model, x):tobytes())
        for _, parameter in ipairs(model:train():parameters()) do
            parameter:fill(0)
        end
        assert.is_equal(want, effv2.no_grad(folded, x):tobytes())
    end)

    it("says what it cannot fold, and that a folded model is not trained", function()
        local model = nn.MBConv { in_channels = 4, out_channels = 4 }
        assert.matches("training mode.*fold%(model:eval%(%)%)", message_of(nn.fold, model))
        assert.matches("fold: a number, wanted a module", message_of(nn.fold, 3))
        local folded = nn.fold(model:eval())
        assert.matches("cannot be trained", message_of(folded.train, folded))
        assert.is_equal(folded, folded:eval())
        assert.is_false(folded:is_training())
    end)

    it("has the same bits at any number of threads", function()
        local x, threads = effv2.randn(3, 40, 40, 3), effv2.threads()
        local folded = nn.fold(effv2.models.create("efficientnetv2-tiny", { classes = 5 }):eval())
        local want = effv2.no_grad(folded, x):tobytes()
        for n = 1, 3 do
            effv2.threads(n)
            assert.is_equal(want, effv2.no_grad(folded, x):tobytes())
        end
        effv2.threads(threads)
    end)
end)

describe("conv2d for inference", function()
    local x, w, b, add = effv2.randn(2, 5, 6, 7), effv2.randn(3, 3, 7, 18), effv2.randn(18), effv2.randn(2, 5, 6, 18)

    local function assert_near(got, want)
        assert.is_true(largest(got - want) <= 1e-5 * largest(want))
    end

    it("applies activation and addition, in either order", function()
        local y = x:conv2d(w, b, { padding = 1 })
        for _, f in ipairs { "relu", "silu" } do
            local args = { padding = 1, activation = f }
            assert_near(x:conv2d(w, b, args), y[f](y))
            args.add = add
            assert_near(x:conv2d(w, b, args), effv2[f](y + add))
            args.add_last = true
            assert_near(x:conv2d(w, b, args), y[f](y) + add)
        end
        assert_near(x:conv2d(w, b, { padding = 1, add = add }), y + add)
    end)

    it("refuses a gradient through them, and an addition of another shape", function()
        local trained = w:clone():requires_grad(true)
        for _, args in ipairs { { padding = 1, add = add }, { activation = "silu" } } do
            assert.matches("activation and add have no gradient.*no_grad", message_of(x.conv2d, x, trained, b, args))
            effv2.no_grad(x.conv2d, x, trained, b, args)
        end
        assert.matches("add is 2x5x6x18, wanted the result's 2x3x4x18", message_of(x.conv2d, x, w, b, { add = add }))
    end)

    it("keeps weights packed until they are written to", function()
        local args, kept = { padding = 1 }, { padding = 1, keep_packed = true }
        local weight, changes = w:clone(), {
            function(t) t:fill(0.5) end, function(t) t:copy(w) end, function(t) t[1][2][3][4] = 7 end,
            function(t) t[2] = 3 end, function() end,
        }
        for _, change in ipairs(changes) do
            change(weight)
            assert.is_equal(x:conv2d(weight, b, args):tobytes(), x:conv2d(weight, b, kept):tobytes())
        end
        local other = effv2.randn(2, 5, 6, 21)
        local reshaped = weight:reshape { 3, 1, 21, 18 } -- another weight on the same storage
        assert.is_equal(other:conv2d(reshaped):tobytes(), other:conv2d(reshaped, { keep_packed = true }):tobytes())
        assert.is_equal(x:conv2d(weight, b, args):tobytes(), x:conv2d(weight, b, kept):tobytes())
    end)
end)

describe("max_pool2d for inference", function()
    it("has the values that it has with a gradient, NaN and infinities too", function()
        for _, channels in ipairs { 1, 7, 16, 33 } do
            local x = effv2.randn(2, 9, 8, channels)
            x[1][1][1][1], x[1][5][5][1], x[2][9][8][channels] = 0 / 0, -math.huge, math.huge
            local args = { kernel_size = 3, stride = 2, padding = 1 }
            local want = effv2.max_pool2d(x:clone():requires_grad(true), args)
            assert.is_equal(want:detach():tobytes(), x:max_pool2d(args):tobytes())
        end
    end)
end)

describe("expand_depthwise", function()
    local x, expand, expand_bias = effv2.randn(2, 9, 11, 5), effv2.randn(1, 1, 5, 37), effv2.randn(37)
    local w, b = effv2.randn(3, 3, 1, 37), effv2.randn(37)
    local args = { stride = 2, padding = "same", activation = "silu" }

    it("is the two convolutions and the mean of the result", function()
        local want = x:conv2d(expand, expand_bias):silu():conv2d(w, b, { stride = 2, padding = "same", groups = 37 }):silu()
        local y, mean = x:expand_depthwise(expand, expand_bias, w, b, args)
        assert.is_true(largest(y - want) <= 1e-5 * largest(want))
        assert.is_true(largest(mean - want:mean { axes = { 2, 3 } }) <= 1e-5 * largest(want))
    end)

    it("gives squeeze_excite its mean", function()
        local y, mean = x:expand_depthwise(expand, expand_bias, w, b, args)
        local gate = { effv2.randn(37, 4), effv2.randn(4), effv2.randn(4, 37), effv2.randn(37) }
        local want = y:squeeze_excite(unpack(gate))
        local got = y:squeeze_excite(gate[1], gate[2], gate[3], gate[4], { mean = mean })
        assert.is_true(largest(got - want) <= 1e-5 * largest(want))
        assert.matches("mean is 2x36, wanted 2x37", message_of(y.squeeze_excite, y, gate[1], gate[2], gate[3], gate[4],
            { mean = effv2.zeros(2, 36) }))
        assert.matches("no gradient", message_of(y.squeeze_excite, y, gate[1]:requires_grad(true), gate[2], gate[3],
            gate[4], { mean = mean }))
    end)

    it("says which shapes do not fit", function()
        assert.matches("x has 5 channels, the weights are 1x1x5x37 %(bias 37%) and 3x3x1x36 %(bias 37%), wanted",
            message_of(x.expand_depthwise, x, expand, expand_bias, effv2.zeros(3, 3, 1, 36), b))
    end)

    it("leaves convolutions alone that it cannot do", function()
        local block = nn.MBConv { in_channels = 8, out_channels = 8, padding = "symmetric" }
        block.depthwise.conv = nn.Conv2d {
            in_channels = 32, out_channels = 32, kernel_size = 3, groups = 32, dilation = 2, padding = 2, bias = false,
        }
        assert.is_nil(assert_folds(block, effv2.randn(2, 9, 9, 8)).expansion)
    end)

    it("does its part of folded blocks", function()
        local folded = nn.fold(nn.MBConv { in_channels = 8, out_channels = 8 }:eval())
        assert.is_equal("FoldedExpansion", folded.expansion:type())
        assert.is_nil(nn.fold(nn.MBConv { in_channels = 8, out_channels = 8, expansion = 1 }:eval()).expansion)
    end)
end)

describe("free", function()
    it("lets go of a tensor at once, and says so later", function()
        collectgarbage()
        collectgarbage "stop"
        local before = effv2.memory().live
        local x = effv2.randn(100, 100)
        local view = x:reshape { 10000 }
        x:free()
        assert.is_true(effv2.memory().live >= before + 40000)
        view:free()
        view:free()
        local after = effv2.memory().live
        collectgarbage "restart"
        assert.is_equal(before, after)
        assert.matches("freed by :free%(%)", message_of(function() return x + 1 end))
        assert.is_equal("[a tensor that was freed]", tostring(x))
    end)
end)
