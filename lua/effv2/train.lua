--- effv2.train { ... }: trains a model on a data set by a schedule.
--
-- This file holds the arguments; train/trainer.lua is the loop, train/run.lua the run's folder, train/checkpoint.lua
-- what a training needs to go on.
local keys = require "effv2.keys"
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
    ema = keys.none,            -- decay of the moving average, or optim.ema { ... }
    clip_norm = keys.none,      -- largest norm of the gradient
    loss = "softmax",           -- or "sigmoid"
    label_smoothing = 0.1,
    augment = keys.none,        -- f(settings) -> pipeline; the default is crop, flip and RandAugment
    normalise = "official",     -- of the default augmentation and the evaluation
    eval_size = keys.none,      -- the last image size when not given
    eval_rule = "official", eval_batch_size = 64,
    eval_every = 1,             -- epochs; the last one is always evaluated
    run = keys.none,            -- the run's folder; a new one below runs/ when not given
    resume = keys.none,         -- the folder of a run to go on with
    config = keys.none,         -- the recipe's settings, kept in the run's folder
    log_every = 50,             -- updates between lines of metrics.jsonl within an epoch; 0: none
    checkpoint_every = 300,     -- seconds between checkpoints within an epoch
    stop_after = keys.none,     -- updates of this process, after which it checkpoints and stops as if by a signal
    on_epoch = keys.none,       -- f(metrics) after each epoch
    quiet = false,              -- nothing on standard error; the log is kept all the same
}

local LEVEL = 4 -- of errors: the caller of train

local function require_present(o)
    for _, name in ipairs { "model", "data", "optimizer", "lr", "schedule" } do
        if o[name] == nil then
            error(("train: %s is missing"):format(name), LEVEL)
        end
    end
    if type(o.data) ~= "table" or not o.data.train then
        error("train: data has no train (wanted what effv2.data.open gives)", LEVEL)
    end
end

local function require_whole(o, least, names)
    for _, name in ipairs(names) do
        local value = o[name]
        if value ~= nil and (type(value) ~= "number" or value < least or value ~= math.floor(value)) then
            error(("train: %s is %s, wanted a whole number from %d"):format(name, tostring(value), least), LEVEL)
        end
    end
end

local function require_fitting(o)
    local images = o.data.train:size()
    if o.batch_size % o.accumulate ~= 0 then
        error(("train: batch_size %d is not a multiple of accumulate %d"):format(o.batch_size, o.accumulate), LEVEL)
    elseif images < o.batch_size then
        error(("train: batch_size is %d, but there are only %d training images"):format(o.batch_size, images), LEVEL)
    elseif o.loss ~= "softmax" and o.loss ~= "sigmoid" then
        error(('train: loss is "%s", wanted "softmax" or "sigmoid"'):format(o.loss), LEVEL)
    elseif o.clip_norm ~= nil and not (type(o.clip_norm) == "number" and o.clip_norm > 0) then
        error(("train: clip_norm is %s, wanted a number above 0"):format(tostring(o.clip_norm)), LEVEL)
    end
end

local function check_arguments(o)
    require_present(o)
    require_whole(o, 1, { "epochs", "batch_size", "accumulate", "eval_batch_size", "eval_every", "eval_size", "stop_after" })
    require_whole(o, 0, { "seed", "workers", "log_every" })
    require_fitting(o)
end

--- Trains a model; ARGUMENTS above lists the arguments and their defaults.
-- @return { top1, top5, ema_top1, ema_top5, loss (all of the last epoch), best, seconds, epochs, run }
-- Stopped by a signal or stop_after it writes a checkpoint and raises { exit_code = 130 (SIGINT) or 75, run = folder }.
local function train(given)
    local o = keys.check("train", given, ARGUMENTS, 2)
    check_arguments(o)
    return trainer.run(o)
end

return train
