--- Mistakes with tensors, operations, layers, models, optimisers and schedules end in messages with cause and cure.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"

local zeros, layers, models = effv2.zeros, effv2.layers, effv2.models
local optim, lr, schedule = effv2.optim, effv2.lr, effv2.schedule

local function leaf(...)
    return zeros(...):requires_grad(true)
end

local function labels(list)
    return effv2.tensor(list, "int64")
end

local function conv(options)
    return effv2.conv2d(zeros(1, 8, 8, 3), zeros(3, 3, 3, 8), options)
end

local tensors = {
    { "an unknown name of effv2", function() return effv2.zeroes(3) end, "effv2 has no 'zeroes'", "did you mean zeros?" },
    { "an unknown method", function() return zeros(6):reshpae { 2, 3 } end, "unknown method 'reshpae'", "mean reshape?" },
    { "ragged tables", function() return effv2.tensor { { 1, 2 }, { 3 } } end, "ragged", "has 1 items", "first one has 2" },
    { "a number among rows", function() return effv2.tensor { { 1, 2 }, 3 } end, "a number among the rows", "a table of 2" },
    { "nothing to make a tensor of", function() return effv2.tensor() end, "nothing given", "nested tables of numbers" },
    { "an unknown element type", function() return zeros(2, { dtype = "float16" }) end, "zeros: unknown element type 'float16'",
        "known: float32, float64" },
    { "a misspelt option", function() return zeros(2, { dtpye = "int64" }) end, "zeros: unknown argument 'dtpye'",
        "did you mean dtype?" },
    { "a negative size", function() return zeros(2, -1) end, "zeros: negative size -1 in dimension 2", "wanted 0 or more" },
    { "more than any memory", function() return zeros(2 ^ 43) end, "zeros: a tensor of more than 2^42 elements", "not fit" },
    { "bytes that do not fit", function() return effv2.from_bytes("abc", 2) end, "from_bytes: 3 bytes", "takes 8" },
    { "an index outside", function() return zeros(2, 3)[3] end, "index 3 is outside", "1..2" },
    { "index 0", function() return zeros(2, 3)[0] end, "index 0 is outside", "1..2" },
    { "an element of a scalar", function() return zeros()[1] end, "a scalar tensor has no elements", "use :item()" },
    { "an element set to a text", function() zeros(2)[1] = "a" end, "t[i] = a string", "wanted a number or a tensor" },
    { "a field set", function() zeros(2).name = "a" end, "no field 'name' to set", "t[i] = value" },
    { "item of many", function() return zeros(2, 3):item() end, "item: a tensor of 2x3 has 6 elements", "wanted 1",
        ":totable()" },
    { "an axis that is not there", function() return zeros(2, 3):sum(5) end, "sum: axis 5 of a tensor with 2 dimensions",
        "1 to 2" },
    { "copy of another shape", function() zeros(2):copy(zeros(3)) end, "copy of 3 into a tensor of 2", "must be the same" },
    { "reshape to more elements", function() return zeros(2, 3):reshape { 4, 2 } end, "2x3 (6 elements) to 4x2",
        "number of elements cannot change" },
    { "sizes that are no list", function() return zeros(2, 3):reshape(3, 2) end, "reshape: 3 arguments, takes at most 2",
        "(x, shape)", "in one table" },
    { "an empty tensor of endless rows", function() return zeros(1, 1):expand { 2 ^ 52, 0 } end, "more than 2^42 elements",
        "not fit in memory" },
    { "a slice outside", function() return zeros(2, 3):slice(1, 2, 9) end, "slice: 2 to 9 is outside 1..2", "axis 1" },
    { "an integer that requires a gradient", function() return zeros(2, { dtype = "int64" }):requires_grad(true) end,
        "requires_grad: a tensor of int64", "has no gradient" },
    { "a freed tensor", function()
        local kept
        effv2.step(function() kept = zeros(2) + 1 end)
        return kept + 1
    end, "freed at the end of its step", "call :keep()" },
}

