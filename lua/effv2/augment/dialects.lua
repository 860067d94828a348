--- Dialects of RandAugment: who means what by "magnitude".
--
-- A dialect has operations (in the order of its source, since random draws index them), the arithmetic (rule "tf" or
-- "pil", see augment.h of the core), the filter of warps (and an other that is taken half of the time), the colour that
-- warps and cut-outs leave, and the probability with which a drawn operation is applied. An operation's argument is a
-- function of (magnitude, size), see operations.lua.
local ffi = require "ffi"

local randaugment, autoaugment = {}, {}

local floor, ceil, min = math.floor, math.ceil, math.min

--- entry { name, primitive, argument, signed }
local function operation(name, argument, signed, primitive)
    return { name = name, primitive = primitive or name, argument = argument, signed = signed or false }
end

--- The straight line from 0 at magnitude 0 to `full` at 10.
local function tenths(full)
    return function(magnitude)
        return magnitude / 10 * full
    end
end

--- The same, cut down to an integer.
local function whole_tenths(full)
    return function(magnitude)
        return floor(magnitude / 10 * full)
    end
end

--- The factor of the four blends: 1 leaves a picture as it is, and so does magnitude 5.
local function enhance(magnitude)
    return magnitude / 10 * 1.8 + 0.1
end

local function official_solarize_add(magnitude)
    return floor(magnitude / 10 * 110), 128
end

--- The official list with its lengths in pixels given as functions.
local function official_operations(translate, cutout)
    return {
        operation "autocontrast",
        operation "equalize",
        operation "invert",
        operation("rotate", tenths(30), true),
        operation("posterize", whole_tenths(4)),
        operation("solarize", whole_tenths(256)),
        operation("color", enhance),
        operation("contrast", enhance),
        operation("brightness", enhance),
        operation("sharpness", enhance),
        operation("shear_x", tenths(0.3), true),
        operation("shear_y", tenths(0.3), true),
        operation("translate_x", translate, true),
        operation("translate_y", translate, true),
        operation("cutout", cutout),
        operation("solarize_add", official_solarize_add),
    }
end

--- The EfficientNetV2 code: 16 operations, magnitudes in tenths and not clipped, lengths in pixels whatever the size.
-- Posterize and solarize run backwards (weaker as the magnitude grows); kept, since the published results have it so.
randaugment.official = {
    operations = official_operations(tenths(100), whole_tenths(40)),
    rule = "tf", filter = "nearest", fill = { 128, 128, 128 }, probability = 1,
}

--- The official one for small pictures: lengths grow with the picture and are the official ones at 224 pixels, and
-- contrast blends with the mean luminance (the official gray level is the number of pixels / 256).
randaugment.relative = {
    operations = official_operations(function(magnitude, size)
        return magnitude / 10 * 100 * size / 224
    end, function(magnitude, size)
        return floor(magnitude / 10 * 40 * size / 224)
    end),
    rule = "pil", filter = "nearest", fill = { 128, 128, 128 }, probability = 1,
}

-- ---- timm ----

--- timm clips magnitudes to 0..10.
local function clipped(curve)
    return function(magnitude, size)
        return curve(math.max(0, min(10, magnitude)), size)
    end
end

local function timm_operations(posterize, solarize, blend, signed_blend)
    local list = {
        operation "autocontrast",
        operation "equalize",
        operation "invert",
        operation("rotate", tenths(30), true),
        operation("posterize", posterize),
        operation("solarize", solarize),
        operation("solarize_add", function(magnitude)
            return min(128, floor(magnitude / 10 * 110)), 128
        end),
        operation("color", blend, signed_blend),
        operation("contrast", blend, signed_blend),
        operation("brightness", blend, signed_blend),
        operation("sharpness", blend, signed_blend),
        operation("shear_x", tenths(0.3), true),
        operation("shear_y", tenths(0.3), true),
        operation("translate_x", tenths(0.45), true, "translate_x_relative"),
        operation("translate_y", tenths(0.45), true, "translate_y_relative"),
    }
    for _, entry in ipairs(list) do
        entry.argument = entry.argument and clipped(entry.argument)
    end
    return list
end

