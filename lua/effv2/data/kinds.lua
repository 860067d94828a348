--- The kinds of data sets that effv2.data.open knows, told apart by what the path is.
--
-- A kind has: name; means, shown where no kind fits; is(path), asked in the order of the list (without it the kind is
-- opened by `kind =` alone); open(path, split, o), a source, or nil and a message (default: core.open_source); where one
-- listing serves both parts, divide(path, o), the sources to train and to validate; and judging(path), what a model is
-- judged by, where that is more than the part to validate. o: the options of data.open.
local core = require "effv2.core"
local archives = require "effv2.data.archives"
local choose = require "effv2.augment.choose"
local flat = require "effv2.data.flat"

local kinds = {}

local function has_file(...)
    local names = { ... }
    return function(path)
        for _, name in ipairs(names) do
            if core.file_exists(path .. "/" .. name) then
                return true
            end
        end
        return false
    end
end

--- Holds a share of a source out, at least one picture, as its part to validate. The seed keeps clear of minival's.
local function divide_by_ratio(source, o)
    local count = math.max(1, math.floor(source:size() * o.val_ratio + 0.5))
    return source:hold_out { count = count, seed = o.seed + 1 }
end

-- ---- CSV ----------------------------------------------------------------------------------------------

local function is_csv(path)
    return path:lower():match "%.csv$" ~= nil
end

local function has_folders(path)
    for _, entry in ipairs(core.list_dir(path) or {}) do
        if entry.is_dir then
            return true
        end
    end
    return false
end

--- A folder with train.csv; where train/ has class folders, they say more.
local function is_csv_folder(path)
    return core.file_exists(path .. "/train.csv") and not has_folders(path .. "/train")
end

local function open_csv(path, split, o)
    if is_csv(path) then
        return core.open_source { kind = "csv", path = path, split = split }
    elseif split == "train" then
        return core.open_source { kind = "csv", path = path .. "/train.csv", split = "all" }
    end
    local train, message, code = open_csv(path, "train", o)
    if not train then
        return nil, message, code
    end
    return core.open_source { kind = "csv", path = ("%s/%s.csv"):format(path, split), split = "all", like = train }
end

local function divide_csv(path, o)
    local list = is_csv(path) and path or path .. "/train.csv"
    local splits, message = false, nil
    if is_csv(path) then
        splits, message = core.csv_has_splits(path)
    end
    if splits == nil then
        return nil, message
    elseif splits or list ~= path and core.file_exists(path .. "/val.csv") then
        local train, reason = open_csv(path, "train", o)
        if not train then
            return nil, reason
        end
        local val
        val, reason = open_csv(path, "val", o)
        return val and train, val or reason
    end
    local all, reason = core.open_source { kind = "csv", path = list, split = "all" }
    if not all then
        return nil, reason
    end
    return divide_by_ratio(all, o)
end

-- ---- folders ------------------------------------------------------------------------------------------

--- The archives "for Python" hold pickled objects, which are not read.
local function python_cifar(path)
    for _, names in ipairs { { "data_batch_1", "test_batch" }, { "train", "meta" } } do
        local first, second = path .. "/" .. names[1], path .. "/" .. names[2]
        if core.file_exists(first) and core.file_exists(second) and not core.dir_exists(first) then
            return ("%s holds CIFAR in its Python version; the binary version is needed (cifar-10-binary.tar.gz or "
                .. "cifar-100-binary.tar.gz)"):format(path)
        end
    end
    return nil
end

local function open_folder(path, split, o)
    local refused = python_cifar(path)
    if refused then
        return nil, refused
    end
    return core.open_source { kind = "folder", path = path, split = split, val_ratio = o.val_ratio, seed = o.seed }
end

local function divide_folder(path, o)
    local train, reason = open_folder(path, "train", o)
    if not train then
        return nil, reason
    end
    local val
    val, reason = flat.open(path, train:class_names())
    if not val and not reason then
        val, reason = open_folder(path, "val", o)
    end
    return val and train, val or reason
