--- Figure 1 (section 1): top-1 against the time of training.
--
--     effv2 experiments/figure01_training_efficiency.lua scale=cifar jobs=2
--
-- Small networks of both families are trained progressively; the paper's points, in days of TPU v3, are a panel beside them.
local effv2 = require "effv2"
local experiment = effv2.experiment
local published = experiment.published

local x = experiment {
    name = "figure01_training_efficiency", title = "Figure 1: training efficiency", section = "1",
    asks = "How accurate does a network become for the time that it is trained?",
}
local scale = x.scale

local RUNGS = x.cfg.scale == "smoke" and 1 or 3 -- the smallest of each family

local arms, family_of = {}, {}
for _, family in ipairs { "v2", "v1" } do
    for rung = 1, RUNGS do
        local network = x.networks[family][rung]
        arms[#arms + 1] = { name = network.name, training = experiment.with_network(network, x:schedule "progressive") }
        family_of[#arms] = family
    end
end
local found = x:train(arms)

local rows, points = {}, { v1 = {}, v2 = {} }
for i, result in ipairs(found) do
    rows[i] = { result.name, result.parameters / 1e6, result.top1, result.seconds }
    table.insert(points[family_of[i]], { result.seconds.mean, result.top1.mean, result.top1.deviation })
end

local paper = { title = "paper (ImageNet)", x = { label = "days of 32 cores of TPU v3", log = true }, y = { label = "top-1 (%)" },
    series = {} }
for i, family in ipairs { "EfficientNetV2", "EfficientNet", "EfficientNetV2 (21k)", "NFNet" } do
    local list = {}
    for _, entry in ipairs(published.family(family)) do
        list[#list + 1] = entry.hours and { entry.hours / 24, entry.top1, label = entry.name:match "%-(%w+)" } or nil
        if entry.hours then
            rows[#rows + 1] = { entry.name .. " (paper)", entry.parameters, entry.top1, nil, entry.hours }
        end
    end
    paper.series[i] = { name = family, points = list }
end

x:report {
    columns = { "network", { name = "parameters (M)", digits = 2 }, { name = "top-1 (%)", digits = 2 },
        { name = "seconds of training", digits = 0 }, "paper's hours of training" },
    rows = rows,
    claims = {
        x:claim(("The largest V2 network is more accurate than the largest V1 one (%s, %s)"):format(found[RUNGS].name,
            found[2 * RUNGS].name), found[RUNGS], found[2 * RUNGS]),
    },
    notes = {
        ("The small networks train progressively, both families alike (%d to %d pixels in %d stages, %d epochs); seconds are "
            .. "those of a core of this machine. In the paper's figure EfficientNet trains "
            .. "at its full size throughout, so its distance there is that of architecture and schedule together; here it is "
            .. "that of the architecture alone."):format(scale.image_size[1], scale.image_size[2], scale.stages,
            scale.training.epochs),
        "The paper's points are its table 7, a day being 24 hours of 32 cores. Neither top-1 nor times compare with those here, "
            .. "but the order of the families at the same time does.",
    },
    plot = {
        { title = "here", x = { label = "seconds of training", log = true }, y = { label = "top-1 (%)" },
            series = { { name = "V2", points = points.v2 }, { name = "V1", points = points.v1 } } },
        paper,
    },
}
