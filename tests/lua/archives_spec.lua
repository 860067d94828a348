--- Tar archives as data sets: which ones a path means, shards that Python wrote, ImageNet's archives, labels in a file.
local effv2 = require "effv2"
local archives = require "effv2.data.archives"
local support = dofile "tests/lua/support.lua"
local data, augment = effv2.data, effv2.augment

local function shell(folder, command)
    assert.is_equal(0, os.execute(("cd '%s' && { %s; }"):format(folder, command)))
end

--- Pictures of the built-in set as root/<class>/<number>.png, `count` of each of two classes.
local function fill_classes(root, classes, count)
    local source = data.open("shapes", { train = 40 }).train
    for c, class in ipairs(classes) do
        for i = 1, count do
            support.fill(root, { [class .. "/"] = true })
            assert(effv2.write_png(("%s/%s/%d.png"):format(root, class, i), source:image(10 * i - 10 + c, 20)))
        end
    end
end

--- Every byte that a loader gives of a source, in batches of 3.
local function bytes_of(source, options)
    local given = { source = source, batch_size = 3, seed = 5, workers = 0, pipeline = augment.train { size = 16 } }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    local loader, list = data.loader(given), {}
    for batch in loader:batches() do
        list[#list + 1] = batch.images:tobytes() .. batch.labels:tobytes() .. batch.indices:tobytes()
    end
    loader:close()
    return list
end

local function labels_of(source)
    local list = {}
    for i = 1, source:size() do
        list[i] = source:label(i)
    end
    return list
end

describe("the names of archives", function()
    it("come from patterns", function()
        assert.is_same({ "a-08.tar", "a-09.tar", "a-10.tar" }, archives.expand "a-{08..10}.tar")
        assert.is_same({ "x1c", "x1d", "y1c", "y1d" }, archives.expand "{x,y}1{c,d}")
        assert.is_same({ "plain.tar" }, archives.expand "plain.tar")
        support.check({ "a range that falls", archives.expand, "{5..1} in a{5..1}", "{000000..000099}" }, "a{5..1}")
    end)

    it("and their words say what they are for", function()
        support.in_folder(function(root)
            local function touch(...)
                for _, name in ipairs { ... } do
                    support.fill(root, { [name] = "" })
                end
                return root
            end
            local function names(list)
                local short = {}
                for i, path in ipairs(list) do
                    short[i] = path:sub(#root + 2)
                end
                return short
            end
            assert.is_nil(archives.find(root))
            local found = archives.find(touch("b.tar", "a.tar", ".hidden.tar", "notes.txt"))
            assert.is_same({ "a.tar", "b.tar" }, names(found.train))
            assert.is_same({}, found.val)
            found = archives.find(touch("im-validation-01.tar", "im-train-01.tar", "im_test.tar"))
            assert.is_same({ "a.tar", "b.tar", "im-train-01.tar" }, names(found.train))
            assert.is_same({ "im-validation-01.tar" }, names(found.val))
            found = archives.find(root .. "/im-{train,validation}-{00..01}.tar")
            assert.is_same({ "im-train-00.tar", "im-train-01.tar" }, names(found.train))
            assert.is_same({ "im-validation-00.tar", "im-validation-01.tar" }, names(found.val))
            assert.is_nil(archives.find(touch "cats/1.png"))
            assert.is_same({ root .. "/a.tar" }, archives.find(root .. "/a.tar").train)
        end)
        support.in_folder(function(root)
            support.fill(root, { ["train/b.tar"] = "", ["train/a.tar"] = "", ["valid/c.tar"] = "" })
            local found = archives.find(root)
            assert.is_same({ root .. "/train/a.tar", root .. "/train/b.tar" }, found.train)
            assert.is_same({ root .. "/valid/c.tar" }, found.val)
        end)
    end)
end)

local WRITER = [[
import io, sys, tarfile
kinds = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
out, kind, folder = sys.argv[1:4]
with tarfile.open(out, "w", format=kinds[kind]) as tar:
    for i, item in enumerate(sys.argv[4:]):
        path, label = item.split("=")
        for name, content in (("jpg", open(path, "rb").read()), ("cls", label.encode())):
            info = tarfile.TarInfo("%s%06d.%s" % (folder, i, name))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
]]

describe("shards of another tool", function()
    if not effv2.file_exists "/usr/bin/python3" then
        pending "need /usr/bin/python3, which is not on this machine"
        return
    end

    --- root/pictures, and shards of them in root/shards: three for training, one for validation.
    local function with_shards(f)
        support.in_folder(function(root)
            fill_classes(root .. "/pictures", { "cat", "dog" }, 4)
            support.fill(root, { ["write.py"] = WRITER, ["shards/"] = true })
            local long = ("directory/"):rep(20)
            for _, shard in ipairs {
                "train-000000 ustar '' pictures/cat/1.png=0 pictures/dog/1.png=1 pictures/cat/2.png=0",
                "train-000001 gnu " .. long .. " pictures/dog/2.png=1", "train-000002 pax " .. long .. " pictures/cat/3.png=0",
                "val-000000 pax '' pictures/dog/3.png=1 pictures/cat/4.png=0 pictures/dog/4.png=1",
            } do
                shell(root, "/usr/bin/python3 write.py shards/" .. shard:gsub(" ", ".tar ", 1))
            end
            f(root, root .. "/shards")
        end)
    end

    it("are read with their labels", function()
        with_shards(function(root, shards)
            local set = data.open(shards)
            assert.is_equal("shards", set.kind)
            assert.is_same({ "0", "1" }, set.class_names)
            assert.is_same({ 0, 1, 0, 1, 0 }, labels_of(set.train))
            assert.is_same({ 1, 0, 1 }, labels_of(set.val))
            assert.is_equal(shards .. "/train-000000.tar/000001.jpg", set.train:name(2))
            assert.is_truthy(set.train:name(5):find("directory/directory/000000.jpg", 1, true))
            for i, name in ipairs { "cat/1", "dog/1", "cat/2", "dog/2", "cat/3" } do
                local file = effv2.read_image(("%s/pictures/%s.png"):format(root, name))
                assert.is_equal(file:tobytes(), set.train:image(i):tobytes())
            end
            assert.is_equal(0, set:inspect().bad)
            assert(effv2.write_file(shards .. "/classes.txt", "cat\ndog\n"))
            assert.is_same({ "cat", "dog" }, data.open(shards).class_names)
            assert.is_same({ "cat", "dog" }, data.judging(shards):class_names())
            assert.is_equal(3, data.judging(shards):size())
            shell(shards, "mkdir ../s ../s/train ../s/val; cp train* ../s/train; cp val* ../s/val; cp classes.txt ../s")
            assert.is_same({ "cat", "dog" }, data.open(root .. "/s").val:class_names())
            assert.is_same({ "0", "1" }, data.open(root .. "/s/train").class_names) -- not of the folder above
            assert.is_equal(3, data.split(shards, "val"):size())
            assert.is_equal(8, data.pictures(shards):size())
            support.check({ "a split", data.split, 'no archives with "test"', "in their names" }, shards, "test")
        end)
    end)

    it("give the same batches for any number of workers", function()
        with_shards(function(_, shards)
            local train = data.open(shards).train
            local wanted = bytes_of(train)
            assert.is_equal(2, #wanted)
            for _, workers in ipairs { 1, 2 } do
                assert.is_same(wanted, bytes_of(train, { workers = workers }))
            end
        end)
    end)

    it("are mixed shard by shard", function()
        with_shards(function(_, shards)
            local train = data.open(shards).train
            local function order(given)
                local indices, loader = {}, data.loader(given)
                for batch in loader:batches() do
                    for _, index in ipairs(batch.indices:totable()) do
                        indices[#indices + 1] = index
                    end
                end
                loader:close()
                return indices
            end
            local given = {
                source = train, pipeline = augment.eval { size = 8 }, batch_size = 2, shuffle = "shards", shard_window = 1,
                workers = 0,
            }
            local firsts = {}
            for epoch = 0, 19 do
                given.epoch = epoch
                local list = order(given)
                local at = {}
                for i, index in ipairs(list) do
                    at[index] = i
                end
                assert.is_same({ 5, 2 }, { #at, math.max(at[1], at[2], at[3]) - math.min(at[1], at[2], at[3]) })
                firsts[list[1]] = true
                given.workers = 2
                assert.is_same(list, order(given))
                given.workers = 0
            end
            for i = 1, 5 do
                assert.is_true(firsts[i])
            end
            local shapes = data.open("shapes", { train = 20 }).train
            support.check({ "a source without shards", bytes_of, "shuffle = \"shards\" is for shards", "shuffle = true" }, shapes,
                { shuffle = "shards" })
        end)
    end)

    it("are trained on", function()
        with_shards(function(_, shards)
            local training = dofile "tests/lua/support_training.lua"
            local function loss(changes)
                changes.data, changes.model = data.open(shards, { cache_mb = changes.cache_mb }), training.model { classes = 2 }
                changes.cache_mb, changes.batch_size, changes.epochs = nil, 2, 2
                local result = effv2.train(training.arguments(changes))
                training.clean()
                return result.loss
            end
            effv2.manual_seed(1)
            local wanted = loss { shuffle = "shards" }
            effv2.manual_seed(1)
            assert.is_equal(wanted, loss { shuffle = "shards", cache_mb = 1 })
            effv2.manual_seed(1)
            assert.is_not_equal(wanted, loss {})
        end)
    end)

    it("are divided where none is for validation", function()
        with_shards(function(_, shards)
            local set = data.open(shards .. "/train-{000000..000002}.tar", { val_ratio = 0.3 })
            assert.is_equal(3, set.train:size())
            assert.is_equal(2, set.val:size())
            assert.is_equal("shards", set.kind)
            assert.is_equal(5, data.judging(shards .. "/train-{000000..000002}.tar"):size())
        end)
    end)

    it("are refused by name", function()
        with_shards(function(_, shards)
            support.check({ "a missing shard", data.open, "train-000003.tar: cannot read", "No such file" },
                shards .. "/train-{000000..000003}.tar")
            shell(shards, "gzip train-000001.tar")
            support.check({ "a compressed shard", data.open, "train-000001.tar.gz: compressed with gzip", "unpack it" }, shards)
            shell(shards, "gunzip train-000001.tar.gz; truncate -s -7000 train-000001.tar")
            assert(effv2.write_file(shards .. "/classes.txt", "cat\n"))
            support.check({ "few names", data.open, "000001.cls: the class 1 is outside of 0 to 0", "class names" }, shards)
            os.remove(shards .. "/classes.txt")
            shell(shards, "truncate -s 1000 train-000001.tar")
            support.check({ "a cut shard", data.open, "train-000001.tar: the tar archive is cut off", "byte" }, shards)
        end)
    end)
end)

describe("ImageNet", function()
    local LABELS = "ImageId,PredictionString\nILSVRC2012_val_00000002,n02 1 2 3 4 \n"
        .. "ILSVRC2012_val_00000001,n01 5 6 7 8 n01 1 2 3 4 \nILSVRC2012_val_00000003,n02 1 2 3 4\n"

    --- root/folder as an ImageFolder, root/tars with the archives as they are published.
    local function with_imagenet(f)
        support.in_folder(function(root)
            fill_classes(root .. "/folder/train", { "n01", "n02" }, 4)
            support.fill(root, { ["folder/val/"] = true, ["tars/"] = true })
            for i, name in ipairs { "n01/1", "n02/2", "n02/3" } do
                shell(root, ("cp folder/train/%s.png folder/val/ILSVRC2012_val_%08d.JPEG"):format(name, i))
            end
            shell(root .. "/folder/train", "for c in n02 n01; do (cd $c; tar -cf ../$c.tar *); done; "
                .. "tar -cf ../../tars/ILSVRC2012_img_train.tar n02.tar n01.tar; rm n01.tar n02.tar")
            shell(root .. "/folder/val", "tar -cf ../../tars/ILSVRC2012_img_val.tar *3.JPEG *1.JPEG *2.JPEG")
            for _, folder in ipairs { "folder", "tars" } do
                assert(effv2.write_file(("%s/%s/LOC_val_solution.csv"):format(root, folder), LABELS))
            end
            f(root .. "/folder", root .. "/tars")
        end)
    end

    it("has the same samples packed and unpacked", function()
        with_imagenet(function(folder, tars)
            local unpacked, packed = data.open(folder), data.open(tars)
            assert.is_equal("tar of tars", packed.kind)
            assert.is_same({ "n01", "n02" }, packed.class_names)
            assert.is_same({ "n01", "n02" }, unpacked.val:class_names())
            assert.is_same({ 0, 1, 1 }, labels_of(packed.val))
            for _, split in ipairs { "train", "val" } do
                assert.is_same(bytes_of(unpacked[split]), bytes_of(packed[split], { workers = 2 }))
            end
            local one = data.open(tars .. "/ILSVRC2012_img_train.tar", { val_ratio = 0.25 })
            local divided = data.open(folder .. "/train", { val_ratio = 0.25 })
            assert.is_same(bytes_of(divided.train), bytes_of(one.train))
            assert.is_same(bytes_of(divided.val), bytes_of(one.val))
            assert.is_equal(tars .. "/ILSVRC2012_img_train.tar/n02.tar/1.png", packed.train:name(5))
        end)
    end)

    it("is judged by its validation images alone", function()
        with_imagenet(function(folder, tars)
            for _, path in ipairs { folder, folder .. "/val", tars, tars .. "/ILSVRC2012_img_val.tar" } do
                local source = assert(data.judging(path))
                assert.is_same({ 0, 1, 1 }, labels_of(source))
                assert.is_same({ "n01", "n02" }, source:class_names())
            end
        end)
    end)

    it("says what is wrong with its labels", function()
        with_imagenet(function(folder, tars)
            for _, path in ipairs { folder, tars } do
                assert(effv2.write_file(path .. "/LOC_val_solution.csv", "490\n361\n171\n"))
                support.check({ "numbers", data.open, 'LOC_val_solution.csv: line 1 has the class "490"', "names are" }, path)
                os.remove(path .. "/LOC_val_solution.csv")
                support.check({ "no labels", data.open, "val", "val_labels.txt or LOC_val_solution.csv" }, path)
            end
            assert(effv2.write_file(folder .. "/val_labels.txt", "n01\nn02\nn02\n"))
            assert.is_same({ 0, 1, 1 }, labels_of(data.open(folder).val))
        end)
    end)
end)
