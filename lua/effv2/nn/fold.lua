--- Folding: a model in eval() becomes one that computes the same with fewer passes over memory.
--
-- In evaluation a batch norm is a factor and a summand a channel, so it goes into the weights and the bias of the
-- convolution before it; activations and residual paths are applied while sums are in the cache, and weights are packed
-- for the kernels once. Folded models are for inference: they have no gradients and no training mode.
local core = require "effv2.core"
local blocks = require "effv2.nn.blocks"
local containers = require "effv2.nn.containers"
local Module = require "effv2.nn.module"

local layers = core.layers
local fold = {}

-- ---- the parts of a folded model --------------------------------------------------------------------

--- A convolution of constant weights: activation(conv(x) + bias), and then + add where that is given.
local FoldedConv = Module.class "FoldedConv"
FoldedConv.private = true

--- @param conv a Conv2d
-- @param norm the BatchNorm2d behind it
-- @param activation a layer, where the norm has none
function FoldedConv:init(conv, norm, activation)
    local scale = norm.gamma / core.sqrt(norm.running_variance + norm.eps)
    local bias = norm.beta - norm.running_mean * scale
    if conv.bias then
        bias = bias + conv.bias * scale
    end
    self:add_buffer("weight", (conv.weight * scale):detach())
    self:add_buffer("bias", bias:detach())
    rawset(self, "geometry", { conv.stride, conv.padding, conv.dilation, conv.groups, norm.activation })
    if activation then
        self.activation = activation
    end
end

function FoldedConv:forward(x, add)
    local stride, padding, dilation, groups, activation = unpack(self.geometry)
    local inside = not self.activation and add or nil
    local y = core.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups, activation, inside, true, true)
    if not self.activation then
        return y
    end
    y = self.activation(y)
    return add and y + add or y
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
        self:add_buffer(name .. "_weight", as_convolution(layer[name .. "_weight"]))
        self:add_buffer(name .. "_bias", layer[name .. "_bias"]:detach():clone())
    end
end

function FoldedSqueezeExcite:forward(x)
    local squeezed = apply_dense(core.global_avg_pool(x), self.reduce_weight, self.reduce_bias, self.activation)
    return x * core.sigmoid(apply_dense(squeezed, self.expand_weight, self.expand_bias, "none"))
end

--- MBConv or FusedMBConv of folded convolutions; the input is added by the last of them.
local FoldedBlock = Module.class "FoldedBlock"
FoldedBlock.private = true

function FoldedBlock:init(block, replace)
    rawset(self, "residual", block.residual)
    for _, name in ipairs { "expand", "depthwise", "squeeze_excite", "project" } do
        self[name] = block[name] and replace(block[name])
    end
end

function FoldedBlock:forward(x)
    local y = x
    for _, name in ipairs { "expand", "depthwise", "squeeze_excite" } do
        local z = self[name] and self[name](y)
        if z and y ~= x then
            y:free()
        end
        y = z or y
    end
    local z = self.project(y, self.residual and x)
    if y ~= x then
        y:free()
    end
    return z
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

local function fold_conv(module, replace)
    return FoldedConv(module.conv, module.norm, module.activation and replace(module.activation))
end

local by_class = {
    [blocks.ConvNormAct] = fold_conv, [blocks.MBConv] = FoldedBlock, [blocks.FusedMBConv] = FoldedBlock,
    [containers.Sequential] = fold_sequential,
}
local by_layer = { Dense = FoldedDense, SqueezeExcite = FoldedSqueezeExcite }

--- replace(child) for a whole model; what is shared in the model is shared in the copy.
local function replacer()
    local copies = {}
    local function replace(child)
        if not copies[child] then
            if Module.is_module(child) then
                local special = by_class[getmetatable(child)]
                copies[child] = special and special(child, replace) or child:copy(replace)
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
-- FusedMBConv, SqueezeExcite or Dense.
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
