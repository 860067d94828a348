--- Beyond the paper: how sizes and strengths should grow from the first stage to the last, and in how many stages.
--
--     effv2 experiments/study_interpolation.lua scale=cifar jobs=2
--
-- Linear (Algorithm 1), cosine (slow at both ends), one step (two stages), reversed (from large to small), in 1 to 8 stages.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "study_interpolation", title = "The shape of the interpolation and the number of stages", section = "4.2, beyond it",
    asks = "Does it matter how image size and regularisation grow, and in how many stages?",
}

local function arm(shape, stages)
    return { name = ("%s, %d stages"):format(shape, stages), shape = shape, stages = stages,
        training = x:schedule("progressive", { stages = stages, shape = shape ~= "linear" and shape or nil }) }
end

local arms = { { name = "one size throughout", shape = "fixed", stages = 1, training = x:schedule "fixed" } }
local smoke = x.cfg.scale == "smoke"
for _, pair in ipairs(smoke and { { "linear", 2 }, { "cosine", 4 }, { "step", 2 }, { "reversed", 2 } } or {
    { "linear", 2 }, { "linear", 4 }, { "linear", 8 }, { "cosine", 4 }, { "cosine", 8 }, { "step", 4 }, { "reversed", 2 },
    { "reversed", 4 }, { "reversed", 8 },
}) do
    arms[#arms + 1] = arm(unpack(pair))
end

local network = x.networks.v2[2]
local found = x:train(arms, experiment.with_network(network))

local rows, claims, series, by_shape, linear = {}, {}, {}, {}, nil
for i, result in ipairs(found) do
    local shape, stages = arms[i].shape, arms[i].stages
    rows[i] = { result.name, result.top1, result.seconds }
    if not by_shape[shape] then
        by_shape[shape] = { name = shape, points = {} }
        series[#series + 1] = by_shape[shape]
    end
    table.insert(by_shape[shape].points, { stages, result.top1.mean, result.top1.deviation })
    linear = linear or shape == "linear" and stages == x.scale.stages and result or nil
end
for i, result in ipairs(found) do
    if result ~= linear then
        claims[#claims + 1] = x:claim(("Linear growth in %d stages is better than: %s"):format(x.scale.stages, arms[i].name),
            linear, result)
    end
end

x:report {
    columns = { "schedule", { name = "top-1 (%)", digits = 2 }, { name = "seconds", digits = 0 } },
    rows = rows, claims = claims,
    notes = {
        ("%s, %d and %d pixels at the ends, %d epochs, evaluated at %d pixels. A step has the first values in the first half and "
            .. "the last in the second, as linear growth in two stages has: the two differ by rounding at most."):format(
            network.name, x.scale.image_size[1], x.scale.image_size[2], x.scale.training.epochs, x.scale.training.eval_size),
    },
    plot = { title = x.title, x = { label = "stages" }, y = { label = "top-1 (%)" }, series = series },
}
