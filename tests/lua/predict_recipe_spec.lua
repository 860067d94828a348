--- recipes/predict.lua: what it prints, and what it says when it cannot.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support.lua"

describe("recipes/predict.lua", function()
    local folder, model, picture

    setup(function()
        folder, model = recipes.folder()
        picture = folder .. "/data/class1/1.png"
    end)

    teardown(recipes.clean)

    local function predict(arguments)
        return recipes.run("predict", ("%s weights='%s/w.safetensors' %s"):format(recipes.MODEL, folder, arguments))
    end

    local function object(arguments)
        local code, output, errors = predict("format=json " .. arguments)
        assert.is_equal(0, code, errors)
        assert.is_equal(1, select(2, output:gsub("\n", "")))
        return assert(effv2.json_decode(output))
    end

    local function assert_near(a, b)
        assert.is_equal(#a, #b)
        for i, value in ipairs(a) do
            assert.is_near(value, b[i], 1e-4)
        end
    end

    --- The logits of a picture of the model's size, normalised by hand.
    local function expected(how)
        local pixels = assert(effv2.read_image(picture)):cast "float32"
        local x = how == "half" and (pixels - 127.5) / 127.5 or (pixels - 128) / 128
        return effv2.no_grad(model, x:reshape { 1, 48, 48, 3 }):totable()[1]
    end

    it("gives the model's logits in full, and the classes in order", function()
        local found = object(("fit=stretch '%s'"):format(picture))
        assert.is_equal(picture, found.image)
        assert_near(expected(), found.logits)
        local sum = 0
        for i, guess in ipairs(found.top) do
            sum = sum + guess.probability
            assert.is_equal("class " .. guess.class, guess.name)
            assert.is_true(i == 1 or guess.probability <= found.top[i - 1].probability)
        end
        assert.is_near(1, sum, 1e-9)
        assert_near(expected "half", object(("fit=stretch normalise=half '%s'"):format(picture)).logits)
    end)

    it("reads the names of another library", function()
        local code, output = recipes.run("predict", ("%s weights='%s/t.safetensors' layout=timm fit=stretch format=json '%s'")
            :format(recipes.MODEL, folder, picture))
        assert.is_equal(0, code)
        assert_near(expected(), effv2.json_decode(output).logits)
    end)

    it("takes the network's padding and epsilon", function()
        local plain = object(("fit=stretch '%s'"):format(picture)).logits
        for _, option in ipairs { "padding=symmetric", "bn_eps=0.1" } do
            local other = object(("fit=stretch %s '%s'"):format(option, picture)).logits
            assert.is_true(math.abs(other[1] - plain[1]) > 1e-4, option)
        end
    end)

    it("looks at the centre or at the whole", function()
        local seen = {}
        for _, fit in ipairs { "model", "crop", "stretch" } do
            seen[fit] = object(("fit=%s '%s'"):format(fit, picture)).logits[1]
        end
        assert.is_equal(seen.model, seen.crop) -- the published way below 320 pixels
        assert.is_true(math.abs(seen.crop - seen.stretch) > 1e-5)
    end)

    it("prints a picture, then its classes with their names", function()
        local code, output = predict(("names='%s/names.txt' '%s'"):format(folder, picture))
        assert.is_equal(0, code)
        assert.is_truthy(output:find(picture .. "\n", 1, true))
        assert.matches("\n +%d+%.%d %%  a yak\n", output)
        assert.is_equal(4, select(2, output:gsub("\n", "")))
        output = select(2, predict(("names='%s/data' '%s'"):format(folder, picture)))
        assert.matches("%%  class2\n", output)
    end)

    it("prints a line of CSV a picture", function()
        local code, output = predict(("format=csv names='%s/names.txt' '%s' '%s'"):format(folder, picture, picture))
        assert.is_equal(0, code)
        local lines = {}
        for line in output:gmatch "[^\n]+" do
            lines[#lines + 1] = line
        end
        assert.is_equal(2, #lines)
        assert.is_equal(lines[1], lines[2])
        assert.is_equal(picture .. ",", lines[1]:sub(1, #picture + 1))
        assert.matches(',"a fox, red",0%.%d+', lines[1])
    end)

    it("answers for the other pictures when one cannot be read", function()
        local code, output, errors = predict(("format=csv '%s/nope.png' '%s'"):format(folder, picture))
        assert.is_equal(1, code)
        assert.is_equal(1, select(2, output:gsub("\n", "")))
        support.assert_explains(errors, { "nope.png: No such file", "1 of 2 pictures could not be read" })
    end)

    for _, case in ipairs {
        { "no weights", "a.png", 2, "weights=FILE", "--help" },
        { "no picture", "weights=a", 2, "at least one picture", "--help" },
        { "a missing file", "weights=/nope a.png", 1, "/nope: cannot read", "No such file" },
        { "a file of another kind", "weights=README.md a.png", 1, "README.md: no safetensors file", "at most" },
        { "another model", "weights=W model=efficientnetv2-b0 a.png", 1, "does not fit efficientnetv2-b0 in layout effv2",
            "take the weights of this model and layout" },
        { "another layout", "weights=W layout=timm a.png", 1, "does not fit efficientnetv2-tiny in layout timm",
            "the names are those of layout effv2" },
        { "a layout that is none", "weights=W layout=timmm a.png", 2, "none of effv2, timm, torchvision", "did you mean timm?" },
        { "a model that is none", "weights=W model=efficientnetv2-tony a.png", 1, "unknown model 'efficientnetv2-tony'",
            "did you mean efficientnetv2-tiny?" },
        { "names that are too few", "weights=W names=LICENSE a.png", 1, "LICENSE: it names ", "the model has 3" },
        { "names that are not there", "weights=W names=/nope a.png", 1, "/nope: cannot read", "No such file" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = recipes.run("predict",
                ("model=efficientnetv2-tiny " .. case[2]:gsub("W", folder .. "/w.safetensors")))
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
        end)
    end
end)
