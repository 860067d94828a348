--- Augmentation: the meaning of magnitudes, users' own operations, pipelines, errors.
local effv2 = require "effv2"
local augment = effv2.augment
local steps = augment.steps

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

local function arguments(name, magnitude, size)
    local entry = augment.operation(name)
    return entry.argument and { entry.argument(magnitude, size or 224) } or {}
end

--- A picture in which every pixel is another colour.
local function gradient(height, width)
    local rows = {}
    for y = 1, height do
        rows[y] = {}
        for x = 1, width do
            rows[y][x] = { (y * 7 + x * 3) % 256, (x * 11) % 256, (y * 5) % 256 }
        end
    end
    return effv2.tensor(rows, "uint8")
end

local function gray(height, width, value)
    return effv2.full(value, height, width, 3, { dtype = "uint8" })
end

describe("RandAugment", function()
    it("has the official operations in their order", function()
        local names = {}
        for i, entry in ipairs(augment.dialect "official") do
            names[i] = entry.name
        end
        assert.is_same({
            "autocontrast", "equalize", "invert", "rotate", "posterize", "solarize", "color", "contrast", "brightness",
            "sharpness", "shear_x", "shear_y", "translate_x", "translate_y", "cutout", "solarize_add",
        }, names)
        local signed = {}
        for _, entry in ipairs(augment.dialect "official") do
            signed[#signed + 1] = entry.signed and entry.name or nil
        end
        assert.is_same({ "rotate", "shear_x", "shear_y", "translate_x", "translate_y" }, signed)
    end)

    local magnitudes = { 5, 10, 15, 20, 25 }
    local exact = {
        rotate = { 15, 30, 45, 60, 75 },
        posterize = { 2, 4, 6, 8, 10 },
        solarize = { 128, 256, 384, 512, 640 },
        translate_x = { 50, 100, 150, 200, 250 },
        translate_y = { 50, 100, 150, 200, 250 },
        cutout = { 20, 40, 60, 80, 100 },
        solarize_add = { 55, 110, 165, 220, 275 },
    }
    for name, wanted in pairs(exact) do
        it("gives the official argument of " .. name, function()
            for i, magnitude in ipairs(magnitudes) do
                assert.is_equal(wanted[i], arguments(name, magnitude)[1])
            end
        end)
    end

    local rounded = {
        color = { 1.0, 1.9, 2.8, 3.7, 4.6 }, contrast = { 1.0, 1.9, 2.8, 3.7, 4.6 },
        brightness = { 1.0, 1.9, 2.8, 3.7, 4.6 }, sharpness = { 1.0, 1.9, 2.8, 3.7, 4.6 },
        shear_x = { 0.15, 0.3, 0.45, 0.6, 0.75 }, shear_y = { 0.15, 0.3, 0.45, 0.6, 0.75 },
    }
    for name, wanted in pairs(rounded) do
        it("gives the official argument of " .. name, function()
            for i, magnitude in ipairs(magnitudes) do
                assert.is_true(math.abs(wanted[i] - arguments(name, magnitude)[1]) < 1e-12)
            end
        end)
    end

    it("has no argument for autocontrast, equalize and invert", function()
        for _, name in ipairs { "autocontrast", "equalize", "invert" } do
            assert.is_same({}, arguments(name, 10))
        end
        assert.is_same({ 110, 128 }, arguments("solarize_add", 10))
    end)

    local function of(dialect, name)
        for _, entry in ipairs(augment.dialect(dialect)) do
            if entry.name == name then
                return entry
            end
        end
    end

    it("knows the dialects at the ends of their ranges", function()
        assert.is_same({ "official", "relative", "timm", "timm_inc", "torchvision" }, augment.dialects())
        assert.is_equal(100, of("relative", "translate_x").argument(10, 224))
        assert.is_equal(50, of("relative", "translate_x").argument(10, 112))
        assert.is_equal(10, of("relative", "cutout").argument(10, 56))
        assert.is_equal(15, #augment.dialect "timm")
        assert.is_equal(256, of("timm", "solarize").argument(10))
        assert.is_equal(256, of("timm", "solarize").argument(25)) -- clipped
        assert.is_equal(110, (of("timm", "solarize_add").argument(10)))
        assert.is_equal(0, of("timm_inc", "solarize").argument(10))
        assert.is_equal(256, of("timm_inc", "solarize").argument(0))
        assert.is_equal(4, of("timm_inc", "posterize").argument(0))
        assert.is_equal(0, of("timm_inc", "posterize").argument(10))
        assert.is_true(math.abs(1.9 - of("timm_inc", "color").argument(10)) < 1e-12)
        assert.is_equal(14, #augment.dialect "torchvision")
        assert.is_equal(8, of("torchvision", "posterize").argument(0))
        assert.is_equal(4, of("torchvision", "posterize").argument(30))
        assert.is_equal(255, of("torchvision", "solarize").argument(0))
        assert.is_equal(0, of("torchvision", "solarize").argument(30))
        assert.is_equal(150, of("torchvision", "translate_x").argument(30, 331))
    end)

    it("leaves a picture as it is where the official argument does nothing", function()
        local picture = gradient(20, 24)
        local neutral = {
            color = 5, contrast = 5, brightness = 5, sharpness = 5, solarize = 10, posterize = 20, rotate = 0,
        }
        for name, magnitude in pairs(neutral) do
            local same = augment.randaugment { n = 3, magnitude = magnitude, operations = { name } }
            local pipeline = augment.pipeline { size = 16, same, steps.resize {} }
            local plain = augment.pipeline { size = 16, steps.resize {} }
            assert.is_equal(plain(picture):tobytes(), pipeline(picture):tobytes(), name)
        end
    end)

    it("draws zero operations as none, and depends on seed, epoch and picture", function()
        local picture = gradient(32, 32)
        local plain = augment.eval { size = 32, rule = "whole" }
        local none = augment.train { size = 32, crop = "none", flip = 0, randaugment = { n = 0, magnitude = 10 } }
        assert.is_equal(plain(picture):tobytes(), none(picture):tobytes())
        local some = augment.train { size = 32, randaugment = { n = 2, magnitude = 10 } }
        local first = some(picture, { seed = 1, epoch = 2, index = 3 }):tobytes()
        assert.is_equal(first, some(picture, { seed = 1, epoch = 2, index = 3 }):tobytes())
        assert.is_not_equal(first, some(picture, { seed = 2, epoch = 2, index = 3 }):tobytes())
        assert.is_not_equal(first, some(picture, { seed = 1, epoch = 3, index = 3 }):tobytes())
        assert.is_not_equal(first, some(picture, { seed = 1, epoch = 2, index = 4 }):tobytes())
    end)

    it("asks a function for each operation's magnitude", function()
        local asked = {}
        local pipeline = augment.pipeline { steps.resize {}, augment.randaugment { magnitude = function(name, size)
            asked[#asked + 1] = name .. size
            return 5
        end } }
        pipeline:compile(40)
        assert.is_equal(16, #asked)
        assert.is_equal("autocontrast40", asked[1])
    end)
end)

describe("policies", function()
    --- The operations that the core gets of a step, at 64 pixels.
    local function groups_of(step)
        return step.build(64).operations
    end

    it("draw noisy magnitudes around one", function()
        local groups = groups_of(augment.randaugment { magnitude = 9, noise = 0.5, dialect = "timm" })
        assert.is_equal(15 * 64, #groups)
        local sum, squares, n = 0, 0, 0
        for _, group in ipairs(groups) do
            if group[1].name == "shear_x" then
                local magnitude = group[1].args[1] / 0.3 * 10
                sum, squares, n = sum + magnitude, squares + magnitude ^ 2, n + 1
            end
        end
        assert.is_equal(64, n)
        assert.is_near(9, sum / n, 0.02) -- a few are cut off at 10
        assert.is_near(0.5, math.sqrt(squares / n - (sum / n) ^ 2), 0.03)
        assert.is_equal(0.5, groups[1][1].probability)
        local uniform = groups_of(augment.randaugment { magnitude = 10, noise = math.huge, operations = { "rotate" } })
        assert.is_equal(64, #uniform)
        assert.is_near(30 / 128, uniform[1][1].args[1], 1e-9)
        assert.is_near(30 - 30 / 128, uniform[64][1].args[1], 1e-9)
        assert.matches("noise is %-1", message_of(augment.randaugment, { noise = -1 }))
    end)

    it("of TrivialAugment are every operation at every magnitude", function()
        local groups, strongest = groups_of(augment.trivialaugment()), {}
        assert.is_equal(14 * 31, #groups)
        for _, group in ipairs(groups) do
            strongest[group[1].name] = group[1].args and group[1].args[1]
        end
        local wanted = { shear_x = 0.99, translate_y = 32, rotate = 135, color = 1.99, posterize = 2, solarize = 0 }
        for name, value in pairs(wanted) do
            assert.is_near(value, strongest[name], 1e-6)
        end
    end)

    it("of AutoAugment are the official ones, torchvision's, or one's own", function()
        local v0, imagenet = groups_of(augment.autoaugment()), groups_of(augment.autoaugment { policy = "imagenet" })
        assert.is_equal(25, #v0)
        assert.is_equal(25, #imagenet)
        assert.is_same({ "posterize", 0.4, { 4 } }, { imagenet[1][1].name, imagenet[1][1].probability, imagenet[1][1].args })
        assert.is_same({ 30 }, imagenet[1][2].args)
        assert.is_near(1.8, imagenet[15][2].args[1], 1e-6) -- contrast at 8 of 9
        local own = groups_of(augment.autoaugment { policy = { { { "rotate", 0.3, 10 } } } })
        assert.is_same({ "rotate", 0.3, { 30 } }, { own[1][1].name, own[1][1].probability, own[1][1].args })
        assert.matches("unknown policy 'v1' %(did you mean v0%?%)", message_of(augment.autoaugment, { policy = "v1" }))
    end)

    it("warp with the filters of their dialect, or others", function()
        local function style(step)
            local built = step.build(64)
            return { built.rule, built.filter, built.other, built.fill[1] }
        end
        assert.is_same({ "tf", "nearest", nil, 128 }, style(augment.randaugment()))
        assert.is_same({ "pil", "bilinear", "bicubic", 128 }, style(augment.randaugment { dialect = "timm" }))
        assert.is_same({ "pil", "bilinear", nil, 124 },
            style(augment.randaugment { dialect = "timm_inc", filter = "bilinear", fill = { 124, 116, 104 } }))
        assert.is_same({ "pil", "nearest", nil, 0 }, style(augment.randaugment { dialect = "torchvision" }))
        assert.is_same({ "pil", "bilinear", nil, 0 }, style(augment.trivialaugment { filter = "bilinear" }))
        assert.is_same({ "pil", "bicubic", nil, 0 }, style(augment.autoaugment { policy = "imagenet", filter = "bicubic" }))
        assert.matches("unknown filter 'bicubik' %(did you mean bicubic%?%)", message_of(function()
            augment.pipeline { size = 8, steps.resize {}, augment.trivialaugment { filter = "bicubik" } }:compile()
        end))
        assert.matches("the official rule warps with the nearest pixel, not with a bilinear filter", message_of(function()
            augment.pipeline { size = 8, steps.resize {}, augment.randaugment { filter = "bilinear" } }:compile()
        end))
    end)

    it("take the second filter half of the time", function()
        local picture, seen = gradient(9, 9), {}
        local operation = { primitive = "translate_x", args = { 0.4 } }
        for seed = 1, 300 do
            local style = { rule = "pil", filter = "bilinear", other = "bicubic", seed = seed }
            local bytes = effv2.apply_operation(picture, operation, style):tobytes()
            seen[bytes] = (seen[bytes] or 0) + 1
        end
        local both = 0
        for _, filter in ipairs { "bilinear", "bicubic" } do
            local alone = effv2.apply_operation(picture, operation, { rule = "pil", filter = filter }):tobytes()
            both = both + seen[alone]
            assert.is_true(seen[alone] > 100, filter) -- 150 are expected, 5.8 standard deviations
        end
        assert.is_equal(300, both)
    end)

    it("run", function()
        for _, policy in ipairs { augment.trivialaugment(), augment.autoaugment { policy = "imagenet" },
            augment.randaugment { noise = 0.5, dialect = "timm_inc" } } do
            local pipeline = augment.pipeline { steps.resize {}, policy, size = 16 }
            local seen = {}
            for index = 1, 40 do
                seen[pipeline(gradient(16, 16), { index = index }):tobytes()] = true
            end
            local different = 0
            for _ in pairs(seen) do
                different = different + 1
            end
            assert.is_true(different > 10, policy.name)
        end
    end)
end)

describe("augment.register", function()
    it("adds an operation made of a primitive", function()
        augment.register { name = "spec_invert_above", primitive = "solarize", argument = function(m)
            return 256 - 10 * m
        end }
        assert.is_truthy(table.concat(augment.operations(), " "):find("spec_invert_above", 1, true))
        local policy = augment.randaugment { n = 1, magnitude = 10, operations = { "spec_invert_above" } }
        local pipeline = augment.pipeline { size = 4, policy, steps.resize {} }
        assert.is_equal(55, pipeline(gray(4, 4, 200)):mean():item()) -- 200 >= 156 is inverted
        assert.is_equal(100, pipeline(gray(4, 4, 100)):mean():item())
    end)

    it("takes lookup tables as functions", function()
        local halve = { name = "spec_halve", primitive = "lut", argument = function(m)
            return function(value) return value / m end
        end }
        local pipeline = augment.pipeline {
            size = 4, augment.randaugment { n = 1, magnitude = 2, operations = { halve } }, steps.resize {},
        }
        assert.is_equal(50, pipeline(gray(4, 4, 101)):mean():item())
    end)

    it("mirrors the factor of a signed blend about 1", function()
        local seen = {}
        for seed = 1, 20 do
            local operation = { primitive = "brightness", args = { 1.5 }, signed = true }
            local out = effv2.apply_operation(gray(2, 2, 100), operation, { seed = seed })
            seen[out[1][1][1]] = true
        end
        assert.is_same({ [50] = true, [150] = true }, seen)
    end)

    it("refuses what cannot work", function()
        assert.matches("name is missing", message_of(augment.register, { primitive = "rotate" }))
        assert.matches("unknown primitive 'rotat' %(did you mean rotate%?%)",
            message_of(augment.register, { name = "x", primitive = "rotat", argument = math.abs }))
        assert.matches("argument is missing.*degrees",
            message_of(augment.register, { name = "x", primitive = "rotate" }))
        assert.matches("unknown argument 'sign' %(did you mean signed%?%)",
            message_of(augment.register, { name = "x", primitive = "invert", sign = true }))
        local two = { name = "x", primitive = "solarize_add", argument = function() return 1 end }
        assert.matches("x: its argument gave 1 values, primitive solarize_add wants 2", message_of(function()
            augment.pipeline { augment.randaugment { operations = { two } }, steps.resize {} }:compile(8)
        end))
    end)
end)

describe("pipelines", function()
    it("give samples of the asked size, normalised", function()
        local train, eval = augment.train { size = 24 }, augment.eval { size = 24 }
        assert.is_same({ 24, 24, 3 }, train(gradient(40, 30)):shape())
        assert.is_same({ 48, 48, 3 }, train(gradient(40, 30), { size = 48 }):shape())
        assert.is_equal((200 - 128) / 128, eval(gray(30, 30, 200))[1][1][1])
        local imagenet = augment.eval { size = 8, normalise = "imagenet" }
        assert.is_true(math.abs((200 / 255 - 0.485) / 0.229 - imagenet(gray(9, 9, 200))[1][1][1]) < 1e-6)
        local own = augment.eval { size = 8, normalise = { mean = { 10, 20, 30 }, std = 2 } }
        assert.is_same({ 95, 90, 85 }, own(gray(9, 9, 200))[1][1]:totable())
    end)

    it("crop by the official rule below 320 pixels and squash from there on", function()
        local picture = gradient(96, 64)
        local size, wide = 64, 320
        assert.is_equal(augment.eval { rule = "crop" }(picture, { size = size }):tobytes(),
            augment.eval {}(picture, { size = size }):tobytes())
        assert.is_not_equal(augment.eval { rule = "whole" }(picture, { size = size }):tobytes(),
            augment.eval {}(picture, { size = size }):tobytes())
        assert.is_equal(augment.eval { rule = "whole" }(picture, { size = wide }):tobytes(),
            augment.eval {}(picture, { size = wide }):tobytes())
    end)

    it("flip with probability 1 always", function()
        local picture = gradient(8, 8)
        local flipped = augment.train { size = 8, crop = "none", flip = 1 }(picture)
        local plain = augment.train { size = 8, crop = "none", flip = 0 }(picture)
        for x = 1, 8 do
            assert.is_same(plain[3][x]:totable(), flipped[3][9 - x]:totable())
        end
    end)

    it("pad and crop small pictures at random", function()
        local pipeline = augment.train { size = 32, crop = "pad", pad = 4, flip = 0 }
        local different = {}
        for index = 1, 10 do
            different[pipeline(gradient(32, 32), { index = index }):tobytes()] = true
        end
        local count = 0
        for _ in pairs(different) do
            count = count + 1
        end
        assert.is_true(count >= 8)
    end)

    it("cut a square out", function()
        local out = augment.train { size = 32, crop = "none", flip = 0, cutout = 8 }(gray(32, 32, 255))
        local cut = 0
        for _, row in ipairs(out:totable()) do
            for _, pixel in ipairs(row) do
                cut = cut + (pixel[1] == 0 and 1 or 0)
            end
        end
        assert.is_true(cut >= 16 and cut <= 64)
    end)

    it("jitter colours in torchvision's ranges", function()
        local built = steps.color_jitter { brightness = 0.4, contrast = 1.5, hue = 0.1, saturation = { 0.9, 1 } }.build(8)
        assert.is_same({ { 0.6, 1.4 }, { 0, 2.5 }, { -0.1, 0.1 }, { 0.9, 1 } },
            { built.brightness, built.contrast, built.hue, built.saturation })
        local pipeline = augment.pipeline { steps.resize {}, steps.color_jitter(), size = 8 }
        assert.is_equal(augment.pipeline { steps.resize {}, size = 8 }(gray(8, 8, 77)):tobytes(),
            pipeline(gray(8, 8, 77)):tobytes())
        assert.matches('color_jitter: hue is "red", wanted a number from 0, or a range', message_of(steps.color_jitter,
            { hue = "red" }))
        assert.matches("hue is drawn from %-0.7 to 0.7; it must lie in %-0.5 to 0.5", message_of(function()
            augment.pipeline { steps.resize {}, steps.color_jitter { hue = 0.7 }, size = 8 }:compile()
        end))
        assert.matches("brightness is drawn from 2 to 1", message_of(function()
            augment.pipeline { steps.resize {}, steps.color_jitter { brightness = { 2, 1 } }, size = 8 }:compile()
        end))
    end)

    it("order their own steps", function()
        local pipeline = augment.pipeline {
            steps.resize_shorter { crop = 0.875, filter = "pil_bicubic" }, steps.center_crop { rule = "size" },
            steps.flip {}, augment.autoaugment {}, steps.normalise "imagenet",
            steps.erase { probability = 1, fill = "normal" }, size = 28,
        }
        assert.is_same({ 28, 28, 3 }, pipeline(gradient(60, 40)):shape())
        assert.is_equal("pipeline (28 pixels: resize_shorter, center_crop, flip, autoaugment, normalise, erase)",
            tostring(pipeline))
    end)

    it("refuse unknown names and impossible orders", function()
        assert.matches("augment.train: unknown argument 'randaugmnt' %(did you mean randaugment%?%)",
            message_of(augment.train, { randaugmnt = 3 }))
        assert.matches("unknown crop 'pads' %(did you mean pad%?%); there are none, pad, random_resized",
            message_of(augment.train, { crop = "pads" }))
        assert.matches("unknown rule 'croop' %(did you mean crop%?%)", message_of(augment.eval, { rule = "croop" }))
        assert.matches("unknown dialect 'tim' %(did you mean timm%?%)",
            message_of(augment.randaugment, { dialect = "tim" }))
        assert.matches("unknown operation 'rotat' %(did you mean rotate%?%)",
            message_of(augment.randaugment, { operations = { "rotat" } }))
        assert.matches("unknown 'imagnet' %(did you mean imagenet%?%)",
            message_of(augment.eval, { normalise = "imagnet" }))
        assert.matches("the size of the samples is nil", message_of(function() augment.eval {}:compile() end))
        assert.matches("unknown filter 'bilinear'", message_of(function()
            augment.eval { filter = "bilinear" }:compile(8)
        end))
        assert.matches("no step gives all samples one size", message_of(function()
            augment.pipeline { steps.flip {} }:compile(8)
        end))
        assert.matches("only cutout and erase may follow", message_of(function()
            augment.pipeline { steps.resize {}, steps.normalise(), steps.flip {} }:compile(8)
        end))
        assert.matches("item 1 is no step", message_of(augment.pipeline, { "flip" }))
        assert.matches("unknown argument 'sise' %(did you mean size%?%)",
            message_of(augment.pipeline, { steps.flip {}, sise = 8 }))
        assert.matches("wanted a picture: uint8 of height x width x 3", message_of(function()
            augment.eval { size = 8 }(effv2.zeros(8, 8, 3))
        end))
    end)
end)

describe("augment.apply", function()
    it("does an operation of a dialect, a registered one, or an entry", function()
        local picture = gradient(12, 16)
        assert.is_equal(effv2.apply_operation(picture, { primitive = "solarize", args = { 128 } }):tobytes(),
            augment.apply(picture, "solarize", 5):tobytes())
        local warped = augment.apply(picture, "translate_x", 10, { dialect = "timm" })
        local moved = {}
        for _, pixels in ipairs { -7.2, 7.2 } do
            for _, filter in ipairs { "bilinear", "bicubic" } do
                moved[effv2.apply_operation(picture, { primitive = "translate_x", args = { pixels } },
                    { rule = "pil", filter = filter }):tobytes()] = true
            end
        end
        assert.is_true(moved[warped:tobytes()])
        local own = { name = "spec_own", primitive = "lut", argument = function(m)
            return function(value) return value + m end
        end }
        assert.is_equal(53, augment.apply(gray(2, 2, 50), own, 3):cast("float32"):mean():item())
        assert.matches("unknown operation 'solarise' %(did you mean solarize%?%)",
            message_of(augment.apply, picture, "solarise", 5))
        assert.matches("unknown dialect 'tim' %(did you mean timm%?%)",
            message_of(augment.apply, picture, "solarize", 5, { dialect = "tim" }))
    end)
end)

describe("data.caption", function()
    it("draws text in black on white", function()
        local text = effv2.data.caption("iT", 3)
        assert.is_same({ 15, 24, 3 }, text:shape())
        assert.is_same({ 0, 0, 0 }, text[1][1]:totable())
        assert.is_same({ 255, 255, 255 }, text[4][1]:totable())
        assert.is_same({ 0, 0, 0 }, text[15][18]:totable())
        assert.is_equal(effv2.data.caption("IT", 3):tobytes(), text:tobytes())
    end)
end)

describe("augment.preview", function()
    it("writes a contact sheet", function()
        local path = os.tmpname()
        local shapes = effv2.data.open("shapes", { train = 20, val = 10 })
        assert.is_true(augment.preview(shapes, augment.train { size = 16, randaugment = 10 }, 6, path))
        local sheet = effv2.read_image(path)
        os.remove(path)
        assert.is_same({ 2 * 18 + 2, 3 * 18 + 2, 3 }, sheet:shape())
        assert.is_same({ 255, 255, 255 }, sheet[1][1]:totable())
    end)
end)
