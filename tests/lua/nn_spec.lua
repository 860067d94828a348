--- Modules: children and their order, modes, state, printing, where errors arise; containers and blocks.
local effv2 = require "effv2"

local nn = effv2.nn
local gradient_error = effv2.Function.gradient_error

local function dense(from, to)
    return nn.Dense { in_features = from, out_features = to }
end

local function names_of(entries)
    local names = {}
    for i, entry in ipairs(entries) do
        names[i] = entry.name
    end
    return names
end

local function shape_of(tensor)
    return table.concat(tensor:shape(), "x")
end

--- The message of the error that f(...) raises.
local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return message
end

local Pair = nn.class "Pair"

function Pair:init(args)
    self.second_first = dense(args.width, args.width)
    self.other = { dense(args.width, args.width), dense(args.width, args.width) }
    self.label = "not a layer"
    self.empty = {}
    self.numbers = { 1, 2 }
end

function Pair:forward(x)
    return self.other[2](self.other[1](self.second_first(x)))
end

describe("nn.class", function()
    it("finds children in the order in which they were assigned", function()
        local pair = Pair { width = 3 }
        assert.are.same({
            "second_first.weight", "second_first.bias", "other.1.weight", "other.1.bias", "other.2.weight",
            "other.2.bias",
        }, names_of(pair:named_parameters()))
        local children = {}
        for name, child in pair:children() do
            assert.is_true(nn.is_layer(child))
            children[#children + 1] = name
        end
        assert.are.same({ "second_first", "other.1", "other.2" }, children)
    end)

    it("sees children that were replaced, added or removed later", function()
        local pair = Pair { width = 3 }
        pair.second_first = dense(3, 5)
        assert.is_equal("3x5", shape_of(pair:parameters()[1]))
        table.insert(pair.other, dense(3, 3))
        pair.extra = Pair { width = 2 }
        assert.is_equal("extra.other.2.bias", names_of(pair:named_parameters())[14])
        pair.second_first = nil
        assert.is_equal("other.1.weight", names_of(pair:named_parameters())[1])
        pair.second_first = dense(3, 3)
        assert.is_equal("second_first.weight", names_of(pair:named_parameters())[1])
    end)

    it("lists what is shared once, also in a cycle", function()
        local shared = dense(2, 2)
        local outer = Pair { width = 2 }
        outer.other = { shared, shared }
        outer.itself = outer
        assert.are.same({ "second_first.weight", "second_first.bias", "other.1.weight", "other.1.bias" },
            names_of(outer:named_parameters()))
        assert.is_equal(12, outer:num_parameters())
    end)

    it("inherits", function()
        local Wide = nn.class("Wide", Pair)
        function Wide:forward(x)
            return Pair.forward(self, x) * 2
        end
        local wide = Wide { width = 2 }
        local x = effv2.randn(1, 2)
        assert.is_equal("Wide", wide:type())
        assert.are.same((Pair.forward(wide, x) * 2):totable(), wide(x):totable())
        assert.is_truthy(tostring(wide):find("^Wide {"))
    end)

    it("says what is missing", function()
        local Empty = nn.class "Empty"
        assert.is_equal("in Empty: Empty has no forward: define Empty:forward(x)", message_of(Empty {}, 1))
        assert.is_truthy(message_of(nn.class):find("name is a nil", 1, true))
    end)

    it("returns all results of forward", function()
        local Two = nn.class "Two"
        function Two:forward(x)
            return x, self, nil
        end
        local Outer = nn.class "Outer"
        function Outer:init()
            self.two = Two()
        end
        function Outer:forward(x)
            return self.two(x)
        end
        local outer = Outer()
        assert.is_equal(3, select("#", outer(1)))
        assert.is_equal(outer.two, (select(2, outer(1))))
    end)

    it("switches modes of everything below", function()
        local model = nn.Sequential { Pair { width = 2 }, nn.Dropout { p = 0.5 } }
        assert.is_true(model:is_training())
        assert.is_equal(model, model:eval())
        for _, module in model:modules() do
            assert.is_false(module:is_training())
        end
        local x = effv2.ones(4, 2)
        assert.is_equal(model(x):tobytes(), model(x):tobytes())
        model:train()
        for _, module in model:modules() do
            assert.is_true(module:is_training())
        end
        assert.is_false(model:train(false):is_training())
    end)

    it("walks parents first, with paths, and applies functions", function()
        local model = nn.Sequential { { "pair", Pair { width = 2 } }, { "last", dense(2, 1) } }
        local walked, applied = {}, {}
        for path, module in model:modules() do
            walked[#walked + 1] = path .. ":" .. module:type()
        end
        model:apply(function(module, path)
            applied[#applied + 1] = path .. ":" .. module:type()
        end)
        assert.are.same({
            ":Sequential", "pair:Pair", "pair.second_first:Dense", "pair.other.1:Dense", "pair.other.2:Dense",
            "last:Dense",
        }, walked)
        assert.are.same(walked, applied)
    end)
end)

describe("a module's own tensors", function()
    local Scale = nn.class "Scale"

    function Scale:init(n)
        self:add_parameter("factor", effv2.ones(n))
        self:add_parameter("mix", effv2.ones(n, n), { decay = false })
        self:add_buffer("count", effv2.zeros(1))
        self.inner = dense(n, n)
    end

    function Scale:forward(x)
        return self.inner(x) * self.factor
    end

    it("are parameters and buffers like those of layers", function()
        local scale = Scale(3)
        assert.are.same({ "factor", "mix", "inner.weight", "inner.bias" }, names_of(scale:named_parameters()))
        assert.are.same({ "count" }, names_of(scale:named_buffers()))
        assert.is_equal(3 + 9 + 12, scale:num_parameters())
        local decay = {}
        for i, entry in ipairs(scale:named_parameters()) do
            decay[i] = entry.decay
        end
        assert.are.same({ false, false, true, false }, decay)
        assert.is_true(scale.factor:requires_grad())
        assert.is_false(scale.count:requires_grad())
        assert.is_truthy(tostring(scale):find("factor: parameter 3\n", 1, true))
    end)

    it("outlive the step in which they were made, and receive gradients", function()
        local scale = effv2.step(function()
            return Scale(2)
        end)
        assert.is_true(gradient_error(scale, { effv2.randn(3, 2) }, { others = { scale.factor } }) < 1e-3)
    end)

    it("have names and are tensors", function()
        local scale = Scale(1)
        local dotted = message_of(scale.add_parameter, scale, "a.b", effv2.ones(1))
        local number = message_of(scale.add_buffer, scale, "x", 3)
        assert.is_truthy(dotted:find("'a.b' is not a name", 1, true))
        assert.is_truthy(number:find("x' is a number, wanted a tensor", 1, true))
    end)
end)

describe("state", function()
    local function model()
        return nn.Sequential { { "conv", nn.ConvNormAct { in_channels = 2, out_channels = 3 } }, { "fc", dense(3, 2) } }
    end

    it("goes from one model to another, buffers included", function()
        local a, b = model(), model()
        a(effv2.randn(2, 4, 4, 2)) -- moves the running statistics
        assert.is_not_equal(a.fc.weight:tobytes(), b.fc.weight:tobytes())
        local report = b:load_state(a:state())
        assert.are.same({ missing = {}, unexpected = {}, misshaped = {}, loaded = 7 }, report)
        for name, tensor in pairs(a:state()) do
            assert.is_equal(tensor:tobytes(), b:state()[name]:tobytes())
        end
        local x = effv2.randn(2, 4, 4, 2)
        assert.is_equal(a:eval()(x):tobytes(), b:eval()(x):tobytes())
    end)

    it("goes through a file", function()
        local a, b = model(), model()
        local path = os.tmpname()
        assert(effv2.save(path, a:state()))
        b:load_state((assert(effv2.load(path))))
        os.remove(path)
        assert.is_equal(a.conv.conv.weight:tobytes(), b.conv.conv.weight:tobytes())
    end)

    it("that does not fit is refused before anything is copied", function()
        local a, b = model(), model()
        local state = a:state()
        state["fc.weight"], state["fc.bias"], state.extra = effv2.zeros(4, 2), nil, effv2.zeros(1)
        local before = b.conv.conv.weight:tobytes()
        local message = message_of(b.load_state, b, state)
        assert.is_truthy(message:find("1 missing: fc.bias", 1, true))
        assert.is_truthy(message:find("1 unexpected: extra", 1, true))
        assert.is_truthy(message:find("1 of another shape: fc.weight (given 4x2, wanted 3x2)", 1, true))
        assert.is_equal(before, b.conv.conv.weight:tobytes())
    end)

    it("is loaded in part when that is allowed", function()
        local a, b = model(), model()
        local state = a:state()
        state["fc.weight"], state["fc.bias"], state.extra = effv2.zeros(4, 2), nil, effv2.zeros(1)
        local report = b:load_state(state, { strict = false })
        assert.are.same({ "fc.bias" }, report.missing)
        assert.are.same({ "extra" }, report.unexpected)
        assert.are.same({ { name = "fc.weight", given = { 4, 2 }, wanted = { 3, 2 } } }, report.misshaped)
        assert.is_equal(5, report.loaded)
        assert.is_equal(a.conv.conv.weight:tobytes(), b.conv.conv.weight:tobytes())
        assert.is_truthy(message_of(b.load_state, b, state, { strikt = false }):find("did you mean strict", 1, true))
        assert.is_truthy(message_of(b.load_state, b, "file"):find("a string, wanted a table", 1, true))
    end)
end)

describe("an error inside a model", function()
    local model = nn.Sequential {
        { "stage1", nn.Sequential { { "block1", nn.MBConv { in_channels = 4, out_channels = 4 } } } },
        { "pair", Pair { width = 4 } },
    }

    it("names the layer by its path, once", function()
        local message = message_of(model, effv2.zeros(1, 8, 8, 3))
        assert.is_truthy(message:find("^in stage1%.block1%.expand%.conv: Conv2d: conv2d: x has 3 channels"))
        assert.is_nil(message:find("in ", 5, true))
        assert.is_nil(message:find("%.lua"))
    end)

    it("finds layers in lists, behind tail calls and behind no_grad", function()
        model.pair.other[2] = dense(5, 4)
        local x = effv2.zeros(1, 8, 8, 4)
        assert.is_truthy(message_of(model, x):find("^in pair%.other%.2: "))
        assert.is_truthy(message_of(effv2.no_grad, function()
            return model(x)
        end):find("in pair.other.2: ", 1, true))
    end)

    it("is about the called module alone", function()
        assert.is_truthy(message_of(model.pair, effv2.zeros(1, 4)):find("^in other%.2: "))
    end)

    it("leaves the next call in order", function()
        model.pair.other[2] = dense(4, 4)
        assert.is_equal("1x8x8x4", shape_of(model(effv2.zeros(1, 8, 8, 4))))
        assert.is_truthy(message_of(model, effv2.zeros(1, 8, 8, 3)):find("^in stage1"))
    end)

    it("of the user's own code keeps its line", function()
        local Broken = nn.class "Broken"
        function Broken.forward()
            error "no good"
        end
        local message = message_of(nn.Sequential { { "inner", Broken() } }, 1)
        assert.is_truthy(message:find("^in inner: .*nn_spec%.lua:%d+: no good$"))
    end)

    it("that is not a string passes unchanged", function()
        local Broken, thrown = nn.class "Broken", { code = 3 }
        function Broken.forward()
            error(thrown)
        end
        assert.is_equal(thrown, message_of(nn.Sequential { Broken() }, 1))
    end)
end)

describe("containers", function()
    it("apply their steps in order", function()
        local first, last = dense(2, 3), dense(3, 1)
        local sequence = nn.Sequential { first, effv2.relu, { "last", last } }
        local x = effv2.randn(5, 2)
        assert.is_equal(last(effv2.relu(first(x))):tobytes(), sequence(x):tobytes())
        assert.are.same({ "1.weight", "1.bias", "last.weight", "last.bias" }, names_of(sequence:named_parameters()))
        assert.is_equal(last, sequence.last)
        sequence.last = dense(3, 7)
        assert.is_equal("5x7", shape_of(sequence(x)))
        assert.is_equal("5x2", shape_of(sequence:add(dense(7, 2))(x)))
        assert.is_equal(x, nn.Sequential {}(x))
    end)

    it("refuse what is no step", function()
        local function fails(text, container, args)
            assert.is_truthy(message_of(container, args):find(text, 1, true), text)
        end
        fails("step 2 is a number", nn.Sequential, { dense(1, 1), 7 })
        fails("already a step or method 'train'", nn.Sequential, { { "train", dense(1, 1) } })
        fails("a userdata, wanted a list", nn.Sequential, dense(1, 1))
        fails("the first item is a nil", nn.Residual, {})
        fails("did you mean drop_path", nn.Residual, { dense(1, 1), drop_pat = 0 })
    end)

    it("add the input to a branch", function()
        local body = dense(3, 3)
        local residual = nn.Residual { body, drop_path = 0.5 }
        local x = effv2.randn(64, 3)
        assert.is_equal((x + body(x)):tobytes(), residual:eval()(x):tobytes())
        local y, full = residual:train()(x):totable(), (x + body(x) * 2):totable()
        local dropped = 0
        for i, row in ipairs(x:totable()) do
            local same = y[i][1] == row[1]
            dropped = dropped + (same and 1 or 0)
            assert.is_near(same and row[1] or full[i][1], y[i][1], 1e-5)
        end
        assert.is_true(dropped > 10 and dropped < 54)
    end)
end)

describe("blocks", function()
    it("have the parameters of the reference", function()
        local mb = nn.MBConv { in_channels = 8, out_channels = 12, expansion = 4 }
        assert.are.same({
            "expand.conv.weight", "expand.norm.gamma", "expand.norm.beta", "depthwise.conv.weight",
            "depthwise.norm.gamma", "depthwise.norm.beta", "squeeze_excite.reduce_weight", "squeeze_excite.reduce_bias",
            "squeeze_excite.expand_weight", "squeeze_excite.expand_bias", "project.conv.weight", "project.norm.gamma",
            "project.norm.beta",
        }, names_of(mb:named_parameters()))
        assert.is_equal("32x2", shape_of(mb.squeeze_excite.reduce_weight)) -- a quarter of 8 inputs, not of 32
        assert.is_equal("3x3x1x32", shape_of(mb.depthwise.conv.weight))
        assert.is_equal("silu", mb.depthwise.norm.activation)
        assert.is_equal("none", mb.project.norm.activation)
        assert.is_false(mb.expand.conv.bias)

        local narrow = nn.MBConv { in_channels = 8, out_channels = 8, expansion = 1, se_ratio = 0 }
        assert.is_nil(narrow.expand)
        assert.is_nil(narrow.squeeze_excite)
        assert.is_equal("depthwise.conv.weight", names_of(narrow:named_parameters())[1])

        local fused = nn.FusedMBConv { in_channels = 8, out_channels = 12, expansion = 4, stride = 2 }
        assert.are.same({ "expand.conv.weight", "expand.norm.gamma", "expand.norm.beta", "project.conv.weight",
            "project.norm.gamma", "project.norm.beta" }, names_of(fused:named_parameters()))
        assert.is_equal("3x3x8x32", shape_of(fused.expand.conv.weight))
        assert.is_equal("1x1x32x12", shape_of(fused.project.conv.weight))
        assert.is_equal("none", fused.project.norm.activation)

        local single = nn.FusedMBConv { in_channels = 8, out_channels = 12, expansion = 1 }
        assert.are.same({ "project.conv.weight", "project.norm.gamma", "project.norm.beta" },
            names_of(single:named_parameters()))
        assert.is_equal("3x3x8x12", shape_of(single.project.conv.weight))
        assert.is_equal("silu", single.project.norm.activation)
        assert.is_equal(1, nn.MBConv { in_channels = 3, out_channels = 3, se_ratio = 0.25 }.squeeze_excite.squeezed)
    end)

    it("add their input only at stride 1 and equal widths", function()
        for _, block in ipairs { nn.MBConv, nn.FusedMBConv } do
            assert.is_true(block { in_channels = 4, out_channels = 4 }.residual)
            assert.is_false(block { in_channels = 4, out_channels = 4, stride = 2 }.residual)
            assert.is_false(block { in_channels = 4, out_channels = 5 }.residual)
            assert.is_nil(block { in_channels = 4, out_channels = 5, drop_path = 0.2 }.drop_path)
        end
    end)

    it("halve the size at stride 2, rounding up, with either padding", function()
        for _, padding in ipairs { "same", "symmetric" } do
            for _, size in ipairs { 7, 8 } do
                for _, kernel in ipairs { 3, 5 } do
                    local block = nn.MBConv {
                        in_channels = 2, out_channels = 3, stride = 2, kernel_size = kernel, padding = padding,
                    }
                    assert.is_equal("1x4x4x3", shape_of(block(effv2.randn(1, size, size, 2))))
                end
            end
        end
    end)

    it("differ by padding at even sizes alone", function()
        local function outputs(size)
            effv2.manual_seed(3)
            local function block(padding)
                return nn.FusedMBConv { in_channels = 2, out_channels = 3, stride = 2, padding = padding }:eval()
            end
            local same, symmetric = block "same", block "symmetric"
            symmetric:load_state(same:state())
            local x = effv2.randn(1, size, size, 2)
            return same(x):tobytes(), symmetric(x):tobytes()
        end
        local same, symmetric = outputs(7)
        assert.is_equal(same, symmetric)
        same, symmetric = outputs(8)
        assert.is_not_equal(same, symmetric)
    end)

    it("are x plus the branch in evaluation, and x alone where the branch was dropped", function()
        local block = nn.MBConv { in_channels = 3, out_channels = 3, drop_path = 0.5 }
        local x = effv2.randn(64, 4, 4, 3)
        block:eval()
        local branch = block.project(block.squeeze_excite(block.depthwise(block.expand(x))))
        assert.is_equal((x + branch):tobytes(), block(x):tobytes())
        block:train()
        local y, given, dropped = block(x):totable(), x:totable(), 0
        for i = 1, 64 do
            dropped = dropped + (y[i][1][1][1] == given[i][1][1][1] and y[i][4][4][3] == given[i][4][4][3] and 1 or 0)
        end
        assert.is_true(dropped > 12 and dropped < 52)
    end)

    it("have the gradient of their outputs", function()
        effv2.manual_seed(5)
        for _, block in ipairs {
            nn.MBConv { in_channels = 4, out_channels = 4 },
            nn.MBConv { in_channels = 4, out_channels = 5, stride = 2 },
            nn.FusedMBConv { in_channels = 4, out_channels = 4 },
            nn.FusedMBConv { in_channels = 4, out_channels = 4, expansion = 1 },
            nn.FusedMBConv { in_channels = 4, out_channels = 4, se_ratio = 0.25 },
            nn.ConvNormAct { in_channels = 4, out_channels = 4, kernel_size = 3, activation = "gelu" },
        } do
            local worst = gradient_error(block, { effv2.randn(2, 4, 4, 4) }, { others = block:parameters(), most = 6 })
            assert.is_true(worst < 3e-3, ("%s: %g"):format(block:type(), worst))
        end
    end)

    it("refuse what they cannot do", function()
        local function fails(text, block, args)
            assert.is_truthy(message_of(block, args):find(text, 1, true), text)
        end
        local function with(key, value)
            return { in_channels = 3, out_channels = 3, [key] = value }
        end
        fails("out_channels is missing, wanted a number", nn.MBConv, { in_channels = 3 })
        fails("did you mean expansion", nn.MBConv, with("expantion", 3))
        fails("expansion -1", nn.FusedMBConv, with("expansion", -1))
        fails('padding is full, wanted "same" or "symmetric"', nn.MBConv, with("padding", "full"))
        fails("did you mean silu", nn.ConvNormAct, with("activation", "sili"))
    end)
end)

describe("transformer blocks", function()
    it("attend, with the gradient of their outputs", function()
        effv2.manual_seed(6)
        local block = nn.TransformerBlock { channels = 8, heads = 2 }
        local x = effv2.randn(2, 5, 8)
        assert.is_equal("2x5x8", shape_of(block(x)))
        assert.is_true(gradient_error(block, { x }, { others = block:parameters(), most = 6 }) < 3e-3)
        assert.is_equal(8 * 24 + 24 + 8 * 8 + 8 + 4 * 8 + 2 * 8 * 32 + 32 + 8, block:num_parameters())
    end)

    it("do not depend on the order of the tokens", function()
        local attention = nn.Attention { channels = 4, heads = 2 }
        local x = effv2.randn(1, 3, 4)
        local rows = x:totable()[1]
        local turned = effv2.tensor { { rows[3], rows[2], rows[1] } }
        local y, z = attention(x):totable()[1], attention(turned):totable()[1]
        for i = 1, 3 do
            for j = 1, 4 do
                assert.is_near(y[i][j], z[4 - i][j], 1e-5)
            end
        end
        assert.is_truthy(message_of(nn.Attention, { channels = 6, heads = 4 }):find("4 heads do not divide 6", 1, true))
    end)
end)

describe("printing", function()
    it("is an indented tree in which neighbours that look alike share a line", function()
        local last = nn.Sequential { nn.Dropout { p = 0.1 } }
        local model = nn.Sequential { dense(2, 2), dense(2, 2), { "last", last }, effv2.relu }
        assert.is_equal([[
Sequential {
  1 .. 2: Dense { in_features = 2, out_features = 2 }
  last: Sequential {
    1: Dropout { p = 0.1 }
  }
}]], tostring(model))
        assert.is_equal("Sequential {}", tostring(nn.Sequential {}))
        assert.is_equal("class Pair", tostring(Pair))
    end)
end)
