--- What the core does with files and their bytes on behalf of Lua: removing, digests.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"

describe("remove_file", function()
    it("removes files and empty folders, and no folder that holds something", function()
        support.in_folder(function(folder)
            assert(effv2.make_dir(folder .. "/a/b"))
            local done, message = effv2.remove_file(folder .. "/a")
            assert.is_nil(done)
            assert.is_truthy(message:find(folder .. "/a: cannot remove", 1, true), message)
            assert(effv2.write_file(folder .. "/a/b/file", "text"))
            for _, path in ipairs { "/a/b/file", "/a/b", "/a" } do
                assert.is_true(effv2.remove_file(folder .. path))
            end
            assert.is_false(effv2.dir_exists(folder .. "/a"))
            assert.is_nil((effv2.remove_file(folder .. "/a")))
        end)
    end)
end)

describe("digest", function()
    it("is XXH3 of all bytes, in 16 hexadecimal digits", function()
        assert.is_equal("2d06800538d394c2", effv2.digest "") -- XXH3's published values
        assert.is_equal("78af5f94892f3950", effv2.digest "abc")
        assert.is_not_equal(effv2.digest "a\0b", effv2.digest "a\0c")
        local found = {}
        for i = 1, 300 do -- short, middle and long texts take different ways
            local digits = effv2.digest(("x"):rep(i))
            assert.matches("^%x+$", digits)
            assert.is_equal(16, #digits)
            assert.is_nil(found[digits])
            found[digits] = true
        end
    end)
end)
