--- Vision transformers (Dosovitskiy et al. 2020, arXiv 2010.11929) and DeiT (Touvron et al. 2020, arXiv 2012.12877):
-- a class token, learned positions, blocks that normalise before attention and before their two dense layers.
--
-- A model is made for one image size and takes images of any other: positions are interpolated to the grid at hand, and
-- an image whose sides the patch does not divide is continued with zeros at the bottom and at the right, as timm does
-- with dynamic_img_size and dynamic_img_pad.
local core = require "effv2.core"
local keys = require "effv2.keys"
local Network = require "effv2.models.network"
local nn = require "effv2.nn"
local positions = require "effv2.models.positions"
local residual = require "effv2.models.residual"

local ViT = nn.class("VisionTransformer", Network)

local function side_of_grid(pixels, patch)
    return math.ceil(pixels / patch)
end

function ViT:init(config)
    local side, width, patch = side_of_grid(config.image_size, config.patch), config.width, config.patch
    rawset(self, "config", config)
    rawset(self, "grid", { side, side }) -- of position_embedding
    self:add_parameter("class_token", core.randn(1, 1, width) * 0.02, { decay = false })
    self:add_parameter("position_embedding", core.randn(1, 1 + side * side, width) * 0.02, { decay = false })
    self.patch_embed = nn.Conv2d {
        in_channels = config.in_channels, out_channels = width, kernel_size = patch, stride = patch,
    }
    local fan_in = patch * patch * config.in_channels
    self.patch_embed.weight:copy(core.randn(patch, patch, config.in_channels, width) * fan_in ^ -0.5)
    self.encoder = nn.Sequential {}
    for i = 1, config.depth do
        self.encoder:add(nn.TransformerBlock {
            channels = width, heads = config.heads, mlp_ratio = config.mlp_ratio, eps = config.norm_eps,
        }, "block" .. i)
    end
    rawset(self, "stages", { self.encoder })
    self.norm = nn.LayerNorm { features = width, eps = config.norm_eps }
    config.head = width -- what set_classes reads
    if config.classes > 0 then
        self:set_classes(config.classes)
    end
    self:set_drop_path(config.drop_path)
end

--- The patches of images [n][h][w][in_channels] as tokens [n][grid's pixels][width], and their grid.
local function embed_patches(self, x)
    local n, height, width = unpack(x:shape())
    local patch, convolution = self.config.patch, self.patch_embed
    local grid = { side_of_grid(height, patch), side_of_grid(width, patch) }
    local around = { 0, grid[1] * patch - height, 0, grid[2] * patch - width }
    local y = core.conv2d(x, convolution.weight, convolution.bias, patch, around)
    return y:reshape { n, grid[1] * grid[2], self.config.width }, grid
end

--- What the first block reads: the class token and the patches, with their positions.
local function tokens(self, x)
    local patches, grid = embed_patches(self, x)
    local n, _, width = unpack(patches:shape())
    local all = core.concat({ self.class_token:expand { n, 1, width }, patches }, 2)
    return all + positions.resize(self.position_embedding, self.grid, grid)
end

--- The tokens [n][1 + patches][width] after every block: a list, with what the first block reads as features[0].
function ViT:features(x)
    local features = { [0] = tokens(self, x) }
    for i, block in ipairs(self:blocks()) do
        features[i] = block(features[i - 1])
    end
    return features
end

--- What the classifier sees: [n][width], the class token after the last block.
function ViT:embed(x)
    local y = self.encoder(tokens(self, x))
    return self.norm(y:slice(2, 1, 1):reshape { y:size(1), self.config.width })
end

ViT.drop_path_steps = residual.drop_path_steps

-- ---- the registry's entries -------------------------------------------------------------------------

local function build(config)
    for _, name in ipairs { "image_size", "patch", "width", "depth", "heads" } do
        keys.want_whole(config.name, name, config[name], 1, false, 0)
    end
    return ViT(config)
end

local function cost(sheet, config)
    local width = config.width
    sheet:row("patch_embed")
    sheet:conv { output = width, kernel = config.patch, stride = config.patch, bias = true, norm = false }
    sheet:parameters((2 + side_of_grid(config.image_size, config.patch) ^ 2) * width) -- class token and positions
    local all, hidden = sheet.height * sheet.width + 1, math.floor(width * config.mlp_ratio)
    sheet:row("encoder")
    for _ = 1, config.depth do
        sheet:parameters(4 * width) -- two layer norms
        sheet:dense { input = width, output = 3 * width, rows = all }
        sheet:product { rows = all, inner = width / config.heads, columns = all, count = config.heads }
        sheet:product { rows = all, inner = all, columns = width / config.heads, count = config.heads }
        sheet:dense { input = width, output = width, rows = all }
        sheet:dense { input = width, output = hidden, rows = all }
        sheet:dense { input = hidden, output = width, rows = all }
    end
    sheet:row("norm")
    sheet:parameters(2 * width)
    sheet:classifier(width, config.classes)
end

local imagenet = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } }
local half = { mean = { 127.5, 127.5, 127.5 }, std = { 127.5, 127.5, 127.5 } }

local papers = {
    vit = "Dosovitskiy et al., An Image is Worth 16x16 Words, 2020; Steiner et al., How to train your ViT?, 2021",
    deit = "Touvron et al., Training data-efficient image transformers & distillation through attention, 2020",
}

local sizes = {
    ti = { width = 192, depth = 12, heads = 3 },
    s = { width = 384, depth = 12, heads = 6 },
    b = { width = 768, depth = 12, heads = 12 },
    l = { width = 1024, depth = 24, heads = 16 },
}

local entries = {}

for _, row in ipairs {
    { "vit", "ti", 16, params = 5717416 }, { "vit", "ti", 32, params = 6131560 },
    { "vit", "s", 16, params = 22050664 }, { "vit", "s", 32, params = 22878952 },
    { "vit", "b", 16, params = 86567656 }, { "vit", "b", 32, params = 88224232 },
    { "vit", "l", 16, params = 304326632 }, { "vit", "l", 32, params = 306535400 },
    { "deit", "ti", 16, params = 5717416 }, { "deit", "s", 16, params = 22050664 },
    { "deit", "b", 16, params = 86567656 },
} do
    local family, size, patch = row[1], row[2], row[3]
    local deit, shape = family == "deit", sizes[size]
    table.insert(entries, {
        name = ("%s-%s-%d"):format(family, size, patch),
        doc = ("%s-%s/%d"):format(deit and "DeiT" or "ViT", size:gsub("^%l", string.upper), patch),
        source = papers[family], sizes = { train = 224, eval = 224 }, params = row.params,
        normalise = deit and imagenet or half,
        evaluation = { fit = "crop", crop = deit and 0.875 or 0.9, filter = "pil_bicubic" },
        build = build, cost = cost,
        options = { -- image_size: whose grid of patches position_embedding has
            image_size = 224, patch = patch, width = shape.width, depth = shape.depth, heads = shape.heads,
            mlp_ratio = 4, norm_eps = 1e-6, dropout = 0, drop_path = deit and 0.1 or 0,
        },
    })
end

return entries
