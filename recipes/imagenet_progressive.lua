--- EfficientNetV2 on ImageNet with progressive learning (Tan & Le 2021, sections 4.2 and 5.1).
--
-- Without arguments: a small model on pictures that the program draws, four stages, a few minutes on two cores.
-- With data=FOLDER (an ImageFolder such as ImageNet): the paper's setting for model=efficientnetv2-s, -m or -l.
-- Early stopping, as the paper has it: 25,000 training images are held out, the weights of the epoch that is best on them
-- are kept, and these are judged at the end by the images to validate. The last line of the output is one JSON object.
local effv2 = require "effv2"
local recipe = effv2.recipe

local scales = { "paper", "small", "smoke" }
local scale = recipe.scale(scales, "small")
local name = recipe.given("model", scale == "paper" and "efficientnetv2-s" or "efficientnetv2-tiny", effv2.models.list())
local rule = recipe.given("rule", "paper", { "paper", "official" })
local table6, sizes = recipe.table6(name, rule), effv2.models.describe(name).sizes

local small = {
    data = "shapes", minival = 0, epochs = 24, batch_size = 64, micro_batch = 64, lr = 0.01, warmup_epochs = 2,
    decay_every = 0.4, ema = 0.99, image_size = { 44, 64 }, randaugment = { 1, 4 }, mixup = { 0, 0 }, cutmix = { 0, 0 },
    dropout = { 0, 0.1 }, drop_path = 0, crop_area = 0.35, eval_size = 64, eval_rule = "whole",
    dialect = "relative", bn_momentum = 0.9,
}
local smoke = recipe.but(small, { epochs = 4, warmup_epochs = 1, minival = 64, image_size = { 16, 24 }, eval_size = 24 })

local cfg = recipe.config({
    data = effv2.config.optional "string",
    model = name,
    rule = rule,
    stem_stride = 2,
    minival = 25000,                                -- section 5.1 (the released code: 20 of its 1024 files, 25,021)
    epochs = 350,                                   -- section 5.1
    batch_size = 4096,                              -- section 5.1
    micro_batch = 64,
    lr = 0.256,                                     -- section 5.1: warmed up from 0, times 0.97 every 2.4 epochs
    warmup_epochs = 5,                              -- the released code
    decay_every = 2.4,                              -- section 5.1
    weight_decay = 1e-5,                            -- section 5.1
    label_smoothing = 0.1,                          -- the released code
    ema = 0.9999,                                   -- section 5.1
    bn_momentum = rule == "paper" and 0.99 or 0.9,  -- section 5.1
    stages = 4,                                     -- section 5.1: about 87 epochs each
    image_size = table6.image_size,                 -- table 6
    randaugment = table6.randaugment,               -- table 6
    mixup = table6.mixup,                           -- table 6
    cutmix = table6.cutmix,                         -- the released code alone
    dropout = table6.dropout,                       -- table 6; the released code leaves it at the last value
    drop_path = 0.2,                                -- section 5.1: survival probability 0.8
    crop_area = 0.05,                               -- the released code
    dialect = "official",
    eval_size = sizes and sizes.eval or 384,        -- section 5.1: training stops at about 20 % less than it
    eval_rule = "official",
    help = {
        "Trains an EfficientNetV2 with progressive learning: image size and regularisation grow by stage.",
        "scale=small: a few minutes, pictures drawn by the program; scale=smoke: seconds. The paper's is the default with "
            .. "data=.",
        model = "efficientnetv2-s, -m, -l (table 6), or another of effv2.models.list()",
        data = "an ImageFolder (train/<class>/*, val/<class>/*), tar archives (shards, ImageNet's own), or what "
            .. "else effv2.data.open takes",
    },
}, { names = scales, name = scale, changes = { small = small, smoke = smoke } })

effv2.manual_seed(cfg.seed)

local data = recipe.data(cfg, { name = "ImageNet", train = 1281167, val = 50000, classes = 1000 })
local model = recipe.model(cfg, data)

recipe.train(cfg, data, {
    model = model,
    optimizer = effv2.optim.rmsprop { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = cfg.weight_decay },
    lr = effv2.lr.exponential {
        peak = cfg.lr, warmup_epochs = cfg.warmup_epochs, decay = 0.97, every_epochs = cfg.decay_every,
    },
    schedule = effv2.schedule.progressive {
        stages = cfg.stages, rule = cfg.rule, image_size = cfg.image_size, randaugment = cfg.randaugment,
        mixup = cfg.mixup, cutmix = cfg.cutmix, dropout = cfg.dropout,
    },
    augment = recipe.augment(cfg, model),
    eval_rule = cfg.eval_rule,
})
