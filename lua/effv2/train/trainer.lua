--- The training loop.
--
-- The clock is the number of updates done. Image size and regularisation of an update come from the schedule at
-- update / total updates, the learning rate from the update number, every random number from (seed, update) or
-- (seed, epoch, sample). So the state is the weights, the optimiser and a few scalars, and a run that is killed and
-- resumed ends with the same bits as one that was not.
local core = require "effv2.core"
local checkpoint = require "effv2.train.checkpoint"
local epoch_end = require "effv2.train.epoch_end"
local progress = require "effv2.train.progress"
local profile = require "effv2.profile"
local run_folder = require "effv2.train.run"

local SIGINT = 2
local PROFILE_AFTER, PROFILE_UPDATES = 3, 10 -- updates that are not looked at, and that are

local trainer = {}

local Trainer = {}
Trainer.__index = Trainer

-- ---- what is trained --------------------------------------------------------------------------------

local function default_augment(o)
    local effv2 = require "effv2"
    return function(settings)
        local magnitude = settings.randaugment
        return effv2.augment.train {
            size = settings.image_size, normalise = o.normalise,
            randaugment = magnitude and magnitude > 0 and { n = 2, magnitude = magnitude } or nil,
        }
    end
end

--- What is trained by the checked arguments of effv2.train, before its first update; no folder is made.
function trainer.new(o)
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
    t.began, t.seconds_before = core.clock(), 0
    return t
end

function Trainer:settings_at(step)
    return self.o.schedule:at(step / self.total, self.run_info)
end

--- Seconds of training so far, those of earlier processes included.
function Trainer:seconds()
    return self.seconds_before + core.clock() - self.began
end

function trainer.describe_rate(lr)
    local meta = getmetatable(lr)
    return meta and meta.__tostring and tostring(lr) or "custom"
end

--- The run's identity: what must not change between its parts.
function Trainer:identity()
    local o = self.o
    return {
        epochs = o.epochs, batch_size = o.batch_size, accumulate = o.accumulate, seed = o.seed,
        images = o.data.train:size(), loss = o.loss, label_smoothing = o.label_smoothing,
        clip_norm = o.clip_norm or "none", schedule = o.schedule:describe(self.run_info),
        optimizer = o.optimizer.name, optimizer_settings = core.json_encode(o.optimizer.settings),
        learning_rate = trainer.describe_rate(o.lr) .. core.json_encode(o.lr.settings or {}),
        average = self.average and core.json_encode(self.average.settings) or "none",
    }
end

-- ---- the run's folder -------------------------------------------------------------------------------

--- Weights that are no numbers must not replace the checkpoint (or the best ones) that still holds good ones.
function Trainer:check_weights()
    local norm = core.flat_norm(self.optimiser.flat)
    if norm ~= norm or norm == math.huge then
        self:diverged("weights", norm, self.state.step)
    end
end

--- Ends the training because its numbers have left all bounds.
function Trainer:diverged(what, value, update)
    local before = self.run and core.file_exists(self.run:checkpoint_path "last")
    error(("the %s became %g at update %d (learning rate %g, image size %d): lower the rate, lengthen the warm-up, or set "
        .. "clip_norm%s"):format(what, value, update, self.rate or 0, self.settings and self.settings.image_size or 0,
        before and "; the last checkpoint is " .. self.run:checkpoint_path "last" or ""), 0)
end

function Trainer:save()
    self:check_weights()
    self.state.identity = self:identity()
    self.state.seconds = self:seconds()
    checkpoint.save(self.run, self.o.model, self.optimiser, self.average, self.state)
    self.saved_at = core.clock()
end

function Trainer:resume()
    self.run = run_folder.open(self.o.resume)
    local found, passed_over = checkpoint.newest(self.run)
    checkpoint.check_identity(found, self:identity())
    checkpoint.restore(found, self.o.model, self.optimiser, self.average)
    self.state = found.state
    self.seconds_before = self.state.seconds
    self.run:cut_metrics(self.state.step, self.state.epochs_done)
    self.passed_over = passed_over
    self.saved_at = core.clock()
end

