--- Pictures for validation that lie side by side in one folder, as ImageNet's do, with a file that names their classes.
local core = require "effv2.core"

local flat = {}

--- The path of the file of labels in a folder, or nil.
function flat.labels(folder)
    for _, name in ipairs { "val_labels.txt", "LOC_val_solution.csv" } do
        if core.file_exists(folder .. "/" .. name) then
            return folder .. "/" .. name
        end
    end
end

--- The folders that lie directly in one, sorted, or none.
local function folders_in(folder)
    local list = {}
    for _, entry in ipairs(core.dir_exists(folder) and core.list_dir(folder) or {}) do
        if entry.is_dir and entry.name:sub(1, 1) ~= "." then
            list[#list + 1] = entry.name
        end
    end
    return list
end

--- The folder and its file of labels, which lies in it or beside it; nil for anything else.
local function look(folder)
    if core.dir_exists(folder) and #folders_in(folder) == 0 then
        local labels = flat.labels(folder) or flat.labels(folder .. "/..")
        return labels and folder, labels
    end
end

local function open_flat(folder, labels, class_names)
    return core.open_flat { path = folder, labels = labels, class_names = class_names }
end

local function look_below(path)
    for _, name in ipairs { "val", "validation", "valid" } do
        local folder, labels = look(path .. "/" .. name)
        if folder then
            return folder, labels
        end
    end
end

--- The flat validation folder below a path as a source, with the training's classes; nil where there is none. Or nil,
-- message, code.
function flat.open(path, class_names)
    local folder, labels = look_below(path)
    if folder then
        return open_flat(folder, labels, class_names)
    end
end

--- The same, or the folder itself, to be judged by; its classes are those of the folders of train beside it, or all that
-- the file names. Nil, or nil, message, code.
function flat.judging(path)
    local folder, labels = look_below(path)
    if folder then
        return open_flat(folder, labels, folders_in(path .. "/train"))
    end
    folder, labels = look(path)
    if folder then
        return open_flat(folder, labels, folders_in(path .. "/../train"))
    end
end

return flat
