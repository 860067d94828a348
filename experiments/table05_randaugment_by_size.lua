--- Table 5 (section 4.1): which strength of RandAugment is best at which image size?
--
--     effv2 experiments/table05_randaugment_by_size.lua scale=cifar jobs=2
--
-- A network is trained at one of three sizes with one of three magnitudes, and evaluated at the size it was trained at.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table05_randaugment_by_size", title = "Table 5: RandAugment by image size", section = "4.1",
    asks = "Do larger images want stronger augmentation?",
}

local GRIDS = {
    smoke = { sizes = { 8, 12, 16 }, magnitudes = { 2, 6, 10 } },
    cifar = { sizes = { 16, 24, 32 }, magnitudes = { 2, 6, 10 } },
    flowers = { sizes = { 48, 72, 96 }, magnitudes = { 2, 6, 10 } },
    paper = { sizes = { 128, 192, 300 }, magnitudes = { 5, 10, 15 } },
}
local PAPER = { { "78.3 ± 0.16", "81.2 ± 0.06", "82.5 ± 0.05" }, { "78.0 ± 0.08", "81.6 ± 0.08", "82.7 ± 0.08" },
    { "77.7 ± 0.15", "81.5 ± 0.05", "83.2 ± 0.09" } }
local grid = GRIDS[x.cfg.scale]

local arms = {}
for _, magnitude in ipairs(grid.magnitudes) do
    for _, size in ipairs(grid.sizes) do
        local changes = x:schedule("fixed", { image_size = size, randaugment = magnitude })
        changes.eval_size = size
        arms[#arms + 1] = { name = ("magnitude %d, %d px"):format(magnitude, size), training = changes }
    end
end

local network = x.networks.v2[2]
local found = x:train(arms, experiment.with_network(network))

local function at(m, s)
    return found[(m - 1) * #grid.sizes + s]
end

local columns, rows, series = { "magnitude" }, {}, {}
for _, size in ipairs(grid.sizes) do
    columns[#columns + 1] = { name = ("%d px, top-1 (%%)"):format(size), digits = 2 }
end
for s, size in ipairs { 128, 192, 300 } do
    columns[#columns + 1] = ("paper, %d px"):format(size)
    series[s] = { name = ("%d px"):format(grid.sizes[s]), points = {} }
end
for m, magnitude in ipairs(grid.magnitudes) do
    rows[m] = { magnitude }
    for s = 1, 3 do
        local top1 = at(m, s).top1
        rows[m][1 + s], rows[m][4 + s] = top1, PAPER[m][s]
        series[s].points[m] = { magnitude, top1.mean, top1.deviation }
    end
end

x:report {
    columns = columns, rows = rows,
    claims = {
        x:claim("The smallest images want the weakest augmentation, not the strongest (paper: +0.6)", at(1, 1), at(3, 1)),
        x:claim("The largest images want the strongest augmentation, not the weakest (paper: +0.7)", at(3, 3), at(1, 3)),
        x:claim("Both together: the largest with the strongest and the smallest with the weakest are better than the other way "
            .. "round (paper: +0.65)", { at(3, 3), at(1, 1) }, { at(1, 3), at(3, 1) }),
    },
    notes = {
        ("%s, %d epochs. Magnitudes are those of RandAugment, %d operation(s) a picture. The paper's rows are its magnitudes 5, "
            .. "10 and 15 with two operations, of a network out of its search space."):format(network.name,
            x.scale.training.epochs, x.scale.training.augment.operations),
    },
    plot = { title = x.title, x = { label = "RandAugment magnitude" }, y = { label = "top-1 (%)" }, series = series },
}
