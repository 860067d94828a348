--- Evaluation: top-1, top-5 and loss of a model on a source.
local core = require "effv2.core"
local keys = require "effv2.keys"

--- evaluate { model =, source =, size =, batch_size = 64, rule = "official", normalise =, workers = 1 }
-- gives { top1 =, top5 = (shares), loss =, images =, seconds = }. The model is in eval() meanwhile.
local function evaluate(given)
    local effv2 = require "effv2"
    local o = keys.check("evaluate", given, {
        model = keys.none, source = keys.none, size = keys.none, batch_size = 64, rule = "official", normalise = "official",
        workers = 1, pipeline = keys.none,
    })
    local loader = effv2.data.loader {
        source = o.source, batch_size = o.batch_size, size = o.size, shuffle = false, workers = o.workers,
        pipeline = o.pipeline or effv2.augment.eval { size = o.size, rule = o.rule, normalise = o.normalise },
    }
    local was_training = o.model:is_training()
    local hits1, hits5, loss, images, started = 0, 0, 0, 0, core.clock()
    o.model:eval()
    local ok, message = pcall(core.no_grad, function()
        local batches = loader:batches()
        local more = true
        while more do
            core.step(function()
                local batch = batches()
                more = batch ~= nil
                if not more then
                    return
                end
                local logits, n = o.model(batch.images), batch.labels:numel()
                hits1 = hits1 + core.in_top_k(logits, batch.labels, 1):cast("float32"):sum():item()
                hits5 = hits5 + core.in_top_k(logits, batch.labels, 5):cast("float32"):sum():item()
                loss = loss + core.cross_entropy(logits, batch.labels):item() * n
                images = images + n
            end)
        end
    end)
    loader:close()
    o.model:train(was_training)
    if not ok then
        error(message, 0)
    end
    return {
        top1 = hits1 / images, top5 = hits5 / images, loss = loss / images, images = images,
        seconds = core.clock() - started,
    }
end

return evaluate
