--- Images per second of whole training steps on random images, and the memory they take.
--
--     effv2 tests/bench/train_step.lua model=efficientnetv2-s image=128 batch=16 steps=20
--
-- The last line is a JSON object; images_per_s is the median over the steps after the warm-up.
local effv2 = require "effv2"

local cfg = effv2.config {
    model = "efficientnetv2-s", image = 128, batch = 16, steps = 20, warmup = 3, classes = 1000,
    mode = effv2.config.choice("train", { "train", "infer" }),
    help = { "Times training or inference steps.", steps = "timed steps", warmup = "steps before them" },
}

effv2.manual_seed(0)
local model = effv2.models.create(cfg.model, { classes = cfg.classes })
local optimiser = effv2.optim.rmsprop { weight_decay = 1e-5 }:attach(model)
local labels = effv2.zeros(cfg.batch, { dtype = "int64" })
local images = effv2.randn(cfg.batch, cfg.image, cfg.image, 3)

local function train_step(step)
    effv2.seed_step(0, step)
    optimiser:zero_grad()
    effv2.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
    optimiser:step { lr = 1e-3 }
end

local folded = cfg.mode == "infer" and effv2.nn.fold(model:eval())

local function infer_step()
    effv2.no_grad(folded, images)
end

local times = {}
for step = 1, cfg.warmup + cfg.steps do
    local began = effv2.clock()
    effv2.step(cfg.mode == "train" and train_step or infer_step, step)
    if step > cfg.warmup then
        times[#times + 1] = effv2.clock() - began
    end
end
table.sort(times)
local median = times[math.ceil(#times / 2)]
print(effv2.json_encode {
    model = cfg.model, image = cfg.image, batch = cfg.batch, mode = cfg.mode, threads = effv2.threads(),
    images_per_s = cfg.batch / median, fastest = cfg.batch / times[1], peak_rss_mb = effv2.memory().peak_rss / 1e6,
    isa = effv2.info().isa,
})
