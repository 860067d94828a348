--- ResNets (He et al. 2015, arXiv 1512.03385), with the stride of a bottleneck in its 3x3 convolution ("v1.5") and
-- zeros on every side, as torchvision has them: an older family to compare with.
local keys = require "effv2.keys"
local Network = require "effv2.models.network"
local nn = require "effv2.nn"
local pass = require "effv2.nn.pass"

local function conv(config, own)
    own.padding, own.activation = "symmetric", own.activation or config.activation
    own.bn_eps, own.bn_momentum = config.bn_eps, config.bn_momentum
    return nn.ConvNormAct(own)
end

-- ---- blocks -----------------------------------------------------------------------------------------

--- The path around a block: a linear 1x1 convolution where the shape changes.
local function shortcut(config, in_channels, out_channels, stride)
    if stride == 1 and in_channels == out_channels then
        return nil
    end
    return conv(config, {
        in_channels = in_channels, out_channels = out_channels, stride = stride, activation = "none",
        recompute = config.recompute,
    })
end

local function finish(block, x, y)
    local path = block.shortcut and block.shortcut(x) or x
    local sum = pass(function(branch)
        return branch + path
    end, y, x)
    if path ~= x then
        path:release()
    end
    return pass(block.activation, sum, x)
end

--- Two 3x3 convolutions.
local Basic = nn.class "BasicBlock"
Basic.expansion = 1
Basic.path, Basic.residual = { "first", "last" }, true -- of nn.fold

function Basic:init(config, in_channels, width, stride)
    self.first = conv(config, { in_channels = in_channels, out_channels = width, kernel_size = 3, stride = stride })
    self.last = conv(config, { in_channels = width, out_channels = width, kernel_size = 3, activation = "none" })
    self.shortcut = shortcut(config, in_channels, width, stride)
    self.activation = nn.Activation { kind = config.activation }
end

function Basic:forward(x)
    return finish(self, x, pass(self.last, self.first(x), x))
end

--- 1x1 to the width, 3x3, 1x1 to four times the width.
local Bottleneck = nn.class "Bottleneck"
Bottleneck.expansion = 4
Bottleneck.path, Bottleneck.residual = { "first", "middle", "last" }, true

function Bottleneck:init(config, in_channels, width, stride)
    local out_channels = width * Bottleneck.expansion
    self.first = conv(config, { in_channels = in_channels, out_channels = width })
    self.middle = conv(config, { in_channels = width, out_channels = width, kernel_size = 3, stride = stride })
    self.last = conv(config, {
        in_channels = width, out_channels = out_channels, activation = "none", recompute = config.recompute,
    })
    self.shortcut = shortcut(config, in_channels, out_channels, stride)
    self.activation = nn.Activation { kind = config.activation }
end

function Bottleneck:forward(x)
    return finish(self, x, pass(self.last, pass(self.middle, self.first(x), x), x))
end

-- ---- the network ------------------------------------------------------------------------------------

local ResNet = nn.class("ResNet", Network)

local blocks = { basic = Basic, bottleneck = Bottleneck }

local function build_stage(config, layers, in_channels, width, stride)
    local Block = blocks[config.block]
    local sequence = nn.Sequential {}
    for i = 1, layers do
        local block = Block(config, i == 1 and in_channels or width * Block.expansion, width, i == 1 and stride or 1)
        if config.zero_init then
            block.last.norm.gamma:fill(0)
        end
        sequence:add(block, "block" .. i)
    end
    return sequence
end

function ResNet:init(config)
    rawset(self, "config", config)
    rawset(self, "stages", {}) -- the stages by number; they are children by name
    self.stem = conv(config, { in_channels = config.in_channels, out_channels = config.width, kernel_size = 7, stride = 2 })
    self.max_pool = nn.MaxPool2d { kernel_size = 3, stride = 2, padding = 1 }
    local channels, width = config.width, config.width
    for i, layers in ipairs(config.layers) do
        self.stages[i] = build_stage(config, layers, channels, width, i == 1 and 1 or 2)
        self["stage" .. i] = self.stages[i]
        channels, width = width * blocks[config.block].expansion, 2 * width
    end
    self.pool = nn.GlobalAvgPool {}
    config.head = channels -- what set_classes reads
    if config.classes > 0 then
        self:set_classes(config.classes)
    end
end

--- The output of every stage: a list, with what the first of them reads as features[0].
function ResNet:features(x)
    local features = { [0] = self.max_pool(self.stem(x)) }
    for i, stage in ipairs(self.stages) do
        features[i] = stage(features[i - 1])
    end
    return features
end

--- What the classifier sees: [n][channels], the mean over the pixels of the last stage.
function ResNet:embed(x)
    return self.pool(nn.run({ self.stem, self.max_pool, unpack(self.stages) }, x))
end

-- ---- the registry's entries -------------------------------------------------------------------------

local function build(config)
    if not blocks[config.block] then
        error(('%s: block is "%s", wanted "basic" or "bottleneck"'):format(config.name, config.block), 0)
    elseif #config.layers == 0 then
        error(("%s: layers is empty, wanted the number of blocks of each stage"):format(config.name), 0)
    end
    for i, layers in ipairs(config.layers) do
        keys.want_whole(config.name, ("layers[%d]"):format(i), layers, 1, false, 0)
    end
    keys.want_whole(config.name, "width", config.width, 1, false, 0)
    return ResNet(config)
end

local entries = {}

for _, row in ipairs {
    { depth = 18, block = "basic", layers = { 2, 2, 2, 2 }, params = 11689512 },
    { depth = 34, block = "basic", layers = { 3, 4, 6, 3 }, params = 21797672 },
    { depth = 50, block = "bottleneck", layers = { 3, 4, 6, 3 }, params = 25557032 },
    { depth = 101, block = "bottleneck", layers = { 3, 4, 23, 3 }, params = 44549160 },
    { depth = 152, block = "bottleneck", layers = { 3, 8, 36, 3 }, params = 60192808 },
} do
    table.insert(entries, {
        name = "resnet" .. row.depth, doc = "ResNet-" .. row.depth,
        source = "He et al., Deep Residual Learning for Image Recognition, 2015; torchvision",
        sizes = { train = 224, eval = 224 }, params = row.params,
        normalise = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } },
        build = build,
        options = { -- zero_init: blocks start as their shortcuts; recompute: backward computes the 1x1 convolutions
            -- that end a bottleneck or its shortcut again rather than keep their outputs: a quarter less memory
            block = row.block, layers = row.layers, width = 64, dropout = 0, activation = "relu", bn_eps = 1e-5,
            bn_momentum = 0.9, zero_init = false, recompute = true,
        },
    })
end

return entries
