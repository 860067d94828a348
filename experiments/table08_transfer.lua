--- Tables 8 and 9 (section 5.3): transfer to smaller data sets.
--
--     effv2 experiments/table08_transfer.lua scale=cifar jobs=2
--
-- The paper transfers from ImageNet to CIFAR-10, CIFAR-100, Flowers and Cars. Here a small network learns the first half of
-- a data set's classes and is then fine-tuned on a few pictures of the other half, beside the same network that begins with
-- random weights and has as many updates. scale=paper trains nothing: it prints table 8 and the commands that measure it.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "table08_transfer", title = "Tables 8 and 9: transfer learning", section = "5.3",
    asks = "Does a network that learned one task learn another one better?",
}

-- Model, parameters (M), ImageNet's top-1, then means and deviations of five runs: CIFAR-10, CIFAR-100, Flowers, Cars.
local TABLE8 = {
    { "GPipe", 556, 84.4, 99.0, 91.3, 98.8, 94.7 },
    { "EfficientNet-B7", 66, 84.7, 98.9, 91.7, 98.8, 94.7, model = "efficientnet-b7" },
    { "ViT-B/32", 88, 73.4, 97.8, 86.3, 85.4 },
    { "ViT-B/16", 87, 74.9, 98.1, 87.1, 89.5 },
    { "ViT-L/32", 306, 71.2, 97.9, 87.1, 86.4 },
    { "ViT-L/16", 306, 76.5, 97.9, 86.4, 89.7 },
    { "DeiT-B (ViT+regularization)", 86, 81.8, 99.1, 90.8, 98.4, 92.1 },
    { "DeiT-B-384 (ViT+regularization)", 86, 83.1, 99.1, 90.8, 98.5, 93.3 },
    { "EfficientNetV2-S", 24, 83.2, { 98.7, 0.04 }, { 91.5, 0.11 }, { 97.9, 0.13 }, { 93.8, 0.11 }, model = "efficientnetv2-s" },
    { "EfficientNetV2-M", 55, 85.1, { 99.0, 0.08 }, { 92.2, 0.08 }, { 98.5, 0.08 }, { 94.6, 0.10 }, model = "efficientnetv2-m" },
    { "EfficientNetV2-L", 121, 85.7, { 99.1, 0.03 }, { 92.3, 0.13 }, { 98.8, 0.05 }, { 95.1, 0.10 }, model = "efficientnetv2-l" },
}

-- Pictures to train on, pictures to judge by, classes; and the folder that recipes/transfer.lua is given.
local TABLE9 = {
    { "CIFAR-10", 50000, 10000, 10, folder = "cifar-10-batches-bin" },
    { "CIFAR-100", 50000, 10000, 100, folder = "cifar-100-binary" },
    { "Flowers", 2040, 6149, 102, folder = "flowers-102" },
    { "Cars", 8144, 8041, 196, folder = "stanford-cars" },
}

--- Table 8 as rows of a report.
local function table8_rows()
    local rows = {}
    for i, given in ipairs(TABLE8) do
        rows[i] = {}
        for k = 1, 7 do
            local value = given[k]
            rows[i][k] = type(value) == "table" and { mean = value[1], deviation = value[2] } or value
        end
    end
    return rows
end

local TABLE8_COLUMNS = { "paper's network", "parameters (M)", "ImageNet top-1 (%)", { name = "CIFAR-10", digits = 2 },
    { name = "CIFAR-100", digits = 2 }, { name = "Flowers", digits = 2 }, { name = "Cars", digits = 2 } }

--- Table 9 as a further table of a report, with what the folders on this machine hold where there are any.
local function table9()
    local home = os.getenv "EFFV2_DATA" or (os.getenv "HOME" or "") .. "/.cache/effv2-data"
    local rows = {}
    for i, set in ipairs(TABLE9) do
        local there, opened = pcall(effv2.data.open, ("%s/%s"):format(home, set.folder))
        local found = there and ("%d, %d, %d"):format(opened.train:size(), opened.val:size(), opened.classes) or nil
        rows[i] = { set[1], set[2], set[3], set[4], found }
    end
    return {
        name = "table9", title = "Table 9, the data sets", rows = rows,
        columns = { "data set", "paper's pictures to train on", "to judge by", "classes", "of the folder on this machine" },
    }
end

-- ---- scale=paper ------------------------------------------------------------------------------------

