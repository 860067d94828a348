--- An operation of one's own for RandAugment, in ten lines.
--
--     effv2 examples/own_operation.lua data=~/photos sheet=sheet.png
local effv2 = require "effv2"
local augment = effv2.augment

local cfg = effv2.config { data = "shapes", size = 96, sheet = "own_operation.png" }

-- "affine" is one of effv2.image_primitives(): it takes where each pixel comes from, about the centre. What the
-- magnitude means is said here: 0 changes nothing, at 10 the picture is half as large.
augment.register {
    name = "zoom_out",
    primitive = "affine",
    argument = function(magnitude)
        local scale = 1 + magnitude / 10
        return scale, 0, 0, 0, scale, 0
    end,
}

-- From here on it is an operation as others are.
local policy = augment.randaugment {
    n = 2, magnitude = 6, dialect = "relative", operations = { "zoom_out", "rotate", "color", "equalize" },
}
local pipeline = augment.pipeline { augment.steps.resize {}, policy, augment.steps.normalise(), size = cfg.size }

local data = effv2.data.open(cfg.data)
assert(augment.preview(data, pipeline, 12, cfg.sheet))
print(cfg.sheet .. ": 12 pictures")

local picture = data.train:image(1)
for _, magnitude in ipairs { 0, 5, 10 } do
    local zoomed = augment.apply(picture, "zoom_out", magnitude, { dialect = "relative" })
    print(("magnitude %2d: mean value %.1f"):format(magnitude, zoomed:cast("float32"):mean():item()))
end
