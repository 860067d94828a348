--- What other implementations of a model have otherwise: padding, the norms' epsilon and momentum, widths, and how they
-- look at a picture. models.create(name, { preset = "timm" }) takes a preset's options; "official" is the model's own.
--
-- "timm" are timm's models without `tf_`, "timm-tf" those with it. Sources: timm 1.0.31, torchvision 0.29.
local imagenet = { mean = { 123.675, 116.28, 103.53 }, std = { 58.395, 57.12, 57.375 } }
local half = { mean = { 127.5, 127.5, 127.5 }, std = { 127.5, 127.5, 127.5 } }

local presets = {}

local function norms(padding, eps, momentum)
    return { padding = padding, bn_eps = eps, bn_momentum = momentum }
end

local function crop(share, filter)
    return { fit = "crop", crop = share, filter = filter or "pil_bicubic" }
end

local function add(name, preset, contents)
    presets[name] = presets[name] or {}
    presets[name][preset] = contents
end

for _, size in ipairs { "s", "m", "l", "xl" } do
    local name = "efficientnetv2-" .. size
    add(name, "timm", {
        options = norms("symmetric", 1e-5, 0.9), normalise = imagenet, evaluation = crop(1),
    })
    local whole = { fit = "stretch", crop = 1, filter = "pil_bicubic" }
    add(name, "timm-tf", {
        options = norms("same", 1e-3, 0.9), normalise = half, evaluation = size == "s" and crop(1) or whole,
    })
    if size ~= "xl" then
        local large = size == "l"
        add(name, "torchvision", {
            options = norms("symmetric", 1e-3, 0.9), normalise = large and half or imagenet,
            evaluation = crop(1, large and "pil_bicubic" or "pil_bilinear"),
        })
    end
end

for i, share in ipairs { 0.875, 0.882, 0.89, 0.904 } do
    local name = "efficientnetv2-b" .. i - 1
    add(name, "timm", { options = norms("symmetric", 1e-5, 0.9), evaluation = crop(share) })
    add(name, "timm-tf", { options = norms("same", 1e-3, 0.9), evaluation = crop(share) })
end

for i, row in ipairs { -- the share of timm, then torchvision's size and that of the picture which it crops
    { 0.875, 224, 256 }, { 0.882, 240, 255, "pil_bilinear" }, { 0.89, 288, 288 }, { 0.904, 300, 320 },
    { 0.922, 380, 384 }, { 0.934, 456, 456 }, { 0.942, 528, 528 }, { 0.949, 600, 600 },
} do
    local name, share, size, picture, filter = "efficientnet-b" .. i - 1, unpack(row)
    local deep = i > 5
    add(name, "timm", { options = norms("symmetric", 1e-5, 0.9), evaluation = crop(share) })
    add(name, "timm-tf", { options = norms("same", 1e-3, 0.9), evaluation = crop(share) })
    add(name, "torchvision", {
        options = norms("symmetric", deep and 1e-3 or 1e-5, deep and 0.99 or 0.9), size = size,
        evaluation = crop(size / picture, filter),
    })
end

for _, depth in ipairs { 18, 34, 50, 101, 152 } do
    add("resnet" .. depth, "torchvision", {})
    add("resnet" .. depth, "timm", { evaluation = crop(0.95) })
end

for _, depth in ipairs { 50, 101, 152, 200, 270, 350, 420 } do
    add("resnetrs" .. depth, "timm", {})
end

for _, size in ipairs { "ti", "s", "b", "l" } do
    for _, patch in ipairs { 16, 32 } do
        local name = ("vit-%s-%d"):format(size, patch)
        add(name, "timm", {})
        if size == "b" or size == "l" then
            local share = name == "vit-l-16" and 224 / 242 or 0.875
            add(name, "torchvision", { normalise = imagenet, evaluation = crop(share, "pil_bilinear") })
        end
    end
end

for _, size in ipairs { "ti", "s", "b" } do
    add(("deit-%s-16"):format(size), "timm", { evaluation = crop(0.9) })
end

for size, widths in pairs { ["8gf"] = { 224, 448, 896, 2016 }, ["16gf"] = { 224, 448, 1232, 3024 } } do
    add("regnety-" .. size, "timm", { evaluation = crop(0.95) })
    add("regnety-" .. size, "torchvision", {
        options = { widths = widths }, evaluation = crop(224 / 232, "pil_bilinear"),
    })
end

add("nfnet-f0", "timm", { evaluation = { fit = "stretch", crop = 0.9, filter = "pil_bicubic" } })

return presets
