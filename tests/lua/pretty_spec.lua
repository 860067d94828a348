--- How values print at the prompt.
local pretty = require "effv2.pretty"

local show = pretty.format

describe("pretty", function()
    it("prints plain values", function()
        assert.is_equal("nil", show(nil))
        assert.is_equal("true", show(true))
        assert.is_equal("42", show(42))
        assert.is_equal("-7", show(-7))
        assert.is_equal("0.1", show(0.1))
        assert.is_equal("1e+300", show(1e300))
        assert.is_equal("9007199254740991", show(2 ^ 53 - 1))
        assert.is_equal("inf", show(math.huge))
        assert.is_equal("nan", show(math.huge - math.huge):gsub("-", ""))
        assert.is_equal('"text"', show "text")
    end)

    it("escapes strings and cuts long ones", function()
        assert.is_equal([["a\n\"b\"\\\t\000\127é"]], show 'a\n"b"\\\t\0\127é')
        local long = show(("x"):rep(5000))
        assert.is_true(#long < 1100)
        assert.is_truthy(long:find("(5000 bytes)", 1, true))
    end)

    it("names where functions are", function()
        assert.is_truthy(show(function() end):match "^<function .*pretty_spec%.lua:%d+>$")
        assert.is_equal("<function>", show(print))
    end)

    it("sorts keys: the list, numbers, names, others", function()
        assert.is_equal("{}", show {})
        assert.is_equal("{ 1, 2, 3 }", show { 1, 2, 3 })
        assert.is_equal('{ "x", [0] = 0, [2.5] = 1, a = 1, b = 2, ["c d"] = 3, ["end"] = 4, [true] = 5 }',
            show { "x", b = 2, a = 1, ["c d"] = 3, ["end"] = 4, [true] = 5, [0] = 0, [2.5] = 1 })
    end)

    it("breaks what does not fit on a line", function()
        local text = show({ alpha = ("x"):rep(30), beta = ("y"):rep(30), gamma = { 1, 2 } }, { width = 60 })
        assert.is_equal('{\n  alpha = "' .. ("x"):rep(30) .. '",\n  beta = "' .. ("y"):rep(30)
            .. '",\n  gamma = { 1, 2 }\n}', text)
    end)

    it("stops at depth 3 and at 60 entries", function()
        assert.is_equal("{ { { {...} } } }", show { { { { 1 } } } })
        assert.is_equal("{ { { {} } } }", show { { { {} } } })
        local list = {}
        for i = 1, 1000 do
            list[i] = 0
        end
        assert.is_truthy(show(list):find("... 940 more", 1, true))
        local map = {}
        for i = 1, 100 do
            map["k" .. i] = i
        end
        assert.is_truthy(show(map):find("... 40 more", 1, true))
    end)

    it("limits the whole text, whatever it is given", function()
        local function nest(depth)
            local t = {}
            for i = 1, 60 do
                t[i] = depth > 0 and nest(depth - 1) or i
            end
            return t
        end
        assert.is_true(#show(nest(2)) < 20000)
    end)

    it("marks cycles but not repetitions", function()
        local t = { 1 }
        t.self = t
        assert.is_equal("{ 1, self = <cycle> }", show(t))
        local shared = { 1 }
        assert.is_equal("{ { 1 }, { 1 } }", show { shared, shared })
    end)

    it("prints objects through tostring, on one line inside tables", function()
        local object = setmetatable({}, { __tostring = function() return "[1 2]\n[3 4]\n[float32 2x2, 16 B]" end })
        assert.is_equal("[1 2]\n[3 4]\n[float32 2x2, 16 B]", show(object))
        assert.is_equal("{ x = [float32 2x2, 16 B] }", show { x = object })
        local text = setmetatable({}, { __tostring = function() return "first\nsecond" end })
        assert.is_equal("{ first ... }", show { text })
    end)

    it("survives a tostring that fails and tables that guard their fields", function()
        local broken = setmetatable({}, { __tostring = function() error("oh", 0) end })
        assert.is_equal("<table: tostring failed: oh>", show(broken))
        local guarded = setmetatable({ a = 1 }, { __index = function() error "no" end })
        assert.is_equal("{ a = 1 }", show(guarded))
    end)
end)
