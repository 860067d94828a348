--- Packs a data set into shards of WebDataset, the pictures made smaller if wanted, and verifies what was written.
--
-- OUT/SPLIT-000000.tar ...   shards: 000000123.jpg and 000000123.cls, the class as a number from 0
-- OUT/classes.txt            a class name a line
-- OUT/checksums.txt          for `sha256sum -c`; a shard is finished when it is listed here
-- OUT/SPLIT.json             the settings, which a second start must share: it goes on behind the finished shards
-- OUT/skipped.txt            pictures that could not be read, where these are skipped
local effv2 = require "effv2"

local choice, optional = effv2.config.choice, effv2.config.optional

local cfg = effv2.config {
    data = optional "string",
    out = optional "string",
    split = choice("train", { "train", "val", "pictures" }),
    val_ratio = 0.1,
    samples = 10000,
    size = 0,
    filter = choice("pil_bicubic", { "pil_bicubic", "pil_bilinear", "area" }),
    quality = 90,
    shuffle = true,
    seed = 0,
    workers = 2,
    on_bad = choice("raise", { "raise", "skip" }),
    verify = true,
    help = {
        "Packs a data set into tar shards, which data= of other recipes takes.",
        data = "what is packed: a folder of pictures, archives, \"shapes\", ...",
        out = "the folder of the shards; started again with the same settings, the recipe goes on with what is missing",
        split = "which part of the data; pictures: all that lie in a folder and below, without classes",
        val_ratio = "how much of the data is for validation, where they are not divided yet",
        samples = "pictures a shard",
        size = "pixels of the shorter side of what is larger, as JPEG; 0: all pictures stay as they are",
        filter = "of making smaller",
        quality = "of these JPEGs, 1 to 100",
        shuffle = "mix the pictures, so that every shard has all classes",
        seed = "of the mixing, and of dividing the data",
        workers = "threads that decode and encode",
        on_bad = "what a picture that cannot be read does: end the packing, or be left out and listed in skipped.txt",
        verify = "read everything back: checksums, number, classes, and that the pictures decode",
    },
}

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

local function must(value, message)
    return value or stop(1, message)
end

if not cfg.data or not cfg.out then
    stop(2, "pack: data=FOLDER and out=FOLDER are needed; --help lists the keys")
end
if cfg.samples < 1 or cfg.samples ~= math.floor(cfg.samples) then
    stop(2, ("pack: samples=%s; a whole number from 1 is needed"):format(cfg.samples))
end

local function path_of(name)
    return cfg.out .. "/" .. name
end

local function shard_name(k)
    return ("%s-%06d.tar"):format(cfg.split, k)
end

