--- The steps of a pipeline, one constructor each.
--
-- A step is { name =, build = function(size) }: build gives the plain table that the core compiles, for samples of
-- size x size pixels. So one pipeline serves every stage of progressive learning. A step that has a size of its own
-- (resize { size = 256 }) keeps it.
local choose = require "effv2.augment.choose"
local dialects = require "effv2.augment.dialects"
local keys = require "effv2.keys"
local operations = require "effv2.augment.operations"

local steps = {}

local means = { 0.485 * 255, 0.456 * 255, 0.406 * 255 }
local deviations = { 0.229 * 255, 0.224 * 255, 0.225 * 255 }
local normalisations = {
    official = { mean = { 128, 128, 128 }, std = { 128, 128, 128 } },
    imagenet = { mean = means, std = deviations },
    half = { mean = { 127.5, 127.5, 127.5 }, std = { 127.5, 127.5, 127.5 } },
    none = { mean = { 0, 0, 0 }, std = { 1, 1, 1 } },
}

--- Two numbers, the first at most the second, both above 0 (and at most `most`).
local function want_range(what, name, range, most)
    local low, high = range[1], range[2]
    if #range ~= 2 or type(low) ~= "number" or type(high) ~= "number" or not (low > 0 and low <= high and high <= most) then
        error(("%s: %s is { %s, %s }, wanted { least, most } with 0 < least <= most%s"):format(what, name, keys.show(low),
            keys.show(high), most < math.huge and (" <= %g"):format(most) or ""), 3)
    end
end

local function step(name, build)
    return { name = name, build = build }
end

--- Chooses a part of the picture at random; the next resize takes it from there.
-- @param given area = { 0.05, 1 } of the picture, aspect = { 0.75, 1.333 } (width / height), tries = 100,
-- rule = "tf" (the side is uniform) or "pil" (the area is uniform, the aspect log-uniform), covered = 0 (least part of
-- the picture, "tf" only), fallback when no try fits: "whole", "rule32" or "center"
function steps.random_crop(given)
    local o = keys.check("random_crop", given, {
        area = { 0.05, 1 }, aspect = { 0.75, 1.333 }, tries = 100, rule = "tf", covered = 0, fallback = "whole",
    })
    want_range("random_crop", "area", o.area, 1)
    want_range("random_crop", "aspect", o.aspect, math.huge)
    return step("random_crop", function(size)
        return { kind = "random_crop", area = o.area, aspect = o.aspect, tries = o.tries, rule = o.rule,
            covered = o.covered, fallback = o.fallback, target = size }
    end)
end

--- Chooses the centre of the picture.
-- @param given rule = "rule32" (the square of size / (size + 32) of the shorter side), "rule32_v1" (the same, offsets
-- rounded up), "fraction" (this `fraction` of each side) or "size" (`size` pixels)
function steps.center_crop(given)
    local o = keys.check("center_crop", given, { rule = "rule32", fraction = 0.875, size = keys.none })
    return step("center_crop", function(size)
        local side = o.size or size
        return { kind = "center_crop", rule = o.rule, target = side, fraction = o.fraction, height = side,
            width = side }
    end)
end

--- Resizes the chosen part to the sample's size (or to `size`), whatever its aspect ratio.
-- @param given size, filter = "tf_bilinear" | "tf_bicubic" | "pil_bilinear" | "pil_bicubic" | "area", other = a second
-- filter that is taken half of the time, scaled = false: whether a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size
-- where the part has pixels enough, which is faster and smooths a little. Of a JPEG only the rows down to the part's last
-- are decoded, scaled or not: damage below them is not seen (docs/decoding.md)
function steps.resize(given)
    local o = keys.check("resize", given, { size = keys.none, filter = "tf_bilinear", other = keys.none, scaled = false })
    return step("resize", function(size)
        local side = o.size or size
        return { kind = "resize", height = side, width = side, filter = o.filter, other = o.other, scaled = o.scaled }
    end)
end

--- Resizes so that the shorter side has the sample's size / crop pixels (or `size`), the aspect ratio kept; usually
-- a center_crop { rule = "size" } follows.
function steps.resize_shorter(given)
    local o = keys.check("resize_shorter", given,
        { size = keys.none, crop = 1, filter = "tf_bilinear", other = keys.none, scaled = false })
    if not (o.crop > 0 and o.crop <= 1) then
        error(("resize_shorter: crop is %g, wanted the share that a crop keeps, above 0 and at most 1"):format(o.crop), 2)
    end
    return step("resize_shorter", function(size)
        return { kind = "resize_shorter", height = o.size or math.floor(size / o.crop), filter = o.filter,
            other = o.other, scaled = o.scaled }
    end)
end

--- Mirrors left to right with this probability.
function steps.flip(given)
    local o = keys.check("flip", given, { probability = 0.5 })
    return step("flip", function()
        return { kind = "flip", probability = o.probability }
    end)
end

