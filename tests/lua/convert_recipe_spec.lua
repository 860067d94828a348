--- recipes/convert.lua: from one library's names to another's and back.
local effv2 = require "effv2"
local recipes = dofile "tests/lua/support_recipes.lua"
local support = dofile "tests/lua/support.lua"

describe("recipes/convert.lua", function()
    local folder

    setup(function()
        folder = recipes.folder()
    end)

    teardown(recipes.clean)

    local function convert(arguments)
        return recipes.run("convert", "model=efficientnetv2-tiny " .. arguments:gsub("DIR", folder))
    end

    it("brings the same tensors by every way", function()
        for _, arguments in ipairs {
            "from=timm to=effv2 in=DIR/t.safetensors out=DIR/1", "from=effv2 to=torchvision in=DIR/1 out=DIR/2",
            "from=torchvision to=timm in=DIR/2 out=DIR/3",
        } do
            local code, output, errors = convert(arguments)
            assert.is_equal(0, code, errors)
            assert.matches("%d+ tensors of efficientnetv2%-tiny", output)
        end
        for _, pair in ipairs { { "w.safetensors", "1" }, { "t.safetensors", "3" } } do
            local first, second = effv2.load(folder .. "/" .. pair[1]), effv2.load(folder .. "/" .. pair[2])
            for name, tensor in pairs(first) do
                assert.is_equal(tensor:tobytes(), second[name]:tobytes())
                second[name] = nil
            end
            assert.is_nil(next(second))
        end
    end)

    for _, case in ipairs {
        { "what is missing on the command line", "in=DIR/t.safetensors", 2, "out=FILE", "--help" },
        { "another layout", "in=DIR/w.safetensors out=DIR/x from=timm", 1, "in layout timm", "those of layout effv2" },
        { "a missing file", "in=DIR/nope out=DIR/x", 1, "nope: cannot read", "No such file" },
        { "a folder to write that is not there", "in=DIR/t.safetensors out=DIR/no/x", 1, "no/x: cannot write", "does not exist" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = convert(case[2])
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
            assert.is_false(effv2.file_exists(folder .. "/x"))
        end)
    end
end)
