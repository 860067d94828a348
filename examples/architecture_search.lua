--- Training-aware search, section 3.3 of the paper, in small: operators, kernels, expansions and layers by stage.
--
--     effv2 examples/architecture_search.lua strategy=reinforcement trials=100 epochs=10 train=8000
--
-- Each network is trained shortly on small pictures, its step is timed, and the strategy learns from the reward.
local effv2 = require "effv2"
local search = effv2.search

local cfg = effv2.config {
    strategy = effv2.config.choice("evolution", { "random", "evolution", "reinforcement" }), trials = 6, epochs = 1,
    train = 320, val = 160, image = 24, batch = 32, seed = 0, out = "winner.lua",
}
local data = effv2.data.open("shapes", { train = cfg.train, val = cfg.val })

-- A field that is a list is searched; op, kernel and expansion are the paper's unless they are given.
local space = search.networks.stages {
    stem = { channels = 8 }, head = 32, sizes = { train = 24, eval = 24 },
    stages = { { channels = 8, layers = { 1, 2 } }, { channels = 16, stride = 2, layers = { 1, 2 } } },
}
local strategy = search.strategies[cfg.strategy] { space = space, seed = cfg.seed }
print(space)

--- The accuracy that a network reaches in the proxy's short training.
local function accuracy_of(network)
    effv2.manual_seed(cfg.seed)
    return effv2.train {
        model = effv2.models.create(network), data = data, epochs = cfg.epochs, batch_size = cfg.batch, seed = cfg.seed,
        optimizer = effv2.optim.rmsprop {}, lr = effv2.lr.cosine { peak = 0.01 }, quiet = true,
        schedule = effv2.schedule.fixed { image_size = cfg.image }, run = os.tmpname() .. ".run",
    }.top1
end

local reference -- what S and P are shares of: the first network's
for trial = 1, cfg.trials do
    local architecture = strategy:ask()
    local network = space:stages(architecture)
    network.classes = data.classes
    local seconds, timed = search.step_time(network, { image = cfg.image, batch = cfg.batch, steps = 3, warmup = 1 })
    reference = reference or { step_time = seconds, parameters = timed.parameters }
    local accuracy = accuracy_of(network)
    local reward = search.reward {
        accuracy = accuracy, step_time = seconds, parameters = timed.parameters, reference = reference,
    }
    strategy:tell(architecture, reward)
    print(("%3d  %s  top-1 %.3f  S %.2f  P %.2f  reward %.4f"):format(trial, space:name(architecture), accuracy,
        seconds / reference.step_time, timed.parameters / reference.parameters, reward))
end

local best, reward = strategy:best()
assert(effv2.models.write(cfg.out, space:stages(best), ("%s, reward %.4f"):format(space:name(best), reward)))
print(effv2.models.describe(cfg.out))

-- Made larger as the paper makes S larger: images stop at 480 pixels, late stages get more layers.
local larger = search.scale(cfg.out, { width = 1.4, depth = 1.8, image = 2, max_image = 480, late_layers = 1.5 })
print(effv2.models.summary(larger, larger.sizes.eval))
