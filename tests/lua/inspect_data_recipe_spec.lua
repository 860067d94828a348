--- recipes/inspect_data.lua: what it says about folders, lists and what cannot be read.
local effv2 = require "effv2"
local training = dofile "tests/lua/support_training.lua"
local support = dofile "tests/lua/support.lua"

local function inspect(arguments)
    local code, output, errors = training.run("%s", "--threads 1 recipes/inspect_data.lua " .. arguments)
    return code, code == 0 and assert(effv2.json_decode(output:match "([^\n]*)\n$")), output, errors
end

local function make_folder(root)
    support.fill(root, { ["train/owl/9.jpg"] = support.jpeg, ["train/owl/cut.jpg"] = support.jpeg:sub(1, -30),
        ["train/fox/text.jpg"] = "this is no picture", ["val/owl/1.png"] = 5, ["val/fox/1.png"] = 6 })
    for i = 1, 5 do
        assert(effv2.write_png(("%s/train/fox/%d.png"):format(root, i), effv2.full(9, 8 + i, 20, 3, { dtype = "uint8" })))
    end
    return root
end

describe("recipes/inspect_data.lua", function()
    it("counts classes, sizes, formats and what cannot be read", function()
        support.in_folder(function(root)
            local code, result, output = inspect(("data='%s'"):format(make_folder(root)))
            assert.is_equal(0, code)
            assert.is_same({ "folder", 8, 2, 8, 1 },
                { result.kind, result.images, result.classes, result.looked_at, result.unreadable })
            assert.is_same({ { class = "owl", pictures = 2 }, 2, { class = "fox", pictures = 6 } },
                { result.least, result.median, result.most })
            assert.is_same({ JPEG = 2, PNG = 5 }, result.formats)
            assert.is_same({ least = 9, p10 = 10, median = 12, p90 = 16, most = 16 }, result.heights)
            assert.is_same({ least = 16, p10 = 16, median = 20, p90 = 20, most = 20 }, result.widths)
            assert.is_same({ 8 }, result.labels)
            assert.matches("train: 8 pictures in 2 classes %(folder%)", output)
            assert.matches("pictures of a class: least 2 %(owl%), median 2, most 6 %(fox%)", output)
            assert.matches("\n  fox        6  " .. ("#"):rep(40) .. "\n  owl        2  " .. ("#"):rep(14) .. "\n", output)
            assert.matches("\nformats: JPEG 2, PNG 5\n", output)
            assert.matches("\nunreadable: 1 of 8 looked at\n  [^\n]*fox/text.jpg: neither JPEG nor PNG", output)
        end)
    end)

    it("finds files that are cut off when it decodes", function()
        support.in_folder(function(root)
            make_folder(root)
            local _, result, output = inspect(("data='%s' decode=true most=1"):format(root))
            assert.is_equal(2, result.unreadable)
            assert.matches("and 1 more %(most=1%)", output)
            local _, val = inspect(("data='%s' decode=true split=val"):format(root))
            assert.is_same({ 2, 0 }, { val.images, val.unreadable })
        end)
    end)

    it("counts labels, and looks at some pictures only", function()
        support.in_folder(function(root)
            local lines = { "path,label" }
            for i = 1, 20 do
                support.fill(root, { [i .. ".png"] = i })
                lines[i + 1] = ("%d.png,%s"):format(i, i % 4 == 0 and "a|b" or "a")
            end
            support.fill(root, { ["list.csv"] = table.concat(lines, "\n") })
            local code, result, output = inspect(("data='%s/list.csv' split=minival minival=12 look_at=5"):format(root))
            assert.is_equal(0, code)
            assert.is_same({ 12, 5 }, { result.images, result.looked_at })
            assert.is_equal(12, result.labels[1] + (result.labels[2] or 0))
            assert.matches("labels of a picture: 1: %d+", output)
            local _, all = inspect(("data='%s/list.csv' split=all look_at=1"):format(root))
            assert.is_same({ { 15, 5 }, 1 }, { all.labels, all.looked_at })
        end)
    end)

    it("knows pictures without files", function()
        local code, result = inspect "data=shapes look_at=3"
        assert.is_equal(0, code)
        assert.is_same({ pixels = 3 }, result.formats)
    end)

    for _, case in ipairs {
        { "no data", "", 2, "data=PATH is needed", "--help" },
        { "a missing path", "data=/nope", 1, "/nope: No such file or directory", "understood are:" },
        { "an unknown split", "data=shapes split=trian", 1, 'no split "trian"', "train" },
        { "an unknown kind", "data=shapes kind=flower", 1, "unknown kind 'flower'", "did you mean flowers?" },
        { "minival without a size", "data=shapes split=minival", 1, '"minival"', "needs the option minival" },
    } do
        it("explains " .. case[1], function()
            local code, _, _, errors = inspect(case[2])
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
        end)
    end
end)
