--- EfficientNetV2 with progressive learning (Tan & Le 2021, sections 4 and 5.1).
--
-- Without arguments: a small model on the built-in data set, four stages, a few minutes on two cores.
-- With data=FOLDER (an ImageFolder such as ImageNet): the paper's setting for EfficientNetV2-S.
-- The last line of the output is one JSON object.
local effv2 = require "effv2"

local small = effv2.config.given "data" == nil

local cfg = effv2.config {
    data = "shapes",
    model = small and "efficientnetv2-tiny" or "efficientnetv2-s",
    stem_stride = 2,
    epochs = small and 24 or 350,
    batch_size = small and 64 or 4096,
    accumulate = small and 1 or 64,
    lr = small and 0.01 or 0.256,
    warmup_epochs = small and 2 or 5,
    decay_every = small and 0.4 or 2.4,
    ema = small and 0.99 or 0.9999,
    weight_decay = 1e-5,
    label_smoothing = 0.1,
    stages = 4,
    rule = effv2.config.choice("paper", { "paper", "official" }),
    image_size = small and { 44, 64 } or { 128, 300 },
    randaugment = small and { 1, 4 } or { 5, 15 },
    mixup = { 0, 0 },
    dropout = small and { 0, 0.1 } or { 0.1, 0.3 },
    drop_path = small and 0 or 0.2,
    crop_area = small and 0.35 or 0.05,
    dialect = effv2.config.choice(small and "relative" or "official", effv2.augment.dialects()),
    eval_size = small and 64 or 384,
    eval_rule = small and "whole" or "official",
    seed = 0,
    workers = 2,
    shuffle = effv2.config.choice("all", { "all", "shards" }),
    cache_mb = 0,
    on_bad = effv2.config.choice("raise", { "raise", "skip" }),
    checkpoint_every = 300,
    profile = false,
    run = effv2.config.optional "string",
    resume = effv2.config.optional "string",
    help = {
        "Trains an EfficientNetV2 with progressive learning: image size and regularisation grow by stage.",
        data = "shapes, a CIFAR-10 folder, an ImageFolder, or tar archives (shards, ImageNet's own)",
        model = "a name of effv2.models.list()",
        stem_stride = "stride of the first convolution",
        crop_area = "least share of the picture that a random crop keeps",
        dialect = "meaning of RandAugment's magnitudes; relative: distances follow the image size",
        eval_rule = "official (the released code's crop) or whole (the picture resized)",
        epochs = "passes over the training images (Table 6: 350)",
        batch_size = "images an update (paper: 4096)",
        accumulate = "parts that a batch is computed in, to save memory",
        lr = "peak learning rate for the whole batch (paper: 0.256 at 4096)",
        warmup_epochs = "epochs of linear warm-up",
        decay_every = "epochs between two decays of the rate by 0.97",
        ema = "decay of the moving average of the weights",
        stages = "number of stages of Algorithm 1",
        rule = "Algorithm 1 of the paper, or the released code's sizes",
        image_size = "first and last training size (Table 6)",
        randaugment = "first and last RandAugment magnitude (Table 6)",
        mixup = "first and last Mixup alpha (Table 6)",
        dropout = "first and last dropout rate (Table 6)",
        drop_path = "stochastic depth of the last block (1 - survival probability)",
        eval_size = "image size of the evaluation",
        workers = "threads that prepare images",
        shuffle = "mix all images, or shards and the images of a few: for disks that are slow at jumping",
        cache_mb = "megabytes of memory for decoded training images, where these are less than twice as large as samples",
        on_bad = "what a picture that cannot be read does: end the run, or be named and skipped (up to 0.1 %)",
        checkpoint_every = "seconds between checkpoints",
        profile = "print, layer by layer, where the time of ten updates goes",
        run = "folder of the run; a new one below runs/ when not given",
        resume = "folder of a run to go on with",
    },
}

effv2.manual_seed(cfg.seed)

local data = effv2.data.open(cfg.data, { cache_mb = cfg.cache_mb })
local stem = effv2.models.describe(cfg.model).stem
local model = effv2.models.create(cfg.model, {
    classes = data.classes, drop_path = cfg.drop_path, stem = { channels = stem.channels, stride = cfg.stem_stride },
})

local result = effv2.train {
    model = model, data = data, epochs = cfg.epochs, batch_size = cfg.batch_size, accumulate = cfg.accumulate,
    seed = cfg.seed, workers = cfg.workers, label_smoothing = cfg.label_smoothing,
    optimizer = effv2.optim.rmsprop { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = cfg.weight_decay },
    lr = effv2.lr.exponential {
        peak = cfg.lr, warmup_epochs = cfg.warmup_epochs, decay = 0.97, every_epochs = cfg.decay_every,
    },
    ema = cfg.ema,
    schedule = effv2.schedule.progressive {
        stages = cfg.stages, rule = cfg.rule, image_size = cfg.image_size, randaugment = cfg.randaugment, mixup = cfg.mixup,
        dropout = cfg.dropout,
    },
    augment = function(at)
        return effv2.augment.train {
            size = at.image_size, area = { cfg.crop_area, 1 },
            randaugment = at.randaugment > 0 and { n = 2, magnitude = at.randaugment, dialect = cfg.dialect } or nil,
        }
    end,
    shuffle = cfg.shuffle == "shards" and "shards" or nil,
    on_bad = cfg.on_bad, eval_size = cfg.eval_size, eval_rule = cfg.eval_rule, checkpoint_every = cfg.checkpoint_every,
    profile = cfg.profile, config = cfg, run = cfg.run, resume = cfg.resume,
}

print(effv2.json_encode {
    top1 = result.ema_top1, seconds = result.seconds, raw_top1 = result.top1,
    ema_top1 = result.ema_top1, top5 = result.top5, run = result.run,
})
