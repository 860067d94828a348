--- Weights in files: the names of other libraries, both ways, against timm and torchvision (tests/golden/README.md).
local effv2 = require "effv2"
local bit = require "bit"
local golden = dofile "tests/lua/golden.lua"
local names = require "effv2.weights.names"
local support = dofile "tests/lua/support.lua"

local weights = effv2.weights
local logits, records = golden.load "layouts"

-- The largest difference over the largest logit; seen: 1.1e-6.
local TOLERANCE = 5e-6

local function create(record)
    return record.name and effv2.models.create(record.name, record.options) or effv2.models.create(record.options)
end

--- The tensors of a record as its file would hold them.
local function file_of(record)
    local tensors = {}
    for i, row in ipairs(record.tensors) do
        tensors[row.name] = golden.formula(i, row.shape, row.centre, row.width)
    end
    return tensors
end

--- Calls f(path) with the path of a safetensors file of these tensors.
local function with_file(tensors, f)
    support.in_folder(function(folder)
        local path = folder .. "/weights.safetensors"
        assert(effv2.save(path, tensors))
        f(path, folder)
    end)
end

--- FNV-1a of the lines "name 1x2x3", as layout_cases.py computes it.
local function checksum(lines)
    local hash = 2166136261
    for _, line in ipairs(lines) do
        for i = 1, #line do
            local mixed = bit.bxor(bit.tobit(hash), line:byte(i))
            local low, high = bit.band(mixed, 0xffff), bit.rshift(mixed, 16)
            hash = (low * 16777619 + (high * 16777619 % 65536) * 65536) % 2 ^ 32
        end
    end
    return hash
end

local function lines_of(model, layout)
    local lines = {}
    for i, entry in ipairs(names.of(model, layout)) do
        lines[i] = ("%s %s\n"):format(entry.theirs, table.concat(entry.axes.export(entry.tensor):shape(), "x"))
    end
    table.sort(lines, function(a, b)
        return a:match "^%S+" < b:match "^%S+"
    end)
    return lines
end

