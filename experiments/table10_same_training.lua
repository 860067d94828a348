--- Table 10 (section 5.4): EfficientNet and EfficientNetV2 with the same training.
--
--     effv2 experiments/table10_same_training.lua scale=cifar jobs=2
--
-- At the smaller scales two small networks of nearly the same multiply-adds are trained with the same progressive schedule.
-- scale=paper trains nothing: V1-B7 and V2-M are counted, and timed at the sizes of the schedule's stages.
local effv2 = require "effv2"
local experiment = effv2.experiment
local published = experiment.published

local x = experiment {
    name = "table10_same_training", title = "Table 10: the same training", section = "5.4",
    asks = "Is EfficientNetV2 better than EfficientNet because of its architecture, or only because of how it is trained?",
    settings = { batch = 4, steps = 3, rounds = 3, image_size = { 128, 212, 296, 380 } },
    help = {
        batch = "scale=paper: pictures of a timed step", steps = "scale=paper: timed steps in a round",
        rounds = "scale=paper: how often each network has its turn",
        image_size = "scale=paper: sizes of the timed steps, those of the stages of table 6",
    },
}

local function percent_less(of, than)
    return ("%+.0f %%"):format(100 * (of / than - 1))
end

-- ---- scale=paper ------------------------------------------------------------------------------------

--- Seconds a picture of a training step, the mean over the stages, and seconds of a batch to infer, of each network.
local function measure(list)
    local cfg, steps, latencies = x.cfg, {}, {}
    for _, entry in ipairs(list) do
        for _, size in ipairs(cfg.image_size) do
            steps[#steps + 1] = { model = entry.model, image = size, batch = cfg.batch, steps = cfg.steps, warmup = 1 }
        end
        latencies[#latencies + 1] = { model = entry.model, image = entry.image, batch = cfg.batch, steps = cfg.steps, warmup = 1,
            mode = "infer" }
    end
    x:plan_times("steps", steps)
    local times, inference, found = x:time("steps", steps, cfg.rounds), x:time("latency", latencies, cfg.rounds), {}
    for i in ipairs(list) do
        local sum = 0
        for k = 1, #cfg.image_size do
            sum = sum + times[(i - 1) * #cfg.image_size + k].seconds / cfg.batch
        end
        found[i] = { step = sum / #cfg.image_size, latency = inference[i].seconds / cfg.batch }
    end
    return found
end

--- Table 10 with what is counted and measured; the paper's top-1 and hours are of the progressive recipe for both.
local function count_and_time()
    local list = published.find { "EfficientNet-B7", "EfficientNetV2-M" }
    local paper = { { top1 = 85.0, hours = 54 }, { top1 = 85.1, hours = 13 } }
    local found, rows, cost = measure(list), {}, {}
    for i, entry in ipairs(list) do
        cost[i] = published.cost(entry)
        rows[i] = {
            entry.name, paper[i].top1, entry.parameters, cost[i].parameters / 1e6, entry.flops, cost[i].macs / 1e9,
            paper[i].hours, 1000 * found[i].step, entry.latency, 1000 * found[i].latency,
        }
    end
    rows[3] = {
        "V2-M against V1-B7", ("%+.1f"):format(paper[2].top1 - paper[1].top1),
        percent_less(list[2].parameters, list[1].parameters), percent_less(cost[2].parameters, cost[1].parameters),
        percent_less(list[2].flops, list[1].flops), percent_less(cost[2].macs, cost[1].macs),
        percent_less(paper[2].hours, paper[1].hours), percent_less(found[2].step, found[1].step),
        percent_less(list[2].latency, list[1].latency), percent_less(found[2].latency, found[1].latency),
    }
    x:report {
        columns = {
            "network", { name = "paper's top-1 (%)", digits = 1 }, "paper's parameters (M)",
            { name = "parameters (M)", digits = 2 }, "paper's FLOPs (G)", { name = "multiply-adds (G)", digits = 2 },
            "paper's hours of training", { name = "training step here (ms a picture)", digits = 0 }, "paper's latency (ms)",
            { name = "inference here (ms a picture)", digits = 0 },
        },
        rows = rows,
        notes = {
            "Top-1 and hours are the paper's, of the same progressive training; nothing was trained here. Parameters and "
                .. "multiply-adds compare directly; times compare as ratios only (the last row).",
            ("A training step here is the mean over image sizes of %s pixels, with batches of %d on %d threads of a %s; the "
                .. "paper's hours are of 32 cores of TPU v3, its latency of a batch of 16 on a V100."):format(
                table.concat(x.cfg.image_size, ", "), x.cfg.batch, effv2.threads(), effv2.info().cpu),
        },
        plot = {
            title = x.title, x = { label = "hours of training (32 cores of TPU v3)" }, y = { label = "paper's top-1 (%)" },
            series = {
                { name = "the same training", style = "points", points = {
                    { paper[1].hours, paper[1].top1, label = list[1].name },
                    { paper[2].hours, paper[2].top1, label = list[2].name },
                } },
                { name = "EfficientNet-B7 as published", style = "points", points = { { list[1].hours, list[1].top1 } } },
            },
        },
    }
end

-- ---- smaller scales ---------------------------------------------------------------------------------

local function train_both()
    local networks = { x.networks.v1[2], x.networks.v2[2] } -- 10.7 and 10.2 M multiply-adds at 32 pixels
    local arms, rows, series = {}, {}, {}
    for i, network in ipairs(networks) do
        arms[i] = { name = network.name, network = network, paper = i == 1 and "V1-B7: 85.0, 54 h" or "V2-M: 85.1, 13 h",
            training = experiment.with_network(network, x:schedule "progressive") }
    end
    local found = x:train(arms)
    for i, result in ipairs(found) do
        local macs = experiment.cost(networks[i], x.scale.training.eval_size, 10).macs
        rows[i] = { result.name, result.parameters / 1e6, macs / 1e6, result.top1, result.seconds, result.arm.paper }
        series[i] = { name = result.name, points = { { result.seconds.mean, result.top1.mean, result.top1.deviation } },
            style = "points" }
    end
    x:report {
        columns = {
            "network", { name = "parameters (M)", digits = 2 }, { name = "multiply-adds (M)", digits = 1 },
            { name = "top-1 (%)", digits = 2 }, { name = "seconds of training", digits = 0 }, "paper's top-1 (%) and hours",
        },
        rows = rows,
        claims = { x:claim("With the same training V2 is at least as accurate as V1 (paper: +0.1)", found[2], found[1]) },
        notes = {
            ("Both networks are trained with the same progressive schedule (%d to %d pixels in %d stages, %d epochs). They are "
                .. "small ones of the two families with nearly the same multiply-adds, where the paper's V2-M has 37 %% fewer "
                .. "than V1-B7: the sign of the difference and which trains sooner compare, the numbers do not."):format(
                x.scale.image_size[1], x.scale.image_size[2], x.scale.stages, x.scale.training.epochs),
        },
        plot = { title = x.title, x = { label = "seconds of training" }, y = { label = "top-1 (%)" }, series = series },
    }
end

if x.cfg.scale == "paper" then
    count_and_time()
else
    train_both()
end
