--- Tables of stages: checked, filled with defaults, scaled.
--
-- A stage is { op = "fused" | "mb", channels =, expansion = 4, kernel = 3, stride = 1, layers = 1, se = 0.25 or, when
-- fused, 0 }. A description of a network is
-- { stem = { channels =, kernel = 3, stride = 2 }, stages = { stage, ... }, head = channels }.
local keys = require "effv2.keys"

local stages = {}

local function want_whole(what, table_, names)
    for _, name in ipairs(names) do
        local value = table_[name]
        if type(value) ~= "number" or value < 1 or value ~= math.floor(value) then
            error(("%s: %s is %s, wanted a whole number of at least 1"):format(what, name, tostring(value)), 0)
        end
    end
end

local function check_stage(what, stage)
    if type(stage) ~= "table" or (stage.op ~= "fused" and stage.op ~= "mb") then
        error(('%s: op is %s, wanted "fused" or "mb"'):format(what, tostring(type(stage) == "table" and stage.op)), 0)
    end
    local full = keys.check(what, stage, {
        op = "mb", channels = keys.none, expansion = 4, kernel = 3, stride = 1, layers = 1,
        se = stage.op == "mb" and 0.25 or 0,
    }, 0)
    want_whole(what, full, { "channels", "kernel", "stride", "layers" })
    return full
end

--- A copy of the description with every default filled in; an error names the stage that is wrong.
function stages.check(what, description)
    local stem = keys.check(what .. ": stem", description.stem, { channels = keys.none, kernel = 3, stride = 2 }, 0)
    want_whole(what .. ": stem", stem, { "channels", "kernel", "stride" })
    want_whole(what, description, { "head" })
    local full = { stem = stem, stages = {}, head = description.head }
    if type(description.stages) ~= "table" or #description.stages == 0 then
        local seen = type(description.stages) == "table" and "an empty list" or "a " .. type(description.stages)
        error(("%s: stages is %s, wanted a list of at least one stage"):format(what, seen), 0)
    end
    for i, stage in ipairs(description.stages) do
        full.stages[i] = check_stage(("%s: stage %d"):format(what, i), stage)
    end
    return full
end

--- Channels scaled and rounded to a multiple of 8.
-- @param round_limit the result is raised by 8 when it would be less than this share of the exact number: 0.9 in the
-- code of EfficientNet, 0 (never) in that of EfficientNetV2
function stages.round_channels(channels, width, round_limit)
    local exact = channels * width
    local rounded = math.max(8, math.floor((exact + 4) / 8) * 8)
    return rounded < (round_limit or 0) * exact and rounded + 8 or rounded
end

--- How many times more layers stage i of n has: 1 up to the middle, `late` in the last, evenly between.
local function late_factor(i, n, late)
    return 1 + (late - 1) * math.max(0, 2 * i / n - 1)
end

--- A description with all widths times `width` and all numbers of layers times `depth`, rounded up.
-- @param late (default 1) how many times more layers the last stage has beside that
function stages.scale(description, width, depth, round_limit, late)
    local function channels(c)
        return stages.round_channels(c, width, round_limit)
    end
    local scaled = { stem = {}, stages = {}, head = channels(description.head) }
    for key, value in pairs(description.stem) do
        scaled.stem[key] = value
    end
    scaled.stem.channels = channels(description.stem.channels)
    for i, stage in ipairs(description.stages) do
        local copy = {}
        for key, value in pairs(stage) do
            copy[key] = value
        end
        copy.channels = channels(stage.channels)
        local factor = depth * late_factor(i, #description.stages, late or 1)
        copy.layers = math.ceil((stage.layers or 1) * factor - 1e-9) -- 5 * 1.2 is a hair above 6
        scaled.stages[i] = copy
    end
    return scaled
end

--- The stage with these changes; a new op brings its own default of `se`.
local function change_stage(stage, changes)
    local changed = {}
    for key, value in pairs(stage or {}) do
        changed[key] = value
    end
    if stage and changes.op and changes.op ~= stage.op then
        changed.se = nil
    end
    for key, value in pairs(changes) do
        changed[key] = value
    end
    return changed
end

--- A description in which `changes` replace parts; see models.change.
function stages.change(what, description, changes)
    local o = keys.check(what, changes, { stem = {}, stages = {}, head = description.head })
    local changed = { stem = change_stage(description.stem, o.stem), stages = {}, head = o.head }
    local count = #description.stages
    for i, change in pairs(o.stages) do
        if type(i) ~= "number" or i < 1 or i > count + 1 or i ~= math.floor(i) then
            error(("%s: there is no stage %s, of %d"):format(what, keys.show(i), count), 3)
        elseif type(change) ~= "table" and not (change == false and i <= count) then
            error(("%s: stage %d is a %s, wanted a table, or false to remove it"):format(what, i, type(change)), 3)
        end
    end
    for i = 1, count + 1 do
        local change = o.stages[i]
        if change then
            table.insert(changed.stages, change_stage(description.stages[i], change))
        elseif change == nil and i <= count then
            table.insert(changed.stages, change_stage(description.stages[i], {}))
        end
    end
    return stages.check(what, changed)
end

return stages
