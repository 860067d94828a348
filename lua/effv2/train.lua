--- effv2.train { ... }: the training loop.
--
-- The clock is the number of updates done. Image size and regularisation of an update come from the schedule at
-- update / total updates, the learning rate from the update number, every random number from (seed, update) or
-- (seed, epoch, sample): so a run that is killed and resumed ends with the same bits as one that was not.
local core = require "effv2.core"
local checkpoint = require "effv2.train.checkpoint"
local evaluate = require "effv2.train.evaluate"
local keys = require "effv2.keys"
local progress = require "effv2.train.progress"
local run_folder = require "effv2.train.run"

local SIGINT = 2

local DEFAULTS = {
    model = keys.none, data = keys.none, optimizer = keys.none, lr = keys.none, schedule = keys.none,
    epochs = 1, batch_size = 64, accumulate = 1, seed = 0, workers = 1,
    ema = keys.none,            -- decay of the moving average, or optim.ema { ... }
    clip_norm = keys.none,      -- largest gradient norm
    label_smoothing = 0.1,
    loss = "softmax",           -- or "sigmoid"
    augment = keys.none,        -- f(settings) -> pipeline; the default is crop, flip and RandAugment
    normalise = "official",
    eval_size = keys.none,      -- the last image size when not given
    eval_rule = "official", eval_batch_size = 64, eval_every = 1,
    run = keys.none,            -- the run's folder; a new one below runs/ when not given
    resume = keys.none,         -- the folder of a run to go on with
    config = keys.none,         -- the recipe's settings, kept in the run's folder
    checkpoint_every = 300,     -- seconds between checkpoints within an epoch
    stop_after = keys.none,     -- updates after which this process checkpoints and stops, as if by a signal
    on_epoch = keys.none,       -- f(metrics) after each epoch
    quiet = false,
}

local Trainer = {}
Trainer.__index = Trainer

local function require_fields(o)
    for _, name in ipairs { "model", "data", "optimizer", "lr", "schedule" } do
        if o[name] == nil then
            error(("train: %s is missing"):format(name), 4)
        end
    end
    for _, name in ipairs { "epochs", "batch_size", "accumulate" } do
        if o[name] < 1 or o[name] ~= math.floor(o[name]) then
            error(("train: %s is %g, wanted a whole number from 1"):format(name, o[name]), 4)
        end
    end
    if o.batch_size % o.accumulate ~= 0 then
        error(("train: batch_size %d is not a multiple of accumulate %d"):format(o.batch_size, o.accumulate), 4)
    end
    if o.data.train:size() < o.batch_size then
        error(("train: batch_size is %d, but there are only %d training images"):format(o.batch_size, o.data.train:size()), 4)
    end
    if o.loss ~= "softmax" and o.loss ~= "sigmoid" then
        error(('train: loss is "%s", wanted "softmax" or "sigmoid"'):format(tostring(o.loss)), 4)
    end
end

local function default_augment(o)
    return function(settings)
        local effv2 = require "effv2"
        local magnitude = settings.randaugment
        return effv2.augment.train {
            size = settings.image_size, normalise = o.normalise,
            randaugment = magnitude and magnitude > 0 and { n = 2, magnitude = magnitude } or nil,
        }
    end
end

local function new_trainer(o)
    local t = setmetatable({ o = o }, Trainer)
    t.micro = o.batch_size / o.accumulate
    t.steps_per_epoch = math.floor(o.data.train:size() / o.batch_size)
    t.total = o.epochs * t.steps_per_epoch
    t.run_info = { epochs = o.epochs, seed = o.seed }
    t.augment = o.augment or default_augment(o)
    t.optimiser = o.optimizer:attach(o.model)
    if o.ema then
        local ema = type(o.ema) == "number" and require("effv2.optim").ema(o.ema) or o.ema
        t.average = ema:attach(o.model, t.optimiser)
    end
    t.state = { step = 0, epochs_done = 0, loss_sum = 0, loss_count = 0, best = -1, best_epoch = 0, seconds = 0 }
    return t
end

function Trainer:settings_at(step)
    return self.o.schedule:at(step / self.total, self.run_info)
end

--- The state's identity: what must not change between the parts of one run.
function Trainer:identity()
    local o = self.o
    return {
        epochs = o.epochs, batch_size = o.batch_size, accumulate = o.accumulate, seed = o.seed,
        images = o.data.train:size(), optimizer = o.optimizer.name, schedule = tostring(o.schedule),
        label_smoothing = o.label_smoothing, loss = o.loss,
    }
end

