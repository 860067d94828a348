--- Table 1 (section 1): what networks of the time cost to train.
--
--     effv2 experiments/table01_training_cost.lua
--
-- Nothing is trained or timed: parameters, multiply-adds and the memory of a picture in training are counted.
local effv2 = require "effv2"
local experiment = effv2.experiment
local published = experiment.published

local x = experiment {
    name = "table01_training_cost", title = "Table 1: training cost", section = "1", scales = { "smoke", "paper" },
    asks = "How large are the networks that were most accurate, and do the counts of this project agree?",
}

local list = published.find { "EfficientNet-B6", "ResNet-RS-420", "NFNet-F1", "EfficientNetV2-S", "EfficientNetV2-M" }

local rows, points = {}, { paper = {}, counted = {} }
for i, entry in ipairs(list) do
    local cost = published.cost(entry)
    rows[i] = { entry.name, entry.top1, entry.image, entry.parameters, cost.parameters / 1e6, entry.flops, cost.macs / 1e9,
        cost.activations / 1e6 }
    points.paper[i] = { entry.flops, entry.top1, label = entry.name }
    points.counted[i] = { cost.macs / 1e9, entry.top1 }
end

x:report {
    columns = { "network", { name = "paper's top-1 (%)", digits = 1 }, "image (px)", "paper's parameters (M)",
        { name = "parameters (M)", digits = 2 }, "paper's FLOPs (G)", { name = "multiply-adds (G)", digits = 2 },
        { name = "activations (MB a picture)", digits = 0 } },
    rows = rows,
    notes = {
        "Top-1 is the paper's; nothing was trained. Parameters compare directly. Of the EfficientNets and the NFNet the paper's "
            .. "FLOPs are multiply-adds. Of ResNet-RS-420 they are twice the multiply-adds at 320 pixels, so multiplications and "
            .. "additions seem to be counted each; in the unit of the other rows that network costs 64, not 128.",
        "Activations are what convolutions and dense layers write for one picture of the size of the evaluation, in 32 bits: "
            .. "what training at that size keeps for the backward pass. The paper has no such column. EfficientNetV2-S and -M "
            .. "are not in its table 1; they are here to compare.",
    },
    plot = {
        title = x.title, x = { label = "billions of FLOPs, as the paper counts, and of multiply-adds", log = true },
        y = { label = "paper's top-1 (%)" },
        series = {
            { name = "paper", points = points.paper, style = "points" },
            { name = "counted here", points = points.counted, style = "points" },
        },
    },
}
