--- Spaces and stoppers of studies: distributions, what depends on what, curves that are stopped, fronts.
local effv2 = require "effv2"
local results = require "effv2.search.results"
local text = require "effv2.search.text"
local support = dofile "tests/lua/support.lua"
local space, stopper = effv2.search.space, effv2.search.stopper

local DRAWS = 4000

--- The values of parameter `name` in trials 0 .. DRAWS - 1 of a space; nils are left out.
local function draws(given, name, seed)
    local list, made = {}, space.new(given)
    for number = 0, DRAWS - 1 do
        list[#list + 1] = made:random(seed or 0, number)[name]
    end
    return list
end

--- The largest distance between the shares of a sample and of a distribution (Kolmogorov-Smirnov).
local function distance(list, share_below)
    table.sort(list)
    local largest = 0
    for i, value in ipairs(list) do
        local share = share_below(value)
        largest = math.max(largest, math.abs(share - (i - 1) / #list), math.abs(share - i / #list))
    end
    return largest
end

local FAR = 1.95 / math.sqrt(DRAWS) -- a true sample is farther once in a thousand times, and these are always the same

--- How often each value occurs.
local function counts(list)
    local result = {}
    for _, value in ipairs(list) do
        result[value] = (result[value] or 0) + 1
    end
    return result
end

--- The action fails, with a message that has all the texts.
local function fails(action, ...)
    local message = support.message_of(action)
    for _, part in ipairs { ... } do
        assert.is_truthy(message:find(part, 1, true), ("%q is not in %q"):format(part, message))
    end
end

describe("spaces", function()
    it("draw uniform numbers, and numbers with a uniform logarithm", function()
        assert.is_true(distance(draws({ x = space.uniform(-1, 3) }, "x"), function(x) return (x + 1) / 4 end) < FAR)
        local logs = draws({ x = space.log(1e-4, 1e-1) }, "x")
        assert.is_true(distance(logs, function(x) return math.log(x / 1e-4) / math.log(1e3) end) < FAR)
        assert.is_true(logs[1] >= 1e-4 and logs[#logs] <= 1e-1)
    end)

    it("draw whole numbers, each as often, both ends included", function()
        for value, n in pairs(counts(draws({ x = space.int(-1, 6, 2) }, "x"))) do
            assert.is_true(value >= -1 and value <= 5 and value % 2 == 1)
            assert.is_true(math.abs(n - DRAWS / 4) < 4 * math.sqrt(DRAWS * 3 / 16), value .. ": " .. n)
        end
        local seen = counts(draws({ x = space.log_int(1, 7) }, "x"))
        for value = 1, 7 do
            local share = math.log((value + 1) / value) / math.log(8)
            assert.is_true(math.abs(seen[value] - DRAWS * share) < 4 * math.sqrt(DRAWS * share), value .. ": " .. seen[value])
        end
    end)

    it("draw from lists, and points of ranges with both ends", function()
        local seen = counts(draws({ x = { "a", "b", true, 4 } }, "x"))
        for _, value in ipairs { "a", "b", true, 4 } do
            assert.is_true(math.abs(seen[value] - DRAWS / 4) < 4 * math.sqrt(DRAWS * 3 / 16))
        end
        assert.is_same({ 0, 0.25, 0.5, 0.75, 1 }, space.uniform(0, 1, 5).values)
        local points = space.log(1e-4, 1e-1, 4).values
        assert.is_same({ 1e-4, 1e-1 }, { points[1], points[4] })
        assert.is_true(math.abs(points[2] / 1e-3 - 1) < 1e-12)
    end)

    it("have parameters that exist only with others", function()
        local made = space.new {
            act = { "relu", "silu", "gelu" }, beta = space.when("act", { "silu", "gelu" }, space.uniform(0, 1)),
            a_power = space.when("kind", 2, space.when("act", "silu", space.int(1, 3))), kind = space.int(1, 2), fixed = 10,
        }
        local with_beta = 0
        for number = 0, 499 do
            local p = made:random(7, number)
            assert.is_equal(p.act ~= "relu", p.beta ~= nil)
            assert.is_equal(p.act == "silu" and p.kind == 2, p.a_power ~= nil)
            assert.is_equal(10, p.fixed)
            with_beta = with_beta + (p.beta and 1 or 0)
        end
        assert.is_true(math.abs(with_beta - 333) < 45)
    end)

    it("are pure functions of seed, number and name", function()
        local given = { lr = space.log(1e-4, 1), width = space.int(1, 1000) }
        local made, wider = space.new(given), space.new { lr = given.lr, width = given.width, more = space.uniform(0, 1) }
        for number = 50, 0, -1 do
            local p, q = made:random(3, number), wider:random(3, number)
            assert.is_same(p, made:random(3, number))
            assert.is_same({ p.lr, p.width }, { q.lr, q.width })
            assert.is_not_same(p, made:random(4, number))
        end
        local p = made:random(0, 0) -- it stays what it was, or interrupted studies would go on with others
        assert.is_same({ "0.000956099", 859 }, { ("%.6g"):format(p.lr), p.width })
    end)

    it("make grids, in which what does not exist counts once", function()
        local grid = space.new {
            act = { "relu", "silu" }, beta = space.when("act", "silu", space.uniform(0, 1, 3)), n = space.int(1, 2),
        }:grid()
        local seen = {}
        for i, p in ipairs(grid) do
            seen[i] = text.parameters(p)
        end
        assert.is_same({
            "act=relu n=1", "act=relu n=2", "act=silu beta=0 n=1", "act=silu beta=0 n=2", "act=silu beta=0.5 n=1",
            "act=silu beta=0.5 n=2", "act=silu beta=1 n=1", "act=silu beta=1 n=2",
        }, seen)
        assert.is_same({ { on = true }, { on = false, x = 1 } },
            space.new({ on = { true, false }, x = space.when("on", false, space.choice { 1 }) }):grid())
        fails(function() return space.new({ lr = space.log(1e-4, 1) }):grid() end, "lr = log(0.0001, 1)", "number of points")
    end)

    it("explain what is wrong with them", function()
        local function refuses(given, ...)
            fails(function() space.new(given) end, ...)
        end
        refuses({}, "a table of parameters")
        refuses({ ["a b"] = 1 }, "a b is no name")
        refuses({ x = print }, "x is a function", "space.uniform")
        refuses({ x = space.when("y", 1, space.int(1, 2)) }, "x depends on y", "no parameter y")
        refuses({ act = { "relu" }, x = space.when("atc", 1, space.int(1, 2)) }, "did you mean act?")
        refuses({ act = { "relu" }, x = space.when("act", "silu", space.int(1, 2)) }, 'x exists only where act never is')
        refuses({ a = space.when("b", 1, space.int(1, 2)), b = space.when("a", 1, space.int(1, 2)) }, "depends on itself")
        refuses({ x = { print } }, "space.choice: the list[1] is a function")
        for message, f in pairs {
            ["low is 2 and high is 1"] = function() space.uniform(2, 1) end,
            ["low is 0, wanted a number above 0"] = function() space.log(0, 1) end,
            ["low is 0.5, wanted a whole number"] = function() space.int(0.5, 2) end,
            ["high is missing"] = function() space.int(1) end,
            ["an empty list"] = function() space.choice {} end,
            ["the third argument is a number"] = function() space.when("act", "silu", 5) end,
            ["space has no 'lgo'"] = function() space.lgo(1, 2) end,
        } do
            fails(f, message)
        end
    end)
end)

-- ---- stoppers -------------------------------------------------------------------------------------------

--- Runs curves, each a list of values by epoch, one after the other; returns how many epochs each ran.
local function run_curves(one, curves, maximize)
    local done, epochs = {}, {}
    for i, values in ipairs(curves) do
        local curve, stopped = {}, false
        local function peers(first, last, complete)
            local list = {}
            for _, other in ipairs(done) do
                for epoch = first, math.min(last - 1, #other.curve) do
                    if epoch == first and (other.complete or not complete) then
                        list[#list + 1] = other.curve[epoch].value
                    end
                end
            end
            return list
        end
        for epoch, value in ipairs(values) do
            if not stopped then
                curve[epoch] = { epoch = epoch, value = value }
                stopped = one:should_stop(curve, peers, maximize)
            end
        end
        done[i], epochs[i] = { curve = curve, complete = not stopped }, #curve
    end
    return epochs
end

--- Curves that rise by `rate` an epoch, in maximising studies.
local function rising(rates, epochs)
    local curves = {}
    for i, rate in ipairs(rates) do
        curves[i] = {}
        for epoch = 1, epochs do
            curves[i][epoch] = rate * epoch
        end
    end
    return curves
end

local function negated(curves)
    for _, curve in ipairs(curves) do
        for epoch, value in ipairs(curve) do
            curve[epoch] = -value
        end
    end
    return curves
end

describe("stoppers", function()
    it("let everything run, unless asked", function()
        assert.is_same({ 4, 4 }, run_curves(stopper.none(), rising({ 2, 1 }, 4), true))
    end)

    it("by the median end what is worse than half of the finished trials", function()
        local rates = { 5, 1, 3, 2, 4, 2.5, 3.25, 0.5, 3.125 }
        -- five run to their end (median 3); 2.5 ends; 3.25 runs on; 3.125 is no worse than the median of six
        local expected = { 6, 6, 6, 6, 6, 1, 6, 1, 6 }
        assert.is_same(expected, run_curves(stopper.median {}, rising(rates, 6), true))
        assert.is_same(expected, run_curves(stopper.median {}, negated(rising(rates, 6)), false))
        assert.is_same({ 6, 6, 6, 6, 6, 4, 6, 4, 6 }, run_curves(stopper.median { warmup = 3 }, rising(rates, 6), true))
        assert.is_same({ 6, 1, 1 }, run_curves(stopper.median { startup = 1 }, rising({ 3, 2, 1 }, 6), true))
    end)

    it("by the median look at the best that a trial has reached", function()
        assert.is_same({ 3, 3 }, run_curves(stopper.median { startup = 1 }, { { 1, 2, 3 }, { 5, 0, 0 } }, true))
        assert.is_same({ 3, 1 }, run_curves(stopper.median { startup = 1 }, { { 1, 2, 3 }, { 0 / 0, 9, 9 } }, true))
    end)

    it("by halving let the best part of each rung go on", function()
        -- rungs at 1, 2, 4, 8, factor 2: ever better trials all go on, ever worse ones end at the first rung
        assert.is_same({ 8, 8, 8, 8 }, run_curves(stopper.halving { factor = 2 }, rising({ 1, 2, 3, 4 }, 8), true))
        assert.is_same({ 8, 1, 1, 2 }, run_curves(stopper.halving { factor = 2 }, rising({ 4, 3, 2, 3.5 }, 8), true))
        assert.is_same({ 8, 1, 1, 2 }, run_curves(stopper.halving { factor = 2 }, negated(rising({ 4, 3, 2, 3.5 }, 8)), false))
        assert.is_same({ 8, 2, 2 }, run_curves(stopper.halving { factor = 2, first = 2 }, rising({ 3, 2, 1 }, 8), true))
        assert.is_same({ 1, 2 }, run_curves(stopper.halving {}, { { 0 / 0, 1 }, { 1, 1 } }, true))
    end)

    it("by halving keep about 1 / factor of many random trials at each rung", function()
        local curves, at, level = {}, { 0, 0, 0 }, space.new { x = space.uniform(0, 1) }
        for i = 1, 400 do
            curves[i] = rising({ level:random(1, i).x }, 16)[1]
        end
        for _, epochs in ipairs(run_curves(stopper.halving { factor = 4 }, curves, true)) do
            at[1] = at[1] + (epochs == 1 and 1 or 0)
            at[2] = at[2] + (epochs == 4 and 1 or 0)
            at[3] = at[3] + (epochs == 16 and 1 or 0)
        end
        assert.is_equal(400, at[1] + at[2] + at[3])
        assert.is_true(at[1] > 260 and at[1] < 310, at[1])
        assert.is_true(at[3] >= 10 and at[3] < 60, at[3])
    end)

    it("are known by what they are made of", function()
        local one = stopper.from(effv2.json_decode(effv2.json_encode(stopper.median({ startup = 3 }):definition())))
        assert.is_same({ name = "median", settings = { startup = 3, warmup = 0 } }, one:definition())
        assert.has_error(function() stopper.median { startup = 0 } end)
        assert.has_error(function() stopper.halving { factor = 1 } end)
        assert.has_error(function() stopper.halving { facto = 2 } end)
    end)
end)

describe("results", function()
    it("find the front of two quantities", function()
        local function front(list, more_x, more_y)
            local points, texts = {}, {}
            for i, pair in ipairs(list) do
                points[i] = { x = pair[1], y = pair[2] }
            end
            for i, point in ipairs(results.front(points, more_x, more_y)) do
                texts[i] = point.x .. "," .. point.y
            end
            return table.concat(texts, " ")
        end
        local list = { { 3, 5 }, { 1, 1 }, { 2, 4 }, { 2, 3 }, { 4, 5 }, { 0, 0 }, { 1, 1 } }
        assert.is_equal("0,0 1,1 1,1 2,4 3,5", front(list, false, true))
        assert.is_equal("0,0", front(list, false, false))
        assert.is_equal("4,5", front(list, true, true))
        assert.is_equal("4,6 3,5", front({ { 3, 5 }, { 4, 6 }, { 3, 6 } }, true, false))
        assert.is_equal("", front({}, true, true))
    end)

    it("have mean and sample deviation", function()
        assert.is_same({ 5, math.sqrt(2) }, { results.spread { 4, 6 } })
        assert.is_same({ 7 }, { results.spread { 7 } })
        assert.is_same({}, { results.spread {} })
        assert.is_same({ "-", "0.5", "0.91234 ± 0.012" },
            { text.mean(), text.mean(0.5), text.mean(0.912341, 0.0123) })
    end)

    it("are cut and aligned by characters", function()
        assert.is_equal("0.9 ±", text.cut("0.9 ± 0.1", 5))
        assert.is_equal("±", text.cut("±", 3))
        assert.is_equal("a   1 ± 2\nbb      3", text.columns({ { "a", "1 ± 2" }, { "bb", "3" } }, { true }))
    end)
end)