--- Writes checkpoints/last; the one before stays as checkpoints/previous.
function Trainer:save()
    local last = self.run:checkpoint_path "last"
    if core.file_exists(last) then
        assert(core.rename_file(last, self.run:checkpoint_path "previous"))
    end
    self.state.identity = self:identity()
    self.state.seconds = self.seconds_before + core.clock() - self.began
    checkpoint.save(last, self.o.model, self.optimiser, self.average, self.state)
    self.saved_at = core.clock()
end

local function check_identity(path, stored, now)
    for name, value in pairs(now) do
        local before = type(stored) == "table" and stored[name]
        if before ~= value then
            error(("%s: the run was started with %s = %s, now it is %s (start a new run, or pass the old value)"):format(path,
                name, tostring(before), tostring(value)), 0)
        end
    end
end

--- The newest checkpoint that is whole; one that is damaged is named and passed over.
function Trainer:resume()
    local o = self.o
    self.run = run_folder.open(o.resume)
    local reasons = {}
    for _, name in ipairs { "last", "previous" } do
        local path = self.run:checkpoint_path(name)
        local ok, state = pcall(checkpoint.load, path, o.model, self.optimiser, self.average)
        if ok then
            check_identity(path, state.identity, self:identity())
            self.state = state
            self.run:cut_metrics(state.step)
            for _, reason in ipairs(reasons) do
                self.run:log("passed over a damaged checkpoint: " .. reason)
            end
            return
        end
        reasons[#reasons + 1] = tostring(state)
    end
    error(("resume=%s: no usable checkpoint\n  %s"):format(o.resume, table.concat(reasons, "\n  ")), 0)
end

function Trainer:open_run()
    local o = self.o
    if o.resume then
        return self:resume()
    end
    local label = (o.model.config and o.model.config.name or "model"):gsub("[^%w%-]", "-")
    local settings = o.config or self:identity()
    self.run = run_folder.create(o.run, label, settings)
    self:save()
end

--- Says what is going to happen, before the first update.
function Trainer:announce()
    local o, lines = self.o, {}
    local parameters = 0
    for _, tensor in ipairs(o.model:parameters()) do
        parameters = parameters + tensor:numel()
    end
    lines[#lines + 1] = ("run %s: %d parameters, %d + %d images, %d epochs of %d updates at batch %d, seed %d, %d threads"):format(
        self.run.folder, parameters, o.data.train:size(), o.data.val and o.data.val:size() or 0, o.epochs, self.steps_per_epoch,
        o.batch_size, o.seed, core.threads())
    lines[#lines + 1] = ("learning rate: %s; optimiser: %s"):format(tostring(o.lr), o.optimizer.name)
    lines[#lines + 1] = o.schedule:describe(self.run_info)
    if self.state.step > 0 then
        lines[#lines + 1] = ("resumed at update %d of %d"):format(self.state.step, self.total)
    end
    for _, line in ipairs(lines) do
        self:say(line)
    end
end

function Trainer:say(line)
    if self.bar then
        self.bar:clear()
    end
    if self.o.quiet then
        self.run:note(line)
    else
        self.run:log(line)
    end
end

--- Gives the model the regularisation of the settings, and drops memory that another size needed.
function Trainer:apply_settings(settings)
    local o, before = self.o, self.settings
    if settings.dropout and o.model.set_dropout then
        o.model:set_dropout(settings.dropout)
    end
    if settings.drop_path and o.model.set_drop_path then
        o.model:set_drop_path(settings.drop_path)
    end
    if not before or before.image_size ~= settings.image_size then
        core.memory_trim()
        if self.bar then
            self.bar:restart_rate()
        end
    end
    self.settings = settings
end

local SHOWN = { "stage", "image_size", "randaugment", "mixup", "cutmix", "dropout", "drop_path" }

local function same_settings(a, b)
    for _, name in ipairs(SHOWN) do
        if a[name] ~= b[name] then
            return false
        end
    end
    return true
end

--- A loader for the updates of one epoch from `step` on, with the settings of that update.
function Trainer:open_loader(step, settings)
    local o = self.o
    local epoch = math.floor(step / self.steps_per_epoch)
    local done = (step - epoch * self.steps_per_epoch) * o.accumulate
    return require("effv2.data").loader {
        source = o.data.train, pipeline = self.augment(settings), batch_size = self.micro, size = settings.image_size,
        seed = o.seed, epoch = epoch, shuffle = true, drop_last = true, workers = o.workers, start_batch = done,
        mixup = settings.mixup or 0, cutmix = settings.cutmix or 0, classes = o.data.classes,
    }
end

function Trainer:loss_of(logits, batch)
    local o = self.o
    if o.loss == "sigmoid" then
        local targets = batch.targets or core.one_hot(batch.labels, o.data.classes)
        return core.sigmoid_cross_entropy(logits, targets, { label_smoothing = o.label_smoothing })
    end
    return core.cross_entropy(logits, batch.targets or batch.labels, { label_smoothing = o.label_smoothing })
end

--- Forward and backward of one update's batches, then the update. Returns the mean loss.
function Trainer:update(next_batch, step)
    local o, sum = self.o, 0
    core.seed_step(o.seed, step)
    self.optimiser:zero_grad()
    for _ = 1, o.accumulate do
        core.step(function()
            local batch = next_batch()
            core.hold_interrupts(function()
                local loss = self:loss_of(o.model(batch.images), batch)
                sum = sum + loss:item()
                loss:backward()
            end)
        end)
    end
    local loss = sum / o.accumulate
    if loss ~= loss or loss == math.huge then
        error(("the loss became %g at update %d (learning rate %g, image size %d): lower the rate or lengthen the warm-up; the last checkpoint is %s")
            :format(loss, step + 1, self.rate, self.settings.image_size, self.run:checkpoint_path "last"), 0)
    end
    self.optimiser:step { lr = self.rate, scale = 1 / o.accumulate, clip_norm = o.clip_norm }
    if self.average then
        self.average:update()
    end
    return loss
end

--- Whether to stop here: a signal, or stop_after.
function Trainer:stop_requested()
    local signal = core.interrupted()
    if signal then
        core.take_interrupt()
        return signal == SIGINT and 130 or 75
    end
    return self.o.stop_after and self.state.step >= self.o.stop_after and 75 or nil
end

local function interrupted_error(trainer, code)
    trainer:say(("stopped at update %d of %d; go on with resume=%s"):format(trainer.state.step, trainer.total,
        trainer.run.folder))
    error({ exit_code = code, message = "", interrupted = true, run = trainer.run.folder }, 0)
end

--- Leaves with a checkpoint when a signal or stop_after says so.
function Trainer:leave_if_asked()
    local code = self:stop_requested()
    if code then
        self:save()
        interrupted_error(self, code)
    end
end

--- A checkpoint when it is time for one; leaves when asked.
function Trainer:between_updates()
    self:leave_if_asked()
    if core.clock() - self.saved_at >= self.o.checkpoint_every then
        self:save()
    end
end

--- The updates of one epoch that share their settings, from the present step on.
function Trainer:run_segment()
    local o, state = self.o, self.state
    local settings = self:settings_at(state.step)
    local epoch = math.floor(state.step / self.steps_per_epoch)
    local epoch_end = (epoch + 1) * self.steps_per_epoch
    self:apply_settings(settings)
    local loader = self:open_loader(state.step, settings)
    local batches = loader:batches()
    local ok, message = pcall(function()
        while state.step < epoch_end and same_settings(self:settings_at(state.step), settings) do
            self.rate = o.lr:at(state.step, self.steps_per_epoch, self.total)
            local loss = self:update(batches, state.step)
            state.step = state.step + 1
            state.loss_sum, state.loss_count = state.loss_sum + loss, state.loss_count + 1
            if not o.quiet then
                self.bar:update({ step = state.step, epoch = epoch + 1, epochs = o.epochs, settings = settings, loss = loss },
                    o.batch_size)
            end
            if state.step < epoch_end then
                self:between_updates()
            end
        end
    end)
    loader:close()
    if not ok then
        error(message, 0)
    end
end

function Trainer:evaluate_epoch()
    local o = self.o
    local arguments = {
        model = o.model, source = o.data.val, size = o.eval_size or self:settings_at(self.total - 1).image_size,
        batch_size = o.eval_batch_size, rule = o.eval_rule, normalise = o.normalise, workers = o.workers,
    }
    local raw = evaluate(arguments)
    local average = self.average and self.average:apply(evaluate, arguments)
    return raw, average
end

local function percent(x)
    return ("%.2f"):format(100 * x)
end

function Trainer:end_epoch()
    local o, state = self.o, self.state
    local epoch, settings = state.epochs_done + 1, self:settings_at(state.step - 1)
    self.rate = o.lr:at(state.step - 1, self.steps_per_epoch, self.total)
    local metrics = {
        kind = "epoch", epoch = epoch, step = state.step, loss = state.loss_sum / math.max(state.loss_count, 1), lr = self.rate,
        images_per_s = self.bar:rate(), seconds = self.seconds_before + core.clock() - self.began,
    }
    for _, name in ipairs(SHOWN) do
        metrics[name] = settings[name]
    end
    local line = ("epoch %d/%d  stage %s  %d px  lr %.4g  loss %.4f  %.1f img/s"):format(epoch, o.epochs,
        tostring(settings.stage or "-"), settings.image_size, self.rate, metrics.loss, metrics.images_per_s)
    if o.data.val and (epoch % o.eval_every == 0 or state.step == self.total) then
        local raw, average = self:evaluate_epoch()
        metrics.top1, metrics.top5, metrics.val_loss = raw.top1, raw.top5, raw.loss
        line = line .. ("  top-1 %s  top-5 %s"):format(percent(raw.top1), percent(raw.top5))
        if average then
            metrics.ema_top1, metrics.ema_top5, metrics.ema_val_loss = average.top1, average.top5, average.loss
            line = line .. ("  EMA top-1 %s  top-5 %s"):format(percent(average.top1), percent(average.top5))
        end
    end
    metrics.rss_mb = core.memory().rss / 1e6
    state.loss_sum, state.loss_count, state.epochs_done = 0, 0, epoch
    self.run:metric(metrics)
    self:say(line)
    self.last = metrics
    local score = math.max(metrics.top1 or -1, metrics.ema_top1 or -1)
    local is_best = score > state.best
    if is_best then
        state.best, state.best_epoch = score, epoch
    end
    state.metrics = metrics
    self:save()
    if is_best then
        local better = metrics.ema_top1 and metrics.ema_top1 >= metrics.top1 and self.average or nil
        checkpoint.export(self.run:checkpoint_path "best", o.model, better, self:export_metadata(epoch, score))
    end
    if o.on_epoch then
        o.on_epoch(metrics)
    end
    self.bar:restart_rate()
end

function Trainer:export_metadata(epoch, score)
    local o = self.o
    return {
        ["effv2.version"] = core.version, ["effv2.epoch"] = tostring(epoch), ["effv2.top1"] = ("%.6f"):format(score),
        ["effv2.model"] = core.json_encode(o.model.config and o.model.config.name or "custom"),
        ["effv2.class_names"] = core.json_encode(o.data.class_names or {}),
        ["effv2.normalise"] = core.json_encode(o.normalise),
    }
end

--- A function that gives the cost of the updates before `step`, in pixels of a sample.
function Trainer:work_function()
    local plan = self.o.schedule:plan(self.run_info)
    return function(step)
        local share, work = step / self.total, 0
        for _, part in ipairs(plan) do
            local done = math.min(share, part.to) - part.from
            if done > 0 then
                work = work + done * part.settings.image_size ^ 2
            end
        end
        return work
    end
end

--- Updates and ends of epochs until all is done; each looks at the state alone, so it may begin anywhere.
function Trainer:loop()
    local state = self.state
    while true do
        if state.step == (state.epochs_done + 1) * self.steps_per_epoch then
            self:end_epoch()
        elseif state.step < self.total then
            self:run_segment()
        else
            return
        end
        if state.step < self.total then
            self:leave_if_asked()
        end
    end
end

--- A signal that arrived outside an update (while waiting for images, or in the evaluation) ends as an error
-- here; the state is whole, so it is saved.
function Trainer:stop_after_error(message)
    self.bar:clear()
    if type(message) ~= "table" and core.interrupted() then
        local code = self:stop_requested()
        self:save()
        interrupted_error(self, code)
    end
    error(message, 0)
end

--- Trains a model; see DEFAULTS above for the arguments. Returns { top1, top5, ema_top1, ema_top5, loss, best,
-- seconds, epochs, run }.
local function train(given)
    local o = keys.check("train", given, DEFAULTS, 2)
    require_fields(o)
    local t = new_trainer(o)
    t.began, t.seconds_before = core.clock(), 0
    t:open_run()
    t.seconds_before = t.state.seconds
    t.last, t.saved_at = t.state.metrics, core.clock()
    t.bar = progress.new(t.total, t:work_function(), function(line) t.run:log(line) end)
    t:announce()
    t.bar:begin(t.state.step)
    o.model:train()
    local ok, message = pcall(t.loop, t)
    if not ok then
        t:stop_after_error(message)
    end
    t.bar:clear()
    local m = t.last or {}
    return {
        top1 = m.top1, top5 = m.top5, ema_top1 = m.ema_top1, ema_top5 = m.ema_top5, loss = m.loss, best = t.state.best,
        seconds = t.state.seconds, epochs = o.epochs, run = t.run.folder,
    }
end

return train
