--- EfficientNetV2 on ImageNet-21k, for fine-tuning later (Tan & Le 2021, section 5.2).
--
--     effv2 recipes/imagenet21k.lua model=efficientnetv2-xl data=FOLDER
--
-- FOLDER holds <wnid>/<image>; 100,000 random images are to validate. An image in several folders has several labels,
-- each with an equal share of its target. recipes/finetune_imagenet.lua goes on with the weights. The last line of the
-- output is one JSON object.
local effv2 = require "effv2"
local recipe = effv2.recipe

local scales = { "paper", "smoke" }
local scale = recipe.scale(scales)
local name = recipe.given("model", scale == "paper" and "efficientnetv2-s" or "efficientnetv2-tiny", effv2.models.list())
local paper = recipe.given("rule", "paper", { "paper", "official" }) == "paper"
local table6, sizes = recipe.table6(name, "paper"), effv2.models.describe(name).sizes

local function either(papers, officials)
    if paper then
        return papers
    end
    return officials
end

local cfg = recipe.config({
    data = effv2.config.optional "string",
    kind = "imagenet21k",
    val_count = 100000,                                     -- section 5.2
    model = name,
    rule = paper and "paper" or "official",
    loss = "softmax",                                       -- section 5.2: labels have the sum 1
    epochs = 60,                                            -- section 5.2: 60 or 30
    batch_size = 4096,                                      -- section 5.1, as what is not said otherwise
    micro_batch = 64,
    lr = either(0.256, 0.128),                              -- section 5.1; section 5.2: cosine
    warmup_epochs = either(5, 1),
    weight_decay = 1e-5,                                    -- section 5.1
    label_smoothing = either(0.1, 0),
    ema = 0.9999,                                           -- section 5.1
    bn_momentum = either(0.99, 0.9),                        -- section 5.1
    stages = either(4, 1),                                  -- section 5.1; the released code: one size, hardly regularised
    image_size = either(table6.image_size, { 224, 224 }),   -- table 6
    randaugment = either(table6.randaugment, { 0, 0 }),     -- table 6
    mixup = either(table6.mixup, { 0, 0 }),                 -- table 6
    dropout = either(table6.dropout, { 0, 0 }),             -- table 6
    drop_path = either(0.2, 0),                             -- section 5.1
    crop_area = 0.05,                                       -- the released code
    dialect = "official",
    eval_size = either(sizes and sizes.eval or 384, 224),
    eval_rule = "official",
    help = {
        "Trains an EfficientNetV2 on ImageNet-21k, whose images have one label or more.",
        "scale=smoke: seconds, pictures drawn by the program.",
        model = "efficientnetv2-s, -m, -l, -xl, or another of effv2.models.list()",
        data = "a folder of <wnid>/<image>",
        kind = "of the data, as effv2.data.open knows it; imagenet21k: folders are labels",
        val_count = "random images that are to validate (kind=imagenet21k)",
        epochs = "passes over the training images: 60 or 30",
        loss = "of all labels together (softmax) or of each by itself (sigmoid)",
    },
}, {
    names = scales, name = scale, changes = {
        smoke = {
            data = "shapes", kind = "shapes", epochs = 3, batch_size = 64,
            micro_batch = 32, lr = 0.01, warmup_epochs = 1, ema = 0.99, bn_momentum = 0.9, image_size = { 16, 24 },
            randaugment = { 1, 4 }, mixup = { 0, 0.1 }, dropout = { 0, 0.1 }, dialect = "relative", eval_size = 24,
            eval_rule = "whole",
        },
    },
})

effv2.manual_seed(cfg.seed)

local data = recipe.data(cfg, { name = "ImageNet-21k", train = 13e6, val = 1e5, classes = 21841 },
    { kind = cfg.data and cfg.kind, val_count = cfg.data and cfg.kind == "imagenet21k" and cfg.val_count or nil })
local model = recipe.model(cfg, data)

recipe.train(cfg, data, {
    model = model, loss = cfg.loss,
    optimizer = effv2.optim.rmsprop { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = cfg.weight_decay },
    lr = effv2.lr.cosine { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    schedule = effv2.schedule.progressive {
        stages = cfg.stages, rule = cfg.rule, image_size = cfg.image_size, randaugment = cfg.randaugment,
        mixup = cfg.mixup, dropout = cfg.dropout,
    },
    augment = recipe.augment(cfg, model),
    eval_rule = cfg.eval_rule,
})
