--- Table 13 (section 5.4): does regularisation that follows the image size help, whichever way the size changes?
--
--     effv2 experiments/table13_adaptive_regularization.lua scale=cifar jobs=2
--
-- Vanilla: the strengths of the last stage at every size. Adaptive: the strengths grow with the size. Progressive: the size
-- grows by stage; random: a new size every eight epochs (at smaller scales as many changes as stages).
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table13_adaptive_regularization", title = "Table 13: adaptive regularisation", section = "5.4",
    asks = "Does regularisation that follows the image size help, whichever way the size changes?",
}
local scale = x.scale

local every = math.min(8, math.max(1, math.floor(scale.training.epochs / scale.stages / 2)))
local arms = {
    { name = "progressive resize, vanilla", paper = "84.3 ± 0.14", training = x:schedule "size_only" },
    { name = "progressive resize, adaptive", paper = "85.1 ± 0.07", training = x:schedule "progressive" },
    { name = "random resize, vanilla", paper = "83.5 ± 0.11",
        training = x:schedule("random_resize", { every_epochs = every }) },
    { name = "random resize, adaptive", paper = "84.2 ± 0.10",
        training = x:schedule("random_resize", { every_epochs = every, adaptive = true }) },
}
local network = x.networks.v2[2]
local found = x:train(arms, experiment.with_network(network))

local rows, points, names = {}, {}, {}
for i, result in ipairs(found) do
    rows[i] = { result.name, result.top1, result.seconds, result.arm.paper }
    points[i], names[i] = { i, result.top1.mean, result.top1.deviation }, result.name
end

x:report {
    columns = { "schedule", { name = "top-1 (%)", digits = 2 }, { name = "seconds", digits = 0 }, "paper's top-1 (%)" },
    rows = rows,
    claims = {
        x:claim("Adaptive regularisation helps progressive resizing (paper: +0.8)", found[2], found[1]),
        x:claim("Adaptive regularisation helps random resizing (paper: +0.7)", found[4], found[3]),
        x:claim("It helps in the mean of both (paper: +0.75)", { found[2], found[4] }, { found[1], found[3] }),
        x:claim("Progressive resizing is better than random, both adaptive (paper: +0.9)", found[2], found[4]),
    },
    notes = {
        ("%s, %d to %d pixels, %d epochs. The paper does not name its network (the numbers are those of V2-M), which trains at "
            .. "128 to 380 pixels for 350 epochs: signs compare, sizes of differences do not."):format(network.name,
            scale.image_size[1], scale.image_size[2], scale.training.epochs),
    },
    plot = {
        title = x.title, x = { names = names }, y = { label = "top-1 (%)" },
        series = { { points = points, style = "points" } },
    },
}
