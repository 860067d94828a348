--- recipes/pack.lua: shards that hold what the data set holds, that a killed packing goes on with, and that are verified.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support.lua"
local data = effv2.data

local PROGRAM = os.getenv "EFFV2" or "build/release/effv2"

describe("recipes/pack.lua", function()
    local folder

    setup(function()
        folder = recipes.folder() -- data/<class>/*.png: 12 pictures of 48 x 48 in three classes
    end)

    teardown(recipes.clean)

    local function pack(arguments)
        local from = arguments:find("data=", 1, true) and "" or "data=DIR/data "
        return recipes.run("pack", ((from .. arguments):gsub("DIR", folder)))
    end

    local function must_pack(arguments)
        local code, output, errors = pack(arguments)
        assert.is_equal(0, code, errors)
        return output
    end

    local function read(path)
        return assert(effv2.read_file(folder .. "/" .. path))
    end

    local function shell(command)
        return os.execute(("cd '%s' && { %s\n}"):format(folder, command))
    end

    it("keeps pictures, classes and labels", function()
        local output = must_pack "out=DIR/a samples=4"
        assert.matches("train%-000002.tar: 1 pictures", output)
        assert.matches("verified: 9 pictures of 3 classes in 3 shards", output)
        local source, packed = data.open(folder .. "/data").train, assert(data.judging(folder .. "/a"))
        assert.is_same({ "class0", "class1", "class2" }, packed:class_names())
        assert.is_equal("shards", packed:kind())
        local mixed, order = source:shuffled(0), {}
        for i = 1, 9 do
            assert.is_equal(mixed:label(i), packed:label(i))
            assert.is_equal(mixed:image(i):tobytes(), packed:image(i):tobytes())
            order[i] = mixed:name(i)
        end
        local sorted = { unpack(order) }
        table.sort(sorted)
        assert.is_not_same(sorted, order)
        assert.is_equal(0, shell "cd a && sha256sum --quiet -c checksums.txt")
        assert.is_equal(0, shell "test \"$(tar -tf a/train-000001.tar | head -n 2 | xargs)\" = '000000004.png 000000004.cls'")
        must_pack "out=DIR/a split=val"
        local set = data.open(folder .. "/a")
        assert.is_same({ 9, 3 }, { set.train:size(), set.val:size() })
    end)

    it("makes larger pictures smaller, the same bytes with any number of workers", function()
        must_pack "out=DIR/b size=24 quality=95 shuffle=false"
        must_pack "out=DIR/c size=24 quality=95 shuffle=false workers=3"
        assert.is_equal(read "b/train-000000.tar", read "c/train-000000.tar")
        local source, packed = data.open(folder .. "/data").train, assert(data.judging(folder .. "/b"))
        for i = 1, 9 do
            assert.is_truthy(packed:name(i):match "%.jpg$")
            local small, large = packed:image(i), source:image(i)
            assert.is_same({ 24, 24, 3 }, small:shape())
            assert.is_equal(source:label(i), packed:label(i))
            local whole, half = large:totable(), small:totable()
            local off = 0
            for y = 1, 24 do
                for x = 1, 24 do -- of green, against the mean of four pixels
                    local mean = 0
                    for k = 0, 3 do
                        mean = mean + whole[2 * y - k % 2][2 * x - math.floor(k / 2)][2] / 4
                    end
                    off = off + math.abs(mean - half[y][x][2]) / 576
                end
            end
            assert.is_true(off < 12, ("%g"):format(off))
        end
        must_pack "out=DIR/d size=48"
        assert.is_truthy(assert(data.judging(folder .. "/d")):name(1):match "%.png$") -- not larger: as it was
    end)

    it("packs pictures without classes", function()
        assert.is_equal(0, shell "mkdir flat && cp data/class1/*.png flat")
        assert.matches("verified: 4 pictures of 1 classes", must_pack "data=DIR/flat out=DIR/p split=pictures")
        assert.is_same({ "picture" }, assert(data.pictures(folder .. "/p")):class_names())
    end)

    it("goes on after it was killed", function()
        must_pack "out=DIR/whole samples=1"
        local out = folder .. "/killed"
        local command = ("%s --threads 1 recipes/pack.lua data=%s/data out=%s samples=1 workers=1 >/dev/null 2>&1"):format(
            PROGRAM, folder, out)
        os.execute(("%s & pid=$!; for i in $(seq 2000); do [ \"$(wc -l 2>/dev/null <%s/checksums.txt)\" -ge 2 ] 2>/dev/null "
            .. "&& break; sleep 0.005; done; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null"):format(command, out))
        local finished = select(2, read("killed/checksums.txt"):gsub("\n", ""))
        assert.is_true(finished >= 2)
        local output = must_pack "out=DIR/killed samples=1"
        assert.is_equal(9 - finished, select(2, output:gsub("1 pictures,", "")))
        assert.matches("verified: 9 pictures", output)
        -- between the renaming of a shard and the line about it
        assert.is_equal(0, shell("cd killed && sed -i '$d' checksums.txt && echo half >train-000007.tar.tmp && "
            .. "rm train-000007.tar"))
        output = must_pack "out=DIR/killed samples=1"
        assert.matches("train%-000007.tar: 1 pictures", output)
        for k = 0, 8 do
            local name = ("train-%06d.tar"):format(k)
            assert.is_equal(read("whole/" .. name), read("killed/" .. name))
        end
        assert.is_false(effv2.file_exists(out .. "/train-000007.tar.tmp"))
        assert.matches("^[^:]*verified: 9 pictures", must_pack "out=DIR/killed samples=1") -- nothing is left to do
    end)

    it("leaves out what cannot be read, where that is asked for", function()
        assert.is_equal(0, shell("mkdir damaged && cp -r data damaged/train && cp -r data damaged/val && "
            .. "head -c 50 data/class0/12.png >damaged/train/class0/3.png"))
        local code, _, errors = pack "data=DIR/damaged out=DIR/e"
        assert.is_equal(1, code)
        support.assert_explains(errors, { "damaged/train/class0/3.png", "damaged PNG" })
        assert.is_false(effv2.file_exists(folder .. "/e/train-000000.tar"))
        local output = must_pack "data=DIR/damaged out=DIR/f on_bad=skip samples=5"
        assert.matches("left out: .*damaged/train/class0/3.png", output)
        assert.matches("verified: 11 pictures", output)
        assert.matches("^train%-%d+.tar %d+ .*class0/3.png", read "f/skipped.txt")
        assert.matches("verified: 11 pictures", must_pack "data=DIR/damaged out=DIR/f on_bad=skip samples=5")
    end)

    for _, case in ipairs {
        { "what is missing on the command line", "", 2, "out=FOLDER", "--help" },
        { "other settings than before", "out=DIR/a samples=5", 1, "was begun with samples=4, now it is 5", "another folder" },
        { "a class too many", "out=DIR/hurt split=val data=DIR/two", 1, "names other classes", "another folder" },
        { "a folder of somebody else's shards", "out=DIR/foreign", 1, "not by this recipe", "another folder" },
        { "a quality that does not exist", "out=DIR/g size=8 quality=200", 1, "a quality of 200", "1 to 100" },
        { "no samples", "out=DIR/g samples=0", 2, "samples=0", "a whole number from 1" },
        { "a damaged shard", "out=DIR/hurt", 1, "train-000000.tar differs from its checksum", "start again" },
    } do
        it("explains " .. case[1], function()
            if case[2] == "" then
                local code, _, errors = recipes.run("pack", "")
                assert.is_equal(case[3], code)
                return support.assert_explains(errors, { case[4], case[5] })
            end
            assert.is_equal(0, shell("rm -rf foreign hurt g two; mkdir foreign; cp a/train-000000.tar foreign; "
                .. "cp -r data two; cp -r data/class0 two/class3"))
            must_pack "out=DIR/hurt"
            shell "printf x | dd of=hurt/train-000000.tar bs=1 seek=700 conv=notrunc 2>/dev/null"
            local code, _, errors = pack(case[2])
            assert.is_equal(case[3], code, errors)
            support.assert_explains(errors, { case[4], case[5] })
        end)
    end
end)
