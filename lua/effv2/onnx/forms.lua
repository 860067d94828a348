--- forms: how each operation is written in ONNX. form[op](graph, step) gives step.outputs their names.
--
-- step.inputs are values (see graph.lua; false for an absent one), step.args the arguments by name, step.outputs what
-- the operation made.
local core = require "effv2.core"
local Graph = require "effv2.onnx.graph"

local forms = {}

-- ---- element by element -----------------------------------------------------------------------------

local function scalar(graph, number, label)
    return graph:constant(core.tensor({ number }):reshape {}, label)
end

local activations = {}

function activations.none(_, x)
    return x
end

function activations.relu(graph, x)
    return graph:node("Relu", { x })
end

function activations.silu(graph, x)
    return graph:node("Mul", { x, graph:node("Sigmoid", { x }) })
end

--- A form of one operand: f(graph, name) returns the result's name.
local function unary(f)
    return function(graph, step)
        graph:map(step.outputs[1], { step.inputs[1] }, function(x)
            return f(graph, x, step.args)
        end)
    end
end

local operators = {
    abs = "Abs", neg = "Neg", exp = "Exp", log = "Log", sqrt = "Sqrt", sigmoid = "Sigmoid", tanh = "Tanh", relu = "Relu",
    gelu = "Gelu",
}
for name, op in pairs(operators) do
    forms[name] = unary(function(graph, x)
        return graph:node(op, { x })
    end)
end

forms.silu = unary(activations.silu)

forms.square = unary(function(graph, x)
    return graph:node("Mul", { x, x })
end)

forms.affine = unary(function(graph, x, args)
    if args.scale ~= 1 then
        x = graph:node("Mul", { x, scalar(graph, args.scale, "scale") })
    end
    if args.shift ~= 0 then
        x = graph:node("Add", { x, scalar(graph, args.shift, "shift") })
    end
    return x
end)

for name, op in pairs { add = "Add", sub = "Sub", mul = "Mul", div = "Div" } do
    forms[name] = function(graph, step)
        graph:map(step.outputs[1], step.inputs, function(a, b)
            return graph:node(op, { a, b })
        end)
    end
end

-- ---- products ---------------------------------------------------------------------------------------

