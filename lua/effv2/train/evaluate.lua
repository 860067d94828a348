--- Evaluation: top-1, top-5 and loss of a model on a source.
local core = require "effv2.core"
local keys = require "effv2.keys"

local ARGUMENTS = {
    model = keys.none, source = keys.none,
    size = keys.none,       -- of the images
    batch_size = 64, rule = "official", normalise = keys.none, workers = 1, loss = "softmax",
    on_bad = "raise",       -- or "skip": leave out pictures that cannot be read, up to max_bad
    max_bad = 0.001,        -- (below 1: that share of the source)
    pixel_limit = keys.none, -- see effv2.data.loader
    classes = keys.none,    -- the model's class (from 0) for each of the source's, where they differ
    pipeline = keys.none,   -- of effv2.augment, instead of size, rule and normalise
}

local function open_loader(o)
    local effv2 = require "effv2"
    if type(o.model) ~= "userdata" and not (type(o.model) == "table" and o.model.is_training) then
        error(("evaluate: model is %s, wanted a model or a layer"):format(o.model == nil and "missing" or "a " .. type(o.model)),
            3)
    end
    return effv2.data.loader {
        source = o.source, batch_size = o.batch_size, size = o.size, shuffle = false, workers = o.workers,
        on_bad = o.on_bad, max_bad = o.max_bad, pixel_limit = o.pixel_limit,
        pipeline = o.pipeline or effv2.augment.eval { size = o.size, rule = o.rule, normalise = o.normalise },
    }
end

--- The labels of a batch, as the model counts its classes: columns[j] (int64) has each picture's j-th label, or its
-- first where it has fewer; shares[j] (float32, n x 1) is 1/k for the k labels of a picture, 0 beyond them.
local function labels_of(o, batch)
    local lists, most = {}, 1
    for i, index in ipairs(batch.indices:totable()) do
        lists[i] = o.source:labels(index)
        most = math.max(most, #lists[i])
    end
    local columns, shares = {}, {}
    for j = 1, most do
        local column, share = {}, {}
        for i, list in ipairs(lists) do
            local label = list[j] or list[1]
            column[i] = o.classes and o.classes[label + 1] or label
            share[i] = { list[j] and 1 / #list or 0 }
        end
        columns[j], shares[j] = core.tensor(column, "int64"), core.tensor(share)
    end
    return columns, shares
end

local function loss_of(kind, logits, columns, shares)
    if kind == "softmax" and #columns == 1 then
        return core.cross_entropy(logits, columns[1])
    end
    local targets = 0
    for j, column in ipairs(columns) do
        targets = targets + core.one_hot(column, logits:size(2)) * shares[j]
    end
    return (kind == "sigmoid" and core.sigmoid_cross_entropy or core.cross_entropy)(logits, targets)
end

--- Pictures that have one of their labels among the k most probable classes.
local function hits(logits, columns, k)
    local found = 0
    for _, column in ipairs(columns) do
        found = found + core.in_top_k(logits, column, k):cast "float32"
    end
    return (1 - (1 - found):relu()):sum():item()
end

--- Adds the results of the next batch to `sums`; false when there is none.
local function add_batch(o, loader, sums)
    local batch = loader:next()
    if not batch then
        return false
    end
    local logits = o.model(batch.images)
    local columns, shares = labels_of(o, batch)
    sums.hits1 = sums.hits1 + hits(logits, columns, 1)
    sums.hits5 = sums.hits5 + hits(logits, columns, 5)
    sums.loss = sums.loss + loss_of(o.loss, logits, columns, shares):item() * batch.count
    sums.images = sums.images + batch.count
    return true
end

--- Runs a model over a source, in eval() meanwhile; ARGUMENTS above lists the arguments and their defaults.
-- Of a picture with several labels any one is a hit, and the loss is the mean over them.
-- @return { top1 =, top5 = (shares), loss =, images =, seconds =, skipped = { { index =, reason = }, ... } }
local function evaluate(given)
    local o = keys.check("evaluate", given, ARGUMENTS)
    local loader = open_loader(o)
    local was_training, started = o.model:is_training(), core.clock()
    local sums = { hits1 = 0, hits5 = 0, loss = 0, images = 0 }
    o.model:eval()
    local ok, message = pcall(core.no_grad, function()
        while core.step(add_batch, o, loader, sums) do end
    end)
    local skipped = loader:bad()
    loader:close()
    o.model:train(was_training)
    if not ok then
        error(message, 0)
    end
    return {
        top1 = sums.hits1 / sums.images, top5 = sums.hits5 / sums.images, loss = sums.loss / sums.images,
        images = sums.images, seconds = core.clock() - started, skipped = skipped,
    }
end

return evaluate
