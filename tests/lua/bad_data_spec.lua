--- Folders, pictures, loaders and augmentation that cannot work end in messages with cause and cure.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"

local data, augment = effv2.data, effv2.augment
local open, fill, fill_classes = data.open, support.fill, support.fill_classes

local function shapes()
    return open("shapes", { train = 8, val = 4 })
end

local function loader(changes)
    local o = { source = shapes().train, pipeline = augment.eval { size = 8 }, batch_size = 4 }
    for key, value in pairs(changes) do
        o[key] = value
    end
    return data.loader(o)
end

--- Reads every picture of a folder of classes; returns how many, and the loader's list of bad ones.
local function read_all(root, options)
    local o = { source = open(root, { val_ratio = 0.25 }).train, pipeline = augment.eval { size = 8 }, batch_size = 4 }
    for key, value in pairs(options or {}) do
        o[key] = value
    end
    local made, count = data.loader(o), 0
    for batch in made:batches() do
        count = count + batch.count
    end
    local bad = made:bad()
    made:close()
    return count, bad
end

local truncated, text = support.jpeg:sub(1, 150), "this is no picture"

local folders = {
    { "a path that is no text", function() return open(3) end, "data.open: the path is a number", 'a folder or "shapes"' },
    { "a missing folder", function(root) return open(root .. "/nope") end, "/nope: No such file or directory",
        "a folder of class folders" },
    { "a file", function(root) return open(fill(root, { ["a.png"] = 1 }) .. "/a.png") end, "a.png: not a folder",
        "a folder of class folders" },
    { "an empty folder", open, "it is empty", "expected is ", "/<class>/<image>" },
    { "a folder without classes", function(root) return open(fill(root, { ["1.png"] = 1, ["2.png"] = 2 })) end,
        "2 images but no class folders", "/<class>/<image>" },
    { "a folder of texts", function(root) return open(fill(root, { ["1.txt"] = text })) end, "1 files, none is JPEG or PNG",
        "/<class>/<image>" },
    { "classes without pictures", function(root) return open(fill(root, { ["cats/1.txt"] = text, ["dogs/"] = true })) end,
        '2 class folders, but no images for "train"', "JPEG or PNG" },
    { "too few pictures to divide", function(root) return open(fill(root, { ["cats/1.png"] = 1 })) end,
        'no images for "val"', "at least two of a class" },
    { "other classes to validate", function(root)
        return open(fill(root, { ["train/cats/1.png"] = 1, ["val/cows/1.png"] = 1 }))
    end, 'val has the class "cows"', "train lacks it", "every split needs the same class folders" },
    { "nothing to validate", function(root) return open(fill(root, { ["train/cats/1.png"] = 1 })) end,
        'no folder "val" beside it', "make one, or open " },
    { "a misspelt option", function() return open("shapes", { trian = 4 }) end, "data.open: unknown argument 'trian'",
        "did you mean train?" },
    { "no pictures asked for", function() return open("shapes", { train = 0 }) end, "data.open: train is 0",
        "a whole number from 1" },
    { "a number of pictures of a folder", function(root) return open(fill_classes(root, 2), { train = 4 }) end,
        'train and val (how many pictures) are for "shapes"', "source:subset(list)" },
    { "a share above 1", function(root) return open(fill_classes(root, 2), { val_ratio = 2 }) end,
        "the validation part is 2", "0 to 1" },
    { "CIFAR that was not all loaded", function(root) return open(fill(root, { ["data_batch_1.bin"] = text })) end,
        "data_batch_1.bin: has 18 bytes instead of 30730000", "unpack it again" },
    { "CIFAR for Python", function(root)
        return open(fill(root, { ["data_batch_1"] = text, ["test_batch"] = text, ["batches.meta"] = text }))
    end, "CIFAR in its Python version", "the binary version is needed (cifar-10-binary.tar.gz" },
    { "a part that is not there", function() return shapes():inspect { split = "test" } end, 'inspect: split is "test"',
        'wanted "train" or "val"' },
    { "a picture number outside", function() return shapes().train:image(9) end, "picture 9: the source has 8", "1 to 8" },
    { "a picture that is missing", function(root) return effv2.read_image(root .. "/a.jpg") end, "a.jpg", "No such file" },
    { "a picture that is a folder", effv2.read_image, "is a folder", "not a file" },
    { "an empty picture", function(root) return effv2.read_image(fill(root, { ["a.jpg"] = "" }) .. "/a.jpg") end, "a.jpg",
        "the file is empty" },
    { "a picture of another kind", function(root)
        return effv2.read_image(fill(root, { ["a.jpg"] = "GIF89a......" }) .. "/a.jpg")
    end, "a.jpg: this is a GIF file", "only JPEG and PNG are read" },
    { "a tensor that is no picture", function(root) return effv2.write_png(root .. "/a.png", effv2.zeros(3, 3, 3)) end,
        "write_png: a float32 tensor of 3x3x3", "uint8 of height x width x 3" },
}

