--- Reports: tables as Markdown, CSV and text; plots as whole SVG and PNG files; what is wrong is named.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"
local training = dofile "tests/lua/support_training.lua"

local report = effv2.report

describe("a table", function()
    it("is Markdown with the digits of its columns", function()
        local shown = report.table {
            columns = { "a | b", { name = "top-1 (%)", digits = 2 }, "count", "paper" },
            rows = {
                { "x|y", { mean = 90.126, deviation = 0.05 }, 1234567, "84.3 ± 0.1" },
                { "two\n lines", { mean = 7 }, 0.123456789, nil },
                { nil, -0.5, { mean = 3, deviation = 0.25 }, true },
            },
        }
        assert.is_equal(table.concat({
            "| a \\| b | top-1 (%) | count | paper |",
            "|---|---|---|---|",
            "| x\\|y | 90.13 ± 0.05 | 1234567 | 84.3 ± 0.1 |",
            "| two lines | 7.00 | 0.1235 | – |",
            "| – | -0.50 | 3 ± 0.25 | true |",
        }, "\n"), shown:markdown())
    end)

    it("is CSV with every digit, quotes where they are needed, and deviations apart", function()
        local third = 1 / 3
        local shown = report.table {
            columns = { 'the "name", quoted', { name = "top-1", digits = 1 }, "n" },
            rows = {
                { 'a "b", c', { mean = third, deviation = 0.1 }, 2 }, { "two\nlines", { mean = 2 / 3 }, 1e-30 },
                { nil, 5, nil }, { "infinite", nil, 1 / 0 },
            },
        }
        local csv = shown:csv()
        assert.is_equal('"the ""name"", quoted",top-1,"top-1, deviation",n\n"a ""b"", c",0.3333333333333333,0.1,2\n'
            .. '"two\nlines",0.6666666666666666,,1e-30\n,5,,\ninfinite,,,inf\n', csv)
        assert.is_equal(third, tonumber(csv:match ',(0%.33+),'))
    end)

    it("as a text has aligned columns, the first at the left", function()
        local shown = report.table {
            columns = { "name", "n" }, rows = { { "é", 1 }, { "longer", { mean = 2, deviation = 1 } } },
        }
        assert.is_equal("name        n\né           1\nlonger  2 ± 1", tostring(shown))
        assert.is_equal("n", tostring(report.table { columns = { "n" }, rows = {} }))
    end)

    for _, case in ipairs {
        { "columns missing", { rows = {} }, "columns is a nil", "wanted a list" },
        { "rows missing", { columns = { "a" } }, "rows is a nil", "wanted a list" },
        { "a wrong key", { columns = { { nam = "a" } }, rows = {} }, "'nam'", "did you mean name?" },
        { "a column without a name", { columns = { "a", { digits = 1 } }, rows = {} }, "name of column 2 is missing", "a text" },
        { "half a digit", { columns = { { name = "a", digits = 0.5 } }, rows = {} }, "digits of column 1 is 0.5", "whole" },
        { "a value too many", { columns = { "a" }, rows = { { 1 }, { 1, 2 } } }, "row 2 has a value in column 2", "1 columns" },
    } do
        it("refuses " .. case[1], function()
            support.check { case[1], function() report.table(case[2]) end, unpack(case, 3) }
        end)
    end
end)

local CURVES = {
    title = "It's a \"title\" \\ with $ signs {x}_2", x = { label = "step time (ms)", log = true }, y = { label = "top-1 (%)" },
    series = {
        { name = "V2", style = "linespoints", points = { { 72, 83.9 }, { 192, 85.1, label = "the 'M' \"model\"" } } },
        { name = "V1", style = "points", points = { { 100, 83.0, 0.2 }, { 170, 83.8, 0.1 } }, colour = "#112233" },
        { style = "lines", points = { { 80, 84 }, { 90, 84.5 } } }, { style = "steps", points = { { 80, 83 }, { 90, 83.5 } } },
    },
}
local NAMED = {
    x = { names = { "vanilla", "it's adaptive" } }, y = { min = 80, max = 90 },
    series = { { points = { { 1, 84.3, 0.14 }, { 2, 85.1, 0.07 } }, style = "points" } },
}

--- Calls f with a path in a folder of its own, where it must leave this file alone.
local function drawn(name, f)
    support.in_folder(function(folder)
        f(folder .. "/" .. name)
        local left = {}
        for i, entry in ipairs(effv2.list_dir(folder)) do
            left[i] = entry.name
        end
        assert.is_same({ name }, left)
    end)
end

