--- RegNetY (Radosavovic et al. 2020, arXiv 2003.13678): bottlenecks that keep their width, with convolutions in groups
-- and a gate before the last one. The tables are what the paper's rule gives, with the widths of pycls and timm.
local keys = require "effv2.keys"
local Network = require "effv2.models.network"
local nn = require "effv2.nn"
local pass = require "effv2.nn.pass"
local residual = require "effv2.models.residual"

local conv = residual.conv

--- The width of a gate, of the block's input channels.
local function squeezed(config, in_channels)
    return math.floor(in_channels * config.se_ratio + 0.5)
end

local Block = nn.class "RegNetBlock"
Block.path, Block.residual = { "first", "middle", "squeeze_excite", "last" }, true -- of nn.fold

function Block:init(config, in_channels, width, stride)
    self.first = conv(config, { in_channels = in_channels, out_channels = width })
    self.middle = conv(config, {
        in_channels = width, out_channels = width, kernel_size = 3, stride = stride, groups = width / config.group,
    })
    if config.se_ratio > 0 then
        self.squeeze_excite = nn.SqueezeExcite {
            channels = width, squeezed = squeezed(config, in_channels), activation = "relu",
        }
    end
    self.last = conv(config, {
        in_channels = width, out_channels = width, activation = "none", recompute = config.recompute,
    })
    residual.add_end(self, config, in_channels, width, stride)
end

function Block:forward(x)
    local y = pass(self.middle, self.first(x), x)
    if self.squeeze_excite then
        y = pass(self.squeeze_excite, y, x)
    end
    return residual.finish(self, x, pass(self.last, y, x))
end

-- ---- the network ------------------------------------------------------------------------------------

local RegNet = nn.class("RegNet", Network)
RegNet.drop_path_steps = residual.drop_path_steps

local function build_stage(config, layers, in_channels, width)
    local sequence = nn.Sequential {}
    for i = 1, layers do
        local block = Block(config, i == 1 and in_channels or width, width, i == 1 and 2 or 1)
        if config.zero_init then
            block.last.norm.gamma:fill(0)
        end
        sequence:add(block, "block" .. i)
    end
    return sequence
end

function RegNet:init(config)
    rawset(self, "config", config)
    rawset(self, "stages", {}) -- the stages by number; they are children by name
    self.stem = conv(config, {
        in_channels = config.in_channels, out_channels = config.stem_width, kernel_size = 3, stride = 2,
    })
    local channels = config.stem_width
    for i, layers in ipairs(config.layers) do
        self.stages[i] = build_stage(config, layers, channels, config.widths[i])
        self["stage" .. i] = self.stages[i]
        channels = config.widths[i]
    end
    self.pool = nn.GlobalAvgPool {}
    config.head = channels -- what set_classes reads
    if config.classes > 0 then
        self:set_classes(config.classes)
    end
    self:set_drop_path(config.drop_path)
end

-- ---- the registry's entries -------------------------------------------------------------------------

local function build(config)
    keys.want_whole(config.name, "group", config.group, 1, false, 0)
    keys.want_whole(config.name, "stem_width", config.stem_width, 1, false, 0)
    residual.want_stages(config, config.group)
    return RegNet(config)
end

local function block_cost(sheet, config, width, stride)
    local from = sheet:here()
    sheet:conv { output = width }
    sheet:conv { output = width, kernel = 3, stride = stride, groups = width / config.group }
    if config.se_ratio > 0 then
        sheet:squeeze_excite(squeezed(config, from.channels))
    end
    sheet:conv { output = width }
    if stride ~= 1 or from.channels ~= width then
        sheet:conv({ output = width, stride = stride }, from)
    end
end

local function cost(sheet, config)
    sheet:row("stem")
    sheet:conv { output = config.stem_width, kernel = 3, stride = 2 }
    for i, layers in ipairs(config.layers) do
        sheet:row("stage" .. i)
        for layer = 1, layers do
            block_cost(sheet, config, config.widths[i], layer == 1 and 2 or 1)
        end
    end
    sheet:classifier(sheet.channels, config.classes)
end

local entries = {}

for _, row in ipairs {
    { size = 8, layers = { 2, 4, 10, 1 }, widths = { 168, 448, 896, 2016 }, group = 56, params = 39180068 },
    { size = 16, layers = { 2, 4, 11, 1 }, widths = { 224, 448, 1232, 3024 }, group = 112, params = 83590140 },
} do
    table.insert(entries, {
        name = ("regnety-%dgf"):format(row.size), doc = ("RegNetY-%dGF"):format(row.size),
        source = "Radosavovic et al., Designing Network Design Spaces, 2020; pycls and timm",
        sizes = { train = 224, eval = 224 }, params = row.params,
        evaluation = { fit = "crop", crop = 0.875, filter = "pil_bicubic" },
        normalise = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } },
        build = build, cost = cost,
        options = {
            layers = row.layers, widths = row.widths, group = row.group, stem_width = 32, se_ratio = 0.25, dropout = 0,
            drop_path = 0, activation = "relu", bn_eps = 1e-5, bn_momentum = 0.9, zero_init = true, recompute = true,
        },
    })
end

return entries