--- timm's rand-m...: 15 operations, each drawn one applied with probability 0.5.
randaugment.timm = {
    operations = timm_operations(whole_tenths(4), function(magnitude)
        return min(256, floor(magnitude / 10 * 256))
    end, enhance, false),
    rule = "pil", filter = "bilinear", other = "bicubic", fill = { 128, 128, 128 }, probability = 0.5,
}

--- timm's rand-m...-inc1: every operation gets stronger as the magnitude grows.
randaugment.timm_inc = {
    operations = timm_operations(function(magnitude)
        return 4 - floor(magnitude / 10 * 4)
    end, function(magnitude)
        return 256 - min(256, floor(magnitude / 10 * 256))
    end, function(magnitude)
        return 1 + magnitude / 10 * 0.9
    end, true),
    rule = "pil", filter = "bilinear", other = "bicubic", fill = { 128, 128, 128 }, probability = 0.5,
}

-- ---- torchvision ----

local float = ffi.new "float[1]"

local function single(x)
    float[0] = x
    return float[0]
end

--- The straight line from 0 to `full` at magnitude `strongest`, in single precision and from the nearer end as
-- torch.linspace computes it: a translation that falls on 15.9999990 moves by 15 pixels.
local function straight(magnitude, strongest, full)
    local last = single(full)
    local step = single(last / strongest)
    return single(magnitude < floor((strongest + 1) / 2) and step * magnitude or last - step * (strongest - magnitude))
end

--- torchvision's 14 operations, each as strong as its argument here says at magnitude `strongest`.
local function torchvision_operations(strongest, o)
    local function line(full)
        return function(magnitude)
            return straight(magnitude, strongest, full)
        end
    end
    local function blend(magnitude)
        return 1 + straight(magnitude, strongest, o.blend)
    end
    local function translate(magnitude, size)
        return floor(straight(magnitude, strongest, o.translate(size)))
    end
    return {
        operation "identity",
        operation("shear_x", line(o.shear), true),
        operation("shear_y", line(o.shear), true),
        operation("translate_x", translate, true),
        operation("translate_y", translate, true),
        operation("rotate", line(o.rotate), true),
        operation("brightness", blend, true),
        operation("color", blend, true),
        operation("contrast", blend, true),
        operation("sharpness", blend, true),
        operation("posterize", function(magnitude)
            return 8 - floor(magnitude / strongest * o.bits + 0.5)
        end),
        operation("solarize", function(magnitude)
            return ceil(255 - 255 * magnitude / strongest)
        end),
        operation "autocontrast",
        operation "equalize",
    }
end

local mild = {
    shear = 0.3, rotate = 30, blend = 0.9, bits = 4, translate = function(size)
        return 150 / 331 * size
    end,
}

--- torchvision's RandAugment: magnitudes 0 to 30, black behind warps.
randaugment.torchvision = {
    operations = torchvision_operations(30, mild), rule = "pil", filter = "nearest", fill = { 0, 0, 0 },
    probability = 1,
}

--- torchvision's TrivialAugmentWide: one of its operations at one of the magnitudes 0 to 30.
local trivialaugment = {
    operations = torchvision_operations(30, {
        shear = 0.99, rotate = 135, blend = 0.99, bits = 6, translate = function()
            return 32
        end,
    }),
    magnitudes = { 0, 30 }, rule = "pil", filter = "nearest", fill = { 0, 0, 0 },
}

-- ---- AutoAugment ----

-- A policy is pairs of { name, probability, magnitude }, of which one is drawn.

