--- CIFAR-10 with progressive learning: image sizes and regularisation grow by stage.
--
--     effv2 recipes/cifar10_progressive.lua data=FOLDER
--
-- FOLDER holds the binary version (data_batch_1.bin ... test_batch.bin). The images are 32 px; the stages train at
-- 20 to 32 px, which is where the time goes and where it is saved. The last line of the output is a JSON object.
local effv2 = require "effv2"

local cfg = effv2.config {
    data = "cifar-10-batches-bin",
    model = "efficientnetv2-tiny",
    epochs = 55,
    batch_size = 128,
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
    seed = 0,
    workers = 2,
    checkpoint_every = 120,
    eval_every = 5,
    profile = false,
    run = effv2.config.optional "string",
    resume = effv2.config.optional "string",
    help = {
        "Trains a small EfficientNetV2 on CIFAR-10 with progressive learning.",
        data = "folder of the binary CIFAR-10",
        model = "a name of effv2.models.list()",
        epochs = "passes over the 50,000 images",
        lr = "peak learning rate (SGD, cosine)",
        image_size = "first and last training size",
        randaugment = "first and last RandAugment magnitude",
        mixup = "first and last Mixup alpha",
        dropout = "first and last dropout rate",
        drop_path = "stochastic depth of the last block",
        eval_every = "epochs between two looks at the test images; the last epoch always has one",
        profile = "print, layer by layer, where the time of ten updates goes",
        run = "folder of the run; a new one below runs/ when not given",
        resume = "folder of a run to go on with",
    },
}

effv2.manual_seed(cfg.seed)

local data = effv2.data.open(cfg.data)
local model = effv2.models.create(cfg.model, { classes = data.classes, drop_path = cfg.drop_path })

local result = effv2.train {
    model = model, data = data, epochs = cfg.epochs, batch_size = cfg.batch_size, seed = cfg.seed, workers = cfg.workers,
    label_smoothing = cfg.label_smoothing,
    optimizer = effv2.optim.sgd { momentum = 0.9, nesterov = true, weight_decay = cfg.weight_decay },
    lr = effv2.lr.cosine { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    ema = cfg.ema,
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
    eval_size = 32, eval_rule = "whole", checkpoint_every = cfg.checkpoint_every, eval_every = cfg.eval_every,
    profile = cfg.profile, config = cfg, run = cfg.run, resume = cfg.resume,
}

print(effv2.json_encode {
    top1 = result.ema_top1, seconds = result.seconds, raw_top1 = result.top1,
    ema_top1 = result.ema_top1, best = result.best, run = result.run,
})
