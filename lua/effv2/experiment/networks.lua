--- The networks that experiments compare: the paper's, and small ones of the same families for small images.
--
-- The small ladders are the tables of B0 of both papers with fewer halvings, narrower; like the published ones they are
-- scaled in width and depth. Multiply-adds at 32 pixels with 10 classes: V2 3.8, 10.2, 22.9 and 37.2 M, V1 5.6, 10.7, 16.0
-- and 40.3 M.
local models = require "effv2.models"

local networks = {}

local function mb(expansion, stride, channels, layers, kernel)
    return { op = "mb", expansion = expansion, stride = stride, channels = channels, layers = layers, kernel = kernel }
end

--- EfficientNet-B0's table without its last stage and with a stem and a second stage that keep the size.
local SMALL_V1 = {
    stem = { channels = 16, stride = 1 }, head = 512, sizes = { train = 32, eval = 32 },
    stages = { mb(1, 1, 16, 1), mb(6, 2, 24, 2), mb(6, 2, 40, 2, 5), mb(6, 2, 80, 2), mb(6, 1, 112, 2, 5) },
}

local SMALL_V2 = "efficientnetv2-tiny"

--- Width and depth of the rungs.
local V1_RUNGS = { { 0.5, 1 }, { 0.75, 1 }, { 1, 1 }, { 1.25, 1.2 } }
local V2_RUNGS = { { 0.5, 0.5 }, { 0.5, 1 }, { 0.75, 1 }, { 1, 1 } }

local function ladder(family, base, rungs, stem_stride)
    local list = {}
    for i, rung in ipairs(rungs) do
        local description = models.scale { base = base, width = rung[1], depth = rung[2] }
        description.stem.stride = stem_stride
        list[i] = { name = ("small %s-%d"):format(family, i), model = description,
            options = { drop_path = 0.05, bn_momentum = 0.9 } }
    end
    return list
end

--- A ResNet for small images: a 3x3 stem and no pooling after it (He et al. 2015, section 4.2).
local function resnet(name, model, stem_stride)
    return {
        name = name, model = model,
        options = { width = 8, stem_kernel = 3, stem_stride = stem_stride, stem_pool = "none" },
    }
end

local function small(stem_stride)
    return {
        v1 = ladder("V1", SMALL_V1, V1_RUNGS, stem_stride),
        v2 = ladder("V2", SMALL_V2, V2_RUNGS, stem_stride),
        resnet = {
            resnet("small ResNet-18", "resnet18", stem_stride), resnet("small ResNet-34", "resnet34", stem_stride),
        },
        resnetrs = {
            { name = "small ResNet-RS-50", model = "resnetrs50", options = { width = 16, stem_pool = "none" } },
        },
    }
end

local function published(names)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = { name = name, model = name, options = {} }
    end
    return list
end

local function paper()
    return {
        v1 = published { "efficientnet-b4", "efficientnet-b5", "efficientnet-b6", "efficientnet-b7" },
        v2 = published { "efficientnetv2-b0", "efficientnetv2-s", "efficientnetv2-m", "efficientnetv2-l" },
        resnet = published { "resnet50", "resnet152" },
        resnetrs = published { "resnetrs420" },
        nfnet = published { "nfnet-f0" },
    }
end

--- { v1 =, v2 =, resnet =, resnetrs = (and nfnet at the paper's scale) }: lists from small to large of { name = as reports
-- show it, model = and options = of models.create }.
function networks.of(scale)
    if scale == "paper" then
        return paper()
    end
    return small(scale == "flowers" and 2 or 1)
end

--- Parameters, multiply-adds and bytes of activations of a network for one image.
function networks.cost(network, image, classes)
    local options = {}
    for key, value in pairs(type(network.model) == "table" and network.model or {}) do
        options[key] = value
    end
    for key, value in pairs(network.options or {}) do
        options[key] = value
    end
    options.classes, options.sizes = classes, nil
    if type(network.model) == "table" then
        return models.summary(options, image, {})
    end
    return models.summary(network.model, image, options)
end

return networks