--- The settings are written behind the first checkpoint: a folder that has them can be resumed.
function Trainer:start()
    local o = self.o
    local label = (o.model.config and o.model.config.name or "model"):gsub("[^%w%-]", "-")
    self.run = run_folder.create(o.run, label)
    self:save()
    self.run:write_settings(o.config or self:identity())
end

--- A line for people, on standard error (unless quiet) and in the log.
function Trainer:say(line)
    self.bar:clear()
    if self.o.quiet then
        self.run:note(line)
    else
        self.run:log(line)
    end
end

--- Says what is going to happen, before the first update.
function Trainer:announce()
    local o, parameters = self.o, 0
    for _, tensor in ipairs(o.model:parameters()) do
        parameters = parameters + tensor:numel()
    end
    self:say(("run %s: %d parameters, %d + %d images, %d epochs of %d updates at batch %d, seed %d, %d threads"):format(
        self.run.folder, parameters, o.data.train:size(), o.data.val and o.data.val:size() or 0, o.epochs,
        self.steps_per_epoch, o.batch_size, o.seed, core.threads()))
    self:say(("learning rate: %s; optimiser: %s"):format(trainer.describe_rate(o.lr), o.optimizer.name))
    self:say(o.schedule:describe(self.run_info))
    for _, reason in ipairs(self.passed_over or {}) do
        self:say("passed over a checkpoint: " .. reason)
    end
    if self.o.resume then
        self:say(("resumed at update %d of %d"):format(self.state.step, self.total))
    end
end

-- ---- signals ----------------------------------------------------------------------------------------

local stopped = { __tostring = function(e) return "the training was stopped; its run is " .. e.run end }

--- Leaves with a checkpoint, by an error that chooses the program's exit code.
function Trainer:leave(code)
    self:save()
    self:say(("stopped at update %d of %d; go on with resume=%s"):format(self.state.step, self.total, self.run.folder))
    error(setmetatable({ exit_code = code, interrupted = true, run = self.run.folder }, stopped), 0)
end

--- Leaves when a signal or stop_after says so. Called where the state is whole.
function Trainer:leave_if_asked()
    if core.interrupted() then
        self:leave(core.take_interrupt() == SIGINT and 130 or 75)
    elseif self.o.stop_after and self.state.step - self.first_step >= self.o.stop_after then
        self:leave(75)
    end
end

--- A checkpoint when it is time for one; leaves when asked.
function Trainer:between_updates()
    self:leave_if_asked()
    if core.clock() - self.saved_at >= self.o.checkpoint_every then
        self:save()
    end
end

--- A signal outside an update (in the evaluation, or in on_epoch) ends the operation that runs as an error.
function Trainer:leave_after_error(message)
    self.bar:clear()
    self:end_profile()
    if type(message) == "string" and message:find("interrupted", 1, true) then
        self:leave_if_asked()
    end
    error(message, 0)
end

-- ---- one update -------------------------------------------------------------------------------------

function Trainer:loss_of(logits, batch)
    local o = self.o
    if o.loss == "sigmoid" then
        local targets = batch.targets or core.one_hot(batch.labels, o.data.classes)
        return core.sigmoid_cross_entropy(logits, targets, { label_smoothing = o.label_smoothing })
    end
    return core.cross_entropy(logits, batch.targets or batch.labels, { label_smoothing = o.label_smoothing })
end

--- Forward and backward of one part of a batch; returns its loss.
function Trainer:forward_backward(loader)
    local batch = loader:next()
    local loss = self:loss_of(self.o.model(batch.images), batch)
    loss:backward()
    return loss:item()
end

