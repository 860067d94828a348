--- Augmentation: pipelines that turn a picture of any size into one sample.
--
-- augment.train and augment.eval are the usual ones; augment.pipeline { steps... } orders steps freely. A pipeline is
-- compiled for a sample size when a loader takes it, and runs in C. All randomness comes from (seed, epoch, picture).
local core = require "effv2.core"
local choose = require "effv2.augment.choose"
local dialects = require "effv2.augment.dialects"
local keys = require "effv2.keys"
local names_of = require "effv2.names_of"
local operations = require "effv2.augment.operations"
local steps = require "effv2.augment.steps"
local suggest = require "effv2.suggest"

local augment = {
    steps = steps,
    randaugment = steps.randaugment,
    autoaugment = steps.autoaugment,
    trivialaugment = steps.trivialaugment,
    register = operations.register,
    operations = operations.list,
    operation = operations.find,
}

--- The names of the dialects of RandAugment.
function augment.dialects()
    return names_of(dialects.randaugment)
end

--- The operations of a dialect, in its order: a list of entries as augment.register takes them.
function augment.dialect(name)
    return { unpack(choose("augment.dialect: unknown dialect", name, dialects.randaugment).operations) }
end

--- One operation on a picture, for a look at it: augment.apply(picture, "rotate", 10).
-- @param item a name of the dialect's operations or of registered ones, or an entry as augment.register takes it
-- @param options dialect = "official" (whose list, arithmetic, filter and fill), seed = 0: of the sign and of places;
-- size = the picture's width: of the sample, for lengths that follow it
-- @return the changed picture, uint8 as the given one
function augment.apply(picture, item, magnitude, options)
    local o = keys.check("augment.apply", options, { dialect = "official", seed = 0, size = keys.none })
    local dialect = choose("augment.apply: unknown dialect", o.dialect, dialects.randaugment)
    local entry
    for _, known in ipairs(dialect.operations) do
        entry = entry or known.name == item and known
    end
    local compiled = operations.at(operations.resolve(entry or item, 2), magnitude, o.size or picture:size(2))
    compiled.probability = 1
    return core.apply_operation(picture, compiled, {
        rule = dialect.rule, filter = dialect.filter, other = dialect.other, fill = dialect.fill, seed = o.seed,
    })
end

local Pipeline = {}
Pipeline.__index = Pipeline

--- The core's pipeline for samples of size x size (default: the size that the pipeline was made with).
function Pipeline:compile(size)
    size = size or self.size
    if type(size) ~= "number" or size < 1 or size ~= math.floor(size) then
        error(("augment: the size of the samples is %s, wanted a number of pixels"):format(tostring(size)), 2)
    end
    if not self.compiled[size] then
        local built = {}
        for i, step in ipairs(self) do
            built[i] = step.build(size)
        end
        self.compiled[size] = core.Pipeline(built)
    end
    return self.compiled[size]
end

--- One sample of a picture (uint8, height x width x 3): float32 of size x size x 3.
-- @param options size = the pipeline's, and what names the random numbers: seed = 0, epoch = 0, index = 1
function Pipeline:__call(picture, options)
    local o = keys.check("pipeline", options, { size = keys.none, seed = 0, epoch = 0, index = 1 })
    return self:compile(o.size)(picture, o.seed, o.epoch, o.index - 1)
end

function Pipeline:__tostring()
    local names = {}
    for i, step in ipairs(self) do
        names[i] = step.name
    end
    return ("pipeline (%s%s)"):format(self.size and self.size .. " pixels: " or "", table.concat(names, ", "))
end

--- A pipeline of these steps, in this order: augment.pipeline { augment.steps.resize {}, ..., size = 128 }.
-- size may be left to the loader.
function augment.pipeline(given)
    if type(given) ~= "table" then
        error(("augment.pipeline: a %s, wanted a list of steps of augment.steps"):format(type(given)), 2)
    end
    local made = { compiled = {} }
    for key, value in pairs(given) do
        if type(key) == "number" then
            if type(value) ~= "table" or not value.build then
                error(("augment.pipeline: item %d is no step of augment.steps"):format(key), 2)
            end
        elseif key ~= "size" then
            error(("augment.pipeline: unknown argument '%s'%s"):format(tostring(key),
                suggest.hint(tostring(key), { "size" })), 2)
        end
        made[key] = value
    end
    if #made == 0 then
        error("augment.pipeline: it has no steps", 2)
    end
    return setmetatable(made, Pipeline)
end

--- Whether a value is a pipeline of augment.pipeline, train or eval.
function augment.is_pipeline(value)
    return getmetatable(value) == Pipeline
