--- ScaledConv2d { in_channels =, out_channels =, kernel_size = 1, stride = 1, groups = 1, padding = "same", eps = 1e-5
-- }: a convolution whose weights are standardised, so that a network needs no norms: those of every output channel have
-- mean 0 and variance 1 / fan_in, times a trained gain (Brock et al. 2021, arXiv 2101.08692). Parameters: weight, bias,
-- gain.
local core = require "effv2.core"
local keys = require "effv2.keys"
local Module = require "effv2.nn.module"

local ScaledConv2d = Module.class "ScaledConv2d"

function ScaledConv2d:init(args)
    args = keys.check("ScaledConv2d", args, {
        in_channels = 0, out_channels = 0, kernel_size = 1, stride = 1, groups = 1, padding = "same", eps = 1e-5,
    }, 3)
    for _, name in ipairs { "in_channels", "out_channels", "kernel_size", "stride", "groups" } do
        keys.want_whole("ScaledConv2d", name, args[name], 1, false, 3)
    end
    if args.in_channels % args.groups ~= 0 or args.out_channels % args.groups ~= 0 then
        error(("ScaledConv2d: %d groups do not divide %d input and %d output channels"):format(args.groups,
            args.in_channels, args.out_channels), 3)
    end
    local inputs, fan_in = args.in_channels / args.groups, args.kernel_size ^ 2 * args.in_channels / args.groups
    rawset(self, "stride", args.stride)
    rawset(self, "padding", args.padding == "symmetric" and math.floor((args.kernel_size - 1) / 2) or args.padding)
    rawset(self, "dilation", 1)
    rawset(self, "groups", args.groups)
    rawset(self, "eps", args.eps)
    local weight = core.randn(args.kernel_size, args.kernel_size, inputs, args.out_channels) * fan_in ^ -0.5
    self:add_parameter("weight", weight)
    self:add_parameter("bias", core.zeros(args.out_channels))
    self:add_parameter("gain", core.ones(args.out_channels))
end

--- The weights that the convolution has: standardised, times the gain.
function ScaledConv2d:standardised()
    local shape = self.weight:shape()
    local fan_in, outputs = shape[1] * shape[2] * shape[3], shape[4]
    local rows = self.weight:reshape { fan_in, outputs }
    return core.batch_norm(rows, self.gain * fan_in ^ -0.5, core.zeros(outputs), { eps = self.eps }):reshape(shape)
end

function ScaledConv2d:forward(x)
    return core.conv2d(x, self:standardised(), self.bias, self.stride, self.padding, self.dilation, self.groups)
end

return { ScaledConv2d = ScaledConv2d }
