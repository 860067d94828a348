-- ONNX files: what is in them, and that their graphs compute what the models compute, at any batch.
local effv2 = require "effv2"
local read_file = require "tests.lua.onnx_file"
local run_graph = require "tests.lua.onnx_runtime"

local nn = effv2.nn

local function largest(x)
    return effv2.max(effv2.abs(x):reshape { -1 }):item()
end

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

--- Norms with statistics, as training would leave them.
local function with_statistics(model)
    for _, layer in model:modules() do
        if layer:type() == "BatchNorm2d" then
            layer.gamma:copy(effv2.rand(layer.channels) * 0.4 + 0.8)
            layer.beta:copy(effv2.randn(layer.channels) * 0.1)
            layer.running_mean:copy(effv2.randn(layer.channels) * 0.1)
            layer.running_variance:copy(effv2.rand(layer.channels) * 0.5 + 0.75)
        end
    end
    return model:eval()
end

local function export(model, args)
    local path = os.tmpname()
    args.path = path
    local written, message = effv2.onnx.export(model, args)
    local file = written and read_file(path)
    os.remove(path)
    return assert(file, message), written
end

--- A model that applies f to images.
local function model_of(f, parts)
    local Class = nn.class "Own"
    function Class:init()
        for name, part in pairs(parts or {}) do
            self[name] = part
        end
    end
    function Class:forward(x)
        return f(x, self)
    end
    return Class {}:eval()
end

--- Exports a model and compares the graph with it at batch 1 and 5; returns the file.
local function assert_same(model, height, width, channels)
    with_statistics(model)
    local file = export(model, { size = { height, width }, channels = channels })
    for _, n in ipairs { 1, 5 } do
        local images = effv2.randn(n, height, width, channels)
        local want = effv2.no_grad(model, images)
        local got = run_graph(file.graph, images:permute { 1, 4, 2, 3 })
        assert.are.same(want:shape(), got:shape())
        local off = largest(got - want) / largest(want)
        assert.is_true(off <= 2e-5, ("off by %g at batch %d"):format(off, n))
    end
    return file
end

local function count(file, op)
    local n = 0
    for _, node in ipairs(file.graph.nodes) do
        n = n + (node.op == op and 1 or 0)
    end
    return n
end

local function sizes_of(info)
    local sizes = {}
    for i, size in ipairs(info.type.tensor.shape.sizes) do
        sizes[i] = size.name or size.value
    end
    return sizes
end

