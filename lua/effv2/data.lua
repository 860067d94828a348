--- Data sets, and loaders that make batches of them.
local core = require "effv2.core"
local augment = require "effv2.augment"
local keys = require "effv2.keys"

local data = {}

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
    local lines = {
        ("%s: %d pictures to train, %d to validate, %d classes (%s)"):format(self.path, self.train:size(),
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

--- Reads every picture once, before a long run.
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

local function open_split(kind, path, split, o)
    local source, message = core.open_source {
        kind = kind, path = path, split = split, val_ratio = o.val_ratio, seed = o.seed, count = o[split],
    }
    if not source then
        error("data.open: " .. message, 3)
    end
    return source
end

local function expand_home(path)
    local home = os.getenv "HOME"
    return home and path:gsub("^~/", function() return home .. "/" end) or path
end

local function kind_of(path)
    if path == "shapes" then
        return "shapes"
    end
    for _, name in ipairs { "data_batch_1.bin", "test_batch.bin", "train.bin" } do
        if core.file_exists(path .. "/" .. name) then
            return "cifar"
        end
    end
    return "folder"
end

--- The archives "for Python" hold pickled objects, which are not read.
local function refuse_python_cifar(path)
    for _, names in ipairs { { "data_batch_1", "test_batch" }, { "train", "meta" } } do
        local first, second = path .. "/" .. names[1], path .. "/" .. names[2]
        if core.file_exists(first) and core.file_exists(second) and not core.dir_exists(first) then
            error(("data.open: %s holds CIFAR in its Python version; the binary version is needed (cifar-10-binary.tar.gz or "
                .. "cifar-100-binary.tar.gz)"):format(path), 3)
        end
    end
end

--- Opens a data set: "shapes" (built in, drawn on the fly), a folder with CIFAR-10 or -100 in binary form, or a folder
-- of pictures: root/{train,val}/<class>/..., or root/<class>/..., of which val_ratio becomes the validation set.
-- @param path of the folder, or "shapes"
-- @param options seed = 0 (of the drawn pictures, or of the division), val_ratio = 0.1, train and val = how many
-- pictures (shapes only; 8000 and 2000)
-- @return { train =, val = (sources), classes = count, class_names = list, kind =, path =, notices = list }
function data.open(path, options)
    if type(path) ~= "string" then
        error(('data.open: the path is a %s, wanted a folder or "shapes"'):format(type(path)), 2)
    end
    local o = keys.check("data.open", options, { seed = 0, val_ratio = 0.1, train = keys.none, val = keys.none })
    keys.want_whole("data.open", "seed", o.seed, 0)
    keys.want_whole("data.open", "train", o.train, 1, true)
    keys.want_whole("data.open", "val", o.val, 1, true)
    path = expand_home(path)
    local kind = kind_of(path)
    if kind == "folder" then
        refuse_python_cifar(path)
    end
    if kind ~= "shapes" and (o.train or o.val) then
        error('data.open: train and val (how many pictures) are for "shapes" only; of a source, source:subset(list) '
            .. "takes a part", 2)
    end
    local dataset = {
        path = path, kind = kind, train = open_split(kind, path, "train", o), val = open_split(kind, path, "val", o),
    }
    dataset.kind = dataset.train:kind()
    dataset.class_names = dataset.train:class_names()
    dataset.classes = #dataset.class_names
    dataset.notices = notices(dataset)
    return setmetatable(dataset, Dataset)
end

--- Every picture of a folder and of the folders below it, whatever their classes: a source with one class.
-- @return the source; or nil, message, code
function data.pictures(path)
    return core.open_source { kind = "pictures", path = expand_home(path) }
end

--- The pictures that a model is judged by: a source. Of a folder those below its val, or all where it has none.
-- @param path as for data.open
-- @return the source; or nil, message, code
function data.judging(path)
    path = expand_home(path)
    local kind = kind_of(path)
    if kind ~= "folder" then
        return data.open(path).val
    end
    local root = core.dir_exists(path .. "/val") and path .. "/val" or path
    return core.open_source { kind = "folder", path = root, split = "val", val_ratio = 1 }
end

--- How many unreadable pictures are accepted: max_bad itself, or that share of the source when it is below 1.
local function most_bad(max_bad, source)
    return max_bad < 1 and math.ceil(max_bad * source:size()) or max_bad
end

local SOURCE = ".train or .val of what effv2.data.open gives"
local PIPELINE = "one of effv2.augment.train, eval or pipeline"

--- Batches of a source, made ahead by threads; the same ones for any number of them.
-- @param given source, pipeline (of effv2.augment), batch_size; size = of the samples (default: the pipeline's);
-- seed = 0, epoch = 0, start_batch = 0: what is drawn, and where the epoch begins; shuffle = true; drop_last = false
-- (the last batch may be short); workers = 1 thread (0: samples are made when asked for), prefetch = 2 batches;
-- mixup = 0, cutmix = 0 (alphas), classes = the source's; on_bad = "raise" or "skip", max_bad = 0.001: how many may
-- be skipped (below 1: that share of the source); rank = 0, ranks = 1, pad_last = false (fill the last batch from the
-- start of the order; batch.padding says how many)
-- @return a loader: `for batch in loader:batches() do`, #loader, loader:bad(), loader:waited()
-- (seconds that training waited for batches), loader:close()
-- A batch has images (float32, n x size x size x 3), labels (int64, from 0), targets (float32, n x classes, if mixed),
-- indices (int64, from 1), count, padding, position and epoch.
function data.loader(given)
    local o = keys.check("data.loader", given, {
        source = keys.none, pipeline = keys.none, batch_size = keys.none, size = keys.none, seed = 0, epoch = 0,
        shuffle = true, drop_last = false, workers = 1, prefetch = 2, start_batch = 0, mixup = 0, cutmix = 0,
        classes = keys.none, on_bad = "raise", max_bad = 0.001, rank = 0, ranks = 1, pad_last = false,
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
        epoch = o.epoch, shuffle = o.shuffle, last = o.drop_last and "drop" or o.pad_last and "pad" or "short",
        workers = o.workers, prefetch = o.prefetch, start_batch = o.start_batch, mixup = o.mixup, cutmix = o.cutmix,
        classes = o.classes, on_bad = o.on_bad, max_bad = most_bad(o.max_bad, o.source), rank = o.rank,
        ranks = o.ranks,
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
