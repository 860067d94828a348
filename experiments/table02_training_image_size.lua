--- Table 2 (section 3.1): training with smaller images than one evaluates with.
--
--     effv2 experiments/table02_training_image_size.lua scale=cifar jobs=2
--
-- An EfficientNet is trained at the size of its evaluation, and at one that is a quarter smaller; the speed of training steps
-- and their memory is measured at two batch sizes, of that network and, but for scale=smoke, of the paper's B6.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table02_training_image_size", title = "Table 2: training image size", section = "3.1",
    asks = "Are smaller training images faster and no worse?",
}
local smoke = x.cfg.scale == "smoke"

local SIZES = { smoke = { 16, 12 }, cifar = { 32, 24 }, flowers = { 96, 72 }, paper = { 512, 380 } }
local sizes = SIZES[x.cfg.scale]
local network = x.networks.v1[3]

local arms = {}
for i, size in ipairs(sizes) do
    arms[i] = { name = ("%d px"):format(size), training = x:schedule("fixed", { image_size = size }) }
end
local found = x:train(arms, experiment.with_network(network))

--- Times of training steps at both sizes and both batches: by size, by batch.
local function measured(what, model, options, image_sizes, batches, steps)
    local list = {}
    for _, size in ipairs(image_sizes) do
        for _, batch in ipairs(batches) do
            list[#list + 1] = { model = model, options = options, image = size, batch = batch, steps = steps, warmup = 1 }
        end
    end
    local times = x:time(what, list)
    return { { times[1], times[2] }, { times[3], times[4] } }
end

local small = measured("speed", network.model, network.options, sizes, { 16, 64 }, 20)
local rows = {}
for i, result in ipairs(found) do
    rows[i] = { result.name, result.top1, result.seconds, small[i][1].images_per_s, small[i][2].images_per_s,
        small[i][2].peak_rss / 1e6 }
end

local PAPER = { { "512 px", "84.3", "42", "out of memory" }, { "380 px", "84.6", "76", "93" } }
local more = {}
if not smoke then
    local b6 = measured("speed-b6", "efficientnet-b6", nil, { 512, 380 }, { 2, 8 }, 3)
    local extra = { name = "b6", title = "EfficientNet-B6 on this machine, and the paper's figures (TPUv3)", rows = {},
        columns = { "train size", { name = "batch 2 (img/s)", digits = 2 }, { name = "batch 8 (img/s)", digits = 2 },
            { name = "memory, batch 8 (MB)", digits = 0 }, "paper: top-1 (%)", "paper: batch 32 (img/s/core)",
            "paper: batch 128" } }
    for i, row in ipairs(PAPER) do
        extra.rows[i] = { row[1], b6[i][1].images_per_s, b6[i][2].images_per_s, b6[i][2].peak_rss / 1e6, row[2], row[3],
            row[4] }
    end
    more[1] = extra
end

local faster = small[2][2].images_per_s / small[1][2].images_per_s
x:report {
    columns = { "train size", { name = "top-1 (%)", digits = 2 }, { name = "seconds of training", digits = 0 },
        { name = "batch 16 (img/s)", digits = 0 }, { name = "batch 64 (img/s)", digits = 0 },
        { name = "memory, batch 64 (MB)", digits = 0 } },
    rows = rows, more = more,
    claims = {
        x:claim(("Training at %d px is better than at %d px, evaluated at %d px (paper: +0.3)"):format(sizes[2], sizes[1],
            x.scale.training.eval_size), found[2], found[1]),
    },
    notes = {
        ("%s, %d epochs. Training steps at %d px are %.2f times as fast (paper: 93 / 42 = 2.2, of which 1.8 from the size "
            .. "alone; the rest is the larger batch that then fits, which a CPU does not need)."):format(network.name,
            x.scale.training.epochs, sizes[2], faster),
    },
    plot = {
        title = x.title, x = { label = "training image size (pixels)" }, y = { label = "top-1 (%)" },
        series = { { name = network.name, points = {
            { sizes[2], found[2].top1.mean, found[2].top1.deviation }, { sizes[1], found[1].top1.mean, found[1].top1.deviation },
        } } },
    },
}