end

local function crop_steps(o)
    local resize = steps.resize { filter = o.filter, scaled = o.scaled }
    return choose("augment.train: unknown crop", o.crop, {
        random_resized = { steps.random_crop { area = o.area, aspect = o.aspect }, resize },
        pad = { steps.pad_crop { pad = o.pad }, resize },
        none = { resize },
    }, 3)
end

--- The pipeline of training: crop, resize, flip, RandAugment, cutout, normalise (the official order).
-- @param given size; crop = "random_resized" (official), "pad" (a border of `pad` = 4 pixels on the picture as it is,
-- then a crop of its old size: CIFAR) or "none" (the whole picture, squashed); area = { 0.05, 1 }, aspect =
-- { 0.75, 1.333 }; filter = "tf_bilinear"; scaled = true, see augment.steps.resize; flip = 0.5; randaugment = nil,
-- { n = 2, magnitude = 10, ... }, a number, the magnitude, or another policy, such as augment.trivialaugment(); cutout = 0
-- (side in pixels); normalise = "official", see augment.steps.normalise
function augment.train(given)
    local o = keys.check("augment.train", given, {
        size = keys.none, crop = "random_resized", area = { 0.05, 1 }, aspect = { 0.75, 1.333 }, pad = 4,
        filter = "tf_bilinear", scaled = true, flip = 0.5, randaugment = keys.none, cutout = 0, normalise = keys.none,
    })
    local list = { size = o.size, unpack(crop_steps(o)) }
    if o.flip > 0 then
        list[#list + 1] = steps.flip { probability = o.flip }
    end
    if o.randaugment then
        local settings = type(o.randaugment) == "number" and { magnitude = o.randaugment } or o.randaugment
        list[#list + 1] = settings.build and settings or steps.randaugment(settings)
    end
    if o.cutout > 0 then
        list[#list + 1] = steps.cutout { side = o.cutout }
    end
    list[#list + 1] = steps.normalise(o.normalise)
    return augment.pipeline(list)
end

--- The 32-pixel rule below 320 pixels; from there on the whole picture.
local function official_crop()
    local crop = steps.center_crop { rule = "rule32" }
    return { name = "center_crop", build = function(size)
        return size < 320 and crop.build(size) or { kind = "center_crop", rule = "fraction", fraction = 1 }
    end }
end

--- The pipeline of evaluation, without randomness.
-- @param given size; rule = "official" (below 320 pixels the centre square of size / (size + 32) of the shorter side,
-- from there on the whole picture squashed to a square), "crop" (the square at every size) or "whole" (squashed at
-- every size); filter = "tf_bilinear"; normalise = "official"
function augment.eval(given)
    local o = keys.check("augment.eval", given, {
        size = keys.none, rule = "official", filter = "tf_bilinear", normalise = keys.none,
    })
    local list = choose("augment.eval: unknown rule", o.rule, {
        official = { official_crop() },
        crop = { steps.center_crop { rule = "rule32" } },
        whole = {},
    })
    list.size = o.size
    list[#list + 1] = steps.resize { filter = o.filter }
    list[#list + 1] = steps.normalise(o.normalise)
    return augment.pipeline(list)
end

--- What the normalisation of a pipeline did: mean and std in pixel values.
local function normalisation(pipeline)
    for _, step in ipairs(pipeline) do
        if step.mean then
            return step.mean, step.std
        end
    end
    return { 0, 0, 0 }, { 1, 1, 1 }
end

--- Writes a contact sheet of n samples as the network sees them: effv2.augment.preview(dataset, pipeline, 16, "x.png").
-- @param dataset of data.open, or a source
-- @param options columns, seed = 0, epoch = 0, size = the pipeline's, shuffle = true
-- @return true; or nil, message, code when the file cannot be written
function augment.preview(dataset, pipeline, n, path, options)
    local data = require "effv2.data"
    local o = keys.check("augment.preview", options,
        { columns = math.ceil(math.sqrt(n)), seed = 0, epoch = 0, size = keys.none, shuffle = true })
    local source = type(dataset) == "table" and dataset.train or dataset
    local loader = data.loader {
        source = source, pipeline = pipeline, size = o.size, batch_size = n, seed = o.seed, epoch = o.epoch,
        shuffle = o.shuffle, workers = 0,
    }
    local batch = loader:next()
    loader:close()
    local mean, std = normalisation(pipeline)
    local pixels = batch.images * core.tensor(std) + core.tensor(mean)
    return core.write_png(path, data.sheet(pixels, o.columns))
end

suggest.guard(steps, "augment.steps")

return augment
