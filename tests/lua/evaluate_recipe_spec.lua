--- recipes/evaluate.lua: accuracy on folders of classes in several orders.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support.lua"

describe("recipes/evaluate.lua", function()
    local folder, model

    setup(function()
        folder, model = recipes.folder()
    end)

    teardown(recipes.clean)

    local function evaluate(arguments)
        local code, output, errors = recipes.run("evaluate",
            ("%s weights='%s/w.safetensors' fit=stretch %s"):format(recipes.MODEL, folder, arguments))
        return code, code == 0 and assert(effv2.json_decode(output:match "([^\n]*)\n$")), errors, output
    end

    --- The share of the pictures that the model takes for the class that class_of(folder number) says.
    local function expected(class_of)
        local hits = 0
        for i = 1, 12 do
            local pixels = assert(effv2.read_image(("%s/data/class%d/%d.png"):format(folder, i % 3, i))):cast "float32"
            local logits = effv2.no_grad(model, ((pixels - 128) / 128):reshape { 1, 48, 48, 3 })
            local labels = effv2.tensor({ class_of(i % 3) }, "int64")
            hits = hits + effv2.in_top_k(logits, labels, 1):cast("float32"):item()
        end
        return hits / 12
    end

    it("counts hits on all pictures of the folder", function()
        local code, result, _, output = evaluate(("data='%s/data'"):format(folder))
        assert.is_equal(0, code)
        assert.is_equal(12, result.images)
        assert.is_near(expected(function(class) return class end), result.top1, 1e-9)
        assert.is_equal(1, result.top5)
        assert.is_true(result.images_per_second > 0 and result.seconds > 0 and result.loss > 0)
        assert.matches("on 12 pictures of .* top%-1 .* images/s", output)
    end)

    it("finds classes by their names, whatever the order of the folders", function()
        assert(effv2.write_file(folder .. "/turned.txt", "class2\nclass0\nclass1\n"))
        local code, result = evaluate(("data='%s/data' names='%s/turned.txt'"):format(folder, folder))
        assert.is_equal(0, code)
        assert.is_near(expected(function(class) return (class + 1) % 3 end), result.top1, 1e-9)
    end)

    it("takes val where a folder has it", function()
        local root = folder .. "/split"
        assert(effv2.make_dir(root))
        support.fill(root, { ["val/class0/1.png"] = 9, ["val/class1/1.png"] = 99, ["val/class2/1.png"] = 199,
            ["train/class0/1.png"] = 9 })
        local code, result, errors = evaluate(("data='%s'"):format(root))
        assert.is_equal(0, code, errors)
        assert.is_equal(3, result.images)
    end)

    for _, case in ipairs {
        { "no data", "", 2, "data=FOLDER", "--help" },
        { "a missing folder", "data=/nope", 1, "/nope: No such file", "class folders" },
        { "folders of other classes", "data=DIR/data names=DIR/names.txt", 1, "the folder class0 is none of the model's 3",
            "names=FILE" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = evaluate((case[2]:gsub("DIR", folder)))
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
        end)
    end
end)
