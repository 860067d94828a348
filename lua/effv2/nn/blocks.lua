--- The building blocks of the EfficientNet family (Tan & Le 2019, 2021), as the official code has them.
local core = require "effv2.core"
local keys = require "effv2.keys"
local Module = require "effv2.nn.module"
local pass = require "effv2.nn.pass"

local layers = core.layers
local blocks = {}

local fused_activations = { none = true, relu = true, silu = true } -- by BatchNorm2d itself

local function need(what, args, ...)
    for _, name in ipairs { ... } do
        if type(args[name]) ~= "number" then
            error(("%s: %s is %s, wanted a number"):format(what, name,
                args[name] == nil and "missing" or "a " .. type(args[name])), 5)
        end
    end
end

--- "same" stays TensorFlow's rule; "symmetric" is (k - 1) / 2 zeros on every side, as PyTorch models have it.
local function padding_of(what, padding, kernel_size)
    if padding == "same" then
        return "same"
    elseif padding == "symmetric" then
        return math.floor((kernel_size - 1) / 2)
    end
    error(('%s: padding is %s, wanted "same" or "symmetric"'):format(what, tostring(padding)), 4)
end

--- ConvNormAct { in_channels =, out_channels =, kernel_size = 1, stride = 1, groups = 1, activation = "silu",
-- padding = "same" | "symmetric", bn_eps = 1e-3, bn_momentum = 0.99, recompute = false }: a convolution without bias,
-- batch norm, and the activation. With `recompute` backward computes the convolution again rather than keep its output,
-- where nobody else keeps it: less memory for more time.
local ConvNormAct = Module.class "ConvNormAct"
blocks.ConvNormAct = ConvNormAct

function ConvNormAct:init(args)
    args = keys.check("ConvNormAct", args, {
        in_channels = 0, out_channels = 0, kernel_size = 1, stride = 1, groups = 1, activation = "silu",
        padding = "same", bn_eps = 1e-3, bn_momentum = 0.99, recompute = false,
    }, 3)
    self.conv = layers.Conv2d {
        in_channels = args.in_channels, out_channels = args.out_channels, kernel_size = args.kernel_size,
        stride = args.stride, groups = args.groups, padding = padding_of("ConvNormAct", args.padding, args.kernel_size),
        bias = false, recompute = args.recompute,
    }
    local fused = fused_activations[args.activation]
    self.norm = layers.BatchNorm2d {
        channels = args.out_channels, eps = args.bn_eps, momentum = args.bn_momentum,
        activation = fused and args.activation or "none", deferred = true,
    }
    if not fused then
        self.activation = layers.Activation { kind = args.activation }
    end
end

function ConvNormAct:forward(x)
    local y = pass(self.norm, self.conv(x), x)
    return self.activation and pass(self.activation, y, x) or y
end

local block_arguments = {
    in_channels = keys.none, out_channels = keys.none, kernel_size = 3, stride = 1, expansion = 4, se_ratio = 0.25,
    drop_path = 0, activation = "silu", padding = "same", bn_eps = 1e-3, bn_momentum = 0.99,
}

local function check_block(what, args, defaults)
    args = keys.check(what, args, defaults, 4)
    need(what, args, "in_channels", "out_channels")
    if args.expansion <= 0 or args.se_ratio < 0 or args.se_ratio > 1 then
        error(("%s: expansion %g and se_ratio %g, wanted a positive one and one in [0, 1]"):format(what, args.expansion,
            args.se_ratio), 4)
    end
    return args
end

local function with(defaults, changes)
    local copy = {}
    for key, value in pairs(defaults) do
        copy[key] = value
    end
    for key, value in pairs(changes) do
        copy[key] = value
    end
    return copy
end

--- A ConvNormAct with the block's padding and norm options.
local function conv(args, own)
    return ConvNormAct(with({
        padding = args.padding, bn_eps = args.bn_eps, bn_momentum = args.bn_momentum, activation = args.activation,
    }, own))
end

--- The gate's inner width counts from the block's input channels, not from the expanded ones.
local function squeeze_excite(args, channels)
    if args.se_ratio == 0 then
        return nil
    end
    return layers.SqueezeExcite {
        channels = channels, squeezed = math.max(1, math.floor(args.in_channels * args.se_ratio)),
    }
end

--- The path around a block exists when its output has the input's shape.
local function add_residual(self, args)
    rawset(self, "residual", args.stride == 1 and args.in_channels == args.out_channels)
    if self.residual then
        self.drop_path = layers.DropPath { p = args.drop_path }
    end
end

local function finish(self, x, y)
    if not self.residual then
        return y
    end
    return pass(function(branch)
        return x + branch
    end, pass(self.drop_path, y, x), x)
end

--- MBConv { in_channels =, out_channels =, kernel_size = 3, stride = 1, expansion = 4, se_ratio = 0.25, drop_path = 0,
-- activation = "silu", padding =, bn_eps =, bn_momentum = }: expand 1x1, depthwise, squeeze-excite, project 1x1
-- (linear); with expansion 1 nothing expands. The input is added when its shape is the output's.
local MBConv = Module.class "MBConv"
MBConv.path = { "expand", "depthwise", "squeeze_excite", "project" } -- of nn.fold
blocks.MBConv = MBConv

function MBConv:init(args)
    args = check_block("MBConv", args, with(block_arguments, {}))
    local width = math.floor(args.in_channels * args.expansion)
    if args.expansion ~= 1 then
        self.expand = conv(args, { in_channels = args.in_channels, out_channels = width })
    end
    self.depthwise = conv(args, {
        in_channels = width, out_channels = width, kernel_size = args.kernel_size, stride = args.stride, groups = width,
    })
    self.squeeze_excite = squeeze_excite(args, width)
    self.project = conv(args, { in_channels = width, out_channels = args.out_channels, activation = "none" })
    add_residual(self, args)
end

function MBConv:forward(x)
    local y = self.expand and self.expand(x) or x
    y = pass(self.depthwise, y, x)
    if self.squeeze_excite then
        y = pass(self.squeeze_excite, y, x)
    end
    return finish(self, x, pass(self.project, y, x))
end

--- FusedMBConv { arguments of MBConv, but se_ratio = 0 }: one k x k convolution expands, a linear 1x1 projects; with
-- expansion 1 there is one k x k convolution with its activation alone.
local FusedMBConv = Module.class "FusedMBConv"
FusedMBConv.path = { "expand", "squeeze_excite", "project" }
blocks.FusedMBConv = FusedMBConv

function FusedMBConv:init(args)
    args = check_block("FusedMBConv", args, with(block_arguments, { se_ratio = 0 }))
    local width = math.floor(args.in_channels * args.expansion)
    local first = { in_channels = args.in_channels, kernel_size = args.kernel_size, stride = args.stride }
    if args.expansion == 1 then
        self.squeeze_excite = squeeze_excite(args, width)
        self.project = conv(args, with(first, { out_channels = args.out_channels }))
    else
        self.expand = conv(args, with(first, { out_channels = width }))
        self.squeeze_excite = squeeze_excite(args, width)
        self.project = conv(args, { in_channels = width, out_channels = args.out_channels, activation = "none" })
    end
    add_residual(self, args)
end

function FusedMBConv:forward(x)
    local y = self.expand and self.expand(x) or x
    if self.squeeze_excite then
        y = pass(self.squeeze_excite, y, x)
    end
    return finish(self, x, pass(self.project, y, x))
end

return blocks
