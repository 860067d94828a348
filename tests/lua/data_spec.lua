--- Data sets and loaders: what is found in folders, what batches hold, and that nothing but the arguments decides them.
local effv2 = require "effv2"
local data, augment = effv2.data, effv2.augment

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

local function plain(text)
    return (text:gsub("%p", "%%%0"))
end

--- An empty temporary folder.
local function new_folder()
    local path = os.tmpname()
    os.remove(path)
    assert(effv2.make_dir(path))
    return path
end

local function remove_folder(path)
    assert(path:match "^/tmp/")
    os.execute(("rm -r '%s'"):format(path))
end

local function write_picture(path, value)
    assert(effv2.write_png(path, effv2.full(value, 6, 8, 3, { dtype = "uint8" })))
end

--- Makes folders and pictures: { ["cats/a.png"] = gray value, ["notes.txt"] = "text", ["empty/"] = true }
local function fill_folder(root, entries)
    for name, content in pairs(entries) do
        local path = root
        for folder in name:gmatch "([^/]+)/" do
            path = path .. "/" .. folder
            if not effv2.dir_exists(path) then
                assert(effv2.make_dir(path))
            end
        end
        if type(content) == "number" then
            write_picture(root .. "/" .. name, content)
        elseif type(content) == "string" then
            assert(effv2.write_file(root .. "/" .. name, content))
        end
    end
end

local function with_folder(entries, f)
    local root = new_folder()
    fill_folder(root, entries)
    local ok, message = pcall(f, root)
    remove_folder(root)
    assert(ok, message)
end

local function shapes(train)
    return data.open("shapes", { train = train or 44, val = 20, seed = 7 })
end

local function loader(given)
    local o = { source = given.source or shapes().train, batch_size = 8, size = 24, seed = 3,
        pipeline = augment.train { randaugment = { n = 2, magnitude = 10 } } }
    for key, value in pairs(given) do
        o[key] = value
    end
    return data.loader(o)
end

