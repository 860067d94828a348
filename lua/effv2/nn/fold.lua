--- Folding: a model in eval() becomes one that computes the same with fewer passes over memory.
--
-- In evaluation a batch norm is a factor and a summand a channel, so it goes into the weights and the bias of the
-- convolution before it; activations and residual paths are applied while sums are in the cache, and weights are packed
-- for the kernels once. Folded models are for inference: they have no gradients and no training mode.
local core = require "effv2.core"
local blocks = require "effv2.nn.blocks"
local containers = require "effv2.nn.containers"
local Module = require "effv2.nn.module"
local run = require "effv2.nn.run"
local scaled_conv = require "effv2.nn.scaled_conv"

local layers = core.layers
local fold = {}

-- ---- the parts of a folded model --------------------------------------------------------------------

local inside = { none = true, relu = true, silu = true } -- activations that conv2d applies itself

--- A convolution of constant weights, its activation, and the addition of a path around it: before the activation when
-- that is the block's, else after it.
local FoldedConv = Module.class "FoldedConv"
FoldedConv.private = true

--- What a module that can become one convolution gives it, by class: a layer with the convolution's geometry, weight,
-- bias, and the kind of its activation.
local parts_of = {
    [blocks.ConvNormAct] = function(module)
        local conv, norm = module.conv, module.norm
        local scale = norm.gamma / core.sqrt(norm.running_variance + norm.eps)
        local bias = norm.beta - norm.running_mean * scale
        return conv, conv.weight * scale, conv.bias and bias + conv.bias * scale or bias,
            module.activation and module.activation.kind or norm.activation
    end,
    [scaled_conv.ScaledConv2d] = function(module)
        return module, module:standardised(), module.bias:clone(), "none"
    end,
}

local function is_convolution(module)
    return parts_of[getmetatable(module)] ~= nil
end

--- @param module whose class parts_of knows
-- @param of_block the Activation of the block that ends with this convolution, where it has one
function FoldedConv:init(module, of_block)
    local conv, weight, bias, kind = parts_of[getmetatable(module)](module)
    kind = of_block and of_block.kind or kind
    self:add_buffer("weight", weight:detach())
    self:add_buffer("bias", bias:detach())
    rawset(self, "geometry", { conv.stride, conv.padding, conv.dilation, conv.groups, inside[kind] and kind or "none" })
    rawset(self, "add_last", not of_block)
    if not inside[kind] then
        self.activation = layers.Activation { kind = kind }
    end
end

function FoldedConv:forward(x, add)
    local stride, padding, dilation, groups, activation = unpack(self.geometry)
    local later = self.activation and self.add_last and add
    local y = core.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups, activation,
        not later and add or nil, self.add_last, true)
    y = self.activation and self.activation(y) or y
    return later and y + later or y
end

--- Bytes of an image's output when its input is height x width, and the output's height and width
function FoldedConv:largest_tensor(height, width)
    local stride = self.geometry[1]
    local down, across = stride, stride
    if type(stride) == "table" then
        down, across = stride[1] or 1, stride[2] or stride[1] or 1
    end
    height, width = math.ceil(height / down), math.ceil(width / across)
    return 4 * height * width * self.weight:size(4), height, width
end

--- The weight of a dense layer as that of a 1x1 convolution, which can stay packed
local function as_convolution(weight)
    return weight:detach():clone():reshape { 1, 1, weight:size(1), weight:size(2) }
end

local function apply_dense(x, weight, bias, activation)
    return core.conv2d(x, weight, bias, 1, 0, 1, 1, activation, nil, false, true)
end

local FoldedDense = Module.class "FoldedDense"
FoldedDense.private = true

function FoldedDense:init(dense)
    self:add_buffer("weight", as_convolution(dense.weight))
    if dense.bias then
        self:add_buffer("bias", dense.bias:detach():clone())
    end
end

