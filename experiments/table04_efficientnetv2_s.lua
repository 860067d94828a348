--- Table 4 (section 3.3): the architecture of EfficientNetV2-S, stage by stage, against that of this project.
--
--     effv2 experiments/table04_efficientnetv2_s.lua
--
-- A stage that differs from the paper's is marked in the table, and the experiment says how many agree.
local effv2 = require "effv2"
local experiment, models = effv2.experiment, effv2.models

local x = experiment {
    name = "table04_efficientnetv2_s", title = "Table 4: EfficientNetV2-S", section = "3.3", scales = { "smoke", "paper" },
    asks = "Is the network of this project the one of the paper?",
}

-- Operator, stride, channels, layers, as printed; the first version (April 2021) had other last channels.
local PAPER = {
    { "Conv3x3", 2, 24, 1 },
    { "Fused-MBConv1, k3x3", 1, 24, 2 },
    { "Fused-MBConv4, k3x3", 2, 48, 4 },
    { "Fused-MBConv4, k3x3", 2, 64, 4 },
    { "MBConv4, k3x3, SE0.25", 2, 128, 6 },
    { "MBConv6, k3x3, SE0.25", 1, 160, 9 },
    { "MBConv6, k3x3, SE0.25", 2, 256, 15 },
    { "Conv1x1 & Pooling & FC", nil, 1280, 1 },
}
local FIRST_VERSION = { [7] = 272, [8] = 1792 }

local NAME, IMAGE = "efficientnetv2-s", 384

local function operator(stage)
    local name = ("%s%d, k%dx%d"):format(stage.op == "fused" and "Fused-MBConv" or "MBConv", stage.expansion, stage.kernel,
        stage.kernel)
    return stage.se > 0 and ("%s, SE%g"):format(name, stage.se) or name
end

--- The parts of a description as PAPER has them.
local function parts_of(description)
    local stem = description.stem
    local parts = { { ("Conv%dx%d"):format(stem.kernel, stem.kernel), stem.stride, stem.channels, 1 } }
    for i, stage in ipairs(description.stages) do
        parts[i + 1] = { operator(stage), stage.stride, stage.channels, stage.layers }
    end
    table.insert(parts, { "Conv1x1 & Pooling & FC", nil, description.head, 1 })
    return parts
end

--- What is different in two parts, "" where nothing is.
local function difference(ours, theirs)
    local found = {}
    for i, what in ipairs { "operator", "stride", "channels", "layers" } do
        if ours[i] ~= theirs[i] then
            found[#found + 1] = ("%s here %s, paper %s"):format(what, tostring(ours[i]), tostring(theirs[i]))
        end
    end
    return table.concat(found, "; ")
end

local ours, sheet = parts_of(models.describe(NAME)), models.summary(NAME, IMAGE)

--- Parameters and multiply-adds of part i; the last one has the classifier too.
local function cost_of(i)
    local rest = i == #ours and sheet[i + 1] or { parameters = 0, macs = 0 }
    return (sheet[i].parameters + rest.parameters) / 1e6, (sheet[i].macs + rest.macs) / 1e9
end

local rows, agreeing, by_parameters, by_macs, names = {}, 0, {}, {}, {}
for i = 1, math.max(#ours, #PAPER) do
    local part = ours[i] or { "–" }
    local wrong = difference(part, PAPER[i] or {})
    local parameters, macs = cost_of(math.min(i, #ours))
    agreeing = agreeing + (wrong == "" and 1 or 0)
    rows[i] = { i - 1, part[1], part[2], part[3], part[4], wrong == "" and "yes" or "NO: " .. wrong, FIRST_VERSION[i], parameters,
        macs }
    by_parameters[i], by_macs[i], names[i] = { i, parameters }, { i, macs }, tostring(i - 1)
end

local first = models.summary(models.change(NAME, { stages = { [6] = { channels = 272 } }, head = 1792 }), IMAGE)
rows[#rows + 1] = { "all", nil, nil, nil, nil, ("%d of %d"):format(agreeing, #PAPER), nil, sheet.parameters / 1e6,
    sheet.macs / 1e9 }

x:report {
    columns = { "stage", "operator", "stride", "channels", "layers", "as the paper", "channels in its first version",
        { name = "parameters (M)", digits = 3 }, { name = "multiply-adds (G)", digits = 3 } },
    rows = rows,
    notes = {
        ("%d of %d stages are as the paper's final version prints them. Costs are for images of %d pixels and 1000 classes.")
            :format(agreeing, #PAPER, IMAGE),
        ("The paper says 22 M parameters and 8.8 B FLOPs; counted are %.2f M and %.2f G multiply-adds. With the channels of the "
            .. "first version they are %.2f M and %.2f G: there the paper said 24 M and 8.8 B. The 8.8 B of the final version "
            .. "are still those of the first, by a count that is about two per cent above that of multiply-adds alone."):format(
            sheet.parameters / 1e6, sheet.macs / 1e9, first.parameters / 1e6, first.macs / 1e9),
    },
    plot = {
        { title = "parameters", x = { label = "stage", names = names }, y = { label = "millions" },
            series = { { points = by_parameters, style = "points" } } },
        { title = "multiply-adds", x = { label = "stage", names = names }, y = { label = "billions" },
            series = { { points = by_macs, style = "points" } } },
    },
}
