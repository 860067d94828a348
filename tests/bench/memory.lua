--- Whether memory stays flat: many training steps at changing image sizes, resident memory watched.
--
--     effv2 tests/bench/memory.lua model=efficientnetv2-s steps=2000 batch=2
--
-- The step is the one of train_step.lua. The sizes take turns; each is compared with its own second turn (in the first
-- round the system's allocator finds its size). The last line is a JSON object: resident memory at the end of the second
-- and of the last turn of the last size, the largest growth of any size, and `flat`: whether the bytes of tensors in use
-- were the same after every step.
local effv2 = require "effv2"

local cfg = effv2.config {
    model = "efficientnetv2-tiny", sizes = { 32, 48, 64, 40 }, batch = 4, steps = 2000, steps_per_size = 25, classes = 10,
    help = {
        "Watches the memory of training steps.",
        sizes = "image sizes that take turns", steps_per_size = "steps before the size changes",
    },
}

effv2.manual_seed(0)
local model = effv2.models.create(cfg.model, { classes = cfg.classes })
local optimiser = effv2.optim.rmsprop { weight_decay = 1e-5 }:attach(model)
local labels = effv2.zeros(cfg.batch, { dtype = "int64" })

local function train_step(step, size)
    effv2.seed_step(0, step)
    optimiser:zero_grad()
    local images = effv2.randn(cfg.batch, size, size, 3)
    effv2.cross_entropy(model(images), labels, { label_smoothing = 0.1 }):backward()
    optimiser:step { lr = 1e-3 }
end

local first, last, growth, live, flat = {}, {}, 0, nil, true
local size

for step = 1, cfg.steps do
    local turn = math.floor((step - 1) / cfg.steps_per_size) % #cfg.sizes + 1
    if cfg.sizes[turn] ~= size then
        size = cfg.sizes[turn]
        effv2.memory_trim()
    end
    effv2.step(train_step, step, size)
    local now = effv2.memory()
    live = live or now.live
    flat = flat and now.live == live
    if step % cfg.steps_per_size == 0 and step > #cfg.sizes * cfg.steps_per_size then
        first[turn], last[turn] = first[turn] or now.rss, now.rss
        growth = math.max(growth, now.rss - first[turn])
    end
end

local n = #cfg.sizes
if not first[n] then
    error(("steps=%d: two turns of each size take %d steps"):format(cfg.steps, 2 * n * cfg.steps_per_size), 0)
end
print(effv2.json_encode {
    model = cfg.model, sizes = cfg.sizes, batch = cfg.batch, steps = cfg.steps, threads = effv2.threads(), flat = flat,
    first_rss_mb = first[n] / 1e6, last_rss_mb = last[n] / 1e6, growth_mb = growth / 1e6, live_mb = live / 1e6,
    peak_rss_mb = effv2.memory().peak_rss / 1e6,
})
