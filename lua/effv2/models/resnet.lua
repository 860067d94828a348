--- ResNets (He et al. 2015, arXiv 1512.03385), with the stride of a bottleneck in its 3x3 convolution ("v1.5") and
-- zeros on every side, as torchvision has them, and ResNet-RS (Bello et al. 2021, arXiv 2103.07579), as timm has them:
-- its stem is three 3x3 convolutions and one that halves the map, its shortcuts average before they project, and its
-- blocks end in a squeeze-excite.
local keys = require "effv2.keys"
local Network = require "effv2.models.network"
local nn = require "effv2.nn"
local pass = require "effv2.nn.pass"
local residual = require "effv2.models.residual"
local stages = require "effv2.models.stages"

local conv = residual.conv

-- ---- blocks -----------------------------------------------------------------------------------------

--- The width of a gate, in multiples of 8 as timm rounds it.
local function squeezed(config, channels)
    return stages.round_channels(channels, config.se_ratio, 0.9)
end

--- What follows the convolutions of a block: the gate, where there is one, and the sum.
local function add_end(block, config, in_channels, out_channels, stride)
    if config.se_ratio > 0 then
        block.squeeze_excite = nn.SqueezeExcite {
            channels = out_channels, squeezed = squeezed(config, out_channels), activation = "relu",
        }
    end
    residual.add_end(block, config, in_channels, out_channels, stride)
end

local function finish(block, x, y)
    if block.squeeze_excite then
        y = pass(block.squeeze_excite, y, x)
    end
    return residual.finish(block, x, y)
end

--- Two 3x3 convolutions.
local Basic = nn.class "BasicBlock"
Basic.expansion = 1
Basic.path, Basic.residual = { "first", "last", "squeeze_excite" }, true -- of nn.fold

function Basic:init(config, in_channels, width, stride)
    self.first = conv(config, { in_channels = in_channels, out_channels = width, kernel_size = 3, stride = stride })
    self.last = conv(config, { in_channels = width, out_channels = width, kernel_size = 3, activation = "none" })
    add_end(self, config, in_channels, width, stride)
end

function Basic:forward(x)
    return finish(self, x, pass(self.last, self.first(x), x))
end

--- 1x1 to the width, 3x3, 1x1 to four times the width.
local Bottleneck = nn.class "Bottleneck"
Bottleneck.expansion = 4
Bottleneck.path, Bottleneck.residual = { "first", "middle", "last", "squeeze_excite" }, true

function Bottleneck:init(config, in_channels, width, stride)
    local out_channels = width * Bottleneck.expansion
    self.first = conv(config, { in_channels = in_channels, out_channels = width })
    self.middle = conv(config, { in_channels = width, out_channels = width, kernel_size = 3, stride = stride })
    self.last = conv(config, {
        in_channels = width, out_channels = out_channels, activation = "none", recompute = config.recompute,
    })
    add_end(self, config, in_channels, out_channels, stride)
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

local function build_stem(config)
    local width = config.width
    if not config.deep_stem then
        return conv(config, {
            in_channels = config.in_channels, out_channels = width, kernel_size = config.stem_kernel, stride = config.stem_stride,
        })
    end
    local sequence, channels = nn.Sequential {}, config.in_channels
    for i, to in ipairs { width / 2, width / 2, width } do
        local step = { in_channels = channels, out_channels = to, kernel_size = 3, stride = i == 1 and config.stem_stride or 1 }
        sequence:add(conv(config, step), "conv" .. i)
        channels = to
    end
    return sequence
end

--- What halves the map after the stem, where something does.
local function build_stem_pool(config)
    if config.stem_pool == "none" then
        return nn.Sequential {}
    elseif config.stem_pool == "max" then
        return nn.MaxPool2d { kernel_size = 3, stride = 2, padding = 1 }
    end
    return conv(config, { in_channels = config.width, out_channels = config.width, kernel_size = 3, stride = 2 })
end

function ResNet:init(config)
    rawset(self, "config", config)
    rawset(self, "stages", {}) -- the stages by number; they are children by name
    self.stem = build_stem(config)
    self.stem_pool = build_stem_pool(config)
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
    self:set_drop_path(config.drop_path)
end

ResNet.drop_path_steps = residual.drop_path_steps

function ResNet:first_steps()
    return { self.stem, self.stem_pool }
end

-- ---- the registry's entries -------------------------------------------------------------------------

local function build(config)
    if not blocks[config.block] then
        error(('%s: block is "%s", wanted "basic" or "bottleneck"'):format(config.name, config.block), 0)
    elseif config.stem_pool ~= "max" and config.stem_pool ~= "conv" and config.stem_pool ~= "none" then
        error(('%s: stem_pool is "%s", wanted "max", "conv" or "none"'):format(config.name, config.stem_pool), 0)
    elseif #config.layers == 0 then
        error(("%s: layers is empty, wanted the number of blocks of each stage"):format(config.name), 0)
    end
    for i, layers in ipairs(config.layers) do
        keys.want_whole(config.name, ("layers[%d]"):format(i), layers, 1, false, 0)
    end
    for _, name in ipairs { "width", "stem_kernel", "stem_stride" } do
        keys.want_whole(config.name, name, config[name], 1, false, 0)
    end
    return ResNet(config)
