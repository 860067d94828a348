--- Table 11 (section 5.3): small models without progressive learning, EfficientNetV2 against EfficientNet.
--
--     effv2 experiments/table11_scaled_down.lua scale=cifar jobs=2
--
-- Pairs of small networks are trained alike, at one size; the speed of inference is measured of them and, but for
-- scale=smoke, of the paper's own pairs.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table11_scaled_down", title = "Table 11: scaled down, without progressive learning", section = "5.3",
    asks = "Are small V2 models as accurate as V1 models, and faster?",
}
local smoke, size = x.cfg.scale == "smoke", x.scale.training.eval_size

local arms, jobs = {}, {}
for i = 1, smoke and 2 or 4 do
    for _, family in ipairs { "v1", "v2" } do
        local network = x.networks[family][i]
        arms[#arms + 1] = { name = network.name, network = network, training = experiment.with_network(network) }
        jobs[#jobs + 1] = {
            model = network.model, options = network.options, image = size, batch = 128, steps = 10, mode = "infer",
        }
    end
end
local found = x:train(arms, x:schedule "fixed")
local times = x:time("inference", jobs)

local rows, claims, families, series = {}, {}, { {}, {} }, { { name = "V1", points = {} }, { name = "V2", points = {} } }
for i, result in ipairs(found) do
    local cost = experiment.cost(arms[i].network, size, 10)
    local second = i % 2 == 0
    rows[i] = { result.name, result.top1, cost.parameters / 1e6, cost.macs / 1e6, times[i].images_per_s,
        second and ("%.2fx"):format(times[i].images_per_s / times[i - 1].images_per_s) or nil }
    table.insert(families[second and 2 or 1], result)
    table.insert(series[second and 2 or 1].points, { times[i].images_per_s, result.top1.mean, result.top1.deviation })
    if second then
        local first = found[i - 1]
        claims[#claims + 1] = x:claim(("%s is more accurate than %s"):format(result.name, first.name), result, first)
    end
end
claims[#claims + 1] = x:claim("In the mean of the pairs V2 is more accurate (paper: -0.3)", families[2], families[1])

-- Name in the paper's table, ours, top-1, parameters (M), FLOPs (G), V100 img/s.
local PAPER = {
    { "EfficientNet-B1", "efficientnet-b1", 79.0, 7.8, 0.7, 2675 }, { "V2-B0", "efficientnetv2-b0", 78.7, 7.4, 0.7, 5739 },
    { "EfficientNet-B2", "efficientnet-b2", 79.8, 9.1, 1.0, 2003 }, { "V2-B1", "efficientnetv2-b1", 79.8, 8.1, 1.2, 3983 },
    { "EfficientNet-B4", "efficientnet-b4", 82.9, 19, 4.2, 628 }, { "V2-B3", "efficientnetv2-b3", 82.1, 14, 3.0, 1693 },
    { "EfficientNet-B5", "efficientnet-b5", 83.7, 30, 9.9, 291 }, { "V2-S", "efficientnetv2-s", 83.6, 24, 8.8, 901 },
}
local more = {}
if not smoke then
    local list = {}
    for i, row in ipairs(PAPER) do
        list[i] = { model = row[2], image = effv2.models.describe(row[2]).sizes.eval, batch = 16, steps = 5, mode = "infer" }
    end
    local found_times = x:time("inference-paper", list)
    more[1] = { name = "paper", rows = {}, title = "The paper's models at their evaluation sizes: inference on this machine "
        .. "(batch 16), and the paper's figures", columns = { "model", "pixels", { name = "parameters (M)", digits = 1 }, "paper",
            { name = "multiply-adds (G)", digits = 2 }, "paper's FLOPs (G)", { name = "img/s", digits = 1 }, "V2 / V1",
            "paper: V100 (img/s)", "paper: V2 / V1", "paper: top-1 (%)" } }
    for i, row in ipairs(PAPER) do
        local cost, second = experiment.cost({ model = row[2] }, list[i].image, 1000), i % 2 == 0
        local speed = found_times[i].images_per_s
        more[1].rows[i] = { row[1], list[i].image, cost.parameters / 1e6, row[4], cost.macs / 1e9, row[5], speed,
            second and ("%.2fx"):format(speed / found_times[i - 1].images_per_s) or nil, row[6],
            second and ("%.1fx"):format(row[6] / PAPER[i - 1][6]) or nil, row[3] }
    end
end

x:report {
    columns = { "network", { name = "top-1 (%)", digits = 2 }, { name = "parameters (M)", digits = 2 },
        { name = "multiply-adds (M)", digits = 1 }, { name = "inference (img/s)", digits = 0 }, "V2 / V1" },
    rows = rows, claims = claims, more = more,
    notes = {
        ("All trained alike for %d epochs at %d pixels. The pairs of small networks have similar places in their families, not "
            .. "the same accuracy, as the paper's have: speed and accuracy are to be read together."):format(
            x.scale.training.epochs, size),
    },
    plot = { title = x.title, x = { label = "inference (img/s)", log = true }, y = { label = "top-1 (%)" }, series = series },
}