--- Adds a border of `pad` pixels and cuts the old size out at random.
-- @param given pad = 4, reflect = false (mirror the picture instead of the colour `fill` = { 0, 0, 0 })
function steps.pad_crop(given)
    local o = keys.check("pad_crop", given, { pad = 4, reflect = false, fill = { 0, 0, 0 } })
    return step("pad_crop", function()
        return { kind = "pad_crop", pad = o.pad, reflect = o.reflect, fill = o.fill }
    end)
end

--- A range of a colour jitter: of a number x, neutral - x to neutral + x.
local function jitter_range(name, value, neutral)
    if type(value) == "number" and value >= 0 then
        return { name == "hue" and -value or math.max(0, neutral - value), neutral + value }
    elseif type(value) == "table" and type(value[1]) == "number" and type(value[2]) == "number" and #value == 2 then
        return value
    end
    error(("color_jitter: %s is %s, wanted a number from 0, or a range { least, most }"):format(name, keys.show(value)), 3)
end

--- Changes brightness, contrast, saturation and hue in random order, each by a random amount, as torchvision does.
-- @param given brightness = 0, contrast = 0, saturation = 0 (x: a factor of 1 - x to 1 + x), hue = 0 (at most 0.5: x turns
-- the hue by -x to x of the circle of colours), each also a range { least, most }; probability = 1
function steps.color_jitter(given)
    local o = keys.check("color_jitter", given, {
        brightness = keys.none, contrast = keys.none, saturation = keys.none, hue = keys.none, probability = 1,
    })
    local built = { kind = "color_jitter", probability = o.probability }
    for name, neutral in pairs { brightness = 1, contrast = 1, saturation = 1, hue = 0 } do
        built[name] = jitter_range(name, o[name] or 0, neutral)
    end
    return step("color_jitter", function()
        return built
    end)
end

--- Cuts out a square around a random pixel, clipped at the border.
-- @param given side = in pixels, fill = { 128, 128, 128 }; before the normalisation fill is in pixel values
function steps.cutout(given)
    local o = keys.check("cutout", given, { side = 16, fill = { 128, 128, 128 } })
    return step("cutout", function()
        return { kind = "cutout", half = math.floor(o.side / 2), fill = o.fill }
    end)
end

