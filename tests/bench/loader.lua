--- Pictures per second that one loader thread reads, decodes, crops, resizes, augments and normalises.
--
--     effv2 tests/bench/loader.lua data=FOLDER image=128 randaugment=0 workers=1
--
-- FOLDER holds pictures, with or without class folders, or tar archives; of any other data set the training pictures are
-- taken. They are in the page cache after the first epoch, which is not timed. The last line is a JSON object:
-- images_per_s is the median over the timed epochs.
local effv2 = require "effv2"

local cfg = effv2.config {
    data = effv2.config.optional "string", image = 128, randaugment = 0, workers = 1, batch = 32, epochs = 7, scaled = true,
    like = effv2.config.choice("training", { "training", "torchvision" }), cache_mb = 0,
    help = {
        "Times the loader of training.",
        data = "a folder of pictures, with or without class folders, or another data set, such as shards",
        randaugment = "magnitude of RandAugment's two operations; 0: none",
        workers = "threads", epochs = "timed passes over the pictures",
        like = "training: augment.train, which crops and resizes as the paper's released code; torchvision: its crops and its "
            .. "antialiased resize, for comparisons",
        cache_mb = "megabytes of memory for decoded pictures, see effv2.data.open",
        scaled = "decode JPEGs at a fraction of their size where that suffices",
    },
}

if not cfg.data then
    error({ exit_code = 2, message = "loader: data=FOLDER is needed; --help lists the keys" }, 0)
end

local pictures = effv2.data.pictures(cfg.data)
local source = pictures and #pictures > 0 and pictures or effv2.data.training(cfg.data)
if cfg.cache_mb > 0 then
    source = source:cached(cfg.cache_mb)
end
local steps, magnitude = effv2.augment.steps, cfg.randaugment > 0 and cfg.randaugment or nil

local function torchvision()
    local policy = magnitude and steps.randaugment { n = 2, magnitude = magnitude } or nil
    return effv2.augment.pipeline {
        size = cfg.image,
        steps.random_crop { rule = "pil", area = { 0.08, 1 }, fallback = "center", tries = 10 },
        steps.resize { filter = "pil_bilinear", scaled = cfg.scaled },
        steps.flip {},
        policy or steps.normalise(),
        policy and steps.normalise(),
    }
end

local pipeline = cfg.like == "torchvision" and torchvision()
    or effv2.augment.train { size = cfg.image, scaled = cfg.scaled, randaugment = magnitude }

local loader = effv2.data.loader {
    source = source, pipeline = pipeline, batch_size = cfg.batch, workers = cfg.workers, prefetch = 4,
}

local function take()
    local batch = loader:next()
    return batch and batch.count
end

local function time_epoch(epoch)
    local began, count = effv2.clock(), 0
    loader:batches { epoch = epoch }
    for n in effv2.step, take do -- as training takes them: a batch's memory serves the next one
        count = count + n
    end
    return count / (effv2.clock() - began)
end

time_epoch(0)
local rates = {}
for epoch = 1, cfg.epochs do
    rates[epoch] = time_epoch(epoch)
end
loader:close()
table.sort(rates)
print(effv2.json_encode {
    images_per_s = rates[math.ceil(#rates / 2)], slowest = rates[1], fastest = rates[#rates], pictures = source:size(),
    image = cfg.image, randaugment = cfg.randaugment, workers = cfg.workers,
})