describe("onnx.export", function()
    before_each(function() effv2.manual_seed(1) end)

    it("says what a file holds", function()
        local model = with_statistics(effv2.models.create("efficientnetv2-tiny", { classes = 7 }))
        local file, written = export(model, { size = { 40, 33 }, metadata = { note = "own" } })
        assert.are.equal("effv2", file.producer)
        assert.are.equal(10, file.ir)
        assert.are.same({ { domain = "", version = written.opset } }, file.opsets)
        assert.are.same({ "image" }, { file.graph.inputs[1].name })
        assert.are.same({ "batch", 3, 40, 33 }, sizes_of(file.graph.inputs[1]))
        assert.are.same({ "logits" }, { file.graph.outputs[1].name })
        assert.are.same({ "batch", 7 }, sizes_of(file.graph.outputs[1]))
        assert.are.equal(written.nodes, #file.graph.nodes)
        assert.are.equal(written.initializers, #file.graph.initializers)
        local metadata = {}
        for _, entry in ipairs(file.metadata) do
            metadata[entry.key] = entry.value
        end
        assert.are.equal("efficientnetv2-tiny", metadata.model)
        assert.are.equal("40,33", metadata.image_size)
        assert.are.equal("own", metadata.note)
        assert.are.equal(#effv2.json_decode("[" .. metadata.mean .. "]"), 3)
    end)

    it("orders nodes, names each value once, and folds every norm", function()
        local model = with_statistics(effv2.models.create("efficientnetv2-tiny", { classes = 7 }))
        local file = export(model, { size = 32 })
        local known = { image = true }
        for _, t in ipairs(file.graph.initializers) do
            assert.is_nil(known[t.name], t.name)
            known[t.name] = true
        end
        for _, node in ipairs(file.graph.nodes) do
            for _, name in ipairs(node.inputs) do
                assert.is_true(known[name], name)
            end
            assert.is_nil(known[node.outputs[1]])
            known[node.outputs[1]] = true
        end
        assert.is_true(known.logits)
        assert.are.equal(0, count(file, "BatchNormalization") + count(file, "Transpose"))
    end)

    it("keeps the bytes of weights, in ONNX's order", function()
        local conv = nn.Conv2d { in_channels = 3, out_channels = 4, kernel_size = { 2, 3 } }
        local file = export(nn.Sequential { { "conv", conv } }:eval(), { size = 8 })
        for _, t in ipairs(file.graph.initializers) do
            local want = t.name == "conv.weight" and conv.weight:permute { 4, 3, 1, 2 } or conv.bias
            assert.are.same(want:shape(), t.shape)
            assert.is_true(want:contiguous():tobytes() == t.data)
        end
        assert.are.equal(2, #file.graph.initializers)
    end)

    it("computes what models compute, at odd sizes too", function()
        for _, case in ipairs {
            { "efficientnetv2-b0", 33, 46 }, { "efficientnet-b0", 41, 41 }, { "resnet18", 47, 64 },
            { "efficientnetv2-tiny", 32, 32, { padding = "symmetric" } },
            { "efficientnetv2-tiny", 31, 31, { activation = "relu" } },
            { "efficientnetv2-tiny", 31, 31, { activation = "gelu" } },
        } do
            local options = case[4] or {}
            options.classes = 11
            local file = assert_same(effv2.models.create(case[1], options), case[2], case[3], 3)
            assert.are.equal(0, count(file, "Transpose"), case[1])
            assert.are.equal(1, count(file, "Gemm"), case[1])
        end
    end)

    it("computes what small members of the other families compute", function()
        for _, case in ipairs {
            { "vit-ti-16", 32, 35, { depth = 2 } },
            { "resnetrs50", 41, 32, { layers = { 1, 1, 1, 1 }, width = 16 } },
            { "regnety-8gf", 33, 33, { layers = { 1, 1, 2, 1 }, widths = { 16, 32, 48, 64 }, group = 16 } },
            { "nfnet-f0", 35, 32, { layers = { 1, 1, 2, 1 }, widths = { 64, 128, 128, 128 }, group = 32 } },
        } do
            case[4].classes = 7
            assert_same(effv2.models.create(case[1], case[4]), case[2], case[3], 3)
        end
    end)

    it("computes what a transformer of one's own computes", function()
        local token = effv2.randn(1, 1, 24)
        local parts = {
            patches = nn.Conv2d { in_channels = 3, out_channels = 24, kernel_size = 4, stride = 4 },
            block = nn.TransformerBlock { channels = 24, heads = 3 }, norm = nn.LayerNorm { features = 24 },
            head = nn.Dense { in_features = 24, out_features = 5 },
        }
        local model = model_of(function(x, self)
            local y = self.patches(x)
            local n, h, w = unpack(y:shape())
            y = effv2.concat({ token:expand { n, 1, 24 }, y:reshape { n, h * w, 24 } }, 2)
            y = self.block(y + effv2.arange(h * w + 1):cast("float32"):reshape { 1, h * w + 1, 1 } * 0.1)
            return self.head(self.norm(y:slice(2, 1, 1):reshape { n, 24 }))
        end, parts)
        local file = assert_same(model, 12, 16, 3)
        assert.are.equal(1, count(file, "Shape"))
        assert.are.equal(3, count(file, "LayerNormalization"))
    end)

    it("writes modules of one's own without a word in their class", function()
        local gain = effv2.randn(6)
        local cases = {
            function(x) return effv2.exp(-effv2.abs(x)) * gain end,
            function(x) return effv2.sqrt(effv2.square(x) + 1) - effv2.tanh(x) / 2 end,
            function(x) return effv2.log(effv2.sigmoid(x)) + effv2.relu(x) * 3 - 1 end,
            function(x) return effv2.mean(x, { 2, 3 }) end,
            function(x) return effv2.mean(effv2.relu(x), { 2, 3 }, true) * x end,
            function(x) return effv2.max(x, 4) end,
            function(x) return effv2.sum(x, 4, true) end,
            function(x) return effv2.softmax(x:reshape { x:size(1), -1 }) end,
            function(x) return effv2.log_softmax(effv2.max_pool2d(x, 3, 2, "same")) end,
            function(x) return effv2.avg_pool2d(x, 2, { padding = { 1, 0, 0, 1 } }) end,
            function(x) return effv2.avg_pool2d(x, { 3, 2 }, { stride = { 2, 1 }, padding = "same", count_padding = false }) end,
            function(x) return effv2.concat({ x, effv2.relu(x) }, 4):slice(4, 2, 9, 3) end,
            function(x) return effv2.concat({ effv2.max_pool2d(x, 2), effv2.zeros(x:size(1), 1, 3, 6) }, 2) end,
            function(x) return effv2.max_pool2d(x, 2):slice(3, -2, -1) end,
            function(x) return effv2.max_pool2d(x, 2):permute { 1, 4, 2, 3 } end,
            function(x) return effv2.conv2d(x, effv2.tensor({ 1, 0, -1 }):reshape { 1, 3, 1, 1 }:expand { 1, 3, 1, 6 },
                nil, { groups = 6, dilation = { 1, 2 }, padding = { 0, 2 } }) end,
            function(x) return x:detach() * 2 end,
            function(x) return x:reshape { -1, 6 }:reshape(x:shape()) + 1 end,
        }
        for _, f in ipairs(cases) do
            assert_same(model_of(f), 5, 7, 6)
        end
        assert_same(nn.Sequential { nn.BatchNorm2d { channels = 6 }, nn.Activation { kind = "gelu" } }, 5, 4, 6)
        assert_same(nn.Residual { nn.MBConv { in_channels = 6, out_channels = 6 } }, 5, 4, 6)
    end)

    it("drops what the result does not need", function()
        local file = export(model_of(function(x)
            effv2.exp(x)
            return effv2.relu(x)
        end), { size = 4 })
        assert.are.equal(0, count(file, "Exp"))
    end)

    it("says what cannot be written, and where", function()
        local inner = model_of(function(x) return effv2.argmax(x, 4):cast "float32" end)
        local message = message_of(effv2.onnx.export, nn.Sequential { { "stem", inner } }:eval(), { path = "x", size = 4 })
        assert.is_truthy(message:find("in stem: operation 'argmax' has no ONNX form", 1, true), message)
        for _, case in ipairs {
            { function(x) return x:clone() + x end, "depends on the images" },
            { function(x) return x:slice(1, 1, 1) end, "part of a batch" },
            { function(x) return x * (1 / x:size(1)) end, "scale depends on the number of images" },
            { function(x) return x:size(1) > 1 and effv2.relu(x) or effv2.exp(x) end, "other operations on two images" },
            { function() return effv2.zeros(1, 2) end, "not computed from the images" },
            { function(x) return x:reshape { 1, x:size(1) * x:size(1), -1 } end, "for one image and" },
        } do
            message = message_of(effv2.onnx.export, model_of(case[1]), { path = "x", size = 4 })
            assert.is_truthy(message:find(case[2], 1, true), message)
        end
        local model = effv2.models.create("efficientnetv2-tiny", { classes = 2 })
        assert.is_truthy(message_of(effv2.onnx.export, model, { path = "x" }):find "eval")
        assert.is_truthy(message_of(effv2.onnx.export, 3, { path = "x" }):find "wanted a module")
        local _, reason, code = effv2.onnx.export(model:eval(), { path = "/nowhere/x.onnx" })
        assert.is_truthy(reason:find "/nowhere/x.onnx")
        assert.are.equal("io", code)
    end)

    it("takes forms for further operations", function()
        effv2.onnx.register("argmax", function(graph, step)
            step.outputs[1].natural = graph:node("ArgMax", { graph:natural(step.inputs[1]) },
                { axis = step.args.axis - 1, keepdims = 0 })
        end)
        local file = export(model_of(function(x) return effv2.argmax(x, 4) end), { size = 4 })
        require("effv2.onnx.forms").argmax = nil
        assert.are.equal(1, count(file, "ArgMax"))
        assert.are.equal(7, file.graph.outputs[1].type.tensor.element) -- int64
    end)
end)
