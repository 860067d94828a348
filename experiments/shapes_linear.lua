--- How far a linear classifier gets on the pixels of the built-in data set: not far, or the set would be too easy.
--
--     effv2 experiments/shapes_linear.lua
--
-- Multinomial logistic regression on the pixels that the quickstart is evaluated on, trained on all pictures with
-- AdamW; the best validation accuracy over the epochs is reported, which favours the classifier. The last line is a
-- JSON object.
local effv2 = require "effv2"

local cfg = effv2.config {
    size = 64, train = 8000, val = 2000, epochs = 20, batch_size = 100, lr = 3e-4, weight_decay = 0.01, seed = 0,
    help = { "Logistic regression on the pixels of shapes.", size = "side of the pictures" },
}

effv2.manual_seed(cfg.seed)
local data = effv2.data.open("shapes", { train = cfg.train, val = cfg.val })

--- All pictures of a source: rows of pixels, and labels.
local function pixels(source)
    local loader = effv2.data.loader {
        source = source, batch_size = cfg.batch_size, size = cfg.size, shuffle = false, workers = 2,
        pipeline = effv2.augment.eval { size = cfg.size, rule = "whole" },
    }
    local images, labels = {}, {}
    for batch in loader:batches() do
        images[#images + 1] = batch.images:reshape { -1, cfg.size * cfg.size * 3 }
        labels[#labels + 1] = batch.labels
    end
    loader:close()
    return images, labels
end

local train_images, train_labels = pixels(data.train)
local val_images, val_labels = pixels(data.val)
local classifier = effv2.layers.Dense { in_features = cfg.size * cfg.size * 3, out_features = data.classes }
local optimiser = effv2.optim.adamw { weight_decay = cfg.weight_decay }:attach(classifier)

local function accuracy(images, labels)
    return effv2.step(effv2.no_grad, function()
        local hits, count = 0, 0
        for i, x in ipairs(images) do
            hits = hits + effv2.in_top_k(classifier(x), labels[i]):cast("float32"):sum():item()
            count = count + labels[i]:numel()
        end
        return hits / count
    end)
end

local best = 0
for epoch = 1, cfg.epochs do
    for i, x in ipairs(train_images) do
        effv2.step(function()
            optimiser:zero_grad()
            effv2.cross_entropy(classifier(x), train_labels[i]):backward()
            optimiser:step { lr = cfg.lr }
        end)
    end
    local top1 = accuracy(val_images, val_labels)
    best = math.max(best, top1)
    io.stderr:write(("epoch %d/%d  training %.3f  validation %.3f\n"):format(epoch, cfg.epochs,
        accuracy(train_images, train_labels), top1))
end
print(effv2.json_encode { top1 = best, size = cfg.size, epochs = cfg.epochs })