end

local function block_cost(sheet, config, width, stride)
    local from, out_channels = sheet:here(), width * blocks[config.block].expansion
    if config.block == "bottleneck" then
        sheet:conv { output = width }
        sheet:conv { output = width, kernel = 3, stride = stride }
        sheet:conv { output = out_channels }
    else
        sheet:conv { output = width, kernel = 3, stride = stride }
        sheet:conv { output = width, kernel = 3 }
    end
    if config.se_ratio > 0 then
        sheet:squeeze_excite(squeezed(config, out_channels))
    end
    if stride ~= 1 or from.channels ~= out_channels then
        sheet:conv({ output = out_channels, stride = stride }, from)
    end
end

local function cost(sheet, config)
    local width = config.width
    sheet:row("stem")
    if config.deep_stem then
        sheet:conv { output = width / 2, kernel = 3, stride = config.stem_stride }
        sheet:conv { output = width / 2, kernel = 3 }
        sheet:conv { output = width, kernel = 3 }
    else
        sheet:conv { output = width, kernel = config.stem_kernel, stride = config.stem_stride }
    end
    if config.stem_pool == "conv" then
        sheet:conv { output = width, kernel = 3, stride = 2 }
    elseif config.stem_pool == "max" then
        sheet:shrink(2)
    end
    for i, layers in ipairs(config.layers) do
        sheet:row("stage" .. i)
        for layer = 1, layers do
            block_cost(sheet, config, width, i > 1 and layer == 1 and 2 or 1)
        end
        width = 2 * width
    end
    sheet:classifier(sheet.channels, config.classes)
end

local imagenet = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } }

local entries = {}

--- @param changes of the options of a plain ResNet
local function add_entry(row, entry, changes)
    entry.build, entry.cost, entry.normalise, entry.params = build, cost, imagenet, row.params
    entry.options = { -- zero_init: blocks start as their shortcuts; recompute: backward computes the 1x1 convolutions
        -- that end a bottleneck or its shortcut again rather than keep their outputs: a quarter less memory
        block = row.block or "bottleneck", layers = row.layers, width = 64, dropout = 0, drop_path = 0,
        activation = "relu", bn_eps = 1e-5, bn_momentum = 0.9, zero_init = false, recompute = true, deep_stem = false,
        stem_kernel = 7, stem_stride = 2, stem_pool = "max", average_shortcut = false, se_ratio = 0,
    }
    for key, value in pairs(changes) do
        entry.options[key] = value
    end
    table.insert(entries, entry)
end

for _, row in ipairs {
    { depth = 18, block = "basic", layers = { 2, 2, 2, 2 }, params = 11689512 },
    { depth = 34, block = "basic", layers = { 3, 4, 6, 3 }, params = 21797672 },
    { depth = 50, layers = { 3, 4, 6, 3 }, params = 25557032 },
    { depth = 101, layers = { 3, 4, 23, 3 }, params = 44549160 },
    { depth = 152, layers = { 3, 8, 36, 3 }, params = 60192808 },
} do
    add_entry(row, {
        name = "resnet" .. row.depth, doc = "ResNet-" .. row.depth,
        source = "He et al., Deep Residual Learning for Image Recognition, 2015; torchvision",
        sizes = { train = 224, eval = 224 }, evaluation = { fit = "crop", crop = 0.875, filter = "pil_bilinear" },
    }, {})
end

for _, row in ipairs {
    { depth = 50, layers = { 3, 4, 6, 3 }, train = 160, eval = 224, crop = 0.91, params = 35691912 },
    { depth = 101, layers = { 3, 4, 23, 3 }, train = 192, eval = 288, crop = 0.94, params = 63618696 },
    { depth = 152, layers = { 3, 8, 36, 3 }, train = 256, eval = 320, params = 86621576 },
    { depth = 200, layers = { 3, 24, 36, 3 }, train = 256, eval = 320, drop_path = 0.1, params = 93209992 },
    { depth = 270, layers = { 4, 29, 53, 4 }, train = 256, eval = 352, drop_path = 0.1, params = 129861448 },
    { depth = 350, layers = { 4, 36, 72, 4 }, train = 288, eval = 384, drop_path = 0.1, dropout = 0.4,
        params = 163956168 },
    { depth = 420, layers = { 4, 44, 87, 4 }, train = 320, eval = 416, drop_path = 0.1, dropout = 0.4,
        params = 191891656 },
} do
    add_entry(row, {
        name = "resnetrs" .. row.depth, doc = "ResNet-RS-" .. row.depth,
        source = "Bello et al., Revisiting ResNets: Improved Training and Scaling Strategies, 2021; timm",
        sizes = { train = row.train, eval = row.eval },
        evaluation = { fit = "crop", crop = row.crop or 1, filter = "pil_bicubic" },
    }, {
        deep_stem = true, stem_pool = "conv", average_shortcut = true, se_ratio = 0.25, zero_init = true,
        dropout = row.dropout or 0.25, drop_path = row.drop_path or 0,
    })
end

return entries
