--- How well the time of a training step is predicted from what a network costs: random networks of the space around a
-- base are timed, each in a process of its own, and a linear model is fitted to them.
--
--     effv2 --threads 1 experiments/step_time.lua base=efficientnetv2-tiny image=32 networks=40
--
-- The error is that on networks which were left out of the fit. The last line is a JSON object, whose `predictor`
-- effv2.search.restore_step_time takes.
local effv2 = require "effv2"
local search = effv2.search

local cfg = effv2.config {
    base = "efficientnetv2-tiny", layers = { 0, 1 }, image = 32, batch = 16, classes = 10, networks = 40, steps = 8,
    warmup = 2, seed = 0, clock = effv2.config.choice("wall", { "wall", "processor" }),
    help = {
        "Fits a predictor of step times to random networks around a base.",
        base = "a name of effv2.models.list(), or a file", layers = "differences from the base's layers",
        networks = "how many are timed", steps = "timed steps of each", warmup = "steps before them",
        clock = "processor: time that was computed, for machines with other work; with --threads 1",
    },
}

local space, rng = search.networks.around(cfg.base, { layers = cfg.layers }), search.random(cfg.seed)
local samples, names = {}, {}
for i = 1, cfg.networks do
    local architecture = space:random(rng)
    local network = space:stages(architecture)
    network.classes = cfg.classes
    local seconds = search.step_time(network, {
        image = cfg.image, batch = cfg.batch, steps = cfg.steps, warmup = cfg.warmup, clock = cfg.clock,
    })
    names[i] = space:name(architecture)
    samples[i] = { model = network, seconds = seconds }
    io.stderr:write(("%d/%d  %s  %.1f ms\n"):format(i, cfg.networks, names[i], 1000 * samples[i].seconds))
end

local predictor = search.fit_step_time(samples, { image = cfg.image, classes = cfg.classes })
for i, sample in ipairs(samples) do
    print(("%-40s  %8.1f ms  fitted %8.1f ms"):format(names[i], 1000 * sample.seconds, 1000 * predictor:predict(sample.model)))
end
print(predictor)
print(effv2.json_encode {
    base = cfg.base, batch = cfg.batch, clock = cfg.clock, threads = effv2.threads(), cpu = effv2.info().cpu,
    mean_error = predictor.error.mean, worst_error = predictor.error.worst, predictor = predictor:state(),
})