describe("a plot", function()
    teardown(training.clean)

    local it_draws = report.can_plot() and it or pending -- without gnuplot only what is refused can be tested

    it_draws("is an SVG file with its texts, curves, bars and colours", function()
        drawn("curve.svg", function(path)
            report.plot(path, CURVES)
            local svg = assert(effv2.read_file(path))
            assert.matches("^<%?xml", svg)
            assert.matches("</svg>%s*$", svg)
            local plain = svg:gsub("&#39;", "'"):gsub("&apos;", "'")
            for _, text in ipairs { "V2", "V1", "step time (ms)", "top-1 (%)", "the 'M'  model", "with $ signs {x}_2" } do
                assert.is_truthy(plain:find(text, 1, true), text .. " is not in the picture")
            end
            assert.matches("rgb%( *17, *34, *51%)", svg) -- the colour that was given, #112233
            assert.matches("rgb%(192, *48, *32%)", svg) -- the first of those taken by turns, #c03020
            report.plot(path, { x = CURVES.x, series = { CURVES.series[1] } })
            assert.is_not_equal(svg, effv2.read_file(path))
        end)
    end)

    it_draws("has bars only where there are deviations, and a logarithmic axis where asked", function()
        support.in_folder(function(folder)
            local function svg(changes, points)
                report.plot(folder .. "/a.svg", { x = changes, series = { { points = points } } })
                return assert(effv2.read_file(folder .. "/a.svg"))
            end
            local plain = svg({}, { { 1, 1 }, { 1000, 2 } })
            assert.is_equal(plain, svg({}, { { 1, 1, 0 }, { 1000, 2 } }))
            assert.is_not_equal(plain, svg({}, { { 1, 1, 0.2 }, { 1000, 2 } }))
            local log = svg({ log = true }, { { 1, 1 }, { 1000, 2 } })
            assert.matches(">%s*10%s*<", log)
            assert.is_nil(plain:match ">%s*10%s*<")
        end)
    end)

    it_draws("has the names of what it compares on its axis", function()
        drawn("named.svg", function(path)
            report.plot(path, NAMED)
            local svg = assert(effv2.read_file(path))
            assert.matches("vanilla", svg)
            assert.matches("it.-s adaptive", svg)
            assert.matches(">%s*80%s*<", svg)
            assert.matches(">%s*90%s*<", svg)
        end)
    end)

    it_draws("turns names that would run into each other, and those of the next panel not", function()
        support.in_folder(function(folder)
            local function turned(names)
                report.plot(folder .. "/a.svg", { { x = { names = names }, series = NAMED.series }, NAMED })
                local _, count = assert(effv2.read_file(folder .. "/a.svg")):gsub("rotate%(20", "")
                return count
            end
            assert.is_equal(0, turned { "short", "names" })
            assert.is_equal(2, turned { ("long "):rep(7), "name" })
        end)
    end)

    it_draws("shows points that have deviations, over their bars", function()
        support.in_folder(function(folder)
            local function red_pixels(deviation)
                local series = { { points = { { 1, 1, deviation }, { 2, 2, deviation } }, style = "points", colour = "#ff0000" } }
                report.plot(folder .. "/a.png", { y = { min = 0, max = 3 }, series = series })
                local bytes, count = effv2.read_image(folder .. "/a.png"):tobytes(), 0
                for i = 1, #bytes, 3 do
                    local r, g, b = bytes:byte(i, i + 2)
                    count = count + (r > 200 and g < 60 and b < 60 and 1 or 0)
                end
                return count
            end
            local alone = red_pixels(nil)
            assert.is_true(alone >= 30 and red_pixels(1e-9) >= alone and red_pixels(0.5) > alone)
        end)
    end)

    it_draws("is a PNG file, as wide as it has panels", function()
        drawn("both.png", function(path)
            report.plot(path, { CURVES, NAMED })
            local picture = assert(effv2.read_image(path))
            assert.is_same({ 528, 1280, 3 }, picture:shape())
            report.plot(path, NAMED)
            assert.is_same({ 528, 800, 3 }, effv2.read_image(path):shape())
        end)
    end)

    it_draws("leaves what was there, and no half file, where gnuplot fails", function()
        drawn("old.svg", function(path)
            assert(effv2.write_file(path, "old"))
            local wrong = { series = { { points = { { 1, 1 }, { 2, 2 } }, colour = "no such colour" } } }
            support.check { "colour", function() report.plot(path, wrong) end, path, "gnuplot failed: ", "color" }
            assert.is_equal("old", effv2.read_file(path))
        end)
        support.check { "folder", function() report.plot("/no/such/folder/a.svg", NAMED) end, "/no/such/folder/a.svg",
            "gnuplot failed: " }
    end)

    it("says how gnuplot is got where it is missing", function()
        local code, _, errors = training.run("PATH=/nowhere %s", [[--threads 1 -e '
            assert(not effv2.report.can_plot())
            effv2.report.plot("/tmp/none.svg", { series = { { points = { { 1, 1 } } } } })']])
        assert.is_equal(1, code)
        support.assert_explains(errors, { "gnuplot is not installed", "apt install gnuplot-nox" })
        assert.is_false(effv2.file_exists "/tmp/none.svg" or effv2.file_exists "/tmp/none.svg.tmp")
    end)

    local function series(changes)
        local one = { name = "V2", points = { { 1, 1 } } }
        for key, value in pairs(changes) do
            one[key] = value
        end
        return { { points = { { 1, 1 } } }, one }
    end

    for _, case in ipairs {
        { "another ending", NAMED, "a.pdf: plots", ".svg or .png", path = "a.pdf" },
        { "no ending", NAMED, "curve: plots", ".svg or .png", path = "curve" },
        { "no series", {}, "series is missing", "a list of { name =, points = }" },
        { "no points", { series = series { points = {} } }, 'series "V2" has no points', "a list of { x, y }" },
        { "points that are no pairs", { series = series { points = { { 1, 2 }, { 3 } } } }, 'point 2 of series "V2"', "numbers" },
        { "a style", { series = series { style = "bars" } }, 'style is "bars"', "wanted points, lines, linespoints or steps" },
        { "a wrong key", { series = series { color = "red" } }, "series 2: unknown argument 'color'", "did you mean colour?" },
        { "a wrong key of an axis", { x = { lable = "" }, series = series {} }, "x: unknown argument 'lable'", "label?" },
        { "a point left of a logarithmic axis", { x = { log = true }, series = series { points = { { 1, 1 }, { 0, 1 } } } },
            'point 2 of series "V2" is at 0', "the x axis is logarithmic" },
        { "a point below a logarithmic axis", { y = { log = true }, series = series { points = { { 1, -2 } } } },
            'point 1 of series "V2" is at -2', "the y axis is logarithmic" },
    } do
        it("refuses " .. case[1], function()
            support.check { case[1], function() report.plot(case.path or "/tmp/none.svg", case[2]) end, unpack(case, 3) }
        end)
    end
end)
