--- recipe: what the recipes of trainings share: settings by scale, data, a model to begin with, and the end.
--
-- A recipe states its settings once, the paper's, and what other scales change of them; effv2.train does the rest.
-- dry_run=true prints the plan of any recipe (train/plan.lua) and trains nothing.
local config = require "effv2.config"

local recipe = { table6 = require "effv2.recipe.table6" }

local SMOKE_PICTURES = 640 -- drawn ones, with scale=smoke

local function refuse(format, ...)
    error({ exit_code = 2, message = format:format(...) }, 0)
end

-- ---- settings ---------------------------------------------------------------------------------------

--- The keys of every recipe that trains, where it does not set them itself.
local function common_keys()
    return {
        eval_every = 1, seed = 0, workers = 2, shuffle = "all", cache_mb = 0, on_bad = "raise", checkpoint_every = 300,
        profile = false, dry_run = false, run = config.optional "string", resume = config.optional "string",
    }
end

--- What keys with few values may be.
local function known_values()
    return {
        rule = { "paper", "official" }, eval_rule = { "official", "crop", "whole" }, on_bad = { "raise", "skip" },
        loss = { "softmax", "sigmoid" }, shuffle = { "all", "shards" }, layout = require("effv2.weights").layouts(),
        dialect = require("effv2.augment").dialects(), preset = { "model", "official", "timm", "timm-tf", "torchvision" },
    }
end

local meanings = {
    data = "what to train on, as effv2.data.open takes it",
    model = "a name of effv2.models.list()",
    stem_stride = "stride of the first convolution",
    weights = "a safetensors file of weights to begin with; its classifier is replaced",
    layout = "whose names that file has",
    preset = "whose padding, norms and pixels (timm-tf: its tf_ models); else the official, or torchvision by layout",
    minival = "training pictures that are held out and choose the best epoch, a number or a share; 0: those to validate do",
    epochs = "passes over the training images",
    batch_size = "images an update",
    micro_batch = "images that are computed at once: a batch is summed up in parts, to save memory",
    lr = "peak learning rate for the whole batch",
    warmup_epochs = "epochs of linear warm-up",
    decay_every = "epochs between two decays of the rate by 0.97",
    weight_decay = "of the weights, added to the gradient",
    label_smoothing = "share of the target that all classes have alike",
    ema = "decay of the moving average of the weights",
    bn_momentum = "share of its past that a batch norm's average keeps at an update",
    stages = "number of stages of Algorithm 1",
    rule = "what holds where they differ: the paper, or the released code",
    image_size = "first and last training size",
    randaugment = "first and last RandAugment magnitude",
    dialect = "meaning of RandAugment's magnitudes; relative: distances follow the image size",
    mixup = "first and last Mixup alpha",
    cutmix = "first and last CutMix alpha",
    dropout = "first and last dropout rate",
    drop_path = "stochastic depth of the last block (1 - survival probability)",
    crop_area = "least share of the picture that a random crop keeps",
    eval_size = "image size of the evaluation",
    eval_rule = "official (the released code's crop) or whole (the picture resized)",
    eval_every = "epochs between two evaluations; the last epoch always has one",
    workers = "threads that prepare images",
    shuffle = "mix all images, or shards and the images of a few: for disks that are slow at jumping",
    cache_mb = "megabytes of memory for decoded training images, where these are less than twice as large as samples",
    on_bad = "what a picture that cannot be read does: end the run, or be named and skipped (up to 0.1 %)",
    checkpoint_every = "seconds between checkpoints",
    profile = "print, layer by layer, where the time of ten updates goes",
    dry_run = "print the plan: stages, rates, memory and the time on this machine; nothing is trained",
    run = "folder of the run; a new one below runs/ when not given",
    resume = "folder of a run to go on with",
}

local function merge(into, from)
    for key, value in pairs(from or {}) do
        into[key] = value
    end
    return into
end

--- A copy of settings with some changed.
function recipe.but(settings, changes)
    return merge(merge({}, settings), changes)
end

