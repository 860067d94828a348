--- effv2.train { ... }: trains a model on a data set by a schedule.
--
-- This file holds the arguments; train/trainer.lua is the loop, train/epoch_end.lua what follows each epoch, train/run.lua the
-- run's folder, train/checkpoint.lua what a training needs to go on, train/plan.lua what it would do and cost.
local keys = require "effv2.keys"
local plan = require "effv2.train.plan"
local suggest = require "effv2.suggest"
local trainer = require "effv2.train.trainer"

local ARGUMENTS = {
    model = keys.none,          -- a module
    data = keys.none,           -- of effv2.data.open, or any { train =, val = (sources), classes =, class_names = }
    optimizer = keys.none,      -- of effv2.optim
    lr = keys.none,             -- of effv2.lr
    schedule = keys.none,       -- of effv2.schedule
    epochs = 1,
    batch_size = 64,            -- images an update
    accumulate = 1,             -- parts that a batch is computed in, to save memory
    seed = 0,
    workers = 1,                -- threads that prepare images
    shuffle = keys.none,        -- "shards": mix shards and then the images of a few, as data.loader does; else all of them
    ema = keys.none,            -- decay of the moving average, or optim.ema { ... }
    clip_norm = keys.none,      -- largest norm of the gradient
    loss = "softmax",           -- or "sigmoid"
    label_smoothing = 0.1,
    augment = keys.none,        -- f(settings) -> pipeline; the default is crop, flip and RandAugment
    normalise = keys.none,      -- of the default augmentation and the evaluation; "official" when not given
    eval_size = keys.none,      -- the last image size when not given
    eval_rule = "official", eval_batch_size = 64,
    eval_every = 1,             -- epochs; the last one is always evaluated
    run = keys.none,            -- the run's folder; a new one below runs/ when not given
    resume = keys.none,         -- the folder of a run to go on with
    config = keys.none,         -- the recipe's settings, kept in the run's folder
    log_every = 50,             -- updates between lines of metrics.jsonl within an epoch; 0: none
    checkpoint_every = 300,     -- seconds between checkpoints within an epoch
    on_bad = "raise",           -- or "skip": go on without pictures that cannot be read, up to max_bad of an epoch
    max_bad = 0.001,            -- (below 1: that share of the training images)
    pixel_limit = keys.none,    -- most pixels of a picture, see effv2.data.loader
    stop_after = keys.none,     -- updates of this process, after which it checkpoints and stops as if by a signal
    on_epoch = keys.none,       -- f(metrics) after each epoch
    profile = false,            -- print where the time of ten updates goes (effv2.profile), the first three left out
    dry_run = false,            -- nothing is trained: the result is a plan (train/plan.lua), which prints as a table
    quiet = false,              -- nothing on standard error; the log is kept all the same
}

local LEVEL = 4 -- of errors: the caller of train

--- What each argument must be able to do, and where it comes from.
local PARTS = {
    { "model", "named_parameters", "a model of effv2.models.create, or a module of effv2.nn" },
    { "data", "train", "what effv2.data.open gives" },
    { "optimizer", "attach", "one of effv2.optim, such as effv2.optim.sgd { momentum = 0.9 }" },
    { "lr", "at", "one of effv2.lr, such as effv2.lr.cosine { peak = 0.1 }" },
    { "schedule", "plan", "one of effv2.schedule, such as effv2.schedule.fixed { image_size = 64 }" },
}

local function require_parts(o)
    for _, part in ipairs(PARTS) do
        local name, needed, wanted = unpack(part)
        if o[name] == nil then
            error(("train: %s is missing, wanted %s"):format(name, wanted), LEVEL)
        elseif type(o[name]) ~= "table" or not o[name][needed] then
            error(("train: %s is a %s, wanted %s"):format(name, type(o[name]), wanted), LEVEL)
        end
    end
end

--- Arguments that may be left out: their types.
local TYPES = { augment = "function", on_epoch = "function", run = "string", resume = "string", config = "table" }

local function require_types(o)
    for name, wanted in pairs(TYPES) do
        if o[name] ~= nil and type(o[name]) ~= wanted then
            error(("train: %s is a %s, wanted a %s"):format(name, type(o[name]), wanted), LEVEL)
        elseif o[name] == "" then
            error(("train: %s is an empty text, wanted the name of a folder"):format(name), LEVEL)
        end
    end
    if o.run and o.resume then
        error("train: both run and resume are given: run names the folder of a new run, resume that of one to go on with",
            LEVEL)
    elseif o.ema ~= nil and type(o.ema) ~= "number" and not (type(o.ema) == "table" and o.ema.attach) then
        error(("train: ema is a %s, wanted the decay (0.999) or effv2.optim.ema { ... }"):format(type(o.ema)), LEVEL)
    end
end

local function require_whole(o, least, names)
    for _, name in ipairs(names) do
        keys.want_whole("train", name, o[name], least, true, LEVEL)
    end
end

local function require_one_of(o, name, choices)
    for _, choice in ipairs(choices) do
        if o[name] == choice then
            return
        end
    end
    error(("train: %s is %s%s"):format(name, keys.show(o[name]), suggest.cure(tostring(o[name]), choices)), LEVEL)
end

local function require_fitting(o)
    local images = o.data.train:size()
    if o.batch_size % o.accumulate ~= 0 then
        error(("train: batch_size %d is not a multiple of accumulate %d"):format(o.batch_size, o.accumulate), LEVEL)
    elseif images < o.batch_size then
        error(("train: batch_size is %d, but there are only %d training images"):format(o.batch_size, images), LEVEL)
    elseif not (o.label_smoothing >= 0 and o.label_smoothing < 1) then
        error(("train: label_smoothing is %g, wanted a number in [0, 1)"):format(o.label_smoothing), LEVEL)
    elseif o.clip_norm ~= nil and not (type(o.clip_norm) == "number" and o.clip_norm > 0) then
        error(("train: clip_norm is %s, wanted a number above 0"):format(tostring(o.clip_norm)), LEVEL)
    end
end

--- Networks of effv2.models know their number of classes.
local function require_classes(o)
    local config = type(o.model.config) == "table" and o.model.config or {}
    if type(config.classes) == "number" and o.data.classes and config.classes ~= o.data.classes then
        error(("train: the model has %d classes, the data %d: make it with { classes = data.classes }"):format(
            config.classes, o.data.classes), LEVEL)
    end
end

local function check_arguments(o)
    require_parts(o)
    require_types(o)
    require_whole(o, 1, { "epochs", "batch_size", "accumulate", "eval_batch_size", "eval_every", "eval_size", "stop_after" })
    require_whole(o, 0, { "seed", "workers", "log_every" })
    require_one_of(o, "loss", { "softmax", "sigmoid" })
    require_one_of(o, "eval_rule", { "official", "crop", "whole" })
    require_one_of(o, "on_bad", { "raise", "skip" })
    require_fitting(o)
    require_classes(o)
end

--- Trains a model; ARGUMENTS above lists the arguments and their defaults.
-- @return { top1, top5, ema_top1, ema_top5, loss (all of the last epoch), best, seconds, epochs, run }
-- Stopped by a signal or stop_after it writes a checkpoint and raises { exit_code = 130 (SIGINT) or 75, run = folder }.
local function train(given)
    local o = keys.check("train", given, ARGUMENTS, 2)
    o.normalise = o.normalise or "official"
    check_arguments(o)
    if o.dry_run then
        return plan(o)
    end
    return trainer.run(o)
end

return train
