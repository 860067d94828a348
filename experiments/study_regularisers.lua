--- Beyond the paper: which regulariser carries the gain of adaptive regularisation?
--
--     effv2 experiments/study_regularisers.lua scale=cifar jobs=2
--
-- Progressive resizing with each of dropout, RandAugment, Mixup and drop-path alone, growing with the image size or at its
-- last strength throughout; with none of them; and with all.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "study_regularisers", title = "Which regulariser carries the gain", section = "5.4, beyond it",
    asks = "Which of dropout, RandAugment, Mixup and drop-path helps, adaptive or fixed?",
}

local NAMES = { "dropout", "randaugment", "mixup", "drop_path" }
local RANGES = { dropout = x.scale.dropout, randaugment = x.scale.randaugment, mixup = x.scale.mixup, drop_path = { 0, 0.1 } }

--- A training by stages with these regularisers alone.
local function arm(name, regularisers, adaptive)
    local schedule = { kind = "progressive", image_size = x.scale.image_size, stages = x.scale.stages }
    for _, regulariser in ipairs(NAMES) do
        schedule[regulariser] = { 0, 0 }
    end
    for _, regulariser in ipairs(regularisers) do
        local range = RANGES[regulariser]
        schedule[regulariser] = adaptive and range or { range[2], range[2] }
    end
    return { name = name, training = { schedule = schedule } }
end

local arms = { arm("none", {}, false) }
for _, regulariser in ipairs(NAMES) do
    local name = regulariser:gsub("_", "-")
    arms[#arms + 1] = arm(name .. ", adaptive", { regulariser }, true)
    arms[#arms + 1] = arm(name .. ", fixed", { regulariser }, false)
end
arms[#arms + 1] = arm("all, adaptive", NAMES, true)
arms[#arms + 1] = arm("all, fixed", NAMES, false)

local network = x.networks.v2[2]
local found = x:train(arms, experiment.with_network(network))

local none, rows, claims, names, all_adaptive, all_fixed = found[1], {}, {}, {}, {}, {}
local series = { { name = "adaptive", points = {}, style = "points" }, { name = "fixed", points = {}, style = "points" },
    { name = "none", points = { { 1, none.top1.mean, none.top1.deviation } }, style = "points" } }
rows[1], names[1] = { "none", none.top1, nil }, "none"
for i = 2, #found, 2 do
    local adaptive, fixed = found[i], found[i + 1]
    local name, place = adaptive.name:match "^(.*), ", #rows + 1
    all_adaptive[#all_adaptive + 1], all_fixed[#all_fixed + 1] = adaptive, fixed
    rows[place], names[place] = { name, adaptive.top1, fixed.top1 }, name
    table.insert(series[1].points, { place - 0.08, adaptive.top1.mean, adaptive.top1.deviation })
    table.insert(series[2].points, { place + 0.08, fixed.top1.mean, fixed.top1.deviation })
    claims[#claims + 1] = x:claim(("Adaptive %s is better than none"):format(name), adaptive, none)
    claims[#claims + 1] = x:claim(("Adaptive %s is better than fixed"):format(name), adaptive, fixed)
end
claims[#claims + 1] = x:claim("In the mean of all rows adaptive is better than fixed", all_adaptive, all_fixed)

x:report {
    columns = { "regulariser", { name = "adaptive: top-1 (%)", digits = 2 }, { name = "fixed: top-1 (%)", digits = 2 } },
    rows = rows, claims = claims,
    notes = {
        ("%s, %d to %d pixels in %d stages, %d epochs; at the end dropout %g, RandAugment %g, Mixup %g, drop-path %g."):format(
            network.name, x.scale.image_size[1], x.scale.image_size[2], x.scale.stages, x.scale.training.epochs,
            RANGES.dropout[2], RANGES.randaugment[2], RANGES.mixup[2], RANGES.drop_path[2]),
    },
    plot = { title = x.title, x = { names = names }, y = { label = "top-1 (%)" }, series = series },
}