local operations = {
    { "shapes that do not broadcast", function() return zeros(2, 3) + zeros(4, 5) end, "add: shapes 2x3 and 4x5",
        "sizes 3 and 5, counted from the right: 1" },
    { "nil in a sum", function() return zeros(2) + nil end, "+: the second operand is a nil", "wanted a tensor or a number" },
    { "inner sizes", function() return effv2.matmul(zeros(2, 3), zeros(4, 5)) end, "matmul: the inner sizes differ",
        "a 2x3, b 4x5" },
    { "features", function() return effv2.dense(zeros(2, 3), zeros(4, 5)) end, "dense: x has 3 features",
        "weight expects 4" },
    { "another element type", function() return effv2.matmul(zeros(2, 3), zeros(3, 4, { dtype = "int64" })) end,
        "matmul: b is int64, wanted float32", ':cast("float32")' },
    { "too many arguments", function() return effv2.relu(zeros(2), 1, 2) end, "relu: 3 arguments, takes at most 1", "(x)" },
    { "a missing argument", function() return effv2.conv2d(zeros(1, 8, 8, 3)) end, "conv2d", "weight is missing" },
    { "an unknown argument", function() return conv { strides = 2 } end, "conv2d: unknown argument 'strides'",
        "did you mean stride?" },
    { "an unknown word", function() return conv { padding = "sane" } end, "conv2d: unknown padding 'sane'", "mean same?" },
    { "an argument of another type", function() return conv { stride = "two" } end, "conv2d: stride: a string",
        "wanted an integer" },
    { "a stride of 0", function() return conv { stride = 0 } end, "stride is 0", "must be at least 1" },
    { "a table instead of a tensor", function() return effv2.relu { 1, 2 } end, "relu: x is a table", "wanted a tensor" },
    { "a picture without its batch axis", function() return effv2.conv2d(zeros(8, 8, 3), zeros(3, 3, 3, 8)) end,
        "conv2d: x has 3 dimensions (8x8x3), wanted 4", "images x height x width x channels" },
    { "channels that come first", function() return effv2.conv2d(zeros(1, 3, 8, 8), zeros(3, 3, 3, 8)) end,
        "x has 8 channels, weight expects 3", "channels come last: x:permute { 1, 3, 4, 2 }" },
    { "a kernel larger than the picture", function() return effv2.conv2d(zeros(1, 2, 2, 3), zeros(5, 5, 3, 8)) end,
        "the kernel reaches over 5 pixels", "the padded image has 2 rows" },
    { "a label outside", function() return effv2.cross_entropy(zeros(2, 3), labels { 0, 3 }) end, "label 3 of row 2",
        "outside 0..2", "3 classes" },
    { "labels of another type", function() return effv2.cross_entropy(zeros(2, 3), effv2.tensor { 0, 1 }) end,
        "targets are float32 2", "wanted int64 [2] or float32 [2][3]" },
    { "too much smoothing", function()
        return effv2.cross_entropy(zeros(2, 3), labels { 0, 1 }, { label_smoothing = 2 })
    end, "label_smoothing is 2", "must be in [0, 1)" },
    { "an enormous stride", function() return conv { stride = 1e9 } end, "stride is 1000000000", "at most 65536" },
    { "a negative border", function() return conv { padding = -1 } end, "padding of -1 and -1", "0 to 65536" },
    { "weights of nothing", function() return effv2.conv2d(zeros(1, 8, 8, 3), zeros(3, 3, 3, 0)) end,
        "conv2d: weight is 3x3x3x0", "at least 1 along each axis" },
    { "no list of tensors", function() return effv2.concat() end, "concat: tensors is missing", "a list of tensors" },
    { "a list of no tensors", function() return effv2.concat({}, 1) end, "concat: an empty list", "at least one" },
    { "sizes that do not join", function() return effv2.concat({ zeros(2, 3), zeros(3, 4) }, 1) end,
        "tensor 2 is 3x4, tensor 1 is 2x3", "only axis 1 may differ" },
    { "backward twice", function()
        local w = leaf(2)
        local loss = (w * w):sum()
        loss:backward()
        loss:backward()
    end, "backward: the graph at sum was walked already", "keep_graph = true" },
    { "backward of many numbers", function() (leaf(2) * 2):backward() end, "a tensor of 2 is no single number", ":sum()" },
    { "backward of what needs none", function() zeros(2):sum():backward() end, "nothing that requires a gradient",
        ":requires_grad(true)" },
    { "backward of what no_grad made", function()
        local w = leaf(2)
        effv2.no_grad(function() return (w * w):sum() end):backward()
    end, "nothing that requires a gradient", "no_grad" },
    { "a gradient of another shape", function() (leaf(2) * 2):backward(zeros(3)) end, "the gradient is 3, the tensor 2",
        "must be the same" },
}

local function state_without(name, changed)
    local state = {}
    for key, tensor in pairs(support.model():state()) do
        state[key] = tensor
    end
    state[name], state["classifier.weight"] = nil, changed
    return state
end