--- Random erasing: a rectangle of random area and aspect ratio, usually behind the normalisation.
-- @param given probability = 0.5, area = { 0.02, 1/3 }, aspect = { 0.3, 1/0.3 }, tries = 10, fill = { 0, 0, 0 }, or
-- fill = "normal" (a standard normal number for each value; timm's "pixel") or "color" (three of them for the rectangle;
-- timm's "rand")
function steps.erase(given)
    local o = keys.check("erase", given, {
        probability = 0.5, area = { 0.02, 1 / 3 }, aspect = { 0.3, 1 / 0.3 }, tries = 10, fill = keys.none,
    })
    local drawn = type(o.fill) == "string"
    if drawn and o.fill ~= "normal" and o.fill ~= "color" then
        error(('erase: fill is "%s", wanted a list of three values, "normal" or "color"'):format(o.fill), 2)
    end
    return step("erase", function()
        return { kind = "erase", probability = o.probability, area = o.area, aspect = o.aspect, tries = o.tries,
            fill_kind = drawn and o.fill or "constant", fill = drawn and { 0, 1, 0 } or o.fill or { 0, 0, 0 } }
    end)
end

-- ---- policies ----

--- The core's policy step: a dialect's arithmetic, with the filter and fill of `o` where there are.
local function policy_step(dialect, o, draws, groups)
    return {
        kind = "policy", draws = draws, rule = dialect.rule, operations = groups,
        filter = o.filter or dialect.filter, other = o.other or not o.filter and dialect.other or nil,
        fill = o.fill or dialect.fill,
    }
end

-- A magnitude that varies is drawn as one of so many, which are equally likely.
local NOISE_LEVELS = 64

--- Below which a standard normal number lies with the probabilities 1/128, 3/128, ..., 127/128, to three digits.
local normal_levels = {}
do
    local below, width = 0, 1 / 1024
    for x = -4, 4, width do
        below = below + width * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        if #normal_levels < NOISE_LEVELS and below >= (#normal_levels + 0.5) / NOISE_LEVELS then
            normal_levels[#normal_levels + 1] = x
        end
    end
end

--- The magnitudes that noise makes of one: { m } without, else equally likely ones of a normal distribution around it,
-- or of the uniform one from 0 to it.
local function noisy(magnitude, noise)
    if noise == 0 then
        return { magnitude }
    end
    local list = {}
    for i = 1, NOISE_LEVELS do
        list[i] = noise == math.huge and (i - 0.5) / NOISE_LEVELS * magnitude or magnitude + noise * normal_levels[i]
    end
    return list
end

--- RandAugment: n times, one of the operations, each equally likely, at one magnitude.
-- @param given n = 2, magnitude = 10 or a function(name, size) that gives each operation's, dialect = "official",
-- "relative" (for small pictures), "timm", "timm_inc" or "torchvision" (see dialects.lua), operations = a list of names
-- and entries instead of the dialect's, noise = 0: the standard deviation of the magnitude (timm's mstd, usually 0.5), or
-- math.huge: a magnitude from 0 to the given one; filter = "nearest" | "bilinear" | "bicubic" of warps, other = a second
-- one that is taken half of the time, fill = { r, g, b } outside a warped picture: the dialect's
function steps.randaugment(given)
    local o = keys.check("randaugment", given, {
        n = 2, magnitude = keys.none, dialect = "official", operations = keys.none, noise = 0, filter = keys.none,
        other = keys.none, fill = keys.none,
    })
    local dialect = choose("randaugment: unknown dialect", o.dialect, dialects.randaugment)
    local magnitude = o.magnitude or 10
    if type(magnitude) ~= "number" and type(magnitude) ~= "function" then
        error(("randaugment: magnitude is a %s, wanted a number or a function(name, size)"):format(type(magnitude)), 2)
    elseif o.noise < 0 or o.noise ~= o.noise then
        error(("randaugment: noise is %g, wanted a standard deviation from 0"):format(o.noise), 2)
    end
    local entries = {}
    for i, item in ipairs(o.operations or dialect.operations) do
        entries[i] = operations.resolve(item, 2)
    end
    return step("randaugment", function(size)
        local groups = {}
        for _, entry in ipairs(entries) do
            local m = type(magnitude) == "function" and magnitude(entry.name, size) or magnitude
            for _, level in ipairs(noisy(m, o.noise)) do
                local compiled = operations.at(entry, level, size)
                compiled.probability = compiled.probability * dialect.probability
                groups[#groups + 1] = { compiled }
            end
        end
        return policy_step(dialect, o, o.n, groups)
    end)
end

--- TrivialAugment (Müller and Hutter 2021): one operation, each equally likely, at a magnitude from 0 to 30.
-- @param given filter = "nearest", other = nil, fill = { 0, 0, 0 }, as of randaugment
function steps.trivialaugment(given)
    local o = keys.check("trivialaugment", given, { filter = keys.none, other = keys.none, fill = keys.none })
    local dialect = dialects.trivialaugment
    return step("trivialaugment", function(size)
        local groups = {}
        for _, entry in ipairs(dialect.operations) do
            for magnitude = dialect.magnitudes[1], dialect.magnitudes[2] do
                groups[#groups + 1] = { operations.at(entry, magnitude, size) }
            end
        end
        return policy_step(dialect, o, 1, groups)
    end)
end

--- AutoAugment: one of the sub-policies, each a list of operations { name, probability, magnitude } applied in order.
-- @param given policy = "v0" (the official code's, of the V1 and B models), "imagenet" (torchvision's), or a list of
-- sub-policies, whose names mean v0's operations or registered ones; filter, other, fill as of randaugment
function steps.autoaugment(given)
    local o = keys.check("autoaugment", given,
        { policy = keys.none, filter = keys.none, other = keys.none, fill = keys.none })
    local own = type(o.policy) == "table"
    local known = own and dialects.autoaugment.v0
        or choose("autoaugment: unknown policy", o.policy or "v0", dialects.autoaugment)
    local policy, entries = own and o.policy or known.policy, {}
    for _, entry in ipairs(known.operations) do
        entries[entry.name] = entry
    end
    for _, sub in ipairs(policy) do
        for _, item in ipairs(sub) do
            entries[item[1]] = entries[item[1]] or operations.find(item[1], 2)
        end
    end
    return step("autoaugment", function(size)
        local groups = {}
        for i, sub in ipairs(policy) do
            groups[i] = {}
            for k, item in ipairs(sub) do
                groups[i][k] = operations.at(entries[item[1]], item[3], size)
                groups[i][k].probability = item[2]
            end
        end
        return policy_step(known, o, 1, groups)
    end)
end

local function three(value, what, level)
    if type(value) == "number" then
        return { value, value, value }
    elseif type(value) == "table" and #value == 3 then
        return value
    end
    error(("normalise: %s must be a number or a list of three"):format(what), level + 1)
end

--- From pixel values 0..255 to what the network sees: (value - mean) / std.
-- @param how "official" (128, 128), "imagenet", "half" (127.5, 127.5), "none" (0, 1), or { mean =, std = } in pixel
-- values, numbers or lists of three
function steps.normalise(how)
    local known
    if type(how) == "table" then
        local o = keys.check("normalise", how, { mean = keys.none, std = keys.none })
        known = { mean = three(o.mean, "mean", 2), std = three(o.std, "std", 2) }
    else
        known = choose("normalise: unknown", how or "official", normalisations)
    end
    local made = step("normalise", function()
        return { kind = "normalize", mean = known.mean, std = known.std }
    end)
    made.mean, made.std = known.mean, known.std
    return made
end

return steps
