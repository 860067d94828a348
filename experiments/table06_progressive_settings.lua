--- Table 6 (section 5.1): sizes and strengths of progressive learning, and what they are at each of the four stages.
--
--     effv2 experiments/table06_progressive_settings.lua
--
-- By the paper (Algorithm 1) and by the released code, which differ. The printed table is compared with effv2.recipe.table6,
-- from which the recipes are made.
local effv2 = require "effv2"
local experiment, recipe = effv2.experiment, effv2.recipe

local x = experiment {
    name = "table06_progressive_settings", title = "Table 6: progressive training settings", section = "5.1",
    scales = { "smoke", "paper" }, asks = "Which image sizes and strengths does each stage train with?",
}

local STAGES, EPOCHS = 4, 350

-- As printed: the smallest and the largest value.
local PAPER = {
    s = { image_size = { 128, 300 }, randaugment = { 5, 15 }, mixup = { 0, 0 }, dropout = { 0.1, 0.3 } },
    m = { image_size = { 128, 380 }, randaugment = { 5, 20 }, mixup = { 0, 0.2 }, dropout = { 0.1, 0.4 } },
    l = { image_size = { 128, 380 }, randaugment = { 5, 25 }, mixup = { 0, 0.5 }, dropout = { 0.1, 0.5 } },
}

local SETTINGS = { { "image_size", "image size" }, { "randaugment", "RandAugment" }, { "mixup", "Mixup alpha" },
    { "cutmix", "CutMix alpha" }, { "dropout", "dropout rate" } }

local function plan(size, rule)
    local row = recipe.table6("efficientnetv2-" .. size, rule)
    return effv2.schedule.progressive(experiment.changed({ stages = STAGES, rule = rule }, row)):plan()
end

--- The values of a setting at the stages.
local function values(stages, key)
    local list = {}
    for i, part in ipairs(stages) do
        list[i] = part.settings[key]
    end
    return list
end

local function text(list)
    local words = {}
    for i, value in ipairs(list) do
        words[i] = ("%.4g"):format(value)
    end
    return table.concat(words, ", ")
end

--- Whether the stages go from the first to the last value as printed.
local function agrees(printed, list)
    if not printed then
        return nil
    end
    return printed[1] == list[1] and printed[2] == list[#list] and "yes" or "NO"
end

local function curve(list)
    local points = {}
    for i, value in ipairs(list) do
        points[i] = { (i - 1) * EPOCHS / STAGES, value }
    end
    points[#points + 1] = { EPOCHS, list[#list] }
    return points
end

local rows, panels, all_agree = {}, {}, true
for _, size in ipairs { "s", "m", "l" } do
    local by_paper, by_code = plan(size, "paper"), plan(size, "official")
    local panel = {
        title = "V2-" .. size:upper(), x = { label = "epoch", min = 0, max = EPOCHS }, y = { label = "image size (px)" },
        series = {},
    }
    for _, setting in ipairs(SETTINGS) do
        local key, name = unpack(setting)
        local printed, here = PAPER[size][key], values(by_paper, key)
        local same = agrees(printed, here)
        all_agree = all_agree and same ~= "NO"
        rows[#rows + 1] = { "V2-" .. size:upper(), name, printed and text(printed), text(here), same, text(values(by_code, key)) }
    end
    panel.series[1] = { name = "Algorithm 1", points = curve(values(by_paper, "image_size")), style = "steps" }
    panel.series[2] = { name = "released code", points = curve(values(by_code, "image_size")), style = "steps" }
    panels[#panels + 1] = panel
end

x:report {
    columns = { "network", "setting", "paper: first, last", "rule=paper: stages 1 to 4", "as the paper",
        "rule=official: stages 1 to 4" },
    rows = rows,
    notes = {
        ("%s printed pair is what the recipes begin and end with. A stage is a quarter of %d epochs, %g of them."):format(
            all_agree and "Every" or "NOT every", EPOCHS, EPOCHS / STAGES),
        "The released code differs: it never trains at the first size (stage i of M has i / M of the way to the last), its "
            .. "largest sizes, RandAugment magnitudes and dropout rates are others, its dropout stays the same, and where there "
            .. "is Mixup half of the batch has CutMix instead, which the paper does not mention. The first version of the paper "
            .. "printed 0.4 as L's largest Mixup alpha.",
    },
    plot = panels,
}
