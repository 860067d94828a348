--- The networks of the EfficientNetV2 and EfficientNet papers as tables of stages, and a small one for small images.
-- Source of the numbers: the official code (github.com/google/automl, efficientnetv2/effnetv2_configs.py, and
-- github.com/tensorflow/tpu, models/official/efficientnet), where the papers' tables differ from it.
local stages = require "effv2.models.stages"

--- Fused-MBConv and MBConv stages: expansion, stride, channels, layers; kernel 3.
local function F(expansion, stride, channels, layers)
    return { op = "fused", expansion = expansion, stride = stride, channels = channels, layers = layers }
end

local function M(expansion, stride, channels, layers, kernel)
    local stage = F(expansion, stride, channels, layers)
    stage.op, stage.kernel = "mb", kernel
    return stage
end

-- Pixels are 0..255 before the normalisation (x - mean) / std.
local centred = { mean = { 128, 128, 128 }, std = { 128, 128, 128 } }
local imagenet = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } }

local official = { fit = "official", filter = "tf_bilinear" }
local centre = { fit = "crop", filter = "tf_bicubic" }

local paper = "Tan & Le, EfficientNetV2: Smaller Models and Faster Training, 2021"
local paper_v1 = "Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019"

local tables = {
    {
        name = "efficientnetv2-s", doc = "EfficientNetV2-S", source = paper .. ", table 4",
        stem = { channels = 24 }, head = 1280, sizes = { train = 300, eval = 384 }, dropout = 0.2, normalise = centred,
        evaluation = official, params = 21458488,
        stages = { F(1, 1, 24, 2), F(4, 2, 48, 4), F(4, 2, 64, 4), M(4, 2, 128, 6), M(6, 1, 160, 9), M(6, 2, 256, 15) },
    },
    {
        name = "efficientnetv2-m", doc = "EfficientNetV2-M", source = paper,
        stem = { channels = 24 }, head = 1280, sizes = { train = 384, eval = 480 }, dropout = 0.3, normalise = centred,
        evaluation = official, params = 54139356,
        stages = { F(1, 1, 24, 3), F(4, 2, 48, 5), F(4, 2, 80, 5), M(4, 2, 160, 7), M(6, 1, 176, 14), M(6, 2, 304, 18),
            M(6, 1, 512, 5) },
    },
    {
        name = "efficientnetv2-l", doc = "EfficientNetV2-L", source = paper,
        stem = { channels = 32 }, head = 1280, sizes = { train = 384, eval = 480 }, dropout = 0.4, normalise = centred,
        evaluation = official, params = 118515272,
        stages = { F(1, 1, 32, 4), F(4, 2, 64, 7), F(4, 2, 96, 7), M(4, 2, 192, 10), M(6, 1, 224, 19), M(6, 2, 384, 25),
            M(6, 1, 640, 7) },
    },
    {
        name = "efficientnetv2-xl", doc = "EfficientNetV2-XL, for pre-training on ImageNet-21k", source = paper,
        stem = { channels = 32 }, head = 1280, sizes = { train = 384, eval = 512 }, dropout = 0.4, normalise = centred,
        evaluation = official, params = 208119808,
        stages = { F(1, 1, 32, 4), F(4, 2, 64, 8), F(4, 2, 96, 8), M(4, 2, 192, 16), M(6, 1, 256, 24), M(6, 2, 512, 32),
            M(6, 1, 640, 8) },
    },
    {
        -- Widths for 2 cores: about 38 M multiply-adds at 32 px, so that 55 epochs of CIFAR-10 take less than one hour, in
        -- multiples of 16, the width of a vector. The stem keeps the resolution (32 px have none to give away) but is
        -- narrow, since a full-size map costs most in memory traffic; the bulk of the work is Fused-MBConv at 1/2 and
        -- 1/4 of the size, where CIFAR networks have it; the last map is 4 x 4 at 32 px and 12 x 12 at 96.
        name = "efficientnetv2-tiny", doc = "for images of 32 to 96 pixels: three halvings, about 1 M parameters",
        source = "this project", stem = { channels = 16, stride = 1 }, head = 512, sizes = { train = 32, eval = 32 },
        dropout = 0.2, normalise = centred, evaluation = official, options = { drop_path = 0.1, bn_momentum = 0.9 },
        stages = { F(1, 1, 16, 1), F(4, 2, 32, 2), F(4, 2, 56, 2), M(4, 2, 96, 3), M(6, 1, 128, 2) },
    },
}