local networks = {
    { "an unknown layer", function() return layers.Conv3d {} end, "effv2.layers has no 'Conv3d'", "did you mean Conv2d?" },
    { "an unknown module", function() return effv2.nn.MBconv {} end, "effv2.nn has no 'MBconv'", "did you mean MBConv?" },
    { "a misspelt option of a layer", function() return layers.Dense { in_feature = 3, out_features = 4 } end,
        "Dense: unknown argument 'in_feature'", "did you mean in_features?" },
    { "a layer without sizes", function() return layers.Conv2d {} end, "Conv2d: in_channels is 0", "at least 1" },
    { "arguments without names", function() return layers.Conv2d(3, 8) end, "Conv2d: a number",
        "wanted a table of named arguments" },
    { "a probability above 1", function() return layers.Dropout { p = 1.5 } end, "Dropout: p is 1.5", "in [0, 1)" },
    { "a misspelt field of a layer", function() return layers.Dropout {}.q end, "Dropout: unknown field 'q'", "known: p" },
    { "a field that is fixed", function() layers.Conv2d({ in_channels = 3, out_channels = 8, kernel_size = 3 }).stride = 2 end,
        "Conv2d: stride is fixed", "make another layer" },
    { "a layer without input", function() return layers.Dropout {}() end, "Dropout: x is missing", "wanted a tensor" },
    { "an unknown model", function() return models.create "efficientnetv2-z" end, "unknown model 'efficientnetv2-z'",
        "did you mean efficientnetv2-" },
    { "a model of another family", function() return models.create "inception-v3" end, "unknown model 'inception-v3'",
        "models.list() has them" },
    { "an unknown option of a model", function() return models.create("efficientnetv2-s", { clases = 3 }) end,
        "efficientnetv2-s: unknown argument 'clases'", "did you mean classes?" },
    { "an option of another type", function() return models.create("efficientnetv2-s", { classes = "10" }) end,
        "efficientnetv2-s: classes is a string", "wanted a number" },
    { "half a class", function() return models.create("efficientnetv2-s", { classes = 1.5 }) end, "classes is 1.5",
        "wanted a whole number" },
    { "no width", function() return models.create("efficientnetv2-s", { width = 0 }) end, "width is 0", "above 0" },
    { "an unknown activation", function() return support.model { activation = "rleu" } end, "unknown kind 'rleu'",
        "did you mean relu?" },
    { "an unknown padding", function() return support.model { padding = "sane" } end, "padding is sane",
        'wanted "same" or "symmetric"' },
    { "an unknown block", function() return support.model { stages = { { op = "mbb", channels = 4 } } } end,
        "stage 1: op is mbb", 'wanted "fused" or "mb"' },
    { "a misspelt key of a stage", function() return support.model { stages = { { op = "mb", chanels = 4 } } } end,
        "stage 1: unknown argument 'chanels'", "did you mean channels?" },
    { "no stages", function() return support.model { stages = {} } end, "stages is an empty list", "at least one stage" },
    { "a size that is none", function() return models.summary("efficientnetv2-s", -3) end, "models.summary", "is -3",
        "wanted a whole number of pixels" },
    { "other channels in a model", function() return support.model()(zeros(1, 16, 16, 4)) end, "in stem.conv:",
        "x has 4 channels, weight expects 3" },
    { "other channels within a model", function()
        local model = support.model()
        model.stage2.block1.project.conv = layers.Conv2d { in_channels = 5, out_channels = 8, kernel_size = 1 }
        return model(zeros(1, 16, 16, 3))
    end, "in stage2.block1.project.conv:", "x has 8 channels, weight expects 5" },
    { "bytes instead of numbers", function() return support.model()(zeros(1, 16, 16, 3, { dtype = "uint8" })) end,
        "in stem.conv:", "x is uint8, wanted float32", ':cast("float32")' },
    { "a model of a file's name", function() return support.model() "cat.jpg" end, "in stem.conv:", "x is a string",
        "wanted a tensor" },
    { "a state that lacks a tensor", function()
        local model = support.model()
        model:load_state(state_without("stem.conv.weight", model.classifier.weight))
    end, "1 missing: stem.conv.weight", "strict = false" },
    { "a state with another shape", function() support.model():load_state(state_without("", zeros(3, 3))) end,
        "classifier.weight (given 3x3, wanted 8x10)", "strict = false" },
    { "a state of no tensors", function() support.model():load_state { ["classifier.weight"] = 3 } end,
        "'classifier.weight' is a number", "wanted a tensor" },
    { "a state that is a file's name", function() support.model():load_state "weights.safetensors" end,
        "load_state: a string", "effv2.load(path)" },
    { "a drop rate above 1", function() support.model():set_drop_path(3) end, "set_drop_path: 3", "in [0, 1)" },
}