end

local function judge_folder(path)
    local labelled, message, code = flat.judging(path)
    if labelled or message then
        return labelled, message, code
    end
    local root = core.dir_exists(path .. "/val") and path .. "/val" or path
    return core.open_source { kind = "folder", path = root, split = "val", val_ratio = 1 }
end

local function divide_imagenet21k(path, o)
    local all, message = core.open_source { kind = "imagenet21k", path = path }
    if not all then
        return nil, message
    end
    local train, val = all:hold_out { count = o.val_count or 100000, seed = o.seed + 1 }
    return train, train and val or val .. " (val_count = 100000 says how many)"
end

-- ---- the list -----------------------------------------------------------------------------------------

kinds.list = {
    { name = "shapes", means = '"shapes", drawn by the program', is = function(path) return path == "shapes" end,
        open = function(_, split, o)
            return core.open_source { kind = "shapes", split = split, seed = o.seed, count = o[split] }
        end },
    { name = "csv", means = "FILE.csv of paths and labels, or a folder with train.csv (and val.csv)",
        is = function(path) return is_csv(path) or is_csv_folder(path) end,
        open = open_csv, divide = divide_csv },
    { name = "cifar", means = "a folder with CIFAR-10 or CIFAR-100 in binary form (data_batch_1.bin ..., or train.bin)",
        is = has_file("data_batch_1.bin", "test_batch.bin", "train.bin") },
    { name = "flowers", means = "a folder with Flowers-102 (jpg/, imagelabels.mat, setid.mat)",
        is = has_file("imagelabels.mat", "setid.mat") },
    { name = "cars", means = "a folder with Stanford Cars (cars_train/, cars_test/, devkit/)",
        is = has_file("devkit/cars_meta.mat", "devkit/cars_train_annos.mat") },
    { name = "imagenet21k", means = 'a folder with ImageNet-21k (<wnid>/<image>), with kind = "imagenet21k"',
        open = function(_, split) return nil, ('ImageNet-21k has no split "%s"; there are train and val'):format(split) end,
        divide = divide_imagenet21k },
    { name = "tar", means = "FILE.tar, a folder of such, or train-{000..099}.tar (WebDataset's shards, ImageNet's archives)",
        is = function(path) return archives.find(path) ~= nil end, open = archives.open, divide = archives.divide,
        judging = archives.judging },
    { name = "folder", means = "a folder of class folders (train/<class>/<image> and val/..., or <class>/<image>)",
        is = core.dir_exists, open = open_folder, divide = divide_folder, judging = judge_folder },
}

--- The kind of this name, or of the path; or nil and a message that lists what is understood.
function kinds.of(path, name)
    local known, means = {}, {}
    for _, kind in ipairs(kinds.list) do
        known[kind.name] = kind
        means[#means + 1] = "\n  " .. kind.means
        if name == nil and kind.is and kind.is(path) then
            return kind
        end
    end
    if name ~= nil then
        return choose("data.open: unknown kind", name, known, 4)
    end
    return nil, ("%s: %s; understood are:%s"):format(path, core.file_exists(path)
        and "not a folder, nor a file of a known kind" or "No such file or directory", table.concat(means))
end

--- One split of a data set of this kind: a source; or nil and a message.
function kinds.open(kind, path, split, o)
    if kind.open then
        return kind.open(path, split, o)
    end
    return core.open_source { kind = kind.name, path = path, split = split }
end

--- The sources to train and to validate; or nil and a message.
function kinds.divide(kind, path, o)
    if kind.divide then
        return kind.divide(path, o)
    end
    local train, reason = kinds.open(kind, path, "train", o)
    if not train then
        return nil, reason
    end
    local val
    val, reason = kinds.open(kind, path, "val", o)
    return val and train, val or reason
end

return kinds
