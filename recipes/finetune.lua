--- Trains a classifier for a person's own photos, from pretrained weights or from scratch.
--
--     effv2 recipes/finetune.lua data=FOLDER weights=FILE layout=timm
--     effv2 recipes/finetune.lua data=FOLDER
--
-- FOLDER holds a folder of photos for each class, or train/ and val/ with such folders; without val/ a tenth of each class
-- is to validate. The weights of the best epoch are kept, and recipes/predict.lua takes them. The last line of the output
-- is one JSON object.
local effv2 = require "effv2"
local recipe = effv2.recipe

local scales = { "photos", "smoke" }
local pretrained = effv2.config.given "weights" ~= nil

--- Weights that have seen a million pictures need few passes and small steps; a network from scratch needs many, small
-- images to have time for them, and much augmentation to have enough of them.
local function either(with_weights, from_scratch)
    return pretrained and with_weights or from_scratch
end

local cfg = recipe.config({
    data = effv2.config.optional "string",
    model = "efficientnetv2-b0",
    weights = effv2.config.optional "string",
    layout = "effv2",
    preset = "model",
    minival = 0,
    epochs = either(15, 50),
    batch_size = 32,
    micro_batch = 32,
    lr = either(3e-4, 2e-3),
    warmup_epochs = either(1, 3),
    weight_decay = 0.05,
    label_smoothing = 0.1,
    ema = 0.99,
    bn_momentum = 0.9,
    stages = either(1, 4),
    image_size = either({ 192, 192 }, { 64, 128 }),
    randaugment = either({ 5, 5 }, { 2, 6 }),
    mixup = either({ 0, 0 }, { 0, 0.2 }),
    dropout = either({ 0.2, 0.2 }, { 0, 0.2 }),
    drop_path = either(0.1, 0.05),
    crop_area = 0.3,
    dialect = "relative",
    eval_size = either(224, 144),
    eval_rule = "official",
    eval_every = either(1, 2),
    on_bad = "skip",
    help = {
        "Trains a classifier for the photos of a folder of class folders.",
        "With weights=FILE (safetensors, in effv2's, timm's or torchvision's names) the classifier is replaced and everything "
            .. "trained a little further; without, the network learns from scratch.",
        "scale=smoke: seconds, pictures drawn by the program.",
        weight_decay = "AdamW's: a share of the weights that the rate times it takes away",
        data = "a folder: <class>/*, or train/<class>/* and val/<class>/*; or what else effv2.data.open takes",
        scale = "photos, or seconds on drawn pictures",
    },
}, {
    names = scales, name = recipe.given("scale", "photos", scales), changes = {
        smoke = {
            data = "shapes", model = "efficientnetv2-tiny", epochs = 4, lr = 0.005, warmup_epochs = 1, ema = 0.9,
            image_size = { 16, 24 }, randaugment = { 0, 0 }, eval_size = 24, eval_rule = "whole",
        },
    },
})

effv2.manual_seed(cfg.seed)

local data = recipe.data(cfg, { name = "a folder of 1,000 photos", train = 900, val = 100, classes = 5 })
local model = recipe.model(cfg, data)
local first = model.classifier.weight
first:copy(effv2.zeros(unpack(first:shape()))) -- all classes are as probable at first, whatever the features are

local result = recipe.train(cfg, data, {
    model = model,
    optimizer = effv2.optim.adamw { weight_decay = cfg.weight_decay },
    lr = effv2.lr.cosine { peak = cfg.lr, warmup_epochs = cfg.warmup_epochs },
    schedule = effv2.schedule.progressive {
        stages = cfg.stages, image_size = cfg.image_size, randaugment = cfg.randaugment, mixup = cfg.mixup,
        dropout = cfg.dropout,
    },
    augment = recipe.augment(cfg, model),
    eval_rule = cfg.eval_rule,
})

if result.run then
    local preset = model.config.preset ~= "official" and " preset=" .. model.config.preset or ""
    io.stderr:write(("to use it: effv2 recipes/predict.lua model=%s%s weights=%s/checkpoints/best.safetensors size=%d names=%s "
        .. "PHOTO ...\n"):format(cfg.model, preset, result.run, cfg.eval_size, cfg.data))
end
