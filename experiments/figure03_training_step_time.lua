--- Figure 3 (section 3.3): accuracy against the time of a training step, at fixed sizes.
--
--     effv2 experiments/figure03_training_step_time.lua scale=cifar jobs=2
--
-- Families of networks without progressive learning: EfficientNetV2, EfficientNet at its evaluation size, EfficientNet
-- with images a quarter smaller, ResNet and ResNet-RS. Steps are timed on this machine.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "figure03_training_step_time", title = "Figure 3: accuracy and training step time", section = "3.3",
    asks = "Which family reaches which accuracy at which time of a training step?",
}
local smoke, size = x.cfg.scale == "smoke", x.scale.training.eval_size

local families = {
    { name = "V2", networks = x.networks.v2, size = size }, { name = "V1", networks = x.networks.v1, size = size },
    { name = "V1, smaller images", networks = x.networks.v1, size = math.floor(size * 0.75) },
    { name = "ResNet", networks = x.networks.resnet, size = size },
    { name = "ResNet-RS", networks = x.networks.resnetrs, size = size },
    { name = "NFNet", networks = x.networks.nfnet or {}, size = size },
}

local arms, jobs = {}, {}
for f, family in ipairs(families) do
    for i = 1, smoke and math.min(1, #family.networks) or #family.networks do
        local network = family.networks[i]
        arms[#arms + 1] = {
            name = ("%s at %d px"):format(network.name, family.size), family = f, network = network,
            training = experiment.with_network(network, x:schedule("fixed", { image_size = family.size })),
        }
        jobs[#jobs + 1] = { model = network.model, options = network.options, image = family.size, batch = 32, steps = 10 }
    end
end
local found = x:train(arms)
local times = x:time("speed", jobs)

local rows, series = {}, {}
for f, family in ipairs(families) do
    series[f] = #family.networks > 0 and { name = family.name, points = {} } or nil
end
for i, result in ipairs(found) do
    local ms, family = 1000 * times[i].seconds, arms[i].family
    rows[i] = { result.name, ms, result.top1, experiment.cost(arms[i].network, jobs[i].image, 10).macs / 1e6 }
    table.insert(series[family].points, { ms, result.top1.mean, result.top1.deviation })
end

--- The paper's curves: step time (ms, TPUv3, 32 images a core), top-1.
local PAPER = {
    { name = "V2", points = { { 72, 83.9 }, { 192, 85.1 }, { 440, 85.7 } } },
    { name = "V1", points = { { 247, 83.0 }, { 450, 83.9 }, { 780, 84.3 } } },
    { name = "V1, smaller images", points = { { 100, 83.0 }, { 170, 83.8 }, { 310, 84.6 }, { 470, 84.9 } } },
    { name = "NFNet", points = { { 72, 83.6 }, { 160, 84.7 }, { 300, 85.1 }, { 535, 85.7 } } },
    { name = "LambdaResNet", points = { { 138, 83.0 }, { 470, 84.5 }, { 595, 84.8 } } },
}

--- Rows of a family's results on its upper edge: no other of all is faster and more accurate.
local function on_front()
    local front = {}
    for i, result in ipairs(found) do
        local beaten = false
        for k, other in ipairs(found) do
            beaten = beaten or times[k].seconds < times[i].seconds and other.top1.mean > result.top1.mean
        end
        if not beaten then
            front[#front + 1] = result.name
        end
    end
    return front
end

local COLOURS = {
    V2 = "#c03020", V1 = "#2060b0", ["V1, smaller images"] = "#00a0a0", NFNet = "#208040", ResNet = "#c08000",
    ["ResNet-RS"] = "#606060", LambdaResNet = "#9040a0",
}

--- The same colour for a family in both panels.
local function coloured(list)
    for _, one in ipairs(list) do
        one.colour = COLOURS[one.name]
    end
    return list
end

local drawn = {}
for f = 1, #families do
    drawn[#drawn + 1] = series[f] -- some scales lack a family
end

x:report {
    columns = { "network", { name = "training step (ms)", digits = 1 }, { name = "top-1 (%)", digits = 2 },
        { name = "multiply-adds (M)", digits = 1 } },
    rows = rows,
    notes = {
        "No other network is both faster to train and more accurate than: " .. table.concat(on_front(), "; ") .. ".",
        ("Steps of 32 images with RMSProp, %d threads. The paper's curves (TPUv3) are the second panel; networks and data "
            .. "differ, the order of the families is what compares."):format(effv2.threads()),
    },
    plot = {
        { title = "this machine", x = { label = "training step (ms)", log = true }, y = { label = "top-1 (%)" },
            series = coloured(drawn) },
        { title = "the paper", x = { label = "training step (ms)", log = true }, y = { label = "top-1 (%)" },
            series = coloured(PAPER) },
    },
}
