--- The search of section 3.3, in small: random search, reinforcement learning (PPO) and regularised evolution look for the
-- network of the highest reward in a space of 1536 small ones, and the best is compared with one made by hand.
--
--     effv2 experiments/search_strategies.lua scale=cifar jobs=2
--
-- Accuracy is that of a proxy, ten epochs on small pictures, judged on training pictures that were held out. A network is
-- trained once: the same settings give the same bits, so its record stands for it in every search. A search is a function
-- of its seed and of what it was told, so a command that was killed goes on by asking and telling again from the records.
local effv2 = require "effv2"
local experiment, report, search = effv2.experiment, effv2.report, effv2.search
local searches = require "effv2.experiment.searches"

local x = experiment {
    name = "search_strategies", title = "The search: random, reinforcement learning, evolution", section = "3.3",
    asks = "Which strategy finds the network of the highest reward, and is it better than one made by hand?",
    scales = { "smoke", "cifar", "flowers" }, settings = { trials = effv2.config.optional "number" },
    help = {
        trials = "of each search (60; at scale=smoke 4)",
        seeds = "how many seeds each search is run with, and each of the two networks that are compared at the end",
    },
}

--- By scale: how many trials a search has, how many it asks for at once, how many rewards are an update of reinforcement
-- learning and evolution's population; how many networks are timed, and how; a proxy's changes of the scale's training.
local settings = ({
    smoke = {
        trials = 4, round = 2, batch = 2, timed = 12, steps = 1, warmup = 0, rounds = 1,
        proxy = { data = { minival = 16 }, eval_size = 8 },
    },
    cifar = {
        trials = 60, round = 5, batch = 10, timed = 40, steps = 8, warmup = 2, rounds = 3,
        proxy = {
            data = { train = 4000, minival = 5000 }, eval_size = 24, epochs = 10, eval_every = 10, ema = 0.98,
            lr = { warmup_epochs = 1 },
        },
    },
    flowers = {
        trials = 60, round = 5, batch = 10, timed = 40, steps = 8, warmup = 2, rounds = 3,
        proxy = {
            data = { minival = 600 }, eval_size = 48, epochs = 10, eval_every = 10, ema = 0.98, lr = { warmup_epochs = 1 },
        },
    },
})[x.cfg.scale]
settings.proxy.schedule = { kind = "fixed", image_size = settings.proxy.eval_size }
local trial_count = x.cfg.trials or settings.trials
if trial_count < 1 or trial_count ~= math.floor(trial_count) then
    error({ exit_code = 2, message = ("trials is %g, wanted a whole number from 1"):format(trial_count) }, 0)
end

--- Channels, stem and head of the small V2 ladder's second rung; what section 3.3 searches, by stage.
local space = search.networks.stages {
    stem = { channels = 8, stride = x.cfg.scale == "flowers" and 2 or 1 }, head = 256, sizes = { train = 32, eval = 32 },
    stages = {
        { channels = 8, layers = 1, op = "fused", kernel = 3, expansion = 1 },
        { channels = 16, stride = 2, layers = { 1, 2 }, op = { "fused", "mb" }, kernel = 3, expansion = 4 },
        { channels = 32, stride = 2, layers = { 1, 2 }, op = { "fused", "mb" }, kernel = { 3, 5 }, expansion = { 4, 6 } },
        { channels = 48, stride = 2, layers = { 1, 2, 3 }, op = { "fused", "mb" }, kernel = { 3, 5 }, expansion = { 4, 6 } },
    },
}
local CLASSES = 10 -- of networks that are timed: it hardly matters

local STRATEGIES = {
    { name = "random", make = search.strategies.random, settings = {} },
    {
        name = "reinforcement", make = search.strategies.reinforcement,
        settings = { batch = settings.batch, lr = 0.02, entropy = 0.05 },
    },
    { name = "evolution", make = search.strategies.evolution, settings = { population = settings.batch, tournament = 4 } },
}

-- ---- the searches, and what they ask for -------------------------------------------------------------

local contest = searches.new { space = space, strategies = STRATEGIES, seeds = x.cfg.seeds }

--- The trainings of architectures.
local function arms_of(architectures)
    local arms = {}
    for i, architecture in ipairs(architectures) do
        local network = { model = space:stages(architecture), options = { bn_momentum = 0.9 } }
        arms[i] = { name = space:name(architecture), training = experiment.with_network(network) }
    end
    return arms
end