local function lines_of(path)
    local list = {}
    for line in (effv2.read_file(path) or ""):gmatch "[^\n]+" do
        list[#list + 1] = line
    end
    return list
end

--- What decides the bytes of the shards.
local function settings_of(source)
    local settings = { pictures = source:size() }
    for _, name in ipairs {
        "data", "split", "val_ratio", "samples", "size", "filter", "quality", "shuffle", "seed", "on_bad",
    } do
        settings[name] = cfg[name]
    end
    return settings
end

--- Writes the settings, or compares them with those of the start before.
local function check_settings(settings)
    local path = path_of(cfg.split .. ".json")
    if not effv2.file_exists(path) then
        if effv2.file_exists(path_of(shard_name(0))) then
            stop(1, ("pack: %s is there, but not by this recipe; name another folder with out="):format(path_of(shard_name(0))))
        end
        return must(effv2.write_file(path, effv2.json_encode(settings, true) .. "\n"))
    end
    local before = must(effv2.json_decode(must(effv2.read_file(path)), path))
    for name, value in pairs(settings) do
        if before[name] ~= value then
            stop(1, ("pack: %s was begun with %s=%s, now it is %s; go on with the same, or name another folder with out=")
                :format(cfg.out, name, tostring(before[name]), tostring(value)))
        end
    end
end

local function write_classes(names)
    local path, text = path_of "classes.txt", table.concat(names, "\n") .. "\n"
    if effv2.file_exists(path) and effv2.read_file(path) ~= text then
        stop(1, ("pack: %s names other classes than those of %s; name another folder with out="):format(path, cfg.data))
    end
    must(effv2.write_file(path, text))
end

--- The checksums of the finished shards, by name.
local function finished()
    local sums = {}
    for _, line in ipairs(lines_of(path_of "checksums.txt")) do
        local sum, name = line:match "^(%x+)  (.+)$"
        if sum and effv2.file_exists(path_of(name)) then
            sums[name] = sum
        end
    end
    return sums
end

--- How many pictures of each shard were left out.
local function skipped()
    local counts, seen = {}, {}
    for _, line in ipairs(lines_of(path_of "skipped.txt")) do
        local name, member = line:match "^(%S+) (%d+) "
        if name and not seen[name .. member] then
            seen[name .. member] = true
            counts[name] = (counts[name] or 0) + 1
        end
    end
    return counts
end

local function pack(source, k, count)
    local name = shard_name(k)
    local packed = must(effv2.pack_shard(path_of(name), {
        source = source, first = k * cfg.samples + 1, count = count, size = cfg.size, filter = cfg.filter,
        quality = cfg.quality, workers = cfg.workers, on_bad = cfg.on_bad,
    }))
    for _, bad in ipairs(packed.bad) do
        print(("left out: %s"):format(bad.reason))
        local line = ("%s %09d %s"):format(name, bad.index - 1, bad.reason:gsub("\n", " "))
        must(effv2.append_line(path_of "skipped.txt", line))
    end
    must(effv2.append_line(path_of "checksums.txt", packed.sha256 .. "  " .. name))
    print(("%s: %d pictures, %.1f MB"):format(name, packed.pictures, packed.bytes / 1e6))
end

--- Compares a shard with what it was made of, from picture `at` of the packed source on; returns how many it has.
local function verify_pictures(source, packed, at, name)
    local count = 0
    while at + count <= packed:size() do
        local label = packed:name(at + count)
        local shard, member = label:match "([^/]+)/(%d+)%.%l+$"
        if shard ~= name then
            break
        end
        if packed:label(at + count) ~= source:label(tonumber(member) + 1) then
            stop(1, ("pack: %s has the class %d, wanted %d"):format(label, packed:label(at + count),
                source:label(tonumber(member) + 1)))
        end
        must(packed:image(at + count))
        if effv2.interrupted() then
            error("pack: interrupted while verifying; started again, it verifies again", 0)
        end
        count = count + 1
    end
    return count
end

local function verify(source, shards)
    local packed = must(effv2.data.judging(path_of(("%s-{000000..%06d}.tar"):format(cfg.split, shards - 1))))
    local sums, left_out, at = finished(), skipped(), 1
    for k = 0, shards - 1 do
        local name = shard_name(k)
        local wanted = math.min(cfg.samples, source:size() - k * cfg.samples) - (left_out[name] or 0)
        if must(effv2.sha256(path_of(name))) ~= sums[name] then
            stop(1, ("pack: %s differs from its checksum; remove it and start again"):format(path_of(name)))
        end
        local count = verify_pictures(source, packed, at, name)
        if count ~= wanted then
            stop(1, ("pack: %s has %d pictures, wanted %d; remove it and start again"):format(path_of(name), count, wanted))
        end
        at = at + count
    end
    print(("verified: %d pictures of %d classes in %d shards"):format(packed:size(), #packed:class_names(), shards))
end

local function open()
    local options = { val_ratio = cfg.val_ratio, seed = cfg.seed }
    if cfg.split == "pictures" then
        return must(effv2.data.pictures(cfg.data))
    elseif cfg.split == "val" then
        return effv2.data.open(cfg.data, options).val
    end
    return effv2.data.training(cfg.data, options)
end

local source = open()
must(effv2.make_dir(cfg.out))
check_settings(settings_of(source))
write_classes(source:class_names())
local order = cfg.shuffle and source:shuffled(cfg.seed) or source
local shards, sums = math.ceil(order:size() / cfg.samples), finished()
for k = 0, shards - 1 do
    if not sums[shard_name(k)] then
        pack(order, k, math.min(cfg.samples, order:size() - k * cfg.samples))
    end
end
if cfg.verify then
    verify(order, shards)
end
