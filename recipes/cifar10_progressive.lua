--- CIFAR-10 with progressive learning: image sizes and regularisation grow by stage.
--
--     effv2 recipes/cifar10_progressive.lua data=FOLDER
--
-- FOLDER holds the binary version (data_batch_1.bin ... test_batch.bin). The images are 32 px; the stages train at
-- 20 to 32 px, which is where the time goes and where it is saved. The last line of the output is a JSON object.
local effv2 = require "effv2"

local recipe = effv2.recipe

local scales = { "cifar", "smoke" }

local cfg = recipe.config({
    data = "cifar-10-batches-bin",
    model = "efficientnetv2-tiny",
    epochs = 55,
    batch_size = 128,
    micro_batch = 128,
    lr = 0.1,
    warmup_epochs = 2,
    weight_decay = 5e-4,
    ema = 0.999,
    label_smoothing = 0.1,
    stages = 4,
    image_size = { 20, 32 },
    randaugment = { 2, 6 },
    mixup = { 0, 0.2 },
    dropout = { 0, 0.2 },
    drop_path = 0.05,
    eval_size = 32,
    eval_every = 5,
    checkpoint_every = 120,
    help = {
        "Trains a small EfficientNetV2 on CIFAR-10 with progressive learning.",
        data = "folder of the binary CIFAR-10",
        epochs = "passes over the 50,000 images",
        lr = "peak learning rate (SGD, cosine)",
        scale = "CIFAR-10, or seconds on drawn pictures",
    },
}, {
    names = scales, name = recipe.given("scale", "cifar", scales), changes = {
        smoke = { data = "shapes", epochs = 2, warmup_epochs = 1, image_size = { 16, 24 }, eval_size = 24 },
    },
})

effv2.manual_seed(cfg.seed)

local data = recipe.data(cfg, { name = "CIFAR-10", train = 50000, val = 10000, classes = 10 })

recipe.train(cfg, data, {
    model = recipe.model(cfg, data),
    optimizer = effv2.optim.sgd { momentum = 0.9, nesterov = true, weight_decay = cfg.weight_decay },
    lr = effv2.lr.cosine { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    schedule = effv2.schedule.progressive {
        stages = cfg.stages, image_size = cfg.image_size, randaugment = cfg.randaugment, mixup = cfg.mixup,
        dropout = cfg.dropout,
    },
    -- CIFAR images are shifted by padding, not cropped by area: objects fill them.
    augment = function(settings)
        local magnitude = settings.randaugment
        return effv2.augment.train {
            size = settings.image_size, crop = "pad", pad = 4, normalise = "official",
            randaugment = magnitude > 0 and { n = 1, magnitude = magnitude, dialect = "relative" } or nil,
        }
    end,
    eval_rule = "whole",
})