--- Gradients of one update. Returns the mean loss, or nil, with the model as before, when a signal arrived between
-- two parts of the batch. Within a part signals wait: it has changed running statistics that a resumed run would
-- change again.
function Trainer:gradients(loader)
    local o, sum, before = self.o, 0, {}
    for _, buffer in ipairs(o.accumulate > 1 and o.model:named_buffers() or {}) do
        before[#before + 1] = { tensor = buffer.tensor, value = buffer.tensor:clone() }
    end
    for part = 1, o.accumulate do
        if part > 1 and core.interrupted() then
            for _, buffer in ipairs(before) do
                buffer.tensor:copy(buffer.value)
            end
            return nil
        end
        sum = sum + core.hold_interrupts(core.step, self.forward_backward, self, loader)
    end
    return sum / o.accumulate
end

--- One update at learning rate `rate`. Returns the mean loss; nil when a signal came first and nothing has changed.
function Trainer:update(loader, step, rate)
    local o = self.o
    self.rate = rate
    core.seed_step(o.seed, step)
    self.optimiser:zero_grad()
    local loss = core.step(self.gradients, self, loader)
    if not loss then
        return nil
    elseif loss ~= loss or math.abs(loss) == math.huge then
        self:diverged("loss", loss, step + 1)
    end
    self.optimiser:step { lr = rate, scale = 1 / o.accumulate, clip_norm = o.clip_norm, average = self.average }
    return loss
end

-- ---- segments: updates with the same settings -------------------------------------------------------

local function same_settings(a, b)
    for name, value in pairs(a) do
        if b[name] ~= value then
            return false
        end
    end
    for name in pairs(b) do
        if a[name] == nil then
            return false
        end
    end
    return true
end

--- A rate of the model that the schedule sets must be set throughout: a resumed run does not know what it was before.
local function check_throughout(before, settings)
    for _, name in ipairs { "dropout", "drop_path" } do
        if before and (before[name] == nil) ~= (settings[name] == nil) then
            error(("the schedule sets %s at some times only: set it throughout, or never"):format(name), 0)
        end
    end
end

--- Gives the model the regularisation of the settings.
function Trainer:regularise(settings)
    local model = self.o.model
    if settings.dropout and model.set_dropout then
        model:set_dropout(settings.dropout)
    end
    if settings.drop_path and model.set_drop_path then
        model:set_drop_path(settings.drop_path)
    end
end

--- Goes over to other settings, and drops memory that another size needed.
function Trainer:apply_settings(settings)
    local before = self.settings
    check_throughout(before, settings)
    self:regularise(settings)
    if not before or before.image_size ~= settings.image_size then
        core.memory_trim()
        self.bar:restart_rate()
    end
    self.settings = settings
end

--- The epoch's loader, which makes samples by the settings from the present step on.
function Trainer:loader_with(settings, epoch)
    if self.loader then
        self.loader:set {
            pipeline = self.augment(settings), size = settings.image_size, mixup = settings.mixup or 0,
            cutmix = settings.cutmix or 0,
        }
    else
        self.loader = self:open_loader(epoch, settings)
    end
    return self.loader
end

--- Returns its memory, which an evaluation may need.
function Trainer:close_loader()
    if self.loader then
        self.loader:close()
        self.loader = nil
    end
end

function Trainer:open_loader(epoch, settings)
    local o = self.o
    return require("effv2.data").loader {
        source = o.data.train, pipeline = self.augment(settings), batch_size = self.micro, size = settings.image_size,
        seed = o.seed, epoch = epoch, shuffle = o.shuffle == nil or o.shuffle, drop_last = true, workers = o.workers,
        start_batch = (self.state.step - epoch * self.steps_per_epoch) * o.accumulate,
        mixup = settings.mixup or 0, cutmix = settings.cutmix or 0, classes = o.data.classes,
        on_bad = o.on_bad, max_bad = o.max_bad, pixel_limit = o.pixel_limit,
    }
end

--- Names and counts pictures that could not be read and were skipped, each once in this process.
function Trainer:tell_skipped(list, source)
    self.told, self.skipped = self.told or {}, self.skipped or 0
    for _, bad in ipairs(list) do
        local name = source:name(bad.index)
        if not self.told[name] then
            self:say("skipped: " .. bad.reason)
            self.told[name], self.skipped = true, self.skipped + 1
        end
    end
end

--- A line of metrics within an epoch.
function Trainer:log_step(epoch, loss, rate)
    local line = { kind = "step", epoch = epoch + 1, step = self.state.step, loss = loss, lr = rate,
        images_per_s = self.bar:rate() }
    for _, name in ipairs(epoch_end.SHOWN) do
        line[name] = self.settings[name]
    end
    self.run:metric(line)
end

--- With profile = true: looks at updates 4 to 13 of this process, or at those before an evaluation, and says what it saw.
function Trainer:watch_updates()
    local done = self.state.step - self.first_step
    if not self.profile and done >= PROFILE_AFTER then
        self.profile = { session = profile.start(self.o.model), first_step = self.state.step }
    elseif self.profile and self.state.step - self.profile.first_step == PROFILE_UPDATES then
        self:end_profile()
    end
end

function Trainer:end_profile()
    local session = self.profile and self.profile.session
    if session then
        self.profile.session = nil
        self:say(tostring(session:stop(math.max(1, self.state.step - self.profile.first_step))))
    end
end

--- One update and its traces. Returns false when a signal came first.
function Trainer:advance(loader, epoch)
    local o, state = self.o, self.state
    if o.profile then
        self:watch_updates()
    end
    local rate = o.lr:at(state.step, self.steps_per_epoch, self.total)
    local loss = self:update(loader, state.step, rate)
    if not loss then
        return false
    end
    state.step = state.step + 1
    state.loss_sum, state.loss_count = state.loss_sum + loss, state.loss_count + 1
    self.bar:count(o.batch_size)
    if not o.quiet then
        self.bar:show { step = state.step, epoch = epoch + 1, epochs = o.epochs, settings = self.settings, loss = loss }
    end
    if o.log_every > 0 and state.step % o.log_every == 0 then
        self:log_step(epoch, loss, rate)
    end
    return true
end

--- The updates of one epoch that share their settings, from the present step on.
function Trainer:run_segment()
    local state = self.state
    local epoch = state.epochs_done
    local last_step = (epoch + 1) * self.steps_per_epoch
    local settings = self:settings_at(state.step)
    self:apply_settings(settings)
    local loader, began = self:loader_with(settings, epoch), core.clock()
    local waited = loader:waited()
    local ok, message = pcall(function()
        while state.step < last_step and same_settings(self:settings_at(state.step), settings) do
            if not self:advance(loader, epoch) or state.step < last_step then
                self:between_updates()
            end
        end
    end)
    self:tell_skipped(loader:bad(), self.o.data.train)
    self.data_wait = (self.data_wait or 0) + loader:waited() - waited
    self.update_time = (self.update_time or 0) + core.clock() - began
    if not ok then
        error(message, 0)
    end
end

-- ---- the whole -------------------------------------------------------------------------------------

--- Evaluates and writes down. Killed at any point, it is done again, to the same bits, until the checkpoint is there.
function Trainer:end_epoch()
    local o, state = self.o, self.state
    self:close_loader()
    self:end_profile()
    self:check_weights()
    local metrics = epoch_end.finish(self)
    state.loss_sum, state.loss_count, state.epochs_done = 0, 0, metrics.epoch
    state.metrics = metrics
    self:save()
    core.memory_trim() -- of what the evaluation needed
    if o.on_epoch then
        o.on_epoch(metrics)
    end
    self.bar:restart_rate()
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
    while state.epochs_done < self.o.epochs do
        if state.step == (state.epochs_done + 1) * self.steps_per_epoch then
            self:end_epoch()
        else
            self:run_segment()
        end
        if state.epochs_done < self.o.epochs then
            self:leave_if_asked()
        end
    end
end

function Trainer:result()
    local m, state = self.state.metrics, self.state
    return {
        top1 = m.top1, top5 = m.top5, ema_top1 = m.ema_top1, ema_top5 = m.ema_top5, loss = m.loss, best = state.best,
        seconds = state.seconds, epochs = self.o.epochs, run = self.run.folder,
    }
end

--- Takes the run's folder, and trains to the end.
function Trainer:train()
    if self.o.resume then
        self:resume()
    else
        self:start()
    end
    self.first_step = self.state.step
    self.bar = progress.new(self.total, self:work_function(), function(line) self.run:log(line) end)
    self:announce()
    self.bar:begin(self.state.step)
    self.o.model:train()
    local ok, message = pcall(self.loop, self)
    self:close_loader()
    if not ok then
        self:leave_after_error(message)
    end
    self.bar:clear()
end

--- Trains with the checked arguments of effv2.train.
function trainer.run(o)
    local t = trainer.new(o)
    local ok, message = pcall(t.train, t)
    if t.run then
        t.run:release()
    end
    if not ok then
        error(message, 0)
    end
    return t:result()
end

return trainer
