--- The scales of experiments: on which data, how long, and with which settings networks are trained.
--
-- smoke    seconds, on pictures drawn by the program: only shows that everything runs
-- cifar    the first 2,500 training images of CIFAR-10, judged by all 10,000 test images: minutes a training. With more
--          images the small networks do not overfit in that time, and regularisation only costs accuracy: with 10,000 and 30
--          epochs small V2-2 reaches 75.8 % without any and 68.9 % with RandAugment 6, Mixup 0.2 and dropout 0.2; with
--          2,500 and 80 epochs 53.5 % without any and 56.8 % with the strengths below
-- flowers  a folder of photos of flowers: minutes a training
-- paper    ImageNet with the paper's settings: weeks
local scales = {}

--- In the order in which reports and --help list them.
scales.names = { "smoke", "cifar", "flowers", "paper" }

scales.smoke = {
    data = { kind = "shapes", train = 48, val = 32 },
    training = {
        epochs = 2, batch_size = 16, eval_size = 16, eval_rule = "whole", eval_every = 1, ema = 0.5, label_smoothing = 0.1,
        optimizer = { rule = "sgd", momentum = 0.9, nesterov = true, weight_decay = 5e-4 },
        lr = { curve = "cosine", peak = 0.02, warmup_epochs = 1 },
        augment = { crop = "pad", operations = 1, dialect = "relative" },
    },
    image_size = { 8, 16 }, randaugment = { 2, 6 }, mixup = { 0, 0.2 }, dropout = { 0, 0.2 }, stages = 2, seeds = 1,
}

scales.cifar = {
    data = { kind = "cifar10", folder = "cifar-10-batches-bin", train = 2500 },
    training = {
        epochs = 80, batch_size = 64, eval_size = 32, eval_rule = "whole", eval_every = 40, ema = 0.998, label_smoothing = 0.1,
        optimizer = { rule = "sgd", momentum = 0.9, nesterov = true, weight_decay = 5e-4 },
        lr = { curve = "cosine", peak = 0.05, warmup_epochs = 2 },
        augment = { crop = "pad", operations = 1, dialect = "relative" },
    },
    image_size = { 16, 32 }, randaugment = { 1, 4 }, mixup = { 0, 0.1 }, dropout = { 0, 0.1 }, stages = 4, seeds = 3,
}

scales.flowers = {
    data = { kind = "folder", folder = "flowers" },
    training = {
        epochs = 60, batch_size = 32, eval_size = 96, eval_rule = "official", eval_every = 5, ema = 0.99, label_smoothing = 0.1,
        optimizer = { rule = "adamw", weight_decay = 0.05 },
        lr = { curve = "cosine", peak = 2e-3, warmup_epochs = 3 },
        augment = { crop = "random_resized", area = { 0.3, 1 }, operations = 2, dialect = "relative" },
    },
    image_size = { 48, 96 }, randaugment = { 2, 6 }, mixup = { 0, 0.2 }, dropout = { 0, 0.2 }, stages = 4, seeds = 3,
}

-- Section 5.1 and table 6 (the row of M, on which tables 5 and 13 are made).
scales.paper = {
    data = { kind = "imagenet", folder = "imagenet" },
    training = {
        epochs = 350, batch_size = 4096, micro_batch = 32, eval_size = 480, eval_rule = "official", eval_every = 10, ema = 0.9999,
        label_smoothing = 0.1,
        optimizer = { rule = "rmsprop", decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = 1e-5 },
        lr = { curve = "exponential", peak = 0.256, warmup_epochs = 5, decay = 0.97, every_epochs = 2.4 },
        augment = { crop = "random_resized", area = { 0.05, 1 }, operations = 2, dialect = "official" },
    },
    image_size = { 128, 380 }, randaugment = { 5, 20 }, mixup = { 0, 0.2 }, dropout = { 0.1, 0.4 }, stages = 4, seeds = 3,
    classes = 1000, -- 10 where nothing is said; the plan of trainings counts parameters for so many
}

return scales
