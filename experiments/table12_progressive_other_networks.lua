--- Table 12 (section 5.4): progressive learning for other networks, ResNets and EfficientNets.
--
--     effv2 experiments/table12_progressive_other_networks.lua scale=cifar jobs=2
--
-- Each network is trained at its evaluation size throughout, and by progressive learning up to it.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table12_progressive_other_networks", title = "Table 12: progressive learning for other networks", section = "5.4",
    asks = "Does progressive learning train other networks faster and no worse?",
}
local smoke, paper_scale = x.cfg.scale == "smoke", x.cfg.scale == "paper"
local first, last = unpack(x.scale.image_size)

local function pick(family, i, size, paper)
    return { network = x.networks[family][i], size = size, paper = paper }
end

local networks = {
    pick("resnet", 1, paper_scale and 224 or math.floor(last * 0.75), "78.1 → 78.4, -29 % time"),
    pick("resnet", 1, last, "80.0 → 80.3, -59 %"),
    not smoke and pick("resnet", 2, last, "82.4 → 82.9, -54 %") or nil,
    pick("v1", paper_scale and 1 or 2, last, "82.9 → 83.1, -55 %"),
    not smoke and pick("v1", paper_scale and 2 or 3, last, "83.7 → 84.0, -65 %") or nil,
}
local chosen = {}
for i = 1, 5 do
    chosen[#chosen + 1] = networks[i]
end

local arms = {}
for _, one in ipairs(chosen) do
    local base = experiment.with_network(one.network, { eval_size = one.size })
    local name = ("%s (%d)"):format(one.network.name, one.size)
    arms[#arms + 1] = { name = name .. ", fixed size",
        training = experiment.changed(base, x:schedule("fixed", { image_size = one.size })) }
    arms[#arms + 1] = { name = name .. ", progressive",
        training = experiment.changed(base, x:schedule("progressive", { image_size = { first, one.size } })) }
end
local found = x:train(arms)

local rows, claims, all_fixed, all_progressive = {}, {}, {}, {}
local series = { { name = "fixed size", points = {}, style = "points" }, { name = "progressive", points = {}, style = "points" } }
for i, one in ipairs(chosen) do
    local fixed, progressive = found[2 * i - 1], found[2 * i]
    local name = ("%s (%d)"):format(one.network.name, one.size)
    all_fixed[i], all_progressive[i] = fixed, progressive
    rows[i] = { name, fixed.top1, fixed.seconds.mean, progressive.top1, progressive.seconds.mean,
        ("%+.0f %%"):format(100 * (progressive.seconds.mean / fixed.seconds.mean - 1)), one.paper }
    claims[i] = x:claim(name .. ": progressive learning is more accurate", progressive, fixed)
    for k, result in ipairs { fixed, progressive } do
        table.insert(series[k].points, { result.seconds.mean, result.top1.mean, result.top1.deviation,
            label = one.network.name .. " " .. one.size })
    end
end
claims[#claims + 1] = x:claim("In the mean of all of them progressive learning is more accurate (paper: +0.3)", all_progressive,
    all_fixed)

x:report {
    columns = { "network (evaluation size)", { name = "fixed: top-1 (%)", digits = 2 }, { name = "seconds", digits = 0 },
        { name = "progressive: top-1 (%)", digits = 2 }, { name = "seconds", digits = 0 }, "time",
        "paper: top-1, time" },
    rows = rows, claims = claims,
    notes = {
        ("Images from %d pixels up to the evaluation size in %d stages, %d epochs. Seconds are those of a core, of whole "
            .. "trainings with their evaluations. The paper's baselines have each network's own recipe, here both have the same "
            .. "strengths at the end."):format(first, x.scale.stages, x.scale.training.epochs),
    },
    plot = { title = x.title, x = { label = "seconds of training" }, y = { label = "top-1 (%)" }, series = series },
}