--- The value of a key that decides on other defaults: the command line's or a resumed run's if it is one of the
-- choices (a list), else the default.
function recipe.given(name, default, choices)
    local given = config.given(name)
    for _, choice in ipairs(choices or { given }) do
        if given == choice then
            return given
        end
    end
    return default
end

--- The scale that a recipe runs at: as given; else the first, the paper's, with data=, and without it `without_data`.
function recipe.scale(scales, without_data)
    local default = config.given "data" and scales[1] or without_data or scales[1]
    return recipe.given("scale", default, scales)
end

--- The settings of a recipe, as effv2.config reads them.
-- @param own its keys and values, and help = { text, key = meaning }
-- @param scale = { names = list, name = the one at hand, changes = { name = { key = value } } }
function recipe.config(own, scale)
    local defaults, help = common_keys(), {}
    merge(merge(defaults, own), scale.changes[scale.name])
    for key, list in pairs(known_values()) do
        defaults[key] = defaults[key] and config.choice(defaults[key], list)
    end
    defaults.scale = config.choice(scale.name, scale.names)
    for key in pairs(defaults) do
        help[key] = meanings[key]
    end
    help.scale = "the settings: the paper's, or others that are done sooner"
    defaults.help = merge(help, own.help)
    local cfg = config(defaults)
    if cfg.micro_batch < 1 or cfg.batch_size % cfg.micro_batch ~= 0 then
        refuse("micro_batch: a batch of %g is not made of parts of %g pictures; batch_size must be a multiple of micro_batch",
            cfg.batch_size, cfg.micro_batch)
    end
    return cfg
end

-- ---- data and model ---------------------------------------------------------------------------------

--- Pictures that are drawn, as many as the set has that a plan is made for.
local function stand_in(like, options)
    local data = require "effv2.data"
    local drawn = data.open("shapes", { train = like.train, val = like.val, minival = options.minival })
    io.stderr:write(("no data=: the plan is made with drawn pictures, as many as %s has;\n"
        .. "the time to read files comes on top\n"):format(like.name))
    return { train = drawn.train, val = drawn.val, minival = drawn.minival, classes = like.classes, class_names = {} }
end

--- The data of a recipe: { train =, val = (what the epochs are judged by), test = (what the end is judged by, where it
-- is something else), classes =, class_names = }.
-- @param like = { name =, train =, val =, classes = }: what a plan without data= is made for
-- @param options of data.open, beside minival
function recipe.data(cfg, like, options)
    local minival = rawget(cfg, "minival")
    options = merge({ minival = minival ~= 0 and minival or nil, cache_mb = cfg.cache_mb }, options)
    if cfg.data == "shapes" and cfg.scale == "smoke" then
        options.train, options.val = SMOKE_PICTURES, SMOKE_PICTURES / 4
    end
    if cfg.data == nil and not cfg.dry_run then
        refuse("data=PATH is needed, such as that of %s (dry_run=true prints the plan without it); --help lists the keys",
            like.name)
    end
    local opened = cfg.data == nil and stand_in(like, options) or require("effv2.data").open(cfg.data, options)
    local held = opened.minival
    return {
        train = opened.train, val = held or opened.val, test = held and opened.val or nil, classes = opened.classes,
        class_names = opened.class_names,
    }
end

--- What the settings say of a network that is a table of stages.
local function model_options(cfg)
    local entry, options, preset = require("effv2.models").describe(cfg.model), {}, rawget(cfg, "preset")
    options.preset = preset ~= "model" and preset or nil
    if entry.stages then
        options.drop_path, options.bn_momentum = rawget(cfg, "drop_path"), rawget(cfg, "bn_momentum")
        local stride = rawget(cfg, "stem_stride")
        options.stem = stride and merge(merge({}, entry.stem), { stride = stride })
    end
    return options
end

--- The network cfg.model for the data, or that with the weights of the file cfg.weights and a new classifier.
function recipe.model(cfg, data)
    local models, weights, options = require "effv2.models", require "effv2.weights", model_options(cfg)
    if not rawget(cfg, "weights") then
        options.classes = data.classes
        return models.create(cfg.model, options)
    end
    local model, message = weights.open(cfg.model, cfg.weights, { layout = cfg.layout, model = options })
    if not model then
        error({ exit_code = 1, message = "weights: " .. message }, 0)
    end
    return model:set_classes(data.classes)
