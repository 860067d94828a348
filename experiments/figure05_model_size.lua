--- Figure 5 (section 5.1): top-1 against parameters, FLOPs and latency.
--
--     effv2 experiments/figure05_model_size.lua scale=paper
--
-- Curves are the paper's numbers; what this project counts and measures of EfficientNet and EfficientNetV2 is beside them. The
-- latencies are those of table07_imagenet, measured once for both.
local effv2 = require "effv2"
local experiment = effv2.experiment
local published = experiment.published

local keys = published.timing(effv2.config.given "scale" ~= "paper")
local x = experiment {
    name = "figure05_model_size", title = "Figure 5: size, FLOPs and latency", section = "5.1", scales = { "smoke", "paper" },
    asks = "How accurate are the networks for their parameters, their arithmetic, their time?",
    settings = keys.settings, help = keys.help,
}
local cfg, latencies = x.cfg, published.latencies(x)

local FAMILIES = { "EfficientNetV2 (21k)", "EfficientNetV2", "EfficientNet", "NFNet", "ResNeSt", "RegNetY", "ResNet-RS", "DeiT",
    "ViT", "ViT (21k)" }

--- The measures of a network: by the paper and here.
local MEASURES = {
    { name = "parameters (M)", paper = "parameters",
        here = function(entry) return entry.model and published.cost(entry).parameters / 1e6 end },
    { name = "FLOPs (G), here multiply-adds", paper = "flops",
        here = function(entry) return entry.model and published.cost(entry).macs / 1e9 end },
    { name = ("latency of a batch (ms); here of %d"):format(cfg.batch), paper = "latency",
        here = function(entry) return latencies[entry] and 1000 * latencies[entry] end },
}

--- A family's points of a measure; nil where there are none.
local function series(family, name, value, style)
    local points = {}
    for _, entry in ipairs(published.family(family)) do
        local at = value(entry)
        points[#points + 1] = at and { at, entry.top1 } or nil
    end
    return #points > 0 and { name = name, points = points, style = style } or nil
end

local panels = {}
for i, measure in ipairs(MEASURES) do
    local list = {}
    for _, family in ipairs(FAMILIES) do
        list[#list + 1] = series(family, family, function(entry) return entry[measure.paper] end)
    end
    for _, family in ipairs { "EfficientNetV2", "EfficientNet" } do
        list[#list + 1] = series(family, family .. ", here", measure.here, "points")
    end
    panels[i] = { x = { label = measure.name, log = true }, y = { label = "paper's top-1 (%)" }, series = list }
end

local rows = {}
for _, family in ipairs(FAMILIES) do
    for _, entry in ipairs(published.family(family)) do
        local row = { entry.family, entry.name, entry.top1 }
        for i, measure in ipairs(MEASURES) do
            row[2 + 2 * i], row[3 + 2 * i] = entry[measure.paper], measure.here(entry) or nil
        end
        rows[#rows + 1] = row
    end
end

x:report {
    columns = {
        "family", "network", { name = "paper's top-1 (%)", digits = 1 }, "paper's parameters (M)",
        { name = "parameters (M)", digits = 2 }, "paper's FLOPs (G)", { name = "multiply-adds (G)", digits = 2 },
        "paper's latency (ms)", { name = "latency here (ms)", digits = 0 },
    },
    rows = rows,
    notes = {
        "Top-1 is the paper's throughout: nothing was trained. Parameters and multiply-adds compare with the paper's, but for "
            .. "ResNet-RS, whose FLOPs are twice the multiply-adds.",
        ("Latencies here are of %d threads of a %s in 32 bits, batch %d%s; the paper's of a V100 in half precision, batch 16: "
            .. "the order and the shape of the curves compare, milliseconds do not."):format(effv2.threads(), effv2.info().cpu,
            cfg.batch, cfg.image > 0 and (", pictures of only %d pixels"):format(cfg.image) or ""),
    },
    plot = panels,
}
