--- NFNet-F0 (Brock et al. 2021, arXiv 2102.06171): no norms, but standardised weights, activations that keep the
-- variance, and blocks whose input is scaled down by the deviation that it is expected to have. As timm's dm_nfnet_f0,
-- which takes the released weights: SAME padding, exact GELU, a trained gain on every branch.
local core = require "effv2.core"
local keys = require "effv2.keys"
local Network = require "effv2.models.network"
local nn = require "effv2.nn"
local residual = require "effv2.models.residual"
local stages = require "effv2.models.stages"

-- What keeps the variance of a standard normal input (the released code's numbers).
local gains = { gelu = 1.7015043497085571, relu = 1.7139588594436646, silu = 1.7881293296813965 }

local ALPHA = 0.2    -- the share of a block's branch in its output
local GATE_GAIN = 2  -- makes up for a gate that is 1/2 in the mean

local function conv(config, own)
    own.padding, own.eps = config.padding, config.conv_eps
    return nn.ScaledConv2d(own)
end

--- An activation that keeps the variance, times `scale`.
local function activation(config, scale)
    local f, factor = core[config.activation], gains[config.activation] * (scale or 1)
    return function(x)
        return f(x) * factor
    end
end

local function squeezed(config, channels)
    return stages.round_channels(channels, config.se_ratio, 0.9)
end

-- ---- blocks -----------------------------------------------------------------------------------------

local Block = nn.class "NormFreeBlock"

--- @param beta 1 / the deviation that the input is expected to have
function Block:init(config, in_channels, out_channels, stride, beta)
    local width = out_channels / 2
    local groups = width / config.group
    rawset(self, "activate", activation(config))
    rawset(self, "activate_input", activation(config, beta))
    self:add_parameter("skip_gain", core.zeros(), { decay = false })
    if stride > 1 or in_channels ~= out_channels then
        self.shortcut = nn.Sequential {}
        if stride > 1 then
            self.shortcut:add(residual.average(stride), "pool")
        end
        self.shortcut:add(conv(config, { in_channels = in_channels, out_channels = out_channels }), "project")
    end
    self.conv1 = conv(config, { in_channels = in_channels, out_channels = width })
    self.conv2 = conv(config, {
        in_channels = width, out_channels = width, kernel_size = 3, stride = stride, groups = groups,
    })
    self.conv3 = conv(config, { in_channels = width, out_channels = width, kernel_size = 3, groups = groups })
    self.conv4 = conv(config, { in_channels = width, out_channels = out_channels })
    self.squeeze_excite = nn.SqueezeExcite {
        channels = out_channels, squeezed = squeezed(config, out_channels), activation = "relu",
    }
    self.drop_path = nn.DropPath { p = 0 }
end

function Block:forward(x)
    local start = self.activate_input(x)
    local y = self.activate(self.conv1(start))
    y = self.activate(self.conv2(y))
    y = self.activate(self.conv3(y))
    y = self.drop_path(self.squeeze_excite(self.conv4(y)))
    return y * (self.skip_gain * (ALPHA * GATE_GAIN)) + (self.shortcut and self.shortcut(start) or x)
end

-- ---- the network ------------------------------------------------------------------------------------

local NFNet = nn.class("NFNet", Network)
NFNet.drop_path_steps = residual.drop_path_steps

--- The convolutions of the stem: channels and stride.
local function stem_steps(config)
    local width = config.stem_width
    return { { width / 8, 2 }, { width / 4, 1 }, { width / 2, 1 }, { width, 2 } }
end

local function build_stem(config)
    local sequence, channels = nn.Sequential {}, config.in_channels
    for i, step in ipairs(stem_steps(config)) do
        if i > 1 then
            sequence:add(activation(config), "activation" .. i)
        end
        local own = { in_channels = channels, out_channels = step[1], kernel_size = 3, stride = step[2] }
        sequence:add(conv(config, own), "conv" .. i)
        channels = step[1]
    end
    return sequence
end

--- @param variance that the input of the stage is expected to have; also what is returned for the next one
local function build_stage(config, layers, in_channels, width, stride, variance)
    local sequence = nn.Sequential {}
    for i = 1, layers do
        local first = i == 1
        sequence:add(Block(config, first and in_channels or width, width, first and stride or 1, variance ^ -0.5),
            "block" .. i)
        variance = (first and 1 or variance) + ALPHA ^ 2 -- a shortcut with a convolution has variance 1
    end
    return sequence, variance
end

function NFNet:init(config)
    rawset(self, "config", config)
    rawset(self, "stages", {}) -- the stages by number; they are children by name
    self.stem = build_stem(config)
    local channels, variance = config.stem_width, 1
    for i, layers in ipairs(config.layers) do
        local width = config.widths[i]
        self.stages[i], variance = build_stage(config, layers, channels, width, i == 1 and 1 or 2, variance)
        self["stage" .. i] = self.stages[i]
        channels = width
    end
    local last = conv(config, { in_channels = channels, out_channels = 2 * channels })
    self.head = nn.Sequential { { "conv", last }, { "activation", activation(config) } }
    self.pool = nn.GlobalAvgPool {}
    config.head = 2 * channels -- what set_classes reads
    if config.classes > 0 then
        self:set_classes(config.classes)
    end
    self:set_drop_path(config.drop_path)
end

-- ---- the registry's entries -------------------------------------------------------------------------

local function build(config)
    if not gains[config.activation] then
        error(('%s: activation is "%s", wanted "gelu", "relu" or "silu"'):format(config.name, config.activation), 0)
    end
    for _, name in ipairs { "group", "stem_width" } do
        keys.want_whole(config.name, name, config[name], 1, false, 0)
    end
    if config.stem_width % 8 ~= 0 then
        error(("%s: stem_width is %d, wanted a multiple of 8"):format(config.name, config.stem_width), 0)
    end
    residual.want_stages(config, 2 * config.group)
    return NFNet(config)
end

local function block_cost(sheet, config, out_channels, stride)
    local from, width = sheet:here(), out_channels / 2
    local groups = width / config.group
    sheet:parameters(1)
    sheet:conv { output = width }
    sheet:conv { output = width, kernel = 3, stride = stride, groups = groups }
    sheet:conv { output = width, kernel = 3, groups = groups }
    sheet:conv { output = out_channels }
    sheet:squeeze_excite(squeezed(config, out_channels))
    if stride > 1 or from.channels ~= out_channels then
        sheet:conv({ output = out_channels, stride = stride }, from)
    end
end

local function cost(sheet, config) -- the gain and the bias of a convolution are as many as those of a norm
    sheet:row("stem")
    for _, step in ipairs(stem_steps(config)) do
        sheet:conv { output = step[1], kernel = 3, stride = step[2] }
    end
    for i, layers in ipairs(config.layers) do
        sheet:row("stage" .. i)
        for layer = 1, layers do
            block_cost(sheet, config, config.widths[i], i > 1 and layer == 1 and 2 or 1)
        end
    end
    sheet:row("head")
    sheet:conv { output = 2 * sheet.channels }
    sheet:classifier(sheet.channels, config.classes)
end

return {
    {
        name = "nfnet-f0", doc = "NFNet-F0",
        source = "Brock et al., High-Performance Large-Scale Image Recognition Without Normalization, 2021; timm",
        sizes = { train = 192, eval = 256 }, params = 71489284,
        evaluation = { fit = "stretch", crop = 256 / 288, filter = "tf_bicubic" },
        normalise = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } },
        build = build, cost = cost,
        options = {
            layers = { 1, 2, 6, 3 }, widths = { 256, 512, 1536, 1536 }, stem_width = 128, group = 128, se_ratio = 0.5,
            dropout = 0.2, drop_path = 0.25, activation = "gelu", padding = "same", conv_eps = 1e-5,
        },
    },
}