end

--- Refuses to go on without weights to begin with; a plan needs none.
function recipe.require_weights(cfg, which)
    if not cfg.weights and not cfg.dry_run then
        refuse("weights=FILE is needed: %s (dry_run=true prints the plan without it); --help lists the keys", which)
    end
end

--- Augmentation of training by the schedule: crops of at least crop_area, flips, and two operations of RandAugment.
function recipe.augment(cfg, model)
    local augment = require "effv2.augment"
    return function(at)
        return augment.train {
            size = at.image_size, area = { cfg.crop_area, 1 }, normalise = model.config.normalise,
            randaugment = at.randaugment > 0 and { n = 2, magnitude = at.randaugment, dialect = cfg.dialect } or nil,
        }
    end
end

--- Augmentation of fine-tuning (section 5.3, and the released code): the whole picture, flips, and a square that is cut
-- out, half as wide as the picture. Here the square is gray; the released code fills it with noise.
function recipe.cutout(model)
    local augment = require "effv2.augment"
    return function(at)
        return augment.train {
            size = at.image_size, crop = "none", cutout = math.floor(at.image_size / 2), normalise = model.config.normalise,
        }
    end
end

-- ---- the end ----------------------------------------------------------------------------------------

local function print_plan(plan)
    local effv2 = require "effv2"
    print(plan)
    print(effv2.json_encode {
        dry_run = true, parameters = plan.parameters, images = plan.images, val_images = plan.val_images,
        updates = plan.updates, evaluations = plan.evaluations, seconds = plan.seconds, bytes = plan.bytes,
    })
end

--- The best weights of a run, by the held-out pictures, on those that had no part in it: early stopping as the paper has it.
local function judge_best(o, data, run)
    local effv2 = require "effv2"
    local path = run .. "/checkpoints/best.safetensors"
    assert(effv2.weights.load(o.model, path))
    local found = effv2.evaluate {
        model = o.model, source = data.test, size = o.eval_size, rule = o.eval_rule, normalise = o.normalise,
        workers = o.workers, loss = o.loss, on_bad = o.on_bad,
    }
    io.stderr:write(("best weights (%s) on the %d pictures to validate: top-1 %.2f  top-5 %.2f\n"):format(path, found.images,
        100 * found.top1, 100 * found.top5))
    return found
end

--- Trains by effv2.train, or makes the plan, and prints the result as a JSON object.
-- @param arguments of effv2.train, beside those that cfg says: model, optimizer, lr, schedule, augment, ...
-- @param data of recipe.data
-- @return what effv2.train returned
function recipe.train(cfg, data, arguments)
    local effv2 = require "effv2"
    local o = merge({
        data = data, epochs = rawget(cfg, "epochs"), batch_size = cfg.batch_size, accumulate = cfg.batch_size / cfg.micro_batch,
        seed = cfg.seed, workers = cfg.workers, label_smoothing = cfg.label_smoothing, ema = cfg.ema,
        normalise = arguments.model.config.normalise, eval_size = cfg.eval_size, eval_every = cfg.eval_every,
        shuffle = cfg.shuffle == "shards" and "shards" or nil, on_bad = cfg.on_bad,
        checkpoint_every = cfg.checkpoint_every, profile = cfg.profile, dry_run = cfg.dry_run,
        config = cfg, run = cfg.run, resume = cfg.resume,
    }, arguments)
    local result = effv2.train(o)
    if cfg.dry_run then
        print_plan(result)
        return result
    end
    local last = data.test and judge_best(o, data, result.run)
        or { top1 = result.ema_top1 or result.top1, top5 = result.ema_top5 or result.top5 }
    print(effv2.json_encode {
        top1 = last.top1, top5 = last.top5, raw_top1 = result.top1, ema_top1 = result.ema_top1, best = result.best,
        seconds = result.seconds, run = result.run,
    })
    return result
end

return recipe
