--- Data sets by their kinds: which one a path is, what is to train, to validate and held out, pictures of several labels.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"
local training = dofile "tests/lua/support_training.lua"

local data, augment = effv2.data, effv2.augment
local fill, in_folder = support.fill, support.in_folder

local GOLDEN = "tests/golden/mat/"

local function copy(from, root, to)
    fill(root, { [to] = assert(effv2.read_file(GOLDEN .. from)) })
end

local function make_flowers(root)
    copy("flowers/imagelabels.mat", root, "imagelabels.mat")
    copy("flowers/setid.mat", root, "setid.mat")
    for i = 1, 12 do
        fill(root, { [("jpg/image_%05d.jpg"):format(i)] = i * 20 })
    end
    return root
end

local function make_cars(root)
    for _, name in ipairs { "devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat" } do
        copy("cars/" .. name, root, name)
    end
    return fill(root, { ["cars_train/00001.jpg"] = 1, ["cars_test/00002.jpg"] = 2 })
end

--- Names below the root, sorted.
local function keys_of(source, root)
    local list = {}
    for i = 1, #source do
        list[i] = source:name(i):sub(#root + 2)
    end
    table.sort(list)
    return list
end

--- An empty set that has `count` pictures of one class: only names matter.
local function make_names(root, count)
    local files = {}
    for i = 1, count do
        files[("a/%04d.jpg"):format(i)] = ""
    end
    return fill(root, files)
end

local several = "path,labels\n1.png,cat\n2.png,dog|cat\n3.png,dog\n4.png,cow;dog;cat\n5.png,cow\n6.png,cat\n"

local function make_several(root)
    for i = 1, 6 do
        fill(root, { [i .. ".png"] = i * 40 })
    end
    return fill(root, { ["list.csv"] = several })
end

describe("Flowers-102", function()
    it("is known by its files", function()
        in_folder(function(root)
            local set = data.open(make_flowers(root))
            assert.is_equal("flowers102", set.kind)
            assert.is_equal(102, set.classes)
            assert.is_equal(6, #set.train)
            assert.is_equal(6, #set.val)
            assert.is_equal("passion flower", set.class_names[set.train:label(2) + 1])
            assert.is_same({ 60, 60, 60 }, set.train:image(2)[1][1]:totable())
            assert.is_same({ "jpg/image_00005.jpg", "jpg/image_00006.jpg" }, keys_of(data.split(root, "valid"), root))
            assert.is_equal(4, #data.split(root, "trnid"))
        end)
    end)
end)

describe("Stanford Cars", function()
    it("is known by its devkit", function()
        in_folder(function(root)
            local set = data.open(make_cars(root))
            assert.is_equal("cars196", set.kind)
            assert.is_equal(196, set.classes)
            assert.is_equal(3, #set.train)
            assert.is_equal(2, #set.val)
            assert.is_same({ 13, 2, 195 }, { set.train:label(1), set.train:label(2), set.train:label(3) })
        end)
    end)
end)

describe("CSV files", function()
    it("are divided by val_ratio, the same way for the same seed", function()
        in_folder(function(root)
            local lines = { "path,label" }
            for i = 1, 50 do
                lines[i + 1] = ("%d.png,%s"):format(i, i % 2 == 0 and "cat" or "dog")
            end
            fill(root, { ["list.csv"] = table.concat(lines, "\n") })
            local set = data.open(root .. "/list.csv", { val_ratio = 0.2 })
            assert.is_equal("csv", set.kind)
            assert.is_same({ "cat", "dog" }, set.class_names)
            assert.is_same({ 40, 10 }, { #set.train, #set.val })
            assert.is_same(keys_of(set.val, root), keys_of(data.open(root .. "/list.csv", { val_ratio = 0.2 }).val, root))
            local other = data.open(root .. "/list.csv", { val_ratio = 0.2, seed = 1 })
            assert.is_not_same(keys_of(set.val, root), keys_of(other.val, root))
            assert.is_equal(1, #data.open(root .. "/list.csv", { val_ratio = 0.001 }).val)
        end)
    end)

    it("are divided by a column", function()
        in_folder(function(root)
            fill(root, { ["l.csv"] = "file,class,split\na,x,train\nb,y,train\nc,x,val\nd,y,test\n" })
            local set = data.open(root .. "/l.csv")
            assert.is_same({ "a", "b" }, keys_of(set.train, root))
            assert.is_same({ "c" }, keys_of(set.val, root))
            assert.is_same({ "d" }, keys_of(data.split(root .. "/l.csv", "test"), root))
        end)
    end)

    it("may be one a split, which have the classes of train.csv", function()
        in_folder(function(root)
            fill(root, { ["train.csv"] = "path,label\na,x\nb,z\nc,y\n", ["val.csv"] = "path,label\nd,z\n",
                ["test.csv"] = "path,label\ne,y\nf,z\n" })
            local set = data.open(root)
            assert.is_same({ "x", "y", "z" }, set.val:class_names())
            assert.is_same({ 3, 1, 2 }, { #set.train, set.val:size(), set.val:label(1) })
            assert.is_equal(2, #data.split(root, "test"))
            os.remove(root .. "/val.csv")
            assert.is_same({ 2, 1 }, { #data.open(root).train, #data.open(root).val })
            fill(root, { ["train/1.png"] = 1 }) -- pictures beside the list
            assert.is_equal("csv", data.open(root).kind)
            fill(root, { ["train/x/1.png"] = 1, ["val/x/1.png"] = 1 }) -- class folders, which need no list
            assert.is_equal("folder", data.open(root).kind)
            assert.is_equal("csv", data.open(root, { kind = "csv" }).kind)
        end)
    end)
end)

describe("pictures of several labels", function()
    it("have all of them, and batches have targets", function()
        in_folder(function(root)
            local set = data.open(make_several(root) .. "/list.csv")
            assert.is_same({ "cat", "cow", "dog" }, set.class_names)
            assert.is_true(set.train:has_several_labels())
            local source = data.split(root .. "/list.csv", "all")
            assert.is_same({ { 0 }, { 2, 0 }, { 2 }, { 1, 2, 0 } },
                { source:labels(1), source:labels(2), source:labels(3), source:labels(4) })
            assert.is_same({ 4, 2, 3 }, source:class_counts())
            local loader = data.loader { source = source, pipeline = augment.eval { size = 8 }, batch_size = 6, shuffle = false }
            local batch = loader:next()
            loader:close()
            assert.is_same({ 0, 2, 2, 1, 1, 0 }, batch.labels:totable())
            assert.is_same({ { 1, 0, 0 }, { 0.5, 0, 0.5 }, { 0, 0, 1 } }, batch.targets:slice(1, 1, 3):totable())
            for i = 1, 3 do
                assert.is_near(1 / 3, batch.targets[4][i], 1e-7)
            end
        end)
    end)

    it("are mixed like others", function()
        in_folder(function(root)
            local source = data.split(make_several(root) .. "/list.csv", "all")
            local loader = data.loader { source = source, pipeline = augment.eval { size = 8 }, batch_size = 6, mixup = 0.5 }
            local batch = loader:next()
            loader:close()
            local mixed = false
            for _, row in ipairs(batch.targets:totable()) do
                assert.is_near(1, row[1] + row[2] + row[3], 1e-6)
                mixed = mixed or row[1] % 0.25 ~= 0 and row[1] % (1 / 3) ~= 0
            end
            assert.is_true(mixed)
        end)
    end)

    it("refuse fewer classes than they have labels", function()
        in_folder(function(root)
            local source = data.split(make_several(root) .. "/list.csv", "all")
            local loader = data.loader {
                source = source, pipeline = augment.eval { size = 8 }, batch_size = 6, classes = 2, shuffle = false,
            }
            local message = support.message_of(loader.next, loader)
            support.assert_explains(message, { "label 2 of ", "2.png", "outside 0 to 1 (2 classes)" })
        end)
    end)

    it("are a hit with any label, and their loss is the mean over them", function()
        in_folder(function(root)
            local source = data.split(make_several(root) .. "/list.csv", "all")
            local model = effv2.nn.Sequential {
                { "pool", effv2.nn.GlobalAvgPool {} }, { "classifier", effv2.nn.Dense { in_features = 3, out_features = 3 } },
            }
            model.classifier.weight:copy(effv2.zeros(unpack(model.classifier.weight:shape())))
            model.classifier.bias:copy(effv2.tensor { 0, 1, 3 }) -- logits, whatever the picture
            local result = effv2.evaluate { model = model, source = source, size = 8, batch_size = 4 }
            assert.is_near(3 / 6, result.top1, 1e-9) -- 2, 3 and 4 have the third class
            assert.is_equal(1, result.top5)
            local total = math.log(1 + math.exp(1) + math.exp(3))
            local losses = { total, total - 1.5, total - 3, total - 4 / 3, total - 1, total }
            local sum = 0
            for _, loss in ipairs(losses) do
                sum = sum + loss
            end
            assert.is_near(sum / 6, result.loss, 1e-5)
            local turned = effv2.evaluate { model = model, source = source, size = 8, classes = { 2, 1, 0 } }
            assert.is_near(4 / 6, turned.top1, 1e-9) -- 1, 2, 4 and 6 have the first, which is now the third
        end)
    end)

    it("train", function()
        in_folder(function(root)
            make_several(root)
            local set = { train = data.split(root .. "/list.csv", "all"), classes = 3 }
            set.val = set.train
            for _, loss in ipairs { "softmax", "sigmoid" } do
                local result = training.train {
                    model = training.model { classes = 3 }, data = set, epochs = 2, batch_size = 3, loss = loss,
                }
                assert.is_true(result.top1 >= 0 and result.top1 <= 1)
            end
        end)
        training.clean()
    end)
end)

describe("minival", function()
    it("is held out of train by names alone", function()
        in_folder(function(root)
            make_names(root, 400)
            local set = data.open(root, { val_ratio = 0.25, minival = 0.2 })
            local train, held, val = keys_of(set.train, root), keys_of(set.minival, root), keys_of(set.val, root)
            assert.is_equal(300, #train + #held)
            assert.is_equal(100, #val)
            assert.is_true(#held > 30 and #held < 90)
            assert.matches("pictures to train, " .. #held .. " held out, 100 to validate", tostring(set))
            local of = {}
            for _, list in ipairs { train, held, val } do
                for _, name in ipairs(list) do
                    assert.is_nil(of[name])
                    of[name] = list
                end
            end
            assert.is_equal(25, #data.open(root, { minival = 25 }).minival)
            local other = data.open(root, { val_ratio = 0.5, seed = 9, minival = 0.2 })
            for i = 1, #other.train do -- what was held out by share before is held out again, wherever it is to train
                assert.is_not_equal(held, of[other.train:name(i):sub(#root + 2)])
            end
            assert.is_same(keys_of(other.minival, root), keys_of(data.split(root, "minival", { val_ratio = 0.5, seed = 9,
                minival = 0.2 }), root))
        end)
    end)

    it("has the pictures of a fixed hash", function()
        in_folder(function(root)
            fill(root, { ["train/a/"] = true, ["val/a/0.jpg"] = "" })
            for i = 1, 20 do
                fill(root, { [("train/a/%d.jpg"):format(i)] = "" })
            end
            -- Python: sorted(names, key=xxhash.xxh3_64_intdigest)[:3]
            assert.is_same({ "a/13.jpg", "a/16.jpg", "a/18.jpg" },
                keys_of(data.open(root, { minival = 3 }).minival, root .. "/train"))
        end)
    end)
end)

describe("ImageNet-21k", function()
    it("holds random pictures out, and merges those of several folders", function()
        in_folder(function(root)
            for class = 1, 3 do
                for i = 1, 20 do
                    fill(root, { [("n0000000%d/n0000000%d_%d.JPEG"):format(class, class, i)] = "" })
                end
                fill(root, { [("n0000000%d/n00000009_1.JPEG"):format(class)] = "" })
            end
            local options = { kind = "imagenet21k", val_count = 10 }
            local set = data.open(root, options)
            assert.is_equal("imagenet21k", set.kind)
            assert.is_same({ 3, 51, 10 }, { set.classes, #set.train, #set.val })
            assert.is_true(set.train:has_several_labels())
            assert.is_same(keys_of(set.val, root), keys_of(data.open(root, options).val, root))
            options.seed = 1
            assert.is_not_same(keys_of(set.val, root), keys_of(data.open(root, options).val, root))
            options.minival = 5
            assert.is_same({ 46, 5, 10 }, { #data.open(root, options).train, #data.open(root, options).minival, 10 })
        end)
    end)
end)

describe("data sets that cannot work are explained:", function()
    local cases = {
        { "a path of no kind", function(root) return data.open(root .. "/none") end,
            "none: No such file or directory; understood are:", '"shapes", drawn by', "FILE.csv", "CIFAR-10", "Flowers-102",
            "Stanford Cars", "ImageNet-21k", "a folder of class folders" },
        { "a file of no kind", function(root) return data.open(fill(root, { ["a.txt"] = "" }) .. "/a.txt") end,
            "a.txt: not a folder, nor a file of a known kind", "FILE.csv" },
        { "an unknown kind", function(root) return data.open(root, { kind = "flower" }) end, "data.open: unknown kind 'flower'",
            "did you mean flowers?" },
        { "a number of pictures of a CSV file", function(root)
            return data.open(make_several(root) .. "/list.csv", { train = 4 })
        end, 'train and val (how many pictures) are for "shapes" only', "source:subset(list)" },
        { "val_count of a folder", function(root) return data.open(root, { val_count = 4 }) end, "val_count is for kind",
            "val_ratio divides other folders" },
        { "too large a val_count", function(root)
            return data.open(fill(root, { ["n00000001/1.JPEG"] = "", ["n00000001/2.JPEG"] = "" }), { kind = "imagenet21k" })
        end, "100000 pictures to hold out; the source has 2", "val_count = 100000 says how many" },
        { "a split that ImageNet-21k has not", function(root) return data.split(root, "test", { kind = "imagenet21k" }) end,
            'no split "test"', "there are train and val" },
        { "a minival of nothing", function() return data.open("shapes", { minival = 0 }) end, "minival is 0",
            "a share below 1 or a number of pictures" },
        { "a minival of a part of a picture", function() return data.open("shapes", { minival = 1.5 }) end, "minival is 1.5",
            "a number of pictures" },
        { "a minival of everything", function() return data.open("shapes", { train = 9, minival = 9 }) end,
            "minival: 9 pictures to hold out; the source has 9", "some must be left" },
        { "a minival that holds none out", function() return data.open("shapes", { train = 9, minival = 1e-9 }) end,
            "of 9 pictures 0 would be held out", "another count or share" },
        { "minival without the option", function() return data.split("shapes", "minival") end, '"minival"',
            "needs the option minival" },
        { "a split that Flowers-102 has not", function(root) return data.split(make_flowers(root), "all") end,
            'data.split: Flowers-102 has no split "all"', "trnid" },
        { "a class that train.csv has not", function(root)
            return data.open(fill(root, { ["train.csv"] = "path,label\na,x\n", ["val.csv"] = "path,label\nb,y\n" }))
        end, 'val.csv, line 2: the label "y"', "none of the 1 classes (x, ...)" },
        { "a CSV file of nothing", function(root) return data.open(fill(root, { ["a.csv"] = "path,label\n" }) .. "/a.csv") end,
            "data.open: ", "a.csv: no pictures" },
        { "a CSV file that is missing", function(root) return data.open(root .. "/a.csv") end, "data.open: ",
            "a.csv: No such file" },
        { "hold_out of two kinds", function() return data.open("shapes").train:hold_out { count = 1, share = 0.5 } end,
            "hold_out: wanted is", "either count or share" },
    }
    for _, case in ipairs(cases) do
        it(case[1], function()
            in_folder(function(root)
                support.check(case, root)
            end)
        end)
    end
end)