--- Every byte that a loader gives, as a list of strings, one a batch.
local function bytes_of(given, options)
    local made, list = loader(given), {}
    for batch in made:batches(options) do
        local parts = { batch.images:tobytes(), batch.labels:tobytes(), batch.indices:tobytes() }
        parts[4] = batch.targets and batch.targets:tobytes()
        list[#list + 1] = table.concat(parts)
    end
    made:close()
    return list
end

describe("the built-in shapes", function()
    it("are pictures with names, labels and classes", function()
        local d = shapes(30)
        assert.is_equal("shapes", d.kind)
        assert.is_equal(10, d.classes)
        assert.is_equal("disc", d.class_names[1])
        assert.is_equal(30, d.train:size())
        assert.is_equal(20, #d.val)
        local counts = {}
        for i = 1, 30 do
            local label = d.train:label(i)
            counts[label + 1] = (counts[label + 1] or 0) + 1
            assert.matches(d.class_names[label + 1], d.train:name(i))
        end
        assert.is_same(counts, d.train:class_counts())
        local picture = d.train:image(1, 48)
        assert.is_equal("uint8", picture:dtype())
        assert.is_equal(3, picture:size(3))
        assert.is_equal("shapes: 30 pictures to train, 20 to validate, 10 classes (disc, ring, horseshoe, ..., heart)",
            tostring(d))
    end)

    it("refuse numbers outside", function()
        local d = shapes()
        assert.matches("picture 0: the source has 44 %(1 to 44%)", message_of(d.train.label, d.train, 0))
        assert.matches("picture 45", message_of(d.train.image, d.train, 45))
        assert.matches("wanted an integer", message_of(d.train.name, d.train, 1.5))
    end)

    it("have subsets", function()
        local d = shapes()
        local part = d.train:subset { 3, 1, 44 }
        assert.is_equal(3, #part)
        assert.is_equal(d.train:label(44), part:label(3))
        assert.is_equal(d.train:name(3), part:name(1))
        assert.matches("picture 45; the source has 44", message_of(d.train.subset, d.train, { 45 }))
        assert.matches("empty", message_of(d.train.subset, d.train, {}))
    end)
end)

describe("folders of pictures", function()
    it("with train and val", function()
        with_folder({
            ["train/cats/a.png"] = 10, ["train/cats/deep/b.png"] = 20, ["train/dogs/c.PNG"] = 30,
            ["val/cats/d.png"] = 40, ["val/dogs/e"] = 50, ["train/.ipynb_checkpoints/x.png"] = 1,
            ["train/dogs/notes.txt"] = "?",
        }, function(root)
            local d = data.open(root)
            assert.is_equal("folder", d.kind)
            assert.is_same({ "cats", "dogs" }, d.class_names)
            assert.is_equal(3, d.train:size())
            assert.is_equal(2, d.val:size())
            assert.is_equal(root .. "/train/cats/deep/b.png", d.train:name(2))
            assert.is_same({ 0, 0, 1 }, { d.train:label(1), d.train:label(2), d.train:label(3) })
            assert.is_same({ 30, 30, 30 }, d.train:image(3)[6][8]:totable())
            assert.is_same({ 6, 8, 3 }, d.train:image(1):shape())
            assert.is_equal(1, #d.notices)
            assert.matches('train: class "dogs": 1 files are neither JPEG nor PNG', d.notices[1])
            assert.matches("neither JPEG nor PNG", tostring(d))
        end)
    end)

    it("are divided by val_ratio, the same way for the same seed", function()
        local entries = {}
        for i = 1, 10 do
            entries[("a/%02d.png"):format(i)], entries[("b/%02d.png"):format(i)] = i, 100 + i
        end
        with_folder(entries, function(root)
            local function names(source)
                local list = {}
                for i = 1, source:size() do
                    list[i] = source:name(i)
                end
                return list
            end
            local d = data.open(root, { val_ratio = 0.3, seed = 1 })
            assert.is_equal(14, d.train:size())
            assert.is_same({ 3, 3 }, d.val:class_counts())
            assert.is_same(names(d.val), names(data.open(root, { val_ratio = 0.3, seed = 1 }).val))
            assert.is_not_same(names(d.val), names(data.open(root, { val_ratio = 0.3, seed = 2 }).val))
            local seen = {}
            for _, list in ipairs { names(d.train), names(d.val) } do
                for _, name in ipairs(list) do
                    assert.is_nil(seen[name])
                    seen[name] = true
                end
            end
            assert.is_equal(2, data.open(root).val:size())
        end)
    end)

    it("say what is wrong with them", function()
        assert.matches("data.open: /nowhere/at/all: No such file", message_of(data.open, "/nowhere/at/all"))
        with_folder({}, function(root)
            assert.matches(plain(root) .. ": no class folders with images here %(it is empty%)",
                message_of(data.open, root))
        end)
        with_folder({ ["a.png"] = 1, ["b.png"] = 2 }, function(root)
            assert.matches("2 images but no class folders", message_of(data.open, root))
            assert.matches("not a folder", message_of(data.open, root .. "/a.png"))
        end)
        with_folder({ ["a/"] = true, ["b/"] = true }, function(root)
            assert.matches("2 class folders, but no images", message_of(data.open, root))
        end)
        with_folder({ ["train/a/1.png"] = 1, ["train/b/2.png"] = 2, ["val/a/3.png"] = 3 }, function(root)
            assert.matches('train has the class "b", .*val lacks it %(2 and 1 classes%)', message_of(data.open, root))
        end)
        with_folder({
            ["train/a/1.png"] = 1, ["val/a/3.png"] = 3, ["train/b/"] = true, ["val/b/"] = true,
        }, function(root)
            assert.matches('train: class "b" has no images', data.open(root).notices[1])
        end)
        assert.matches("the path is a nil", message_of(data.open))
        assert.matches("unknown argument 'val_ration' %(did you mean val_ratio%?%)",
            message_of(data.open, "shapes", { val_ration = 1 }))
        assert.matches("unknown argument 'sede'", message_of(data.open, "shapes", { sede = 1 }))
    end)

    it("count and name unreadable pictures", function()
        with_folder({
            ["train/a/1.png"] = 1, ["train/a/2.png"] = "no picture", ["train/a/3.jpg"] = "", ["val/a/4.png"] = 4,
        }, function(root)
            local d = data.open(root)
            local report = d:inspect()
            assert.is_equal(4, report.images)
            assert.is_equal(2, report.bad)
            assert.is_equal(6, report.smallest)
            assert.is_equal(8, report.largest)
            assert.is_same({ 3 }, report.classes.train)
            assert.matches(plain(root) .. "/train/a/2.png: ", report.list[1].reason)
            assert.is_equal(1, #d:inspect({ most = 1 }).list)
            assert.is_equal(0, d:inspect({ split = "val" }).bad)
            local picture, reason, code = d.train:image(2)
            assert.is_nil(picture)
            assert.matches("2.png", reason)
            assert.is_equal("format", code)
        end)
    end)
end)

describe("CIFAR-10", function()
    local folder = (os.getenv "HOME" or "") .. "/.cache/effv2-data/cifar-10-batches-bin"
    if effv2.file_exists(folder .. "/test_batch.bin") then
        it("is recognised by its files", function()
            local d = data.open(folder)
            assert.is_equal("cifar10", d.kind)
            assert.is_equal(50000, d.train:size())
            assert.is_equal(10000, d.val:size())
            assert.is_same({ "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck" },
                d.class_names)
            assert.is_equal(6, d.train:label(1)) -- a frog, as everybody knows
            assert.is_equal(3, d.val:label(1))
            assert.is_same({ 32, 32, 3 }, d.train:image(1):shape())
            assert.is_same({ 59, 62, 63 }, d.train:image(1)[1][1]:totable())
            assert.is_equal("data_batch_5.bin, image 9999", d.train:name(50000))
        end)
    else
        pending "is not on this machine"
    end

    it("refuses damaged files by name", function()
        with_folder({ ["data_batch_1.bin"] = "short", ["test_batch.bin"] = "short" }, function(root)
            assert.matches("data_batch_1.bin: has 5 bytes instead of 30730000", message_of(data.open, root))
        end)
    end)
end)

describe("loaders", function()
    it("give batches of images, labels and indices", function()
        local d = shapes()
        local made = loader { source = d.train, batch_size = 16 }
        assert.is_equal(3, #made)
        local seen, count, positions = {}, 0, {}
        for batch in made:batches() do
            count = count + batch.labels:numel()
            positions[#positions + 1] = batch.position
            assert.is_same({ batch.count, 24, 24, 3 }, batch.images:shape())
            assert.is_equal("float32", batch.images:dtype())
            assert.is_equal("int64", batch.labels:dtype())
            assert.is_nil(batch.targets)
            for i = 1, batch.count do
                local index = batch.indices[i]
                assert.is_nil(seen[index])
                seen[index] = true
                assert.is_equal(d.train:label(index), batch.labels[i])
            end
        end
        assert.is_equal(44, count)
        assert.is_same({ 0, 1, 2 }, positions)
        assert.is_nil(made:next())
        made:close()
        made:close()
        assert.matches("the loader is closed", message_of(made.next, made))
        assert.is_equal("loader (closed)", tostring(made))
    end)

    it("show the pictures themselves where nothing is random", function()
        local d = shapes()
        local pipeline = augment.eval { size = 24 }
        local made = loader { source = d.val, pipeline = pipeline, shuffle = false, batch_size = 5 }
        local batch = made:next()
        made:close()
        assert.is_same({ 1, 2, 3, 4, 5 }, batch.indices:totable())
        assert.is_equal(pipeline(d.val:image(2, 24)):tobytes(), batch.images[2]:tobytes())
    end)

    it("have the pipeline's bits, also where samples stay bytes until they are handed out", function()
        local d = shapes()
        for _, given in ipairs {
            { filter = "tf_bilinear" }, { filter = "pil_bilinear" }, { randaugment = 10 }, { crop = "pad", cutout = 8 },
        } do
            given.size = 24
            local pipeline = augment.train(given)
            local made = loader { source = d.train, pipeline = pipeline, shuffle = false, batch_size = 4, seed = 6, epoch = 2 }
            local batch = made:next()
            made:close()
            for i = 1, 4 do
                local alone = pipeline(d.train:image(i, 24), { seed = 6, epoch = 2, index = i })
                assert.is_equal(alone:tobytes(), batch.images[i]:tobytes())
            end
        end
    end)

    it("give the same bytes for any number of workers", function()
        local wanted = bytes_of { workers = 0, mixup = 0.2, cutmix = 1 }
        assert.is_equal(6, #wanted)
        for _, workers in ipairs { 1, 2, 4, 8 } do
            for _, prefetch in ipairs { 1, 3 } do
                assert.is_same(wanted, bytes_of { workers = workers, prefetch = prefetch, mixup = 0.2, cutmix = 1 })
            end
        end
    end)

    it("resume at any batch", function()
        local whole = bytes_of { workers = 2, mixup = 0.5 }
        for start = 0, 6 do
            local rest = bytes_of { workers = start % 2 == 0 and 1 or 8, mixup = 0.5, start_batch = start }
            assert.is_equal(6 - start, #rest)
            for i, bytes in ipairs(rest) do
                assert.is_equal(whole[start + i], bytes)
            end
        end
        assert.matches("cannot start epoch 0 at batch 7; an epoch has 6 batches",
            message_of(loader, { start_batch = 7 }))
    end)

    it("change between two batches, the threads stay", function()
        local d = shapes()
        local function open(workers, pipeline, start)
            return effv2.data.loader { source = d.train, pipeline = pipeline, batch_size = 5, seed = 3,
                workers = workers, start_batch = start or 0, mixup = start and 0.4 or 0 }
        end
        local small, large = augment.train { size = 16 }, augment.train { size = 28, randaugment = 5 }
        local want = open(0, large, 2)
        local expected = { want:next().images:tobytes(), want:next().images:tobytes() }
        want:close()
        for _, workers in ipairs { 0, 1, 2, 8 } do
            local made = open(workers, small)
            for _ = 1, 2 do
                assert.is_same({ 5, 16, 16, 3 }, made:next().images:shape())
            end
            made:set { pipeline = large, mixup = 0.4 }
            for i = 1, 2 do
                assert.is_equal(expected[i], made:next().images:tobytes())
            end
            made:set { pipeline = large, size = 20 }
            assert.is_same({ 5, 20, 20, 3 }, made:next().images:shape())
            made:set {}
            assert.is_equal(5, made:next().position)
            made:close()
        end
        local made = open(1, small)
        assert.matches("mixup = %-1; the parameter of the Beta distribution", message_of(function() made:set { mixup = -1 } end))
        assert.matches("unknown argument 'filter'", message_of(function() made:set { filter = 1 } end))
        assert.matches("pipeline", message_of(function() made:set { pipeline = 1 } end))
        made:close()
        assert.matches("closed", message_of(function() made:set {} end))
    end)

    it("differ by epoch and seed, and can be started again", function()
        local first = bytes_of {}
        assert.is_not_same(first, bytes_of { epoch = 1 })
        assert.is_not_same(first, bytes_of { seed = 4 })
        assert.is_same(bytes_of { epoch = 1 }, bytes_of({}, { epoch = 1 }))
        assert.is_same(bytes_of { epoch = 1, start_batch = 4 }, bytes_of({}, { epoch = 1, start_batch = 4 }))
        local made = loader {}
        local begun = made:batches()
        begun()
        begun()
        local again = made:batches()
        assert.is_equal(0, again().position)
        made:close()
    end)

    it("drop, shorten or fill the last batch", function()
        local d = shapes()
        local function counts(given)
            local list, padding = {}, 0
            given.source, given.batch_size = d.train, 10
            local made = loader(given)
            for batch in made:batches() do
                list[#list + 1] = batch.count
                padding = padding + batch.padding
            end
            made:close()
            return list, padding
        end
        assert.is_same({ 10, 10, 10, 10, 4 }, (counts {}))
        assert.is_same({ 10, 10, 10, 10 }, (counts { drop_last = true }))
        local list, padding = counts { pad_last = true }
        assert.is_same({ 10, 10, 10, 10, 10 }, list)
        assert.is_equal(6, padding)
        assert.matches("44 pictures do not fill one batch of 50",
            message_of(loader, { source = d.train, batch_size = 50, drop_last = true }))
    end)

    it("divide every step among ranks", function()
        local seen = {}
        for rank = 0, 1 do
            local made = loader { batch_size = 4, rank = rank, ranks = 2 }
            assert.is_equal(6, #made)
            for batch in made:batches() do
                for _, index in ipairs(batch.indices:totable()) do
                    assert.is_nil(seen[index])
                    seen[index] = rank
                end
            end
            made:close()
        end
        assert.is_equal(44, #seen)
    end)

    it("mix pictures and labels", function()
        local d = shapes()
        local function targets_of(given)
            given.source, given.batch_size, given.pipeline = d.train, 8, augment.eval {}
            local made = loader(given)
            local batch = made:next()
            made:close()
            return batch
        end
        assert.is_nil(targets_of({ mixup = 0, cutmix = 0 }).targets)
        local unmixed, mixed = targets_of {}, targets_of { mixup = 1 }
        assert.is_same({ 8, 10 }, mixed.targets:shape())
        assert.is_same(unmixed.labels:totable(), mixed.labels:totable())
        local images, labels, targets = unmixed.images:totable(), mixed.labels:totable(), mixed.targets:totable()
        for i = 1, 8 do
            local own, partner = labels[i] + 1, labels[9 - i] + 1
            local weight = own == partner and 1 or targets[i][own]
            assert.is_true(weight >= 0.5)
            assert.is_true(math.abs(1 - weight - (own == partner and 0 or targets[i][partner])) < 1e-6)
            if own ~= partner then
                local pixel = images[i][3][5][1] * weight + images[9 - i][3][5][1] * (1 - weight)
                assert.is_true(math.abs(pixel - mixed.images[i][3][5][1]) < 1e-5)
            end
        end
        local cut = targets_of { cutmix = 1 }
        for i = 1, 8 do
            assert.is_true(math.abs(1 - cut.targets[i]:sum():item()) < 1e-6)
        end
    end)

    it("make wider targets for a model with more classes", function()
        local made = loader { mixup = 0.2, classes = 12 }
        assert.is_equal(12, made:next().targets:size(2))
        made:close()
        made = loader { classes = 3 }
        assert.matches("label %d of shapes/train/%w+_%d+ is outside 0 to 2 %(3 classes%)", message_of(made.next, made))
        made:close()
    end)

    it("name unreadable pictures, or skip as many as allowed", function()
        local entries = { ["val/a/1.png"] = 1 }
        for i = 1, 8 do
            entries[("train/a/%d.png"):format(i)] = i
        end
        entries["train/a/3.png"], entries["train/a/6.png"] = "damaged", "damaged"
        with_folder(entries, function(root)
            local d = data.open(root)
            for _, workers in ipairs { 0, 2 } do
                local made = loader { source = d.train, batch_size = 4, shuffle = false, workers = workers }
                assert.matches(plain(root) .. "/train/a/3.png: ", message_of(made.next, made))
                made:close()
                made = loader { source = d.train, batch_size = 4, shuffle = false, workers = workers,
                    on_bad = "skip", max_bad = 2 }
                assert.is_same({ 1, 2, 4 }, made:next().indices:totable())
                assert.is_same({ 5, 7, 8 }, made:next().indices:totable())
                local bad = made:bad()
                assert.is_equal(2, #bad)
                assert.is_equal(3, bad[1].index)
                assert.matches("3.png", bad[1].reason)
                made:close()
                made = loader { source = d.train, batch_size = 8, workers = workers,
                    on_bad = "skip", max_bad = 0.1 }
                assert.matches("2 pictures could not be read, more than the 1 that are accepted",
                    message_of(made.next, made))
                made:close()
            end
        end)
    end)

    it("refuse unknown and impossible arguments", function()
        assert.matches("data.loader: unknown argument 'batchsize' %(did you mean batch_size%?%)",
            message_of(loader, { batchsize = 3 }))
        assert.matches("batch_size is 0, wanted a whole number from 1", message_of(loader, { batch_size = 0 }))
        assert.matches("workers", message_of(loader, { workers = 1000 }))
        assert.matches("mixup = %-1", message_of(loader, { mixup = -1 }))
        assert.matches("unknown on_bad 'skp' %(did you mean skip%?%)", message_of(loader, { on_bad = "skp" }))
        assert.matches("source is a data set; take its .train or .val", message_of(loader, { source = shapes() }))
        assert.matches("pipeline is a number, wanted one of", message_of(loader, { pipeline = 3 }))
        assert.matches('shuffle is "yes", wanted true, false or "shards"', message_of(loader, { shuffle = "yes" }))
        assert.matches("rank = 2, must be 0 to 1", message_of(loader, { rank = 2, ranks = 2 }))
        assert.matches("pipeline is missing", message_of(data.loader, { source = shapes().train, batch_size = 1 }))
        assert.matches("size is 0, wanted a whole number", message_of(loader, { size = 0 }))
    end)

    it("leave no memory and no threads behind", function()
        local function threads()
            local file = io.open "/proc/self/status"
            local count = file:read("*a"):match "Threads:%s*(%d+)"
            file:close()
            return tonumber(count)
        end
        collectgarbage()
        local before, running = effv2.memory().live, threads()
        for _ = 1, 5 do
            local made = loader { workers = 4 }
            made:next()
            made:close()
        end
        collectgarbage()
        collectgarbage()
        assert.is_equal(before, effv2.memory().live)
        assert.is_equal(running, threads())
    end)
end)

describe("a signal", function()
    local script = [[
        local effv2 = require "effv2"
        local slow = effv2.augment.train { size = 128, randaugment = { n = 1000 } } -- a batch would take a minute
        local loader = effv2.data.loader {
            source = effv2.data.open("shapes").train, pipeline = slow, batch_size = 500, workers = %d, prefetch = 1,
        }
        os.execute "{ sleep 0.3; kill -INT $PPID; } &"
        print(#loader)
        io.stdout:flush()
        loader:next()
        print "not reached"
    ]]
    for _, workers in ipairs { 0, 2 } do
        it(("ends the wait for a batch that %d workers make"):format(workers), function()
            local path, program = os.tmpname(), ("/proc/%d/exe"):format(effv2.process_id())
            assert(effv2.write_file(path, script:format(workers)))
            local pipe = io.popen(("%s %s 2>&1; echo rc=$?"):format(program, path))
            local output = pipe:read "*a"
            pipe:close()
            os.remove(path)
            assert.matches("^16\n", output)
            assert.matches("interrupted while waiting for a batch", output)
            assert.matches("rc=130", output)
            assert.is_nil(output:find("not reached", 1, true))
        end)
    end
end)