local reading = {
    { "a truncated JPEG", function(root) read_all(fill_classes(root, 4, { ["cats/bad.jpg"] = truncated })) end,
        "cats/bad.jpg: damaged JPEG: the data ends early (truncated file?)", 'on_bad = "skip"' },
    { "a text named .jpg", function(root) read_all(fill_classes(root, 4, { ["cats/bad.jpg"] = text })) end,
        "cats/bad.jpg: neither JPEG nor PNG (the file starts with byte 0x74)", 'on_bad = "skip"' },
    { "a picture beyond the limit", function(root) read_all(fill_classes(root, 4), { pixel_limit = 63 }) end,
        ".png: ", "8 x 8 pixels, more than pixel_limit = 63", 'on_bad = "skip"' },
    { "more unreadable pictures than accepted", function(root)
        local files = {}
        for i = 1, 6 do
            files[("dogs/bad%d.jpg"):format(i)] = truncated
        end
        read_all(fill_classes(root, 4, files), { on_bad = "skip", max_bad = 2 })
    end, "3 pictures could not be read, more than the 2 that are accepted", "the last: ", "dogs/bad" },
}

local loaders = {
    { "a loader of nothing", function() return data.loader {} end, "data.loader: source is missing", "wanted .train or .val" },
    { "a misspelt key", function() return loader { batchsize = 4 } end, "unknown argument 'batchsize'", "mean batch_size?" },
    { "a data set as the source", function() return loader { source = shapes() } end, "source is a data set",
        "take its .train or .val" },
    { "a source that is none", function() return loader { source = 3 } end, "source is a number", "wanted .train or .val" },
    { "a pipeline that is none", function() return loader { pipeline = 3 } end, "pipeline is a number",
        "effv2.augment.train, eval or pipeline" },
    { "no size", function() return loader { pipeline = augment.eval {} } end, "size is missing", "a whole number from 1" },
    { "size 0", function() return loader { size = 0 } end, "size is 0", "a whole number from 1" },
    { "a size that is a text", function() return loader { size = "32" } end, 'size is "32"', "a whole number from 1" },
    { "an impossible size", function() return loader { size = 1e7 } end, "the size 10000000 x 10000000", "not possible" },
    { "a batch of none", function() return loader { batch_size = 0 } end, "batch_size is 0", "a whole number from 1" },
    { "a batch larger than the data", function() return loader { batch_size = 100, drop_last = true } end,
        "8 pictures do not fill one batch of 100", "a smaller batch_size" },
    { "too many workers", function() return loader { workers = 1000 } end, "1000 workers", "0 to 256 are possible" },
    { "a negative mixup", function() return loader { mixup = -1 } end, "mixup = -1", "cannot be negative" },
    { "an unknown way with bad pictures", function() return loader { on_bad = "ignore" } end,
        "unknown on_bad 'ignore'", "known: raise, skip" },
    { "a limit of no pixels", function() return loader { pixel_limit = 0 } end, "pixel_limit = 0", "must be 1 to 268435456" },
    { "a start beyond the end", function() return loader { start_batch = 9 } end, "cannot start epoch 0 at batch 9",
        "an epoch has 2 batches" },
    { "fewer classes than labels", function()
        for _ in loader({ classes = 1, shuffle = false }):batches() do end
    end, "label 1 of ", "outside 0 to 0 (1 classes)" },
    { "a closed loader", function()
        local made = loader {}
        made:close()
        return made:next()
    end, "the loader is closed", "opens another one" },
    { "an unknown step", function() return augment.steps.flipp {} end, "augment.steps has no 'flipp'", "did you mean flip?" },
    { "a pipeline of no steps", function() return augment.pipeline {} end, "augment.pipeline: ", "it has no steps" },
    { "a misspelt argument", function() return augment.train { sise = 8 } end, "augment.train: unknown argument 'sise'",
        "did you mean size?" },
    { "an unknown crop", function() return augment.train { crop = "pda" } end, "unknown crop 'pda'", "did you mean pad?" },
    { "an impossible area", function() return augment.train { area = { 2, 1 } } end, "random_crop: area is { 2, 1 }",
        "0 < least <= most <= 1" },
    { "an unknown dialect", function() return augment.train { randaugment = { dialect = "offical" } } end,
        "randaugment: unknown dialect 'offical'", "did you mean official?" },
    { "a magnitude that is none", function() return augment.train { randaugment = { magnitude = "x" } } end,
        "randaugment: magnitude is a string", "wanted a number" },
    { "an unknown normalisation", function() return augment.train { normalise = "imagnet" } end,
        "normalise: unknown 'imagnet'", "did you mean imagenet?" },
    { "an unknown rule", function() return augment.eval { rule = "hole" } end, "augment.eval: unknown rule 'hole'",
        "did you mean whole?" },
    { "a probability above 1", function()
        return augment.pipeline({ augment.steps.flip { probability = 3 }, augment.steps.resize {}, size = 8 }):compile()
    end, "flip: the probability is 3", "must lie in 0 to 1" },
    { "an evaluation of nothing", function() return effv2.evaluate { source = shapes().val } end, "evaluate: model is missing",
        "wanted a model" },
}

