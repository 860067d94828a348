--- Runs ONNX graphs on effv2's operations, following ONNX's own documentation of its operators: images are
-- [n][c][h][w] throughout. For the operators that lua/effv2/onnx/forms.lua writes.
local effv2 = require "effv2"

local ops = {}

local function to_nhwc(x)
    return x:permute { 1, 3, 4, 2 }
end

local function to_nchw(x)
    return x:permute { 1, 4, 2, 3 }
end

local function window(a)
    local p = a.pads
    return a.strides or { 1, 1 }, p and { p[1], p[3], p[2], p[4] } or 0
end

--- The outside of an average does not count unless the node says so.
local function counts(a)
    return a.count_include_pad == 1
end

function ops.Conv(a, x, w, b)
    local stride, padding = window(a)
    return to_nchw(effv2.conv2d(to_nhwc(x), w:permute { 3, 4, 2, 1 }:contiguous(), b, stride, padding, a.dilations or 1,
        a.group or 1))
end

function ops.MaxPool(a, x)
    local stride, padding = window(a)
    return to_nchw(effv2.max_pool2d(to_nhwc(x), a.kernel_shape, stride, padding))
end

function ops.AveragePool(a, x)
    local stride, padding = window(a)
    return to_nchw(effv2.avg_pool2d(to_nhwc(x), a.kernel_shape, stride, padding, counts(a)))
end

function ops.GlobalAveragePool(_, x)
    return effv2.mean(x, { 3, 4 }, true)
end

for op, f in pairs {
    Relu = effv2.relu, Sigmoid = effv2.sigmoid, Gelu = effv2.gelu, Abs = effv2.abs, Neg = effv2.neg, Exp = effv2.exp,
    Log = effv2.log, Sqrt = effv2.sqrt, Tanh = effv2.tanh, Add = effv2.add, Sub = effv2.sub, Mul = effv2.mul, Div = effv2.div,
} do
    ops[op] = function(_, ...)
        return f(...)
    end
end

function ops.Gemm(_, a, b, c)
    local y = effv2.matmul(a, b)
    return c and y + c or y
end

function ops.MatMul(_, a, b)
    return effv2.matmul(a, b)
end

function ops.LayerNormalization(a, x, gamma, beta)
    assert(a.axis == -1)
    return effv2.layer_norm(x, gamma, beta, a.epsilon)
end

function ops.Softmax(a, x)
    assert(a.axis == -1)
    return effv2.softmax(x)
end

function ops.LogSoftmax(a, x)
    assert(a.axis == -1)
    return effv2.log_softmax(x)
end

function ops.Transpose(a, x)
    local axes = {}
    for i, axis in ipairs(a.perm) do
        axes[i] = axis + 1
    end
    return x:permute(axes)
end

function ops.Flatten(a, x)
    assert(a.axis == 1)
    return x:reshape { x:size(1), -1 }
end

function ops.Reshape(_, x, shape)
    return x:reshape(shape:totable())
end

function ops.Shape(a, x)
    return effv2.tensor({ unpack(x:shape(), (a.start or 0) + 1, a["end"]) }, "int64")
end

function ops.Expand(_, x, shape)
    local sizes, have = shape:totable(), x:shape()
    for i = 1, #have do -- both ways: a size of 1 in the shape leaves x's
        local at = #sizes - #have + i
        sizes[at] = math.max(sizes[at], have[i])
    end
    return x:expand(sizes)
end

function ops.Concat(a, ...)
    local list = { ... }
    if list[1]:dtype() == "int64" then
        local all = {}
        for _, part in ipairs(list) do
            for _, number in ipairs(part:totable()) do
                all[#all + 1] = number
            end
        end
        return effv2.tensor(all, "int64")
    end
    return effv2.concat(list, a.axis + 1)
end

function ops.Slice(_, x, starts, ends, axes, steps)
    return x:slice(axes[1] + 1, starts[1] + 1, ends[1], steps[1])
end

local function reduction(f)
    return function(a, x, axes)
        local list = {}
        for i, axis in ipairs(axes:totable()) do
            list[i] = axis + 1
        end
        return f(x, list, a.keepdims == 1)
    end
end

ops.ReduceSum, ops.ReduceMean = reduction(effv2.sum), reduction(effv2.mean)
ops.ReduceMax = reduction(function(x, axes, keep)
    return effv2.max(x, axes[1], keep)
end)

local element = { [1] = "float32", [7] = "int64" }

local function attributes(node)
    local a = {}
    for _, attribute in ipairs(node.attributes) do
        local kinds = { [1] = attribute.f, [2] = attribute.i, [3] = attribute.s, [7] = attribute.ints }
        a[attribute.name] = assert(kinds[attribute.type], attribute.name)
    end
    return a
end

--- The output of a graph for images [n][c][h][w].
return function(graph, images)
    local values = { [graph.inputs[1].name] = images }
    for _, t in ipairs(graph.initializers) do
        values[t.name] = effv2.from_bytes(t.data or "", t.shape, { dtype = element[t.type] })
    end
    for _, node in ipairs(graph.nodes) do
        local inputs = {}
        for i, name in ipairs(node.inputs) do
            inputs[i] = assert(values[name], name)
        end
        assert(ops[node.op], node.op)
        values[node.outputs[1]] = effv2.no_grad(ops[node.op], attributes(node), unpack(inputs))
    end
    return values[graph.outputs[1].name]
end