if x.cfg.dry_run then
    local first = arms_of((contest:distinct(contest:ask(math.min(settings.round, trial_count)))))
    print(space)
    print "trainings: at most, since a network is trained once for all searches; done: of those that are asked for first"
    print(effv2.json_encode {
        dry_run = true, experiment = x.name, scale = x.cfg.scale, trainings = (#STRATEGIES * trial_count + 2) * x.cfg.seeds,
        done = x:done(first, settings.proxy, 1),
    })
    os.exit(0)
end

-- ---- S, the time of a training step -----------------------------------------------------------------

local reference = x.networks.v1[2] -- the backbone without Fused-MBConv, as large as the larger networks of the space

--- The networks to be timed: the reference, then random ones of the space.
local function timing_jobs()
    local rng, list = search.random(99), { reference.model }
    for i = 1, settings.timed do
        list[i + 1] = space:stages(space:random(rng))
    end
    for i, model in ipairs(list) do
        list[i] = {
            model = experiment.changed(model, { classes = CLASSES }), image = x.scale.training.eval_size, batch = 16,
            steps = settings.steps, warmup = settings.warmup, clock = "processor", threads = 1,
        }
    end
    return list
end

--- { predictor = its state, reference = seconds, fastest = seconds of the random networks, cpu = }: measured once. The
-- file stays with the results, so that the same records give the same rewards anywhere.
local function step_times()
    local jobs = timing_jobs()
    return x:keep("step-time", jobs, function()
        io.stderr:write(("timing %d networks\n"):format(#jobs))
        local found, samples, fastest = effv2.speed.compare(jobs, settings.rounds), {}, math.huge
        for i = 2, #jobs do
            samples[i - 1] = { model = jobs[i].model, seconds = found[i].seconds }
            fastest = math.min(fastest, found[i].seconds)
        end
        local predictor = search.fit_step_time(samples, { image = jobs[1].image, classes = CLASSES })
        return { predictor = predictor:state(), reference = found[1].seconds, fastest = fastest, cpu = effv2.info().cpu }
    end)
end

local times = step_times()
local predictor = search.restore_step_time(times.predictor)

--- S of a network; no less than half of the least that was measured, where a line through few points could go below 0.
local function share_of_time(model)
    return math.max(predictor:predict(model), times.fastest / 2) / times.reference
end

-- ---- searching --------------------------------------------------------------------------------------

local reference_parameters = experiment.cost(reference, x.scale.training.eval_size, CLASSES).parameters

--- What a trained network was worth.
local function judge(architecture, result)
    local trial = {
        architecture = architecture, name = space:name(architecture), accuracy = result.runs[1].top1,
        S = share_of_time(space:stages(architecture)), P = result.parameters / reference_parameters,
    }
    trial.reward = search.reward { accuracy = trial.accuracy, step_time = trial.S, parameters = trial.P }
    return trial
end

contest:run(trial_count, settings.round, function(architectures)
    return x:train(arms_of(architectures), settings.proxy, 1)
end, judge)

-- ---- what they found --------------------------------------------------------------------------------

local function rewards_of(trials, first)
    local list = {}
    for i = first or 1, #trials do
        list[#list + 1] = 100 * trials[i].reward
    end
    return list
end

local function median_reward(trials)
    local list = rewards_of(trials)
    table.sort(list)
    return effv2.speed.median(list)
end

local function mean_reward_of_last(trials)
    return experiment.spread(rewards_of(trials, math.floor(#trials * 2 / 3) + 1)).mean
end

local function best_reward(trials, count)
    return 100 * searches.best_trial(trials, count).reward
end

local function write_trials()
    local rows = {}
    for _, one in ipairs(contest.list) do
        for i, t in ipairs(one.trials) do
            rows[#rows + 1] = { one.kind, one.seed, i, t.name, t.accuracy, t.S, t.P, t.reward }
        end
    end
    local shown = report.table {
        columns = { "strategy", "seed", "trial", "network", "accuracy", "S", "P", "reward" }, rows = rows,
    }
    local path = ("%s/%s-trials.csv"):format(x.folder, x.cfg.scale)
    assert(effv2.write_file(path, shown:csv()))
end

write_trials()
local median, bests, rows, series = contest:over_seeds("random", median_reward), {}, {}, {}
for i, kind in ipairs(STRATEGIES) do
    local best, points = contest:best(kind.name), {}
    for trial = 1, trial_count do
        local so_far = contest:over_seeds(kind.name, function(trials) return best_reward(trials, trial) end)
        points[trial] = { trial, so_far.top1.mean }
    end
    bests[kind.name] = contest:over_seeds(kind.name, best_reward)
    rows[i] = {
        kind.name, bests[kind.name].top1, contest:over_seeds(kind.name, mean_reward_of_last).top1, best.name, 100 * best.accuracy,
        best.S, best.P,
    }
    series[i] = { name = kind.name, style = "steps", points = points }
end
rows[#rows + 1] = { "median random network", median.top1 }
series[#series + 1] = {
    name = "median random network", style = "lines", points = { { 1, median.top1.mean }, { trial_count, median.top1.mean } },
}

-- ---- the winner, beside a network made by hand -------------------------------------------------------

local winner = contest:best()
local winner_path = ("%s/%s-winner.lua"):format(x.folder, x.cfg.scale)
assert(effv2.models.write(winner_path, space:stages(winner.architecture),
    ("%s, reward %.4f"):format(winner.name, winner.reward)))
local larger = search.scale(winner_path, { width = 1.5, depth = 2, image = 1.5, late_layers = 1.5 })
larger.classes = CLASSES

--- The network of the small V2 ladder whose step takes about as long.
local function made_by_hand()
    local best, least = nil, math.huge
    for _, network in ipairs(x.networks.v2) do
        local distance = math.abs(math.log(share_of_time(network.model) / winner.S))
        if distance < least then
            best, least = network, distance
        end
    end
    return best
end

local by_hand = made_by_hand()
local networks = {
    { name = "the winner", model = space:stages(winner.architecture), options = by_hand.options }, by_hand,
}
local arms = {}
for i, network in ipairs(networks) do
    arms[i] = { name = network.name, network = network, training = experiment.with_network(network) }
end
local found = x:train(arms, x:schedule "progressive")

local compared = {}
for i, result in ipairs(found) do
    local cost = experiment.cost(networks[i], x.scale.training.eval_size, CLASSES)
    compared[i] = { result.name, result.top1, share_of_time(networks[i].model), cost.parameters / 1e6, cost.macs / 1e6 }
end
local comparison = {
    name = "compared", title = ("The winner and %s, trained for %d epochs as the scale has it, judged on the test "
        .. "pictures"):format(by_hand.name, x.scale.training.epochs),
    columns = {
        "network", { name = "top-1 (%)", digits = 2 }, { name = "S", digits = 2 }, { name = "parameters (M)", digits = 3 },
        { name = "multiply-adds (M)", digits = 1 },
    },
    rows = compared,
}

-- ---- the report -------------------------------------------------------------------------------------

local claims = {}
for i, kind in ipairs(STRATEGIES) do
    claims[i] = x:claim(("The best of %s is better than the median random network"):format(kind.name), bests[kind.name], median,
        "hundredths of the reward")
end
for _, pair in ipairs { { "reinforcement", "random" }, { "evolution", "random" }, { "evolution", "reinforcement" } } do
    claims[#claims + 1] = x:claim(("The best of %s is better than that of %s"):format(pair[1], pair[2]), bests[pair[1]],
        bests[pair[2]], "hundredths of the reward")
end
claims[#claims + 1] = x:claim(("The winner is more accurate than %s, whose step takes about as long"):format(by_hand.name),
    found[1], found[2])

local function in_code(text)
    return ("```\n%s\n```"):format(text)
end

local proxy = settings.proxy
x:report {
    columns = {
        "strategy", { name = "best reward (x 100)", digits = 2 }, { name = "mean of the last third (x 100)", digits = 2 },
        "best network of all seeds", { name = "top-1 (%)", digits = 2 }, { name = "S", digits = 2 }, { name = "P", digits = 2 },
    },
    rows = rows, claims = claims, more = { comparison },
    notes = {
        ("%d trials of each search, %d at a time; %d different networks were trained, once each (seed 0), for %d epochs at %d "
            .. "pixels, and judged on %d training pictures that were held out. The best of many is in part the luckiest; the "
            .. "comparison above trains anew, longer, and judges on the test pictures. With the same seed evolution begins with "
            .. "the networks of random search. The paper gives no rewards to compare with. Every trial is in "
            .. "%s-trials.csv."):format(trial_count, settings.round, contest:count_networks(),
            proxy.epochs or x.scale.training.epochs, proxy.eval_size, proxy.data.minival, x.cfg.scale),
        ("The reward is accuracy * S^-0.07 * P^-0.05, S and P as shares of %s (%.1f ms for 16 images of %d pixels on one core, "
            .. "%d parameters). S is predicted by a linear model, fitted to %d random networks of the space that were timed on "
            .. "%s; on networks left out of the fit it errs by %.1f %% in the mean, %.1f %% at worst."):format(reference.name,
            1000 * times.reference, predictor.image, reference_parameters, predictor.samples, times.cpu,
            100 * predictor.error.mean, 100 * predictor.error.worst),
        in_code(tostring(space)),
        ("The winner, %s, is in %s-winner.lua. Made larger, it is `search.scale(winner, { width = 1.5, depth = 2, image = 1.5, "
            .. "late_layers = 1.5 })`:"):format(winner.name, x.cfg.scale),
        in_code(tostring(effv2.models.summary(larger, larger.sizes.eval))),
    },
    plot = {
        title = x.title, x = { label = "trial" }, y = { label = "best reward so far (x 100)" }, series = series,
    },
}