describe("data that cannot work is explained:", function()
    for part, cases in pairs { folders = folders, reading = reading, loaders = loaders } do
        for _, case in ipairs(cases) do
            it(("%s: %s"):format(part, case[1]), function()
                support.in_folder(function(root)
                    support.check(case, root)
                end)
            end)
        end
    end

    it("a class without pictures is a notice, not an error", function()
        support.in_folder(function(root)
            local dataset = open(fill_classes(root, 4, { ["empty/"] = true }))
            assert.is_equal(3, dataset.classes)
            assert.is_same({ 'train: class "empty" has no images' }, dataset.notices)
        end)
    end)

    it("unreadable pictures are skipped and counted when asked for", function()
        support.in_folder(function(root)
            fill_classes(root, 4, { ["cats/bad.jpg"] = truncated, ["dogs/good.jpg"] = support.jpeg })
            for _, workers in ipairs { 0, 1 } do
                local all = open(root, { val_ratio = 0.25 }).train:size()
                local count, bad = read_all(root, { on_bad = "skip", max_bad = 1, workers = workers })
                assert.is_equal(all - 1, count)
                assert.is_equal(1, #bad)
                assert.matches("cats/bad.jpg: damaged JPEG", bad[1].reason)
            end
        end)
    end)

    it("inspect sees the last bytes of a file, which a crop of its top does not", function()
        support.in_folder(function(root)
            local set = open(fill_classes(root, 4, { ["cats/bad.jpg"] = support.jpeg:sub(1, -3) }))
            local report = set:inspect()
            assert.is_equal(1, report.bad)
            assert.matches("cats/bad.jpg: damaged JPEG: the data ends early", report.list[1].reason)
        end)
    end)
    it("inspect lists unreadable pictures before a long run", function()
        support.in_folder(function(root)
            local report = open(fill_classes(root, 4, { ["cats/bad.jpg"] = text })):inspect()
            assert.is_equal(1, report.bad)
            assert.matches("cats/bad.jpg: neither JPEG nor PNG", report.list[1].reason)
        end)
    end)
end)