describe("layouts of other libraries", function()
    local images = golden.formula(records.images, { 2, records.size, records.size, 3 }, 0, math.sqrt(12))

    for _, record in ipairs(records.small) do
        it("give the same logits and go back as they came: " .. record.case, function()
            local model, tensors = create(record), file_of(record)
            with_file(tensors, function(path, folder)
                local report = assert(weights.load(model, path, { layout = record.layout }))
                assert.is_equal(#record.tensors, report.loaded)
                assert.is_equal("", weights.describe(report))
                model:eval()
                for _, form in ipairs { model, effv2.nn.fold(model) } do
                    local e = golden.error_of_tensor(effv2.no_grad(form, images), logits[record.case])
                    assert.is_true(e <= TOLERANCE, ("%s: %.2e"):format(record.case, e))
                end
                local back = folder .. "/back.safetensors"
                assert(weights.save(model, back, { layout = record.layout }))
                local again, metadata = assert(effv2.load(back))
                assert.is_equal("pt", metadata.format)
                for name, tensor in pairs(again) do
                    if not names.is_counter(name) then
                        assert.is_same(tensors[name]:shape(), tensor:shape())
                        assert.is_equal(0, golden.error_of_tensor(tensor, tensors[name]))
                        tensors[name] = nil
                    end
                end
                assert.is_nil(next(tensors))
            end)
        end)
    end

    for _, record in ipairs(records.full) do
        it(("name every tensor of %s as %s's %s does"):format(record.name, record.layout, record.theirs), function()
            local model = effv2.without_drawing(effv2.models.create, record.name)
            local lines = lines_of(model, record.layout)
            assert.is_equal(record.count, #lines)
            assert.is_equal(record.checksum, checksum(lines))
        end)
    end

    it("have names for the counters that PyTorch keeps", function()
        local model = support.model()
        local counters = names.counters(names.of(model, "timm"))
        assert.is_not_nil(counters["bn1.num_batches_tracked"])
        assert.is_same({}, counters["bn1.num_batches_tracked"]:shape())
    end)
end)

describe("weights", function()
    it("of other precisions become float32", function()
        local Scale = effv2.nn.class "Scale"
        function Scale:init()
            self:add_parameter("factor", effv2.zeros(3))
        end
        for dtype, bytes in pairs {
            F16 = "\0\60\0\192\1\0", BF16 = "\128\63\0\192\128\51", -- 1, -2, 2^-24
            F64 = "\0\0\0\0\0\0\240\63\0\0\0\0\0\0\0\192\0\0\0\0\0\0\112\62",
        } do
            local header = ('{"factor":{"dtype":"%s","shape":[3],"data_offsets":[0,%d]}}'):format(dtype, #bytes)
            support.in_folder(function(folder)
                local path, scale = folder .. "/w", Scale()
                assert(effv2.write_file(path, string.char(#header) .. ("\0"):rep(7) .. header .. bytes))
                assert(weights.load(scale, path))
                assert.is_equal("float32", scale.factor:dtype())
                assert.is_same({ 1, -2, 2 ^ -24 }, scale.factor:totable())
            end)
        end
    end)

    it("keep their bits in a file and back", function()
        local first, second = support.model(), support.model()
        support.in_folder(function(folder)
            for _, layout in ipairs(weights.layouts()) do
                local path = folder .. "/" .. layout
                assert(weights.save(first, path, { layout = layout, metadata = { note = "x" } }))
                assert(weights.load(second, path, { layout = layout }))
                assert.is_equal("x", select(2, effv2.load(path)).note)
                for name, tensor in pairs(first:state()) do
                    assert.is_equal(tensor:tobytes(), second:state()[name]:tobytes())
                end
            end
        end)
    end)

    it("of another number of classes make a model of so many", function()
        support.in_folder(function(folder)
            local path = folder .. "/w.safetensors"
            for _, layout in ipairs(weights.layouts()) do
                local model = effv2.models.create("efficientnetv2-tiny", { classes = 3 })
                assert(weights.save(model, path, { layout = layout }))
                local opened, report = assert(weights.open("efficientnetv2-tiny", path, { layout = layout }))
                assert.is_equal(3, opened.config.classes)
                assert.is_false(opened:is_training())
                assert.is_equal(#model:parameters() + #model:buffers(), report.loaded)
            end
        end)
    end)

    it("of torchvision make a model with its padding and norms, unless others are asked for", function()
        support.in_folder(function(folder)
            local path, model = folder .. "/w.safetensors", effv2.models.create("resnet18", { classes = 3 })
            assert(weights.save(model, path, { layout = "torchvision" }))
            local function preset(layout, options)
                return assert(weights.open("resnet18", path, { layout = layout, model = options })).config.preset
            end
            assert.is_equal("torchvision", preset "torchvision")
            assert.is_equal("official", preset("torchvision", { preset = "official" }))
            assert.is_equal("official", preset "timm") -- ResNets have the same names there
        end)
    end)

    it("of a transformer for another image size make one for that size", function()
        support.in_folder(function(folder)
            local path = folder .. "/w.safetensors"
            local model = effv2.models.create("vit-ti-32", { classes = 3, depth = 1, image_size = 96 }):eval()
            local image = effv2.randn(1, 80, 96, 3)
            for _, layout in ipairs(weights.layouts()) do
                assert(weights.save(model, path, { layout = layout }))
                local opened = assert(weights.open("vit-ti-32", path, { layout = layout, model = { depth = 1 } }))
                assert.is_equal(96, opened.config.image_size)
                assert.is_equal(effv2.no_grad(model, image):tobytes(), effv2.no_grad(opened, image):tobytes())
            end
        end)
    end)

    it("that fit in part are loaded in part when asked, and the report names the rest", function()
        local model = support.model()
        local state = {}
        for name, tensor in pairs(support.model():state()) do
            state[name] = tensor
        end
        state["stem.conv.weight"] = nil
        state["extra"] = effv2.ones(2)
        state["classifier.bias"] = effv2.ones(3)
        with_file(state, function(path)
            local report = assert(weights.load(model, path, { strict = false }))
            assert.is_same({ "stem.conv.weight" }, report.missing)
            assert.is_same({ "extra" }, report.unexpected)
            assert.is_same({ { name = "classifier.bias", given = { 3 }, wanted = { 10 } } },
                report.misshaped)
            assert.is_equal(#model:parameters() + #model:buffers() - 2, report.loaded)
        end)
    end)

    local function file(change)
        return function(root)
            local path, state = root .. "/w.safetensors", {}
            for name, tensor in pairs(support.model():state()) do
                state[name] = tensor
            end
            change(state)
            assert(effv2.save(path, state))
            local model = support.model()
            local before = model:state()["stem.conv.weight"]:tobytes()
            local report, message, code = weights.load(model, path)
            assert.is_equal("format", code)
            assert.is_equal(before, model:state()["stem.conv.weight"]:tobytes())
            return report, message
        end
    end

    for _, case in ipairs {
        { "a missing file", function(root) return weights.load(support.model(), root .. "/nope") end, "nope: cannot read",
            "No such file" },
        { "a folder", function(root) return weights.load(support.model(), root) end, "this is a folder",
            "a safetensors file is needed" },
        { "a picture", function(root)
            return weights.load(support.model(), support.fill(root, { ["a.png"] = 3 }) .. "/a.png")
        end, "a.png: no safetensors file", "at most 100000000 are allowed" },
        { "another layout", function(root)
            assert(weights.save(support.model(), root .. "/w", { layout = "timm" }))
            return weights.load(support.model(), root .. "/w")
        end, "does not fit custom in layout effv2", "the names are those of layout timm" },
        { "another model", function(root)
            assert(weights.save(support.model { head = 16 }, root .. "/w"))
            return weights.load(support.model(), root .. "/w")
        end, "6 of another shape: head.conv.weight (given 1x1x8x16, wanted 1x1x8x8)",
            "take the weights of this model and layout" },
        { "a tensor too few", file(function(state) state["stem.norm.beta"] = nil end), "1 missing: stem.norm.beta",
            "strict = false" },
        { "a tensor too many", file(function(state) state["stem.norm.delta"] = effv2.ones(4) end),
            "1 unexpected: stem.norm.delta", "strict = false" },
        { "integers", file(function(state) state["stem.norm.beta"] = effv2.zeros(4, { dtype = "int32" }) end),
            "stem.norm.beta (given int32 4, wanted 4)", "strict = false" },
        { "an unknown layout", function(root) return weights.load(support.model(), root, { layout = "tim" }) end,
            "weights.load: unknown layout 'tim'", "did you mean timm?" },
        { "an unknown model", function(root) return weights.open("efficientnetv2-z", root) end,
            "unknown model 'efficientnetv2-z'", "did you mean efficientnetv2-" },
        { "a part without a name", function(root)
            local stages = { { op = "fused", channels = 4, se = 0.25 } }
            return weights.save(support.model { stages = stages }, root .. "/w", { layout = "torchvision" })
        end, "layout torchvision has no name for stage1.block1.squeeze_excite.reduce_weight", "of this model" },
        { "a class without names", function(root)
            return weights.save(effv2.nn.Sequential {}, root .. "/w", { layout = "timm" })
        end, "layout timm has no names", "of class Sequential" },
    } do
        it("explain " .. case[1], function()
            support.in_folder(function(root)
                support.check(case, root)
            end)
        end)
    end
end)
