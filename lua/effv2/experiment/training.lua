--- One training as plain data: what it is made of, so that it can be named, kept and repeated.
--
-- The same settings and seed give the same bits. So a training that several experiments need is run once, and its record
-- stands for it from then on (records.lua).
local core = require "effv2.core"
local keys = require "effv2.keys"

local training = {}

local KEYS = {
    data = keys.none,         -- see training.open
    model = keys.none,        -- a name of models.list(), or a description
    options = {},             -- further ones of models.create
    epochs = keys.none, batch_size = keys.none, micro_batch = keys.none,
    optimizer = keys.none,    -- { rule = "sgd", and what effv2.optim.sgd takes }
    lr = keys.none,           -- { curve = "cosine", and what effv2.lr.cosine takes }
    schedule = keys.none,     -- { kind = "progressive", and what effv2.schedule.progressive takes }
    augment = keys.none,      -- { crop =, area =, operations = of RandAugment, dialect = }
    pretrained = keys.none,   -- settings of a training whose weights this one begins with, at its seed; the classifier is new
    ema = keys.none, label_smoothing = 0, eval_size = keys.none, eval_rule = "official", eval_every = 1, seed = 0,
}

local DATA = {
    kind = "", name = keys.none, train = keys.none, val = keys.none, minival = keys.none, classes = keys.none,
    per_class = keys.none,
}
local AUGMENT = { crop = keys.none, area = keys.none, operations = keys.none, dialect = keys.none }

--- Parts that a word names: its key, the module that makes the part, and the words.
local PARTS = {
    optimizer = { "rule", "effv2.optim", { "adamw", "rmsprop", "sgd" } },
    lr = { "curve", "effv2.lr", { "constant", "cosine", "exponential", "linear" } },
    schedule = { "kind", "effv2.schedule", { "fixed", "progressive", "random_resize", "size_only" } },
}

--- A table without some of its keys.
local function without(given, ...)
    local copy = {}
    for key, value in pairs(given) do
        copy[key] = value
    end
    for _, key in ipairs { ... } do
        copy[key] = nil
    end
    return copy
end

--- What a table such as { rule = "sgd", momentum = 0.9 } stands for.
local function make_part(name, given)
    local key, module, words = unpack(PARTS[name])
    local word = type(given) == "table" and given[key] or nil
    for _, known in ipairs(words) do
        if known == word then
            return require(module)[word](without(given, key))
        end
    end
    error(("training: %s.%s is %s, wanted %s"):format(name, key, keys.show(word), table.concat(words, ", ")), 0)
end

--- A copy in which everything is checked that can be without the data. Raises where a key is unknown or a value wrong.
function training.check(settings)
    local s = keys.check("training", settings, KEYS, 0)
    s.data, s.augment = keys.check("training: data", s.data, DATA, 0), keys.check("training: augment", s.augment, AUGMENT, 0)
    if s.data.kind == "" then
        error("training: data.kind is missing, wanted shapes or a kind of effv2.data", 0)
    elseif s.model == nil then
        error("training: model is missing, wanted a name of models.list() or a description", 0)
    end
    for _, name in ipairs { "epochs", "batch_size", "eval_size" } do
        keys.want_whole("training", name, s[name], 1, false, 0)
    end
    for _, name in ipairs { "optimizer", "lr", "schedule" } do
        make_part(name, s[name])
    end
    if s.pretrained then
        s.pretrained = training.check(s.pretrained)
        s.pretrained.seed = s.seed
    end
    return s
end

--- 16 hexadecimal digits that stand for the settings.
function training.key(settings)
    return core.digest(core.json_encode(settings))
end

local function first_of(source, count)
    if not count or count >= source:size() then
        return source
    end
    local list = {}
    for i = 1, count do
        list[i] = i
    end
    return source:subset(list)
end

