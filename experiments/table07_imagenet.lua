--- Table 7 (section 5.1): the networks of the paper on ImageNet, and their speed on this machine.
--
--     effv2 experiments/table07_imagenet.lua scale=paper
--
-- Parameters and multiply-adds are counted, latencies measured: a batch of 16 pictures, norms folded into convolutions, all
-- threads, the networks by turns. At scale=paper that may take an hour (dry_run=true lists what is timed); networks= takes
-- a part. Top-1 and hours of training are the paper's.
local effv2 = require "effv2"
local experiment = effv2.experiment
local published = experiment.published

local keys = published.timing(effv2.config.given "scale" ~= "paper")
local x = experiment {
    name = "table07_imagenet", title = "Table 7: EfficientNetV2 on ImageNet", section = "5.1", scales = { "smoke", "paper" },
    asks = "How large and how fast are the networks, beside what the paper says?", settings = keys.settings, help = keys.help,
}
local cfg, latencies = x.cfg, published.latencies(x)

--- The latency of V1-B3 stands for 1 in both columns of relative latencies.
local base = published.find { "EfficientNet-B3" }[1]
local function relative(entry)
    return latencies[entry] and latencies[base] and latencies[entry] / latencies[base]
end

local rows = {}
for i, entry in ipairs(published.models) do
    local cost, latency = published.cost(entry) or {}, latencies[entry]
    rows[i] = {
        entry.name, entry.top1, entry.parameters, cost.parameters and cost.parameters / 1e6, entry.flops,
        cost.macs and cost.macs / 1e9, entry.image, entry.latency, latency and 1000 * latency,
        entry.latency and entry.latency / base.latency, relative(entry), entry.hours,
    }
end

local COLOURS = { EfficientNetV2 = "#c03020", EfficientNet = "#2060b0", NFNet = "#208040" }

--- Top-1 against a number of each network, a curve a family; nil where no network has the number.
local function panel(title, value)
    local series = {}
    for _, family in ipairs { "EfficientNetV2", "EfficientNet", "NFNet" } do
        local points = {}
        for _, entry in ipairs(published.family(family)) do
            points[#points + 1] = value(entry) and { value(entry), entry.top1, label = entry.name:match "%-(%w+)" } or nil
        end
        series[#series + 1] = #points > 0 and { name = family, points = points, colour = COLOURS[family] } or nil
    end
    return #series > 0 and {
        title = title, x = { label = "ms", log = true }, y = { label = "paper's top-1 (%)" }, series = series,
    } or nil
end

local panels = { panel("paper's latency (V100, batch 16)", function(entry) return entry.latency end) }
panels[2] = panel(("latency here (batch %d)"):format(cfg.batch), function(entry)
    return latencies[entry] and 1000 * latencies[entry]
end)

x:report {
    columns = {
        "network", { name = "paper's top-1 (%)", digits = 1 }, "paper's parameters (M)", { name = "parameters (M)", digits = 2 },
        "paper's FLOPs (G)", { name = "multiply-adds (G)", digits = 2 }, "image (px)", "paper's latency (ms)",
        { name = "latency here (ms)", digits = 0 }, { name = "paper's latency / B3's", digits = 2 },
        { name = "latency here / B3's", digits = 2 }, "paper's hours of training",
    },
    rows = rows,
    notes = {
        "Top-1 is the paper's throughout: none of these networks was trained on ImageNet here. A dash stands where the paper "
            .. "has no number, where this project has no such network, or where it was not timed. Networks with (21k) differ "
            .. "from those without in their weights only.",
        "Parameters compare directly. The paper's FLOPs are multiply-adds, but for ResNet-RS-420, whose 128 are twice as many.",
        ("Latencies do not compare in milliseconds: the paper's are of a V100 in half precision with a batch of 16, these of %d "
            .. "threads of a %s in 32 bits with a batch of %d%s. What compares is the order and the ratio to EfficientNet-B3. A "
            .. "GPU spends longer on depthwise convolutions than their arithmetic asks for, a CPU less so, which favours "
            .. "EfficientNet-V1 here."):format(effv2.threads(), effv2.info().cpu, cfg.batch,
            cfg.image > 0 and (" and pictures of only %d pixels"):format(cfg.image) or ""),
    },
    plot = panels,
}