local v0 = {
    { { "equalize", 0.8, 1 }, { "shear_y", 0.8, 4 } },
    { { "color", 0.4, 9 }, { "equalize", 0.6, 3 } },
    { { "color", 0.4, 1 }, { "rotate", 0.6, 8 } },
    { { "solarize", 0.8, 3 }, { "equalize", 0.4, 7 } },
    { { "solarize", 0.4, 2 }, { "solarize", 0.6, 2 } },
    { { "color", 0.2, 0 }, { "equalize", 0.8, 8 } },
    { { "equalize", 0.4, 8 }, { "solarize_add", 0.8, 3 } },
    { { "shear_x", 0.2, 9 }, { "rotate", 0.6, 8 } },
    { { "color", 0.6, 1 }, { "equalize", 1, 2 } },
    { { "invert", 0.4, 9 }, { "rotate", 0.6, 0 } },
    { { "equalize", 1, 9 }, { "shear_y", 0.6, 3 } },
    { { "color", 0.4, 7 }, { "equalize", 0.6, 0 } },
    { { "posterize", 0.4, 6 }, { "autocontrast", 0.4, 7 } },
    { { "solarize", 0.6, 8 }, { "color", 0.6, 9 } },
    { { "solarize", 0.2, 4 }, { "rotate", 0.8, 9 } },
    { { "rotate", 1, 7 }, { "translate_y", 0.8, 9 } },
    { { "shear_x", 0, 0 }, { "solarize", 0.8, 4 } },
    { { "shear_y", 0.8, 0 }, { "color", 0.6, 4 } },
    { { "color", 1, 0 }, { "rotate", 0.6, 2 } },
    { { "equalize", 0.8, 4 }, { "equalize", 0, 8 } },
    { { "equalize", 1, 4 }, { "autocontrast", 0.6, 2 } },
    { { "shear_y", 0.4, 7 }, { "solarize_add", 0.6, 7 } },
    { { "posterize", 0.8, 2 }, { "solarize", 0.6, 10 } },
    { { "solarize", 0.6, 8 }, { "equalize", 0.6, 1 } },
    { { "color", 0.8, 6 }, { "rotate", 0.4, 5 } },
}

--- What AutoAugment learned on ImageNet; 0 where an operation has no magnitude.
local imagenet = {
    { { "posterize", 0.4, 8 }, { "rotate", 0.6, 9 } },
    { { "solarize", 0.6, 5 }, { "autocontrast", 0.6, 0 } },
    { { "equalize", 0.8, 0 }, { "equalize", 0.6, 0 } },
    { { "posterize", 0.6, 7 }, { "posterize", 0.6, 6 } },
    { { "equalize", 0.4, 0 }, { "solarize", 0.2, 4 } },
    { { "equalize", 0.4, 0 }, { "rotate", 0.8, 8 } },
    { { "solarize", 0.6, 3 }, { "equalize", 0.6, 0 } },
    { { "posterize", 0.8, 5 }, { "equalize", 1, 0 } },
    { { "rotate", 0.2, 3 }, { "solarize", 0.6, 8 } },
    { { "equalize", 0.6, 0 }, { "posterize", 0.4, 6 } },
    { { "rotate", 0.8, 8 }, { "color", 0.4, 0 } },
    { { "rotate", 0.4, 9 }, { "equalize", 0.6, 0 } },
    { { "equalize", 0, 0 }, { "equalize", 0.8, 0 } },
    { { "invert", 0.6, 0 }, { "equalize", 1, 0 } },
    { { "color", 0.6, 4 }, { "contrast", 1, 8 } },
    { { "rotate", 0.8, 8 }, { "color", 1, 2 } },
    { { "color", 0.8, 8 }, { "solarize", 0.8, 7 } },
    { { "sharpness", 0.4, 7 }, { "invert", 0.6, 0 } },
    { { "shear_x", 0.6, 5 }, { "equalize", 1, 0 } },
    { { "color", 0.4, 0 }, { "equalize", 0.6, 0 } },
    { { "equalize", 0.4, 0 }, { "solarize", 0.2, 4 } },
    { { "solarize", 0.6, 5 }, { "autocontrast", 0.6, 0 } },
    { { "invert", 0.6, 0 }, { "equalize", 1, 0 } },
    { { "color", 0.6, 4 }, { "contrast", 1, 8 } },
    { { "equalize", 0.8, 0 }, { "equalize", 0.6, 0 } },
}

--- The official code's, used for the V1 and B models: its operations with longer translations and cut-outs.
autoaugment.v0 = {
    policy = v0, operations = official_operations(tenths(250), whole_tenths(100)), rule = "tf", filter = "nearest",
    fill = { 128, 128, 128 },
}

--- torchvision's default: its operations, whose ten magnitudes are 0 to 9.
autoaugment.imagenet = {
    policy = imagenet, operations = torchvision_operations(9, mild), rule = "pil", filter = "nearest",
    fill = { 0, 0, 0 },
}
table.insert(autoaugment.imagenet.operations, operation "invert")

return { randaugment = randaugment, autoaugment = autoaugment, trivialaugment = trivialaugment }