--- The pictures of the classes { first, last }, of each the first `most` (all when nil); labels stay what they are.
local function of_classes(source, classes, most)
    local list, taken = {}, {}
    for i = 1, source:size() do
        local label = source:label(i)
        local count = (taken[label] or 0) + 1
        if label >= classes[1] and label <= classes[2] and count <= (most or math.huge) then
            list[#list + 1], taken[label] = i, count
        end
    end
    return source:subset(list)
end

--- Opens the data of the settings, at a path.
-- @param wanted { kind =, name = of a folder of one's own (it tells records apart, no more), train = nil or the first so many
-- pictures (of shapes, how many there are), val = alike, minival = nil or how many of the pictures to train are held out
-- before that, and judged on in place of val, classes = nil or { first, last } of those that are looked at, counted from 0,
-- per_class = nil or how many pictures to train on of each }
function training.open(wanted, path)
    local data = require "effv2.data"
    local opened
    if wanted.kind == "shapes" then
        opened = data.open("shapes", { train = wanted.train, val = wanted.val, minival = wanted.minival })
    else
        opened = data.open(path, { minival = wanted.minival })
    end
    local train, val = first_of(opened.train, wanted.train), first_of(opened.minival or opened.val, wanted.val)
    if wanted.classes then
        train, val = of_classes(train, wanted.classes, wanted.per_class), of_classes(val, wanted.classes)
    end
    return { train = train, val = val, classes = opened.classes, class_names = opened.class_names }
end

local function augmentation(given, model)
    local augment = require "effv2.augment"
    return function(at)
        local magnitude = at.randaugment or 0
        return augment.train {
            size = at.image_size, crop = given.crop, area = given.area, normalise = model.config.normalise,
            randaugment = magnitude > 0 and { n = given.operations, magnitude = magnitude, dialect = given.dialect } or nil,
        }
    end
end

local function create(settings, classes)
    local models = require "effv2.models"
    local options = without(settings.options)
    options.classes = classes
    if type(settings.model) == "string" then
        return models.create(settings.model, options)
    end
    for key, value in pairs(without(settings.model, "sizes")) do
        options[key] = value
    end
    return models.create(options)
end

--- The arguments of effv2.train that the settings stand for.
local function arguments(s, path)
    local effv2 = require "effv2"
    local data = training.open(s.data, path)
    effv2.manual_seed(s.seed)
    local model = create(s, data.classes)
    return {
        data = data, model = model, epochs = s.epochs, batch_size = s.batch_size, seed = s.seed,
        accumulate = s.micro_batch and s.batch_size / s.micro_batch or 1,
        optimizer = make_part("optimizer", s.optimizer), lr = make_part("lr", s.lr),
        schedule = make_part("schedule", s.schedule),
        augment = augmentation(s.augment, model), normalise = model.config.normalise, ema = s.ema,
        label_smoothing = s.label_smoothing, eval_size = s.eval_size, eval_rule = s.eval_rule, eval_every = s.eval_every,
    }
end

--- The epochs of a run that were evaluated: { epoch =, image_size =, loss =, top1 =, ema_top1 =, seconds = }.
local function curve_of(run)
    local list = {}
    for line in (core.read_file(run .. "/metrics.jsonl") or ""):gmatch "[^\n]+" do
        local row = core.json_decode(line)
        if type(row) == "table" and row.kind == "epoch" and row.top1 then
            list[#list + 1] = {
                epoch = row.epoch, image_size = row.image_size, loss = row.loss, top1 = row.top1, ema_top1 = row.ema_top1,
                seconds = row.seconds,
            }
        end
    end
    return list
end

--- Runs the training that another one begins with, in a folder within the other's.
-- @return its result, with weights = the path of the best ones
local function pretrain(settings, o)
    local run = o.run .. "/pretraining"
    local result = training.run(settings, { path = o.path, run = run, workers = o.workers })
    result.weights = run .. "/checkpoints/best.safetensors"
    return result
end

--- Gives a fresh model the weights of a file but its own classifier.
local function begin_with(model, path)
    assert(require("effv2.weights").load(model, path))
    model:set_classes(model.config.classes)
end

--- Runs a training, or goes on with what of it is in the folder `run`.
-- @param settings as KEYS says
-- @param o { path = of the data, run = a folder, workers = 1, report = f(epoch, top1) or nil }
-- @return { top1 = of the moving average after the last epoch (of the weights themselves without one), raw_top1 =,
-- seconds =, processor_seconds = (what all its threads computed; nil of one that was interrupted), parameters =, curve =
-- the evaluated epochs, pretraining = { top1 =, seconds = } where there is one }
function training.run(settings, o)
    local s = training.check(settings)
    local before = s.pretrained and pretrain(s.pretrained, o)
    local resumed, began = core.file_exists(o.run .. "/config.json"), os.clock()
    local args = arguments(s, o.path)
    if before then
        begin_with(args.model, before.weights)
    end
    args.workers, args.checkpoint_every, args.quiet = o.workers or 1, 60, true
    args.on_epoch = o.report and function(m)
        if m.top1 then
            o.report(m.epoch, m.ema_top1 or m.top1)
        end
    end
    args[resumed and "resume" or "run"] = o.run
    local result = require "effv2.train"(args)
    return {
        top1 = result.ema_top1 or result.top1, raw_top1 = result.top1, seconds = result.seconds,
        processor_seconds = not resumed and os.clock() - began or nil, parameters = args.model:num_parameters(),
        curve = curve_of(o.run),
        pretraining = before and { top1 = before.top1, seconds = before.seconds } or nil,
    }
end

return training