local function add_scaled(base, entry)
    local scaled = stages.scale(base, entry.width, entry.depth, base.round_limit)
    table.insert(tables, {
        name = base.family .. entry.name, doc = base.title .. entry.name:upper(), source = base.source,
        stem = scaled.stem, stages = scaled.stages, head = scaled.head, sizes = entry.sizes, dropout = entry.dropout,
        normalise = imagenet, evaluation = centre, params = entry.params, presets = entry.presets,
    })
end

local v2_base = {
    family = "efficientnetv2-", title = "EfficientNetV2-", source = paper, stem = { channels = 32 }, head = 1280,
    stages = { F(1, 1, 16, 1), F(4, 2, 32, 2), F(4, 2, 48, 2), M(4, 2, 96, 3), M(6, 1, 112, 5), M(6, 2, 192, 8) },
}

local v1_base = {
    family = "efficientnet-", title = "EfficientNet-", source = paper_v1, stem = { channels = 32 }, head = 1280,
    round_limit = 0.9,
    stages = { M(1, 1, 16, 1), M(6, 2, 24, 2), M(6, 2, 40, 2, 5), M(6, 2, 80, 3), M(6, 1, 112, 3, 5),
        M(6, 2, 192, 4, 5), M(6, 1, 320, 1) },
}

for _, entry in ipairs {
    { name = "b0", width = 1.0, depth = 1.0, sizes = { train = 192, eval = 224 }, dropout = 0.2, params = 7139704 },
    { name = "b1", width = 1.0, depth = 1.1, sizes = { train = 192, eval = 240 }, dropout = 0.2, params = 8141052 },
    { name = "b2", width = 1.1, depth = 1.2, sizes = { train = 208, eval = 260 }, dropout = 0.3, params = 10096086 },
    { name = "b3", width = 1.2, depth = 1.4, sizes = { train = 240, eval = 300 }, dropout = 0.3, params = 14358406 },
} do
    add_scaled(v2_base, entry)
end

for _, entry in ipairs {
    { name = "b0", width = 1.0, depth = 1.0, sizes = { train = 224, eval = 224 }, dropout = 0.2, params = 5288548 },
    { name = "b1", width = 1.0, depth = 1.1, sizes = { train = 240, eval = 240 }, dropout = 0.2, params = 7794184 },
    { name = "b2", width = 1.1, depth = 1.2, sizes = { train = 260, eval = 260 }, dropout = 0.3, params = 9109994 },
    {
        name = "b3", width = 1.2, depth = 1.4, sizes = { train = 300, eval = 300 }, dropout = 0.3, params = 12233232,
        presets = { ["official-v2"] = { options = stages.scale(v1_base, 1.2, 1.4, 0) } }, -- as the code of V2 has it
    },
    { name = "b4", width = 1.4, depth = 1.8, sizes = { train = 380, eval = 380 }, dropout = 0.4, params = 19341616 },
    { name = "b5", width = 1.6, depth = 2.2, sizes = { train = 456, eval = 456 }, dropout = 0.4, params = 30389784 },
    { name = "b6", width = 1.8, depth = 2.6, sizes = { train = 528, eval = 528 }, dropout = 0.5, params = 43040704 },
    { name = "b7", width = 2.0, depth = 3.1, sizes = { train = 600, eval = 600 }, dropout = 0.5, params = 66347960 },
} do
    add_scaled(v1_base, entry)
end

return tables