--- y = x weight + bias over the last axis; weight [in][out] and bias are names.
local function product(graph, x, weight, bias, features)
    local rows = graph.rows(x)
    local shape = { unpack(rows.shape) }
    shape[#shape] = features
    local y
    if #shape == 2 then
        y = graph:node("Gemm", { graph:natural(rows), weight, bias })
    else
        y = graph:node("MatMul", { graph:natural(rows), weight })
        y = bias and graph:node("Add", { y, bias }) or y
    end
    return graph.value(shape, rows.batch, y)
end

function forms.dense(graph, step)
    local x, weight, bias = unpack(step.inputs)
    local y = product(graph, x, graph:natural(weight), bias and graph:natural(bias), weight.shape[2])
    graph.set_reshaped(step.outputs[1], y)
end

local function swap_last_axes(graph, value)
    local n, axes = #value.shape, {}
    for i = 1, n do
        axes[i] = i - 1
    end
    axes[n - 1], axes[n] = n - 1, n - 2
    return graph:node("Transpose", { graph:natural(value) }, { perm = axes })
end

function forms.matmul(graph, step)
    local a, b = unpack(step.inputs)
    step.outputs[1].natural = graph:node("MatMul", {
        step.args.transpose_a and swap_last_axes(graph, a) or graph:natural(a),
        step.args.transpose_b and swap_last_axes(graph, b) or graph:natural(b),
    })
end

-- ---- windows ----------------------------------------------------------------------------------------

local function pair(given, missing)
    given = given or missing
    if type(given) == "table" then
        return { given[1], given[2] or given[1] }
    end
    return { given, given }
end

--- The zeros around an image as ONNX has them: { top, left, bottom, right }.
local function pads(padding, size, kernel, stride, dilation)
    local list = { 0, 0, 0, 0 }
    if padding == "same" then
        for d = 1, 2 do
            local steps, reach = math.ceil(size[d] / stride[d]) - 1, (kernel[d] - 1) * dilation[d] + 1
            local total = math.max(0, steps * stride[d] + reach - size[d])
            list[d], list[d + 2] = math.floor(total / 2), math.ceil(total / 2)
        end
    elseif type(padding) == "table" and #padding == 4 then
        list = { padding[1], padding[3], padding[2], padding[4] }
    elseif padding and padding ~= "valid" then
        local both = pair(padding)
        list = { both[1], both[2], both[1], both[2] }
    end
    return list
end

local function window(step, kernel, default_stride)
    local args, x = step.args, step.inputs[1]
    local stride, dilation = pair(args.stride, default_stride), pair(args.dilation, 1)
    return {
        kernel_shape = kernel, strides = stride,
        pads = pads(args.padding, { x.shape[2], x.shape[3] }, kernel, stride, dilation),
    }, dilation
end

local function is_product(step, attributes)
    local x, weight = step.inputs[1], step.inputs[2]
    return weight.constant and weight.shape[1] * weight.shape[2] == 1 and step.args.groups == 1
        and table.concat(attributes.strides) == "11" and table.concat(attributes.pads) == "0000"
        and not Graph.is_image(x)
end

--- A weight [kh][kw][c / groups][o] as [o][c / groups][kh][kw]
local function filters(graph, weight, label)
    if weight.constant then
        return graph:constant(weight.constant:permute { 4, 3, 1, 2 }, label)
    end
    return graph:node("Transpose", { graph:natural(weight) }, { perm = { 3, 2, 0, 1 } })
end

--- Adds the activation and the path around it; the operands are names.
local function finish(graph, y, add, args)
    if add and not args.add_last then
        y = graph:node("Add", { y, add })
    end
    y = activations[args.activation](graph, y)
    return add and args.add_last and graph:node("Add", { y, add }) or y
end

local function conv_as_product(graph, step)
    local x, weight, bias, add = unpack(step.inputs)
    local matrix = graph:constant(weight.constant:reshape { weight.shape[3], weight.shape[4] }, "weight")
    local y = product(graph, x, matrix, bias and graph:natural(bias), weight.shape[4])
    if add then
        local whole = graph.value(step.outputs[1].shape, step.outputs[1].batch)
        graph.set_reshaped(whole, y)
        step.outputs[1].natural = finish(graph, graph:natural(whole), graph:natural(add), step.args)
    else
        y.natural = finish(graph, y.natural, nil, step.args)
        graph.set_reshaped(step.outputs[1], y)
    end
end

function forms.conv2d(graph, step)
    local x, weight, bias, add = unpack(step.inputs)
    local attributes, dilation = window(step, { weight.shape[1], weight.shape[2] }, 1)
    if is_product(step, attributes) then
        return conv_as_product(graph, step)
    end
    attributes.dilations, attributes.group = dilation, step.args.groups
    local inputs = { graph:image(x), filters(graph, weight, "weight"), bias and graph:natural(bias) or nil }
    local y = graph:node("Conv", inputs, attributes)
    step.outputs[1].image = finish(graph, y, add and graph:image(add), step.args)
end

--- A folded MBConv's first half: a 1x1 convolution, a depthwise one, and the mean over the pixels.
function forms.expand_depthwise(graph, step)
    local x, expand, expand_bias, weight, bias = unpack(step.inputs)
    local activate, y, mean = activations[step.args.activation], step.outputs[1], step.outputs[2]
    local attributes = window(step, { weight.shape[1], weight.shape[2] }, 1)
    attributes.group = weight.shape[4]
    expand_bias.label, bias.label = "expand.bias", "depthwise.bias"
    local wide = graph:node("Conv", { graph:image(x), filters(graph, expand, "expand.weight"), graph:natural(expand_bias) })
    wide = activate(graph, wide)
    y.image = activate(graph, graph:node("Conv",
        { wide, filters(graph, weight, "depthwise.weight"), graph:natural(bias) }, attributes))
    local pixels = graph.value({ y.shape[1], 1, 1, y.shape[4] }, y.batch)
    pixels.image = graph:node("GlobalAveragePool", { y.image })
    graph.set_reshaped(mean, pixels)
end

function forms.max_pool2d(graph, step)
    local kernel = pair(step.args.kernel_size)
    local attributes = window(step, kernel, kernel)
    step.outputs[1].image = graph:node("MaxPool", { graph:image(step.inputs[1]) }, attributes)
end

function forms.avg_pool2d(graph, step)
    local kernel = pair(step.args.kernel_size)
    local attributes = window(step, kernel, kernel)
    attributes.count_include_pad = step.args.count_padding and 1 or 0
    step.outputs[1].image = graph:node("AveragePool", { graph:image(step.inputs[1]) }, attributes)
end

function forms.global_avg_pool(graph, step)
    step.outputs[1].image = graph:node("GlobalAveragePool", { graph:image(step.inputs[1]) })
end

--- A matrix [in][out] as the weight of a 1x1 convolution
local function pixel_filters(graph, weight, label)
    if not weight.constant then
        error("squeeze_excite: weights that depend on the images have no ONNX form", 0)
    end
    return graph:constant(weight.constant:permute({ 2, 1 }):reshape { weight.shape[2], weight.shape[1], 1, 1 }, label)
end

--- The means of images over their pixels, [n][1][1][c], as an image
local function means(graph, x, given)
    if not given then
        return graph:node("GlobalAveragePool", { graph:image(x) })
    end
    local pixels = graph.value({ x.shape[1], 1, 1, x.shape[4] }, x.batch)
    graph.set_reshaped(pixels, given)
    return graph:image(pixels)
end

function forms.squeeze_excite(graph, step)
    local x, reduce, reduce_bias, expand, expand_bias, mean = unpack(step.inputs)
    local name, y = graph:image(x), means(graph, x, mean)
    y = graph:node("Conv", { y, pixel_filters(graph, reduce, "reduce_weight"), graph:natural(reduce_bias) })
    y = activations[step.args.activation](graph, y)
    y = graph:node("Conv", { y, pixel_filters(graph, expand, "expand_weight"), graph:natural(expand_bias) })
    step.outputs[1].image = graph:node("Mul", { name, graph:node("Sigmoid", { y }) })
end

-- ---- norms and softmax ------------------------------------------------------------------------------

function forms.layer_norm(graph, step)
    local x, gamma, beta = unpack(step.inputs)
    step.outputs[1].natural = graph:node("LayerNormalization",
        { graph:natural(x), graph:natural(gamma), graph:natural(beta) }, { axis = -1 }, { epsilon = step.args.eps })
end

--- A norm that was not folded: a factor and a summand a channel.
function forms.batch_norm(graph, step)
    local x, gamma, beta, mean, variance = unpack(step.inputs)
    if not (mean and variance and gamma.constant and beta.constant and mean.constant and variance.constant) then
        error("batch_norm: only one with constant statistics has an ONNX form", 0)
    end
    local scale = gamma.constant / core.sqrt(variance.constant + step.args.eps)
    local shift = beta.constant - mean.constant * scale
    local factors = {
        x, { shape = gamma.shape, constant = scale, label = "scale" },
        { shape = beta.shape, constant = shift, label = "shift" },
    }
    graph:map(step.outputs[1], factors, function(name, by, plus)
        local y = graph:node("Add", { graph:node("Mul", { name, by }), plus })
        return activations[step.args.activation](graph, y)
    end)
end

for name, op in pairs { softmax = "Softmax", log_softmax = "LogSoftmax" } do
    forms[name] = function(graph, step)
        step.outputs[1].natural = graph:node(op, { graph:natural(step.inputs[1]) }, { axis = -1 })
    end
end

-- ---- shapes -----------------------------------------------------------------------------------------

function forms.reshape(graph, step)
    graph.set_reshaped(step.outputs[1], step.inputs[1])
end

function forms.permute(graph, step)
    local x, axes = step.inputs[1], {}
    for i, axis in ipairs(step.args.axes) do
        axes[i] = axis - 1
    end
    if Graph.is_image(x) and table.concat(axes) == "0312" then
        step.outputs[1].natural = graph:image(x)
    else
        step.outputs[1].natural = graph:node("Transpose", { graph:natural(x) }, { perm = axes })
    end
end

function forms.expand(graph, step)
    local x, y = step.inputs[1], step.outputs[1]
    local sizes = { unpack(y.shape) }
    local same_axis = x.batch and y.batch and #x.shape - x.batch == #y.shape - y.batch -- stays as long as it is
    if y.batch and not same_axis then
        y.natural = graph:node("Expand", { graph:natural(x), graph:shape_with_batch(sizes, y.batch) })
    else
        sizes[y.batch or 0] = 1
        sizes[0] = nil
        y.natural = graph:node("Expand", { graph:natural(x), graph:ints(sizes, "sizes") })
    end
end

function forms.concat(graph, step)
    local y, images, four = step.outputs[1], false, true
    for _, value in ipairs(step.inputs) do
        images = images or Graph.is_image(value)
        four = four and #value.shape == 4
    end
    local form, names = images and four and "image" or "natural", {}
    for i, value in ipairs(step.inputs) do
        if form == "image" and value.constant and not value.batch then
            value.image = nil -- a constant is four-axed already; only its order changes
        end
        names[i] = graph[form](graph, value)
    end
    y[form] = graph:node("Concat", names, { axis = Graph.axis(step.args.axis, form == "image") })
end

--- An axis or element counted from the end, from the start
local function from_start(number, count)
    return number < 0 and number + count + 1 or number
end

function forms.slice(graph, step)
    local x, y, args = step.inputs[1], step.outputs[1], step.args
    if Graph.same_shape(x, y) then -- all of it
        return graph.set_reshaped(y, x)
    end
    local axis = from_start(args.axis, #x.shape)
    local size, form = x.shape[axis], Graph.is_image(x) and "image" or "natural"
    if axis == x.batch then
        error("slice: part of a batch has no ONNX form", 0)
    end
    y[form] = graph:node("Slice", {
        graph[form](graph, x),
        graph:ints({ from_start(args.start, size) - 1 }, "start"), graph:ints({ from_start(args.stop, size) }, "stop"),
        graph:ints({ Graph.axis(axis, form == "image") }, "axis"), graph:ints({ args.step }, "step"),
    })
end

--- The axes, from 1, that an argument names; all when it names none.
local function axes_of(argument, count)
    if not argument then
        local all = {}
        for i = 1, count do
            all[i] = i
        end
        return all
    end
    local axes = {}
    for i, axis in ipairs(type(argument) == "table" and argument or { argument }) do
        axes[i] = from_start(axis, count)
    end
    table.sort(axes)
    return axes
end

local function reduction(op)
    return function(graph, step)
        local x, y, keep = step.inputs[1], step.outputs[1], step.args.keep
        local axes = axes_of(step.args.axes or step.args.axis, #x.shape)
        local over_pixels = table.concat(axes) == "23"
        local images = Graph.is_image(x) and (keep or over_pixels)
        local numbers = {}
        for i, axis in ipairs(axes) do
            numbers[i] = Graph.axis(axis, images)
        end
        table.sort(numbers)
        local from = images and graph:image(x) or graph:natural(x)
        y[images and keep and "image" or "natural"] = graph:node(op, { from, graph:ints(numbers, "axes") },
            { keepdims = keep and 1 or 0 })
    end
end

forms.sum, forms.mean, forms.max = reduction "ReduceSum", reduction "ReduceMean", reduction "ReduceMax"

return forms