local function frozen_model()
    local model = support.model()
    for _, tensor in ipairs(model:parameters()) do
        tensor:requires_grad(false)
    end
    return model
end

local training = {
    { "an unknown optimiser", function() return optim.adam {} end, "effv2.optim has no 'adam'", "did you mean adamw?" },
    { "a misspelt setting", function() return optim.sgd { momentm = 0.9 } end, "optim.sgd: unknown argument 'momentm'",
        "did you mean momentum?" },
    { "a setting that is none", function() return optim.sgd { betas = 0.9 } end, "optim.sgd: unknown argument 'betas'",
        "known: momentum, nesterov, weight_decay" },
    { "a rate for the optimiser", function() return optim.rmsprop { lr = 0.1 } end, "optim.rmsprop: the rate is no setting",
        "effv2.lr.constant" },
    { "a negative momentum", function() return optim.sgd { momentum = -1 } end, "optim.sgd: momentum is -1", "in [0, 1)" },
    { "nothing to train", function() return optim.sgd {}:attach(frozen_model()) end, "nothing to train",
        "requires_grad(true)" },
    { "nothing to attach to", function() return optim.sgd {}:attach() end, "attach got a nil", "wanted a model, a layer" },
    { "a step without a rate", function() optim.sgd {}:attach(support.model()):step {} end, "lr is nil",
        "wanted a number from 0" },
    { "a step before attach", function() optim.sgd {}:step { lr = 1 } end, "optim.sgd has no parameters yet",
        ":attach(model)" },
    { "an average that never moves", function() return optim.ema(2) end, "optim.ema: decay is 2", "in [0, 1)" },
    { "an unknown curve", function() return lr.cosin { peak = 1 } end, "effv2.lr has no 'cosin'", "did you mean cosine?" },
    { "a curve without its peak", function() return lr.cosine {} end, "lr.cosine: peak is missing", "wanted a number from 0" },
    { "a negative rate", function() return lr.cosine { peak = -1 } end, "lr.cosine: peak is -1", "wanted a number from 0" },
    { "a stair without length", function() return lr.exponential { peak = 1, every_epochs = 0 } end, "every_epochs is 0",
        "above 0" },
    { "an own curve without a value", function() return lr.custom(function() end):at(7, 10, 100) end,
        "lr.custom: the function gave nil for update 7", "wanted a number from 0" },
    { "an unknown schedule", function() return schedule.progresive {} end, "effv2.schedule has no 'progresive'",
        "did you mean progressive?" },
    { "a schedule without a size", function() return schedule.progressive {} end, "image_size is missing",
        "{ first, last }" },
    { "three sizes", function() return schedule.progressive { image_size = { 1, 2, 3 } } end, "image_size is a list of 3",
        "{ first, last }" },
    { "a size of 0", function() return schedule.progressive { image_size = { 0, 32 } } end, "image_size is 0",
        "a whole number of pixels from 1" },
    { "an unknown rule", function() return schedule.progressive { image_size = 32, rule = "papr" } end, 'rule is "papr"',
        'wanted "paper" or "official"' },
    { "no stages of a schedule", function() return schedule.progressive { image_size = 32, stages = 0 } end, "stages is 0",
        "wanted a whole number from 1" },
    { "a dropout of 2", function() return schedule.fixed { image_size = 32, dropout = 2 } end, "dropout is 2", "in [0, 1)" },
    { "an own schedule without a size", function() return schedule.custom(function() return {} end):at(0.5) end,
        "schedule.custom, at 50 % of the training: image_size is nil", "a whole number of pixels" },
}

describe("mistakes are explained:", function()
    for part, cases in pairs { tensors = tensors, operations = operations, networks = networks, training = training } do
        for _, case in ipairs(cases) do
            it(("%s: %s"):format(part, case[1]), function()
                support.check(case)
            end)
        end
    end
end)

describe("empty tensors", function()
    it("of many rows are printed at once", function()
        assert.is_equal("[]\n[float32 2199023255552x0, 0 B]", tostring(zeros(2 ^ 41, 0)))
    end)

    it("pass through convolutions, forth and back", function()
        local x, w = leaf(0, 4, 4, 3), leaf(3, 3, 3, 8)
        effv2.conv2d(x, w, { padding = "same" }):sum():backward()
        assert.is_equal(0, w:grad():abs():sum():item())
    end)
end)
