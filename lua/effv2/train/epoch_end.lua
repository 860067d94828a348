--- The end of an epoch of a training (trainer.lua): evaluates, writes down what is known, keeps the best weights.
local core = require "effv2.core"
local checkpoint = require "effv2.train.checkpoint"
local evaluate = require "effv2.train.evaluate"

local WORTH_SAYING = 0.05 -- of the time, spent in waiting for data

--- The settings of a schedule that metrics show.
local epoch_end = { SHOWN = { "stage", "image_size", "randaugment", "mixup", "cutmix", "dropout", "drop_path" } }

--- The arguments of an evaluation on the pictures to validate.
function epoch_end.evaluation(t)
    local o = t.o
    return {
        model = o.model, source = o.data.val, size = o.eval_size or t:settings_at(t.total - 1).image_size,
        batch_size = o.eval_batch_size, rule = o.eval_rule, normalise = o.normalise, workers = o.workers, loss = o.loss,
        on_bad = o.on_bad, max_bad = o.max_bad, pixel_limit = o.pixel_limit,
    }
end

--- Results of the weights as they are and, where there is one, of their average.
local function judge(t)
    local o, arguments = t.o, epoch_end.evaluation(t)
    core.memory_trim()
    local raw = evaluate(arguments)
    t:tell_skipped(raw.skipped, o.data.val)
    return raw, t.average and t.average:apply(evaluate, arguments)
end

--- What is known of the epoch that ends, as one object of metrics.jsonl.
local function measure(t, epoch)
    local o, state = t.o, t.state
    local settings = t:settings_at(state.step - 1)
    local metrics = {
        kind = "epoch", epoch = epoch, step = state.step, loss = state.loss_sum / state.loss_count,
        lr = o.lr:at(state.step - 1, t.steps_per_epoch, t.total), images_per_s = t.bar:rate(),
    }
    for _, name in ipairs(epoch_end.SHOWN) do
        metrics[name] = settings[name]
    end
    metrics.data_wait = (t.data_wait or 0) / math.max(t.update_time or 0, 1e-9) -- share, in this process
    t.data_wait, t.update_time = nil, nil
    if o.data.val and (epoch % o.eval_every == 0 or epoch == o.epochs) then
        local raw, average = judge(t)
        metrics.top1, metrics.top5, metrics.val_loss = raw.top1, raw.top5, raw.loss
        if average then
            metrics.ema_top1, metrics.ema_top5, metrics.ema_val_loss = average.top1, average.top5, average.loss
        end
    end
    metrics.skipped = t.skipped and t.skipped > 0 and t.skipped or nil
    metrics.seconds, metrics.rss_mb = t:seconds(), core.memory().rss / 1e6
    return metrics
end

local function describe(m, epochs)
    local line = ("epoch %d/%d  stage %s  %d px  lr %.4g  loss %.4f"):format(m.epoch, epochs, tostring(m.stage or "-"),
        m.image_size, m.lr, m.loss)
    if m.images_per_s then
        line = line .. ("  %.1f img/s"):format(m.images_per_s)
    end
    if m.top1 then
        line = line .. ("  top-1 %.2f  top-5 %.2f"):format(100 * m.top1, 100 * m.top5)
    end
    if m.ema_top1 then
        line = line .. ("  EMA top-1 %.2f  top-5 %.2f"):format(100 * m.ema_top1, 100 * m.ema_top5)
    end
    if m.data_wait >= WORTH_SAYING then
        line = line .. ("  waited for data %.0f %%"):format(100 * m.data_wait)
    end
    if m.skipped then
        line = line .. ("  %d skipped"):format(m.skipped)
    end
    return line
end

--- Keeps the weights of the best epoch so far, those of the average where they are at least as good.
local function keep_best(t, metrics)
    local o, state = t.o, t.state
    local score = math.max(metrics.top1 or -1, metrics.ema_top1 or -1)
    if score <= state.best then
        return
    end
    state.best, state.best_epoch = score, metrics.epoch
    local better = metrics.ema_top1 and metrics.ema_top1 >= metrics.top1 and t.average or nil
    checkpoint.export(t.run:checkpoint_path "best", o.model, better, {
        ["effv2.version"] = core.version, ["effv2.epoch"] = tostring(metrics.epoch),
        ["effv2.top1"] = ("%.6f"):format(score), ["effv2.weights"] = better and "average" or "raw",
        ["effv2.model"] = core.json_encode(o.model.config and o.model.config.name or "custom"),
        ["effv2.class_names"] = core.json_encode(o.data.class_names or {}),
        ["effv2.normalise"] = core.json_encode(o.normalise),
    })
end

--- Evaluates and writes down. Returns the metrics.
function epoch_end.finish(t)
    local metrics = measure(t, t.state.epochs_done + 1)
    keep_best(t, metrics)
    t.run:metric(metrics)
    t:say(describe(metrics, t.o.epochs))
    return metrics
end

return epoch_end
