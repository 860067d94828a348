--- Images per second of whole training steps (or of inference) on random images, and the memory they take.
--
--     effv2 tests/bench/train_step.lua model=efficientnetv2-s image=128 batch=16 threads=2 mode=train
--     effv2 tests/bench/train_step.lua data=FOLDER workers=1 image=128   -- on pictures from files instead
--     effv2 tests/bench/train_step.lua threads=2 beside=1                -- every step also with one thread, by turns
--
-- The last line is a JSON object: images_per_s is the median over the steps after the warm-up; gflops the multiply-adds
-- that the model needs (each counts as two; three times forward's for training) over that time, fraction_of_peak its
-- share of what multiply-adds between registers reach in the same process. The peers print the same keys (peers/). speedup is
-- how many times as fast a step is as the one before it with beside= threads (median, least and largest of all steps).
local effv2 = require "effv2"

local cfg = effv2.config {
    model = "efficientnetv2-s", image = 128, batch = 16, steps = 20, warmup = 3, classes = 1000,
    threads = effv2.threads(), mode = effv2.config.choice("train", { "train", "infer" }), profile = false,
    data = effv2.config.optional "string", workers = 1, beside = effv2.config.optional "number",
    help = {
        "Times training or inference steps.",
        model = "a name of effv2.models.list()", steps = "timed steps", warmup = "steps before them",
        data = "a folder of pictures to train on, as augmented for training", workers = "threads that make them",
        profile = "print where the time goes, layer by layer",
        beside = "also time each step with so many threads, just before it",
    },
}

effv2.set_threads(cfg.threads)
effv2.manual_seed(0)

local function training()
    local model = effv2.models.create(cfg.model, { classes = cfg.classes })
    local optimiser = effv2.optim.rmsprop { weight_decay = 1e-5 }:attach(model)
    local labels = effv2.zeros(cfg.batch, { dtype = "int64" })
    return model, function(images, step)
        effv2.seed_step(0, step)
        optimiser:zero_grad()
        effv2.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
        optimiser:step { lr = 1e-3 }
    end
end

local function inference()
    local model = effv2.nn.fold(effv2.models.create(cfg.model, { classes = cfg.classes }):eval())
    collectgarbage()
    return model, function(images)
        effv2.no_grad(model, images)
    end
end

local products = { conv2d = true, expand_depthwise = true, dense = true, matmul = true }

--- Floating-point operations of forward's multiply-adds in one call of step().
local function forward_flops(model, step)
    local session, flops = effv2.profile.start(model), 0
    step(0)
    for _, row in ipairs(session:stop()) do
        flops = flops + (products[row.op] and row.forward.flops or 0)
    end
    return flops
end

local function seconds_of(step, i, threads)
    effv2.set_threads(threads)
    local began = effv2.clock()
    step(i)
    return effv2.clock() - began
end

--- The seconds of each step, rising, and how many times as long the same step took with `beside` threads, rising.
local function time_steps(step)
    local times, ratios = {}, {}
    for i = 1, cfg.steps do
        local other = cfg.beside and seconds_of(step, i, cfg.beside)
        times[i] = seconds_of(step, i, cfg.threads)
        ratios[i] = other and other / times[i]
    end
    table.sort(times)
    table.sort(ratios)
    return times, ratios
end

local start_rss = effv2.memory().rss
local model, work = (cfg.mode == "train" and training or inference)()

--- A function that gives the next batch of images: the same random ones, or those of one picture file after another.
local function image_batches()
    if not cfg.data then
        local images = effv2.randn(cfg.batch, cfg.image, cfg.image, 3)
        return function() return images end
    end
    local loader = effv2.data.loader {
        source = assert(effv2.data.pictures(cfg.data)), pipeline = effv2.augment.train { size = cfg.image },
        batch_size = cfg.batch, workers = cfg.workers, drop_last = true,
    }
    local epoch, next_batch = 0, loader:batches()
    return function()
        local batch = next_batch()
        if not batch then
            epoch = epoch + 1
            next_batch = loader:batches { epoch = epoch }
            batch = next_batch()
        end
        return batch.images
    end
end

local next_images = image_batches()

local function step(i)
    effv2.step(function() work(next_images(), i) end)
end

local flops = forward_flops(model, step) * (cfg.mode == "train" and 3 or 1)
for i = 2, cfg.warmup do
    step(i)
end
local session = cfg.profile and effv2.profile.start(model)
local times, ratios = time_steps(step)
if session then
    print(session:stop(cfg.steps))
end

local peak_rss, middle = effv2.memory().peak_rss, math.ceil(cfg.steps / 2)
local median = times[middle]
local gflops, peak = flops / median / 1e9, effv2.peak_flops() / 1e9
print(effv2.json_encode {
    peer = "effv2", version = effv2._VERSION, layout = "nhwc", dtype = effv2.info().real,
    model = cfg.model, image = cfg.image, batch = cfg.batch, mode = cfg.mode, threads = effv2.threads(),
    images_per_s = cfg.batch / median, fastest = cfg.batch / times[1],
    peak_rss_mb = peak_rss / 1e6, start_rss_mb = start_rss / 1e6,
    speedup = cfg.beside and { ratios[middle], ratios[1], ratios[cfg.steps] },
    isa = effv2.info().isa, gflops = gflops, peak_gflops = peak, fraction_of_peak = gflops / peak,
})