local function print_commands()
    local commands = {}
    for _, row in ipairs(TABLE8) do
        for _, set in ipairs(row.model and TABLE9 or {}) do
            commands[#commands + 1] = ("effv2 recipes/transfer.lua model=%s weights=%s.safetensors data=%s"):format(row.model,
                row.model, set.folder)
        end
    end
    local series = {}
    for k, set in ipairs(TABLE9) do
        local points = {}
        for _, row in ipairs(TABLE8) do
            local value = row[3 + k]
            points[#points + 1] = value and { row[3], type(value) == "table" and value[1] or value } or nil
        end
        series[k] = { name = set[1], points = points, style = "points" }
    end
    x:report {
        columns = TABLE8_COLUMNS, rows = table8_rows(),
        notes = {
            "All numbers are the paper's: nothing was trained. (It has 83.2 for V2-S on ImageNet here and 83.9 in its table 7, "
                .. "and the numbers of parameters of its first version.) Weights of ImageNet are those of "
                .. "recipes/imagenet_progressive.lua or published ones (layout=timm or torchvision). The paper's mean and "
                .. "deviation are of five runs, seed=0 to seed=4:",
            "```sh\n" .. table.concat(commands, "\n") .. "\n```",
        },
        more = { table9() },
        plot = { title = x.title, x = { label = "ImageNet top-1 (%)" }, y = { label = "top-1 (%)" }, series = series },
    }
end

-- ---- smaller scales ---------------------------------------------------------------------------------

-- By scale: the classes of the first task and of the second, counted from 0, pictures of each class of the second to train
-- on, and pictures of an update; what is different in the first task's training.
local TASKS = {
    smoke = { first = { 0, 4 }, second = { 5, 9 }, per_class = 4, batch_size = 8 },
    cifar = {
        first = { 0, 4 }, second = { 5, 9 }, per_class = 50, batch_size = 25,
        pretraining = { data = { train = 10000 }, epochs = 30 },
    },
    flowers = { first = { 0, 2 }, second = { 3, 4 }, per_class = 50, batch_size = 20 },
}

--- The training on the first task, all of its settings.
local function first_training(network, task)
    local settings = x:base(experiment.changed(experiment.with_network(network, x:schedule "progressive"), {
        data = { classes = task.first }, eval_every = x.scale.training.epochs,
    }))
    return experiment.changed(settings, task.pretraining)
end

--- The training on the second task at a rate, from random weights or, with `before`, from those of another training.
local function second_training(network, task, rate, before)
    return experiment.with_network(network, {
        data = { classes = task.second, per_class = task.per_class }, batch_size = task.batch_size, pretrained = before,
        eval_every = x.scale.training.epochs, lr = { peak = rate },
        schedule = { kind = "fixed", image_size = x.scale.image_size[2], dropout = 0 },
    })
end

local function transfer()
    local task, network, rate = TASKS[x.cfg.scale], x.networks.v2[2], x.scale.training.lr.peak
    local before = first_training(network, task)
    local low = rate / 5
    local found = x:train {
        { name = ("from scratch, rate %g"):format(rate), training = second_training(network, task, rate) },
        { name = ("from scratch, rate %g"):format(low), training = second_training(network, task, low) },
        { name = ("fine-tuned, rate %g"):format(low), training = second_training(network, task, low, before) },
    }
    local scratch = found[1].top1.mean >= found[2].top1.mean and found[1] or found[2]
    local rows, points, names = {}, {}, {}
    for i, result in ipairs(found) do
        local pretraining = result.runs[1].pretraining or {}
        rows[i] = { result.name, result.top1, result.seconds, pretraining.top1 and 100 * pretraining.top1, pretraining.seconds }
        points[i], names[i] = { i, result.top1.mean, result.top1.deviation }, result.name
    end
    local epochs, classes = x.scale.training.epochs, task.second[2] - task.second[1] + 1
    local updates = epochs * math.floor(classes * task.per_class / task.batch_size)
    x:report {
        columns = { "training", { name = "top-1 (%)", digits = 2 }, { name = "seconds", digits = 0 },
            { name = "top-1 of the first task (%)", digits = 2 }, { name = "seconds of the first task", digits = 0 } },
        rows = rows,
        claims = {
            x:claim("Weights of another task help (against the better of the two rates from scratch)", found[3], scratch),
        },
        notes = {
            ("%s learns classes %d to %d, and then, with a new classifier, classes %d to %d from %d pictures of each in %d "
                .. "updates, without RandAugment, Mixup and dropout. From scratch it has the same pictures and as many updates, "
                .. "at the rate of fine-tuning and at that of the other experiments. The first task's columns are those of "
                .. "seed 0."):format(network.name, task.first[1] + 1, task.first[2] + 1, task.second[1] + 1,
                task.second[2] + 1, task.per_class, updates),
            "The paper has no row from scratch; its networks learned 1.28 million pictures of 1000 classes before. What compares "
                .. "is only that transfer helps, not how much. Both tasks are halves of one data set, which makes transfer "
                .. "easier than the paper's. The classifier keeps the outputs of all classes, of which only those of the "
                .. "second task occur. Nothing of table 8 was measured here.",
        },
        more = {
            { name = "table8", title = "Table 8 of the paper, top-1 (%)", columns = TABLE8_COLUMNS, rows = table8_rows() },
            table9(),
        },
        plot = {
            title = x.title, x = { names = names }, y = { label = "top-1 (%)" },
            series = { { points = points, style = "points" } },
        },
    }
end

if x.cfg.scale == "paper" then
    print_commands()
else
    transfer()
end
