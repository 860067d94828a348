--- Networks in Lua files: what is written is read back, what is not data is refused, and nothing runs.
local effv2 = require "effv2"
local file = require "effv2.models.file"
local bad_input = dofile "tests/lua/support.lua"

local models = effv2.models

local network = {
    stem = { channels = 8 }, head = 32, classes = 5, drop_path = 0.1, bn_momentum = 0.9, sizes = { train = 24, eval = 32 },
    stages = {
        { op = "fused", channels = 8, expansion = 1 },
        { op = "mb", channels = 16, expansion = 4, kernel = 5, stride = 2, se = 0.3 },
    },
}

--- What reading the text of a file says against it.
local function refusal(text)
    return bad_input.message_of(file.parse, text, "net.lua")
end

describe("networks in files", function()
    it("are read back as they were written, and stand for a model's name", function()
        bad_input.in_folder(function(folder)
            local path = folder .. "/net.lua"
            assert.is_true(models.write(path, network, "a network\nof two stages"))
            local read = assert(models.read(path))
            assert.is_equal(0.3, read.stages[2].se)
            assert.is_equal(2, read.stem.stride)
            assert.are.same({ train = 24, eval = 32 }, read.sizes)
            assert.is_equal(file.text(network), file.text(read))
            local written, own = models.create(path), models.create(network)
            assert.is_equal(own:num_parameters(), written:num_parameters())
            assert.is_equal(5, written.config.classes)
            assert.is_equal(0.9, written.config.bn_momentum)
            assert.is_equal(3, models.create(path, { classes = 3 }).config.classes)
            assert.is_equal(own:num_parameters(), models.summary(path).parameters)
            assert.is_equal(16, #models.scale { base = path, depth = 8 }.stages * 8)
            assert.matches("MBConv4, k5x5", tostring(models.describe(path)))
        end)
    end)

    it("of all published tables are the same again", function()
        for _, name in ipairs(models.list "efficientnet*") do
            local table_ = models.scale { base = name }
            local again = file.parse(file.text(table_), name)
            assert.are.same(models.scale { base = again }, table_)
            assert.is_equal(models.summary(name).parameters, models.summary(again, 64, {}).parameters)
        end
    end)

    it("may hold every kind of data", function()
        local text = [[
            -- a comment
            return { a = -1.5e-3, b = "two\nlines \"quoted\" it's", c = true, ["no"] = nil }]]
        assert.matches("net.lua:2: '%['", refusal(text))
        local plain = file.parse(text:gsub(', %["no"%] = nil', "; d = { 1, 2, { x = .5, y = 3. }, }, -- end\n"), "net.lua")
        assert.are.same({ a = -0.0015, b = 'two\nlines "quoted" it\'s', c = true, d = { 1, 2, { x = 0.5, y = 3 } } }, plain)
    end)

    it("that are no data are refused with the line, and not run", function()
        _G.touched = nil
        for text, wanted in pairs {
            ["touched = true"] = "'touched', wanted return",
            ["return { a = os.exit(1) }"] = "'os', wanted a number",
            ["return (function() touched = true end)()"] = "'(', wanted a table",
            ["return { a = 1 } touched = true"] = "'touched', wanted nothing after the table",
            ["return { a = 1"] = "the file ends, wanted a comma or }",
            ["\nreturn {\n a = 1 b = 2 }"] = "net.lua:3: 'b', wanted a comma",
            ["return { a = 1, a = 2 }"] = "a is there twice",
            ["return { a = 1e999 }"] = "wanted a number",
            ["return { a = 0x10 }"] = "wanted a number",
            ["return { a = 1..2 }"] = "wanted a number",
            ["return { a = \"open }"] = "wanted the end of the text",
            ["return { a = \"\\x41\" }"] = "wanted the end of the text",
            ["return " .. ("{"):rep(40)] = "tables within at most 16",
            [""] = "the file ends, wanted return",
        } do
            assert.is_truthy(refusal(text):find(wanted, 1, true), refusal(text))
        end
        assert.is_nil(_G.touched)
    end)

    it("that hold no network are refused by name", function()
        bad_input.in_folder(function(folder)
            local path = folder .. "/net.lua"
            bad_input.check({ "missing", models.read, path, "No such file" }, path)
            bad_input.check({ "create", models.create, path, "No such file" }, path)
            local function holds(text, ...)
                assert(effv2.write_file(path, text))
                bad_input.check({ "read", models.read, path, ... }, path)
                bad_input.check({ "create", models.create, path, ... }, path)
            end
            holds("return {}", "stem")
            local start = "return { stem = { channels = 8 }, head = 8, "
            holds(start .. 'stages = { { op = "cat", channels = 8 } } }', "stage 1: op is cat", '"fused" or "mb"')
            holds(start .. "stages = 3 }", "stages is a number", "a list")
            assert(effv2.write_file(path, start .. 'clases = 3, stages = { { op = "mb", channels = 8 } } }'))
            bad_input.check({ "create", models.create, path, "'clases'", "did you mean classes" }, path)
        end)
    end)

    it("cannot hold what is no data", function()
        local holder = { stem = { channels = 8 }, head = 8, stages = { { op = "mb", channels = 8 } }, build = print }
        assert.matches("models.write: function.* is no data", bad_input.message_of(models.write, "/nowhere.lua", holder))
    end)
end)