function FoldedDense:forward(x)
    local shape = x:shape()
    local features = table.remove(shape)
    shape[#shape + 1] = self.weight:size(4)
    return apply_dense(x:reshape { 1, 1, -1, features }, self.weight, self.bias, "none"):reshape(shape)
end

local FoldedSqueezeExcite = Module.class "FoldedSqueezeExcite"
FoldedSqueezeExcite.private = true

function FoldedSqueezeExcite:init(layer)
    rawset(self, "activation", layer.activation)
    for _, name in ipairs { "reduce", "expand" } do
        self:add_buffer(name .. "_weight", layer[name .. "_weight"]:detach():clone())
        self:add_buffer(name .. "_bias", layer[name .. "_bias"]:detach():clone())
    end
end

function FoldedSqueezeExcite:forward(x, mean)
    return core.squeeze_excite(x, self.reduce_weight, self.reduce_bias, self.expand_weight, self.expand_bias,
        self.activation, mean)
end

--- The convolutions of an MBConv that follow one another as 1x1 and depthwise, with the squeeze-excite after them, if any:
-- what lies between the two never is a whole tensor.
local FoldedExpansion = Module.class "FoldedExpansion"
FoldedExpansion.private = true

--- @param expand, depthwise FoldedConv
-- @param squeeze_excite FoldedSqueezeExcite or nil
function FoldedExpansion:init(expand, depthwise, squeeze_excite)
    self.expand, self.depthwise, self.squeeze_excite = expand, depthwise, squeeze_excite
end

function FoldedExpansion:forward(x)
    local stride, padding = unpack(self.depthwise.geometry)
    local y, mean = core.expand_depthwise(x, self.expand.weight, self.expand.bias, self.depthwise.weight,
        self.depthwise.bias, stride, padding, self.depthwise.geometry[5])
    local z = self.squeeze_excite and self.squeeze_excite(y, mean) or y
    mean:free()
    if z ~= y then
        y:free()
    end
    return z
end

function FoldedExpansion:largest_tensor(height, width)
    return self.depthwise:largest_tensor(height, width)
end

--- Whether a number, or each of a list of numbers, is `value`, or is not given at all.
local function all(given, value)
    if type(given) ~= "table" then
        return given == nil or given == value
    end
    for _, number in ipairs(given) do
        if number ~= value then
            return false
        end
    end
    return true
end

local function is_pointwise(conv)
    local stride, padding, _, groups = unpack(conv.geometry)
    return conv.weight:size(1) * conv.weight:size(2) == 1 and all(stride, 1) and groups == 1
        and (type(padding) == "string" or all(padding, 0))
end

--- One output a channel, with taps that lie side by side
local function is_depthwise(conv)
    local channels, _, _, dilation, groups = conv.weight:size(4), unpack(conv.geometry)
    return conv.weight:size(3) == 1 and groups == channels and all(dilation, 1)
end

--- Whether FoldedExpansion does what two steps of a block do one after the other.
local function are_expansion(first, second)
    return getmetatable(first) == FoldedConv and getmetatable(second) == FoldedConv and is_pointwise(first)
        and is_depthwise(second) and first.weight:size(4) == second.weight:size(4)
        and not (first.activation or second.activation) and first.geometry[5] == second.geometry[5]
end

--- What ends a block whose last step is no convolution: the sum with the path around it, and the activation.
local FoldedSum = Module.class "FoldedSum"

function FoldedSum:init(activation)
    self.activation = activation
end

function FoldedSum:forward(branch, around)
    local sum = around and branch + around or branch
    if not self.activation then
        return sum
    end
    local y = self.activation(sum)
    if sum ~= branch and sum ~= y then
        sum:free()
    end
    return y
end

--- A block whose class names its steps in `path`. The path around the block, if any, is added by the last step when
-- that is a convolution.
local FoldedBlock = Module.class "FoldedBlock"
FoldedBlock.private = true

--- The steps of a block but the last, as a list of { name =, step = }, and the name of the last.
local function steps_of(block, replace)
    local list, last = {}, nil
    for _, name in ipairs(block.path) do
        if block[name] then
            if last then
                list[#list + 1] = { name = last, step = replace(block[last]) }
            end
            last = name
        end
    end
    return list, last
end

--- Replaces the steps that a FoldedExpansion does.
local function join_expansion(list)
    for i = 1, #list - 1 do
        if are_expansion(list[i].step, list[i + 1].step) then
            local third = list[i + 2]
            local gate = third and getmetatable(third.step) == FoldedSqueezeExcite and third.step or nil
            list[i] = { name = "expansion", step = FoldedExpansion(list[i].step, list[i + 1].step, gate) }
            table.remove(list, i + 1)
            if gate then
                table.remove(list, i + 1)
            end
            return list
        end
    end
    return list
end

function FoldedBlock:init(block, replace)
    local list, last = steps_of(block, replace)
    local names = {}
    for i, entry in ipairs(join_expansion(list)) do
        self[entry.name] = entry.step
        names[i] = entry.name
    end
    if is_convolution(block[last]) then
        self[last] = FoldedConv(block[last], block.activation)
    else
        self[last] = replace(block[last])
        self.sum = FoldedSum(block.activation and replace(block.activation))
    end
    if block.shortcut then
        self.shortcut = replace(block.shortcut)
    end
    rawset(self, "names", { steps = names, last = last, all = { unpack(names) } })
    table.insert(self.names.all, last)
    rawset(self, "residual", block.residual)
end

--- last(y), with the path around the block added.
local function finish(block, y, around)
    local last = block[block.names.last]
    if not block.sum then
        return last(y, around)
    end
    local branch = last(y)
    local z = block.sum(branch, around)
    if branch ~= z and branch ~= y then
        branch:free()
    end
    return z
end

function FoldedBlock:forward(x)
    local steps = {}
    for i, name in ipairs(self.names.steps) do
        steps[i] = self[name]
    end
    local y, around = run(steps, x), self.residual and x
    if self.shortcut then
        around = self.shortcut(x)
    end
    local z = finish(self, y, around)
    for _, between in ipairs { y, around or nil } do
        if between ~= x then
            between:free()
        end
    end
    return z
end

--- As FoldedConv has it, for the largest of the block's tensors
function FoldedBlock:largest_tensor(height, width)
    local largest = 0
    for _, name in ipairs(self.names.all) do
        if self[name].largest_tensor then
            local bytes
            bytes, height, width = self[name]:largest_tensor(height, width)
            largest = math.max(largest, bytes)
        end
    end
    return largest, height, width
end

-- ---- folding ----------------------------------------------------------------------------------------

local argument_names = {}
for _, record in ipairs(core.layer_records()) do
    argument_names[record.name] = {}
    for i, argument in ipairs(record.args) do
        argument_names[record.name][i] = argument.name
    end
end

--- Another layer with the same arguments and contents, in eval().
local function copy_layer(layer)
    local arguments = {}
    for _, name in ipairs(argument_names[layer:type()]) do
        local value = layer[name]
        arguments[name] = type(value) == "userdata" or value -- where there is a bias, it goes by its argument's name
    end
    local copy = layers[layer:type()](arguments)
    for _, list in ipairs { "named_parameters", "named_buffers" } do
        local tensors = copy[list](copy)
        for i, entry in ipairs(layer[list](layer)) do
            tensors[i].tensor:copy(entry.tensor):requires_grad(false)
        end
    end
    return copy:eval()
end

local function is_private(step)
    return type(step) == "table" and step.private
end

local function fold_sequential(sequential, replace)
    local copy, private = sequential:copy(replace), #sequential.steps > 0
    for _, name in ipairs(copy.steps) do
        private = private and is_private(copy[name])
    end
    rawset(copy, "private", private)
    return copy
end

local function fold_module(module, replace)
    local class = getmetatable(module)
    if is_convolution(module) then
        return FoldedConv(module)
    elseif class == containers.Sequential then
        return fold_sequential(module, replace)
    end
    return class.path and FoldedBlock(module, replace) or module:copy(replace)
end

local by_layer = { Dense = FoldedDense, SqueezeExcite = FoldedSqueezeExcite }

--- replace(child) for a whole model; what is shared in the model is shared in the copy.
local function replacer()
    local copies = {}
    local function replace(child)
        if not copies[child] then
            if Module.is_module(child) then
                copies[child] = fold_module(child, replace)
                copies[child].training = false
            else
                copies[child] = (by_layer[child:type()] or copy_layer)(child)
            end
        end
        return copies[child]
    end
    return replace
end

local function refuse_training(model, on)
    if on ~= false then
        error("train: a folded model cannot be trained; train the model that it was folded from, and fold it again", 2)
    end
    return model
end

--- A copy of a model for inference, with batch norms folded into convolutions (as torch's fuse_conv_bn does it).
--     local fast = effv2.nn.fold(model:eval())
--     local logits = effv2.no_grad(fast, images)
-- The copy has weights of its own, rounded once more: results agree to about 1e-6 of their size. Later changes of the
-- model do not reach it. Modules of one's own are copied with their parts folded where these are ConvNormAct, MBConv,
-- FusedMBConv, SqueezeExcite or Dense, or modules whose class has a `path`: { "first", "second" } when their forward is
-- activation(second(first(x)) + x), all of it but the named steps optional: x is added if they have `residual`, or
-- shortcut(x) if they have that, and `activation` is a layer.
-- @param model a module in eval()
function fold.fold(model)
    if not Module.is_module(model) then
        error(("fold: a %s, wanted a module"):format(type(model)), 2)
    elseif model:is_training() then
        error("fold: the model is in training mode, where batch norms depend on the batch; fold(model:eval())", 2)
    end
    local copy = core.no_grad(replacer(), model)
    rawset(copy, "train", refuse_training)
    return copy
end

return fold
