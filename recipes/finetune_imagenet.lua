--- Fine-tunes weights of ImageNet-21k on ImageNet (Tan & Le 2021, section 5.2).
--
--     effv2 recipes/finetune_imagenet.lua model=efficientnetv2-s weights=RUN/checkpoints/best.safetensors data=FOLDER
--
-- The classifier is replaced, and everything is trained at the size of the evaluation. rule=official: the released code's
-- settings, whose rate is constant. The last line of the output is one JSON object.
local effv2 = require "effv2"
local recipe = effv2.recipe

local scales = { "paper", "smoke" }
local scale = recipe.scale(scales)
local name = recipe.given("model", scale == "paper" and "efficientnetv2-s" or "efficientnetv2-tiny", effv2.models.list())
local rule = recipe.given("rule", "paper", { "paper", "official" })
local sizes = effv2.models.describe(name).sizes

local cfg = recipe.config({
    data = effv2.config.optional "string",
    model = name,
    weights = effv2.config.optional "string",
    layout = "effv2",
    preset = "model",
    rule = rule,
    minival = 0,
    epochs = 15,                                    -- section 5.2
    batch_size = 512,                               -- section 5.3, and the released code
    micro_batch = 32,
    lr = 0.001,                                     -- section 5.3, and the released code
    warmup_epochs = rule == "paper" and 0 or 1,
    weight_decay = 1e-5,                            -- section 5.1
    label_smoothing = 0.1,                          -- the released code
    ema = rule == "paper" and 0.9999 or 0.9996,     -- section 5.1
    bn_momentum = rule == "paper" and 0.99 or 0.9,  -- section 5.1
    image_size = sizes and sizes.eval or 384,       -- the released code: that of the evaluation
    dropout = 0,                                    -- the released code
    drop_path = 0.2,                                -- section 5.1
    eval_size = sizes and sizes.eval or 384,
    eval_rule = "whole",                            -- the released code
    help = {
        "Fine-tunes an EfficientNetV2 that was trained on ImageNet-21k.",
        "scale=smoke: seconds, pictures drawn by the program, with or without weights.",
        data = "an ImageFolder (train/<class>/*, val/<class>/*), or what else effv2.data.open takes",
        rule = "the rate falls as a cosine (paper) or stays as it is (official)",
        image_size = "size of the training images",
        dropout = "dropout rate",
    },
}, {
    names = scales, name = scale, changes = {
        smoke = {
            data = "shapes", epochs = 2, batch_size = 64, micro_batch = 32, lr = 0.005, ema = 0.99, bn_momentum = 0.9,
            image_size = 24, drop_path = 0, eval_size = 24,
        },
    },
})

effv2.manual_seed(cfg.seed)
if cfg.scale == "paper" then
    recipe.require_weights(cfg, "those of recipes/imagenet21k.lua, or a published file")
end

local data = recipe.data(cfg, { name = "ImageNet", train = 1281167, val = 50000, classes = 1000 })
local model = recipe.model(cfg, data)
local rate = cfg.rule == "paper" and effv2.lr.cosine or effv2.lr.constant -- section 5.2: cosine

recipe.train(cfg, data, {
    model = model,
    optimizer = effv2.optim.rmsprop { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = cfg.weight_decay },
    lr = rate { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    schedule = effv2.schedule.fixed { image_size = cfg.image_size, dropout = cfg.dropout },
    augment = recipe.cutout(model),
    eval_rule = cfg.eval_rule,
})
