--- What a data set holds: classes, pictures of each, sizes, formats, labels, and what cannot be read.
-- The last line of the output is one JSON object.
local effv2 = require "effv2"
local names_of = require "effv2.names_of"

local optional = effv2.config.optional

local cfg = effv2.config {
    data = optional "string",
    split = "train",
    kind = optional "string",
    val_ratio = 0.1,
    val_count = optional "number",
    minival = optional "number",
    seed = 0,
    look_at = 0,
    decode = false,
    most = 20,
    help = {
        "Says what a part of a data set holds.",
        data = "a folder, a CSV file, tar archives, or shapes; see help \"data.open\"",
        split = "train, val, minival (with minival=), or another that the data have, such as test",
        kind = "another than the path's, such as imagenet21k",
        val_ratio = "the part to validate, where neither folders nor a column say it",
        val_count = "ImageNet-21k: how many pictures are to validate",
        minival = "held out of train: a share below 1, or a number of pictures",
        seed = "of the division",
        look_at = "how many pictures to look at, spread evenly; 0: all",
        decode = "decode them wholly, which also finds files that are cut off; else their headers are read",
        most = "how many unreadable files to list",
    },
}

local BARS, WIDTH = 40, 40 -- so many classes get a bar, of so many characters at most

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

--- Quantiles of a list of numbers, which is sorted in place; nil of an empty one.
local function spread(list)
    table.sort(list)
    local function at(share)
        return list[1 + math.floor(share * (#list - 1) + 0.5)]
    end
    return #list > 0 and { least = at(0), p10 = at(0.1), median = at(0.5), p90 = at(0.9), most = at(1) } or nil
end

--- Pictures of each class as { class =, pictures = }, the fewest first; classes of as many by name.
local function by_count(names, counts)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = { class = name, pictures = counts[i] }
    end
    table.sort(list, function(a, b)
        if a.pictures ~= b.pictures then
            return a.pictures < b.pictures
        end
        return a.class < b.class
    end)
    return list
end

--- How many pictures have 1, 2, ... labels: list[k].
local function labels_a_picture(source)
    local list = {}
    for i = 1, source:has_several_labels() and #source or 0 do
        local count = #source:labels(i)
        for k = #list + 1, count do
            list[k] = 0
        end
        list[count] = list[count] + 1
    end
    return #list > 0 and list or { #source }
end

local function look_at(source, i, seen)
    local height, width, format = source:image_size(i)
    local reason = width
    if height and cfg.decode then
        local picture, why = source:image(i)
        height, reason = picture and height, why
    end
    seen.images = seen.images + 1
    if not height then
        seen.unreadable = seen.unreadable + 1
        if seen.unreadable <= cfg.most then
            seen.list[seen.unreadable] = reason
        end
        return
    end
    seen.heights[#seen.heights + 1], seen.widths[#seen.widths + 1] = height, width
    seen.formats[format] = (seen.formats[format] or 0) + 1
end

local function look(source)
    local seen = { images = 0, unreadable = 0, list = {}, heights = {}, widths = {}, formats = {} }
    local wanted = cfg.look_at > 0 and math.min(cfg.look_at, #source) or #source
    for i = 0, wanted - 1 do
        if effv2.interrupted() then
            stop(130, "inspect_data: interrupted")
        end
        look_at(source, 1 + math.floor(i * #source / wanted), seen)
    end
    return seen
end

-- ---- text ---------------------------------------------------------------------------------------------

local function print_bars(names, counts, most)
    local longest = 0
    for _, name in ipairs(names) do
        longest = math.max(longest, #name)
    end
    for i, name in ipairs(names) do
        local bar = most > 0 and math.ceil(counts[i] / most * WIDTH) or 0
        print(("  %-" .. longest .. "s %8d  %s"):format(name, counts[i], ("#"):rep(bar)))
    end
end

local function print_classes(names, counts, sorted)
    local least, median, most = sorted[1], sorted[math.ceil(#sorted / 2)], sorted[#sorted]
    print(("pictures of a class: least %d (%s), median %d, most %d (%s)"):format(least.pictures, least.class, median.pictures,
        most.pictures, most.class))
    if #names <= BARS then
        print_bars(names, counts, most.pictures)
    end
end

local function print_labels(list)
    local parts = {}
    for k, count in ipairs(list) do
        parts[k] = ("%d: %d"):format(k, count)
    end
    print("labels of a picture: " .. table.concat(parts, ", "))
end

local function print_spread(name, of)
    if of then
        print(("%s: least %d, a tenth below %d, median %d, a tenth above %d, most %d"):format(name, of.least, of.p10, of.median,
            of.p90, of.most))
    end
end

local function print_formats(formats)
    local names = names_of(formats)
    for i, name in ipairs(names) do
        names[i] = ("%s %d"):format(name, formats[name])
    end
    print("formats: " .. (#names > 0 and table.concat(names, ", ") or "none"))
end

local function print_unreadable(seen)
    print(("unreadable: %d of %d looked at"):format(seen.unreadable, seen.images))
    for _, reason in ipairs(seen.list) do
        print("  " .. reason)
    end
    if seen.unreadable > #seen.list then
        print(("  and %d more (most=%d)"):format(seen.unreadable - #seen.list, cfg.most))
    end
end

-- ---- the whole ----------------------------------------------------------------------------------------

if not cfg.data then
    stop(2, "inspect_data: data=PATH is needed; --help lists the keys")
end

local opened, source = pcall(effv2.data.split, cfg.data, cfg.split, {
    kind = cfg.kind, val_ratio = cfg.val_ratio, val_count = cfg.val_count, minival = cfg.minival, seed = cfg.seed,
})
if not opened then
    stop(1, tostring(source))
end

local names, counts = source:class_names(), source:class_counts()
local sorted, labels = by_count(names, counts), labels_a_picture(source)
print(("%s, %s: %d pictures in %d classes (%s)"):format(cfg.data, cfg.split, #source, #names, source:kind()))
for line in (source:notice() or ""):gmatch "[^\n]+" do
    print("  " .. line)
end
print_classes(names, counts, sorted)
print_labels(labels)
local seen = look(source)
local heights, widths = spread(seen.heights), spread(seen.widths)
print_formats(seen.formats)
print_spread("heights", heights)
print_spread("widths", widths)
print_unreadable(seen)
print(effv2.json_encode {
    data = cfg.data, split = cfg.split, kind = source:kind(), images = #source, classes = #names,
    least = sorted[1], median = sorted[math.ceil(#sorted / 2)].pictures, most = sorted[#sorted], labels = labels,
    looked_at = seen.images, formats = seen.formats, heights = heights, widths = widths, unreadable = seen.unreadable,
})
