--- Which tar archives a path means, and which of them are for training.
--
-- A path may be one archive, a folder that holds archives (or has them in train/ and val/), or a pattern of names:
-- "train-{000000..000099}.tar", "{train,val}.tar".
local core = require "effv2.core"
local flat = require "effv2.data.flat"

local archives = {}

local SPLITS = { train = "train", val = "val", valid = "val", validation = "val", test = "test" }

local function is_archive(name)
    name = name:lower()
    return name:match "^[^.].*%.tar$" or name:match "^[^.].*%.tar%.%w+$" or name:match "^[^.].*%.tgz$"
end

--- The texts that "a..b" or "a,b" between braces means; the digits of a number in a range stay as many.
local function alternatives(text, pattern)
    local first, last = text:match "^(%d+)%.%.(%d+)$"
    local list = {}
    if not first then
        for word in (text .. ","):gmatch "([^,]*)," do
            list[#list + 1] = word
        end
        return list
    end
    if tonumber(last) < tonumber(first) or tonumber(last) - tonumber(first) >= 1e6 then
        error(("data.open: {%s} in %s is no range of numbers, such as {000000..000099}"):format(text, pattern), 0)
    end
    for i = tonumber(first), tonumber(last) do
        list[#list + 1] = ("%0" .. #first .. "d"):format(i)
    end
    return list
end

--- The names that a pattern with braces means, in its order.
function archives.expand(pattern)
    local before, inside, after = pattern:match "^(.-)(%b{})(.*)$"
    if not before then
        return { pattern }
    end
    local list, ends = {}, archives.expand(after)
    for _, middle in ipairs(alternatives(inside:sub(2, -2), pattern)) do
        for _, rest in ipairs(ends) do
            list[#list + 1] = before .. middle .. rest
        end
    end
    return list
end

--- The archives that lie in a folder, as paths; none where folders lie beside them.
local function archives_in(folder)
    local list = {}
    for _, entry in ipairs(core.list_dir(folder) or {}) do
        if entry.is_dir and entry.name:sub(1, 1) ~= "." then
            return {}
        elseif not entry.is_dir and is_archive(entry.name) then
            list[#list + 1] = folder .. "/" .. entry.name
        end
    end
    return list
end

--- What the words of a file's name say that it is for.
local function split_of(path)
    for word in path:match("[^/]*$"):lower():gmatch "%a+" do
        if SPLITS[word] then
            return SPLITS[word]
        end
    end
    return "train"
end

local function by_name(paths)
    local found = { train = {}, val = {}, test = {} }
    for _, path in ipairs(paths) do
        table.insert(found[split_of(path)], path)
    end
    return found
end

local function by_folder(path)
    local found = { train = {}, val = {}, above = path }
    for _, name in ipairs { "train", "val", "validation", "valid" } do
        local split = found[SPLITS[name]]
        for _, archive in ipairs(#split == 0 and archives_in(path .. "/" .. name) or {}) do
            split[#split + 1] = archive
        end
    end
    return found
end

--- The archives of a path: { train = list of paths, val = list, test = list or nil, folder = where they lie, above = the
-- folder of that one, where the path means it }, or nil when it has none.
-- Of only one kind, they are all in train, and val is empty.
function archives.find(path)
    local found
    if path:find("{", 1, true) and not core.file_exists(path) then
        found = by_name(archives.expand(path))
    elseif core.dir_exists(path) then
        found = by_name(archives_in(path))
        if #found.train + #found.val == 0 then
            found = by_folder(path)
        end
    elseif is_archive(path:match "[^/]*$") then
        found = { train = { path }, val = {} }
    else
        return nil
    end
    if #found.train == 0 then
        found.train, found.val = found.val, {}
    end
    found.folder = (found.train[1] or ""):match "^(.*)/[^/]*$" or "."
    return found.train[1] and found or nil
end

--- The names in classes.txt beside the archives, or beside their folders, one a line; nil where there is none.
local function read_classes(found)
    for _, folder in ipairs { found.folder, found.above } do
        local text = core.read_file(folder .. "/classes.txt")
        local names = {}
        for line in (text or ""):gmatch "[^\r\n]+" do
            names[#names + 1] = line:match "^%s*(.-)%s*$"
        end
        if text then
            return names
        end
    end
end

local function open(paths, class_names)
    return core.open_archives {
        paths = paths, class_names = class_names, labels = flat.labels(paths[1]:match "^(.*)/" or "."),
    }
end

--- Labels of validation are numbers of the training's classes, so a validation set with names of its own must have those.
-- Returns what is wrong, or nil.
local function compare_classes(train, val, path)
    local names, others = train:class_names(), val:class_names()
    for i, name in ipairs(others) do
        if name ~= names[i] or #names ~= #others then
            return ('%s: its %d classes are not the %d of the training archives (class %d is "%s" and "%s")'):format(path,
                #others, #names, i, name, names[i] or "none")
        end
    end
end

local function none_here(path)
    return nil, path .. ": no tar archives"
end

--- The training and the validation source of a path; or nil and a message. Without archives for validation, a part of
-- every class is held out.
-- @param o val_ratio, seed
function archives.divide(path, o)
    local found = archives.find(path)
    if not found then
        return none_here(path)
    end
    local train, message = open(found.train, read_classes(found))
    if not train then
        return nil, message
    end
    local val, reason
    if found.val[1] then
        val, reason = open(found.val, train:class_names())
        reason = val and compare_classes(train, val, found.val[1]) or reason
    else
        val, reason = train:divide { split = "val", val_ratio = o.val_ratio, seed = o.seed }
        if val then
            train, reason = train:divide { split = "train", val_ratio = o.val_ratio, seed = o.seed }
        end
    end
    if reason then
        return nil, reason
    end
    return train, val
end

--- One split of the archives; or nil and a message.
function archives.open(path, split)
    local found = archives.find(path)
    if not found then
        return none_here(path)
    elseif not (found[split] and found[split][1]) then
        return nil, ('%s: no archives with "%s" in their names'):format(path, split)
    end
    return open(found[split], read_classes(found))
end

--- All that archives.find has found as one source; or nil, message, code.
function archives.pictures(found)
    local all = {}
    for _, list in ipairs { found.train, found.val, found.test or {} } do
        for _, path in ipairs(list) do
            all[#all + 1] = path
        end
    end
    return open(all, read_classes(found))
end

--- The source that a model is judged by: the archives for validation, or all of them; or nil, message, code.
function archives.judging(path)
    local found = archives.find(path)
    return open(found.val[1] and found.val or found.train, read_classes(found))
end

return archives
