--- Data sets, and loaders that make batches of them.
local core = require "effv2.core"
local archives = require "effv2.data.archives"
local augment = require "effv2.augment"
local caption = require "effv2.data.caption"
local keys = require "effv2.keys"
local kinds = require "effv2.data.kinds"

local data = { caption = caption }

local Dataset = {}
Dataset.__index = Dataset

--- What was strange in the folders; a line that both splits have (of a folder that was divided) comes once.
local function notices(dataset)
    local lines, seen = {}, {}
    for _, split in ipairs { "train", "val" } do
        for line in (dataset[split]:notice() or ""):gmatch "[^\n]+" do
            if not seen[line] then
                lines[#lines + 1] = split .. ": " .. line
            end
            seen[line] = true
        end
    end
    return lines
end

local function shorten(names)
    if #names <= 6 then
        return table.concat(names, ", ")
    end
    return table.concat({ names[1], names[2], names[3], "...", names[#names] }, ", ")
end

function Dataset:__tostring()
    local minival = self.minival and (", %d held out"):format(self.minival:size()) or ""
    local lines = {
        ("%s: %d pictures to train%s, %d to validate, %d classes (%s)"):format(self.path, self.train:size(), minival,
            self.val:size(), self.classes, shorten(self.class_names)),
    }
    for _, line in ipairs(self.notices) do
        lines[#lines + 1] = "  " .. line
    end
    return table.concat(lines, "\n")
end

local function inspect_split(report, split, source, most)
    for i = 1, source:size() do
        local picture, reason = source:image(i)
        if core.interrupted() then
            error("inspect: interrupted", 0)
        end
        report.images = report.images + 1
        if picture then
            local shape = picture:shape()
            report.smallest = math.min(report.smallest, shape[1], shape[2])
            report.largest = math.max(report.largest, shape[1], shape[2])
        else
            report.bad = report.bad + 1
            if report.bad <= most then
                report.list[report.bad] = { split = split, index = i, reason = reason }
            end
        end
    end
end

--- Reads every picture once and as a whole, before a long run: training itself does not see damage below a crop.
-- @param options split = "train" or "val" (default both), most = 20: how many unreadable ones to list
-- @return { images =, bad = how many cannot be read, list = { { split =, index =, reason = }, ... },
-- smallest =, largest = sides in pixels, classes = { split = { pictures of each class } } }
function Dataset:inspect(options)
    local o = keys.check("inspect", options, { most = 20, split = keys.none })
    local report = { images = 0, bad = 0, list = {}, smallest = math.huge, largest = 0, classes = {} }
    if o.split ~= nil and o.split ~= "train" and o.split ~= "val" then
        error(('inspect: split is "%s", wanted "train" or "val"'):format(tostring(o.split)), 2)
    end
    for _, split in ipairs(o.split and { o.split } or { "train", "val" }) do
        report.classes[split] = self[split]:class_counts()
        inspect_split(report, split, self[split], o.most)
    end
    return report
end

local function expand_home(path)
    local home = os.getenv "HOME"
    return home and path:gsub("^~/", function() return home .. "/" end) or path
end

local OPTIONS = {
    seed = 0, val_ratio = 0.1, kind = keys.none, train = keys.none, val = keys.none, minival = keys.none,
    val_count = keys.none, cache_mb = 0,
}

local function check_options(path, options)
    local o = keys.check("data.open", options, OPTIONS, 2)
    if type(path) ~= "string" then
        error(('data.open: the path is a %s, wanted a folder or "shapes"'):format(type(path)), 3)
    end
    keys.want_whole("data.open", "seed", o.seed, 0, false, 3)
    keys.want_whole("data.open", "train", o.train, 1, true, 3)
    keys.want_whole("data.open", "val", o.val, 1, true, 3)
    keys.want_whole("data.open", "val_count", o.val_count, 1, true, 3)
    if o.minival and not (type(o.minival) == "number" and o.minival > 0
        and (o.minival < 1 or o.minival == math.floor(o.minival))) then
        error(("data.open: minival is %s, wanted a share below 1 or a number of pictures"):format(keys.show(o.minival)), 3)
    end
    return o
end

--- The path and its kind, whose options are checked.
local function find_kind(path, o)
    path = expand_home(path)
    local kind, message = kinds.of(path, o.kind)
    if not kind then
        error("data.open: " .. message, 3)
    elseif kind.name ~= "shapes" and (o.train or o.val) then
        error('data.open: train and val (how many pictures) are for "shapes" only; of a source, source:subset(list) '
            .. "takes a part", 3)
    elseif kind.name ~= "imagenet21k" and o.val_count then
        error('data.open: val_count is for kind = "imagenet21k" only; val_ratio divides other folders', 3)
    end
    return path, kind
end

--- Holds the minival out of dataset.train.
local function take_minival(dataset, minival)
    local rest, held = dataset.train:hold_out { [minival < 1 and "share" or "count"] = minival }
    if not rest then
        error("data.open: minival: " .. held, 3)
    end
    dataset.train, dataset.minival = rest, held
end

--- Opens a data set, whose kind is told by what the path is: "shapes" (built in, drawn on the fly); a folder of pictures,
-- root/{train,val}/<class>/..., or root/<class>/..., of which val_ratio becomes the validation set; a folder with CIFAR-10
-- or -100 in binary form, Flowers-102, or Stanford Cars; a list of pictures in FILE.csv, or in train.csv and val.csv of a
-- folder; or tar archives, read in place: shards of WebDataset, or ImageNet's own (a tar of one tar a class, and a tar of
-- pictures), as one FILE.tar, a folder of them, or "train-{000000..000099}.tar". To validate are the test pictures
-- of CIFAR, Flowers-102 and Stanford Cars; of a CSV file those that its column `split` says, or val_ratio of all; of archives
-- those with the word val or validation in their names, or val_ratio of every class. classes.txt beside shards
-- names their classes, one a line. Pictures side by side, in val/ or in a tar, need val_labels.txt or LOC_val_solution.csv
-- beside them (or in val/), with lines "picture class".
-- @param path of the folder or file, or "shapes"
-- @param options seed = 0 (of the drawn pictures, or of the division), val_ratio = 0.1; train and val = how many
-- pictures (shapes only; 8000 and 2000); kind = "imagenet21k", or another kind than the path's; val_count = 100000
-- (ImageNet-21k only): how many random pictures are to validate; minival = a share below 1, or a number of pictures, that
-- is held out of train by a hash of their names, the same whatever the seed; cache_mb = 0: megabytes of memory that keep
-- decoded pictures of train; samples stay the same, and files at least twice as large as the samples are not kept (pack
-- them smaller first)
-- @return { train =, val = (sources), minival = (a source, if asked for), classes = count, class_names = list, kind =,
-- path =, notices = list }
function data.open(path, options)
    local o = check_options(path, options)
    local where, kind = find_kind(path, o)
    local train, val = kinds.divide(kind, where, o)
    if not train then
        error("data.open: " .. val, 2)
    end
    local name = train:kind() ~= "subset" and train:kind() or kind.name
    local dataset = { path = where, kind = name, train = train, val = val }
    if o.minival then
        take_minival(dataset, o.minival)
    end
    if o.cache_mb ~= 0 then
        dataset.train = dataset.train:cached(o.cache_mb)
    end
    dataset.class_names = train:class_names()
    dataset.classes = #dataset.class_names
    dataset.notices = notices(dataset)
    return setmetatable(dataset, Dataset)
end

--- One part of a data set: a source.
-- @param split "train", "val" or "minival", as data.open has them; or another that the kind has, such as "test"; of
-- Flowers-102 also "trnid" and "valid", which together are "train", and "tstid"
-- @param options of data.open
function data.split(path, split, options)
    if split == "train" or split == "val" or split == "minival" then
        return data.open(path, options)[split] or error('data.split: "minival" needs the option minival', 2)
    end
    local o = check_options(path, options)
    local where, kind = find_kind(path, o)
    local source, message = kinds.open(kind, where, split, o)
    return source or error("data.split: " .. message, 2)
end

--- Every picture of a folder and of the folders below it, whatever their classes: a source with one class. Or all of tar
-- archives, with their classes.
-- @return the source; or nil, message, code
function data.pictures(path)
    path = expand_home(path)
    local found = archives.find(path)
    if found then
        return archives.pictures(found)
    end
    return core.open_source { kind = "pictures", path = path }
end

--- The pictures to train on of data.open, or, of a folder of pictures without classes, all of data.pictures. For what
-- looks at pictures, or copies them.
-- @param path and options as for data.open
-- @return the source
function data.training(path, options)
    local opened, found = pcall(data.open, path, options)
    if opened then
        return found.train
    end
    local pictures = type(path) == "string" and data.pictures(path)
    return pictures and #pictures > 0 and pictures or error(found, 0)
end

--- The pictures that a model is judged by: a source. Of a folder those below its val, or all where it has none.
-- @param path as for data.open
-- @return the source; or nil, message, code
function data.judging(path)
    path = expand_home(path)
    local kind, message = kinds.of(path)
    if not kind then
        return nil, message
    elseif kind.judging then
        return kind.judging(path)
    end
    return data.open(path).val
end

--- How many unreadable pictures are accepted: max_bad itself, or that share of the source when it is below 1.
local function most_bad(max_bad, source)
    return max_bad < 1 and math.ceil(max_bad * source:size()) or max_bad
end

--- The core's word for the argument shuffle.
local function shuffle_of(shuffle)
    if shuffle == "shards" then
        return "shards"
    elseif shuffle ~= nil and type(shuffle) ~= "boolean" then
        error(('data.loader: shuffle is %s, wanted true, false or "shards"'):format(keys.show(shuffle)), 3)
    end
    return shuffle == false and "none" or "all"
end

local SOURCE = ".train or .val of what effv2.data.open gives"
local PIPELINE = "one of effv2.augment.train, eval or pipeline"

--- Batches of a source, made ahead by threads; the same ones for any number of them.
-- @param given source, pipeline (of effv2.augment), batch_size; size = of the samples (default: the pipeline's);
-- seed = 0, epoch = 0, start_batch = 0: what is drawn, and where the epoch begins; shuffle = true, or
-- "shards", for disks that read best what lies together: shards in random order, and pictures at random among those of
-- shard_window = 8 shards; drop_last = false (the last batch may be short); workers = 1 thread (0: samples are made when
-- asked for), prefetch = 2 batches;
-- mixup = 0, cutmix = 0 (alphas), classes = the source's; on_bad = "raise" or "skip", max_bad = 0.001: how many may
-- be skipped (below 1: that share of the source); pixel_limit = 2^28: larger pictures are bad and not decoded, which
-- bounds a thread's memory (3 bytes a pixel, and 6 more for a progressive JPEG); rank = 0, ranks = 1, pad_last = false
-- (fill the last batch from the start of the order; batch.padding says how many)
-- @return a loader: `for batch in loader:batches() do`, #loader, loader:bad(), loader:waited() (seconds that training
-- waited for batches), loader:set { pipeline =, size =, mixup =, cutmix = } (from the next batch on), loader:close()
-- A batch has images (float32, n x size x size x 3), labels (int64, from 0; of several the first), targets (float32,
-- n x classes, if mixed or if pictures may have several labels: each of k then has 1/k), indices (int64, from 1), count,
-- padding, position and epoch.
function data.loader(given)
    local o = keys.check("data.loader", given, {
        source = keys.none, pipeline = keys.none, batch_size = keys.none, size = keys.none, seed = 0, epoch = 0,
        shuffle = keys.none, shard_window = 8, drop_last = false, workers = 1, prefetch = 2, start_batch = 0,
        mixup = 0, cutmix = 0, classes = keys.none, on_bad = "raise", max_bad = 0.001, pixel_limit = keys.none, rank = 0,
        ranks = 1, pad_last = false,
    })
    local wanted = { source = SOURCE, pipeline = PIPELINE, batch_size = "a number of images" }
    for _, name in ipairs { "source", "pipeline", "batch_size" } do
        if o[name] == nil then
            error(("data.loader: %s is missing, wanted %s"):format(name, wanted[name]), 2)
        end
    end
    if type(o.source) == "table" and o.source.train then
        error("data.loader: source is a data set; take its .train or .val", 2)
    elseif type(o.source) ~= "userdata" then
        error(("data.loader: source is a %s, wanted %s"):format(type(o.source), SOURCE), 2)
    elseif not augment.is_pipeline(o.pipeline) then
        error(("data.loader: pipeline is a %s, wanted %s"):format(type(o.pipeline), PIPELINE), 2)
    end
    keys.want_whole("data.loader", "batch_size", o.batch_size, 1)
    keys.want_whole("data.loader", "size", o.size or o.pipeline.size, 1)
    keys.want_whole("data.loader", "workers", o.workers, 0)
    keys.want_whole("data.loader", "seed", o.seed, 0)
    return core.Loader {
        source = o.source, pipeline = o.pipeline:compile(o.size), batch_size = o.batch_size, seed = o.seed,
        epoch = o.epoch, shuffle = shuffle_of(o.shuffle), shard_window = o.shard_window,
        last = o.drop_last and "drop" or o.pad_last and "pad" or "short", workers = o.workers,
        prefetch = o.prefetch, start_batch = o.start_batch, mixup = o.mixup, cutmix = o.cutmix,
        classes = o.classes, on_bad = o.on_bad, max_bad = most_bad(o.max_bad, o.source),
        pixel_limit = o.pixel_limit, rank = o.rank, ranks = o.ranks,
    }
end

--- Puts pictures (n x height x width x 3, in pixel values) on one sheet with `columns` columns and white gaps.
-- @return a uint8 tensor, for effv2.write_png
function data.sheet(pictures, columns)
    local shape, gap = pictures:shape(), 2
    local n, height, width = shape[1], shape[2], shape[3]
    columns = columns or math.ceil(math.sqrt(n))
    local rows = math.ceil(n / columns)
    local sheet = core.full(255, rows * (height + gap) + gap, columns * (width + gap) + gap, 3, { dtype = "uint8" })
    for i = 0, n - 1 do
        local y = gap + math.floor(i / columns) * (height + gap)
        local x = gap + (i % columns) * (width + gap)
        local place = sheet:slice(1, y + 1, y + height):slice(2, x + 1, x + width)
        place:copy(255 - (255 - pictures[i + 1]:relu()):relu()) -- clipped to 0..255
    end
    return sheet
end

return data
