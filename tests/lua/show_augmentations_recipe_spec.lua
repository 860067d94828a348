--- recipes/show_augmentations.lua: what is on its sheets, and what it says when there is none.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support_training.lua"

describe("recipes/show_augmentations.lua", function()
    local sheet

    before_each(function()
        sheet = support.new_name() .. ".png"
    end)

    after_each(function()
        os.remove(sheet)
    end)

    teardown(recipes.clean)

    local function show(arguments)
        return recipes.run("show_augmentations", ("out='%s' %s"):format(sheet, arguments))
    end

    --- The object at the end and the picture.
    local function drawn(arguments)
        local code, output, errors = show(arguments)
        assert.is_equal(0, code, errors)
        local picture = assert(effv2.read_image(sheet))
        local object = assert(effv2.json_decode(output:match "([^\n]*)\n$"))
        assert.is_same({ object.height, object.width, 3 }, picture:shape())
        return object, picture, output
    end

    it("draws every operation of a dialect at some magnitudes", function()
        local object, picture, output = drawn "size=70 magnitudes=0,10"
        assert.is_equal(16, object.rows)
        assert.is_equal(18 + 16 * 74, object.height)
        for _, entry in ipairs(effv2.augment.dialect "relative") do
            assert.matches("\n?" .. entry.name .. " +3 pictures of 70 x 70\n", output)
        end
        -- Of the invert row: the original, then its negative at every magnitude.
        local left, top = object.width - 3 * 74, 18 + 2 * 74
        local function cell(column)
            return picture:slice(1, top + 1, top + 70):slice(2, left + column * 74 + 1, left + column * 74 + 70):contiguous()
        end
        assert.is_equal((255 - cell(0):cast "float32"):tobytes(), cell(1):cast("float32"):tobytes())
        assert.is_equal(cell(1):tobytes(), cell(2):tobytes())
    end)

    it("draws chosen operations, as another dialect has them", function()
        local object, _, output = drawn "size=32 dialect=timm operations=rotate,solarize magnitudes=2,4,8"
        assert.is_equal(2, object.rows)
        assert.matches("rotate +4 pictures of 32 x 32\nsolarize", output)
    end)

    it("draws stages at their sizes", function()
        local object, picture, output = drawn "by=stage stages=3 image_size=16,48 randaugment=0,4 mixup=0,0.2 samples=2"
        assert.is_equal(3, object.rows)
        assert.is_equal(18 + 16 + 32 + 48 + 3 * 4, object.height)
        for stage, size in ipairs { 16, 32, 48 } do
            assert.matches(("\n%d: %d px +2 pictures of %d x %d\n"):format(stage, size, size, size), output)
        end
        assert.matches("stage +part +image_size +randaugment +mixup\n", output)
        assert.is_true(picture:cast("float32"):mean():item() < 250)
        local first = assert(effv2.read_file(sheet))
        drawn "by=stage stages=3 image_size=16,48 randaugment=0,4 mixup=0,0.2 samples=2"
        assert.is_equal(first, assert(effv2.read_file(sheet)))
    end)

    it("takes any folder of pictures", function()
        local folder = support.new_name()
        assert(effv2.make_dir(folder))
        assert(effv2.write_png(folder .. "/flat.png", effv2.full(90, 30, 40, 3, { dtype = "uint8" })))
        local object = drawn(("data='%s' size=16 operations=invert magnitudes=1"):format(folder))
        assert.is_equal(1, object.rows)
        object = drawn(("data='%s' by=stage stages=1 samples=1 image_size=16,16 mixup=0.1,0.1"):format(folder))
        assert.is_equal(1, object.rows)
    end)

    it("takes the schedule of a run", function()
        local run = support.new_name()
        assert(effv2.make_dir(run))
        assert(effv2.write_file(run .. "/config.json", '{"stages":2,"image_size":[20,32],"randaugment":[2,6],"lr":0.1}'))
        local object, _, output = drawn(("by=stage samples=1 run='%s' image_size=24,32"):format(run))
        assert.is_equal(2, object.rows)
        assert.matches("1: 24 px", output)
        assert.matches(" 32 +6 +0\n", output)
    end)

    it("says what is wrong", function()
        local function failure(wanted, arguments, ...)
            local code, _, errors = show(arguments)
            assert.is_equal(wanted, code, errors)
            for _, part in ipairs { ... } do
                assert.is_truthy(errors:find(part, 1, true), errors)
            end
            assert.is_false(effv2.file_exists(sheet))
        end
        failure(2, "picture=0", "picture=0, there are 1 to 8000")
        failure(2, "by=stage samples=0", "samples=0, wanted a whole number from 1")
        failure(2, "dialect=tim", "tim", "timm")
        failure(1, "operations=rotat", "unknown operation 'rotat' (did you mean rotate?)")
        failure(1, "data=/no/such/folder", "/no/such/folder")
        failure(1, "by=stage run=/no/such/run", "/no/such/run/config.json")
    end)
end)
