--- Augmentation of one's own: an operation, a magnitude curve, an order of steps, and a look at the result.
--
--     effv2 examples/augmentation.lua data=~/photos size=160 sheet=sheet.png
local effv2 = require "effv2"
local augment = effv2.augment
local steps = augment.steps

local cfg = effv2.config { data = "shapes", size = 96, magnitude = 7, sheet = "augmentation.png", seed = 0 }

-- An operation turns a magnitude into the argument of an image primitive. "lut" takes a curve from old to new pixel
-- values; effv2.image_primitives() lists the others.
augment.register {
    name = "gamma", primitive = "lut",
    argument = function(magnitude)
        local gamma = 1 + magnitude / 10
        return function(value)
            return 255 * (value / 255) ^ gamma
        end
    end,
}

-- Every operation may have a magnitude of its own: here geometry is milder than colour.
local mild = { rotate = 0.3, shear_x = 0.5, shear_y = 0.5 }
local policy = augment.randaugment {
    n = 2, dialect = "relative", operations = { "rotate", "shear_x", "shear_y", "color", "autocontrast", "gamma" },
    magnitude = function(name)
        return cfg.magnitude * (mild[name] or 1)
    end,
}

-- The steps run in this order, in C, on the loader's threads.
local pipeline = augment.pipeline {
    steps.random_crop { area = { 0.3, 1 } },
    steps.resize { filter = "pil_bicubic" },
    steps.flip {},
    policy,
    steps.normalise "imagenet",
    steps.erase { probability = 0.25, fill = "normal" },
    size = cfg.size,
}
print(pipeline)

local data = effv2.data.open(cfg.data)
print(data)
assert(augment.preview(data, pipeline, 24, cfg.sheet, { seed = cfg.seed }))
print(cfg.sheet .. ": 24 pictures as the network would see them")

local loader = effv2.data.loader {
    source = data.train, pipeline = pipeline, batch_size = 32, seed = cfg.seed, mixup = 0.2,
}
local batch = loader:next()
loader:close()
print(("a batch: %d pictures of %d x %d, mean value %.3f; the first is made of"):format(batch.count,
    batch.images:size(2), batch.images:size(3), batch.images:mean():item()))
for class, share in ipairs(batch.targets[1]:totable()) do
    if share > 0 then
        print(("  %.3f %s"):format(share, data.class_names[class]))
    end
end
