--- Transfers weights of ImageNet to CIFAR-10, CIFAR-100, Flowers-102 or Stanford Cars (Tan & Le 2021, section 5.3,
-- tables 8 and 9).
--
--     effv2 recipes/transfer.lua model=efficientnetv2-s weights=FILE layout=timm data=/data/cifar-100-binary
--
-- The data set is known by what the folder holds (effv2.data.open); its test images are judged. The classifier is
-- replaced, images are resized to the size of the model's evaluation. The last line of the output is one JSON object.
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
    steps = 10000,                                  -- section 5.3
    batch_size = 512,                               -- section 5.3
    micro_batch = 32,
    lr = 0.001,                                     -- section 5.3: cosine
    warmup_epochs = rule == "paper" and 0 or 1,
    weight_decay = rule == "paper" and 0 or 1e-5,   -- section 5.3: none
    label_smoothing = 0.1,                          -- as for ImageNet, like what follows
    ema = rule == "paper" and 0.9999 or 0.9996,
    bn_momentum = rule == "paper" and 0.99 or 0.9,
    image_size = sizes and sizes.eval or 384,       -- the released code
    dropout = 0,                                    -- the released code
    drop_path = 0.2,                                -- section 5.1
    eval_size = sizes and sizes.eval or 384,
    eval_rule = "whole",                            -- the released code
    evaluations = 20,
    help = {
        "Fine-tunes an EfficientNetV2 that was trained on ImageNet on a smaller data set.",
        "scale=smoke: seconds, pictures drawn by the program, with or without weights.",
        data = "a folder with CIFAR-10 or CIFAR-100 (binary), Flowers-102 or Stanford Cars, or what else effv2.data.open takes",
        rule = "cosine, no weight decay (paper), or a constant rate and 1e-5 (official)",
        steps = "updates, rounded up to whole epochs",
        image_size = "size of the training images",
        dropout = "dropout rate",
        evaluations = "how often the test images are looked at, about",
    },
}, {
    names = scales, name = scale, changes = {
        smoke = {
            data = "shapes", steps = 20, batch_size = 64, micro_batch = 32, lr = 0.005, ema = 0.99, bn_momentum = 0.9,
            image_size = 24, drop_path = 0, eval_size = 24, evaluations = 2,
        },
    },
})

effv2.manual_seed(cfg.seed)
if cfg.scale == "paper" then
    recipe.require_weights(cfg, "those of recipes/imagenet_progressive.lua, or a published file")
end

local data = recipe.data(cfg, { name = "CIFAR-10", train = 50000, val = 10000, classes = 10 })
local model = recipe.model(cfg, data)
local epochs = math.ceil(cfg.steps / math.max(1, math.floor(data.train:size() / cfg.batch_size)))
local rate = cfg.rule == "paper" and effv2.lr.cosine or effv2.lr.constant

recipe.train(cfg, data, {
    model = model, epochs = epochs, eval_every = math.max(1, math.floor(epochs / cfg.evaluations)),
    optimizer = effv2.optim.rmsprop { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = cfg.weight_decay },
    lr = rate { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    schedule = effv2.schedule.fixed { image_size = cfg.image_size, dropout = cfg.dropout },
    augment = recipe.cutout(model),
    eval_rule = cfg.eval_rule,
})
