--- report.plot(path, panel): curves and points as an SVG or PNG file.
--
--     effv2.report.plot("speed.svg", {
--       title = "Training", x = { label = "step time (ms)", log = true }, y = { label = "top-1 (%)" },
--       series = {
--         { name = "V2", style = "linespoints", points = { { 72, 83.9 }, { 192, 85.1, label = "M" } } },
--         { name = "V1", style = "linespoints", points = { { 100, 83.0, 0.2 }, { 170, 83.8, 0.1 } } },
--       },
--     })
local gnuplot = require "effv2.report.gnuplot"
local keys = require "effv2.keys"

local quote = gnuplot.quote

--- How series are drawn. Of points with a third number (a deviation) bars show it.
local STYLES = {
    points = "with points pt 7 ps 1",
    lines = "with lines lw 2",
    linespoints = "with linespoints lw 2 pt 7 ps 1",
    steps = "with steps lw 2",
}

local COLOURS = { "#c03020", "#2060b0", "#208040", "#9040a0", "#c08000", "#606060", "#00a0a0", "#e06090" }
local WIDTH, HEIGHT = 640, 480 -- pixels of a panel
local MOST_CHARACTERS = 60 -- in one line below it

local AXIS = { label = "", log = false, min = keys.none, max = keys.none, names = keys.none }

--- An error unless the points are numbers that the axes can show.
local function check_points(name, points, axes)
    if type(points) ~= "table" or #points == 0 then
        error(("report.plot: %s has no points, wanted a list of { x, y }"):format(name), 0)
    end
    for i, point in ipairs(points) do
        for k, axis in ipairs(axes) do
            local value = type(point) == "table" and point[k] or nil
            if type(value) ~= "number" then
                error(("report.plot: point %d of %s is no { x, y } of numbers"):format(i, name), 0)
            elseif axis.log and value <= 0 then
                error(("report.plot: point %d of %s is at %g, and the %s axis is logarithmic"):format(i, name, value,
                    k == 1 and "x" or "y"), 0)
            end
        end
    end
end

local function read_panel(panel)
    local p = keys.check("report.plot", panel, { title = "", x = {}, y = {}, series = keys.none }, 0)
    p.x, p.y = keys.check("report.plot: x", p.x, AXIS, 0), keys.check("report.plot: y", p.y, AXIS, 0)
    if type(p.series) ~= "table" or #p.series == 0 then
        error("report.plot: series is missing, wanted a list of { name =, points = }", 0)
    end
    local list = {}
    for i, series in ipairs(p.series) do
        local s = keys.check(("report.plot: series %d"):format(i), series,
            { name = "", points = keys.none, style = "linespoints", colour = COLOURS[(i - 1) % #COLOURS + 1] }, 0)
        if not STYLES[s.style] then
            error(('report.plot: style is "%s", wanted points, lines, linespoints or steps'):format(s.style), 0)
        end
        check_points(s.name ~= "" and ('series "%s"'):format(s.name) or ("series %d"):format(i), s.points, { p.x, p.y })
        list[i] = s
    end
    p.series = list
    return p
end

--- The numbers of a series as a block of data: x, y, deviation, label.
local function block(name, points)
    local lines = { ("$%s << EOD"):format(name) }
    for _, point in ipairs(points) do
        lines[#lines + 1] = ('%.12g %.12g %.12g "%s"'):format(point[1], point[2], point[3] or 0,
            (point.label or ""):gsub('[%c"]', " "))
    end
    lines[#lines + 1] = "EOD"
    return table.concat(lines, "\n")
end

local function some(points, test)
    for _, point in ipairs(points) do
        if test(point) then
            return true
        end
    end
    return false
end

local function has_deviation(point) return (point[3] or 0) > 0 end
local function has_label(point) return point.label end

--- What gnuplot draws for a series: bars of deviations, over them the curve (bars blank the points below them), labels.
local function parts_of(name, s)
    local colour = "lc rgb " .. quote(s.colour)
    local title = s.name ~= "" and "title " .. quote(s.name) or "notitle"
    local parts = {}
    if some(s.points, has_deviation) then
        parts[#parts + 1] = ("$%s using 1:2:3 with yerrorbars pt 0 lw 1.5 %s notitle"):format(name, colour)
    end
    parts[#parts + 1] = ("$%s using 1:2 %s %s %s"):format(name, STYLES[s.style], colour, title)
    if some(s.points, has_label) then
        parts[#parts + 1] = ("$%s using 1:2:4 with labels offset 0,0.8 font ',9' textcolor rgb %s notitle"):format(name,
            quote(s.colour))
    end
    return parts
end

--- Whether names side by side along a panel would run into each other.
local function are_wide(names)
    local longest = 0
    for _, name in ipairs(names) do
        longest = math.max(longest, #name)
    end
    return longest * #names > MOST_CHARACTERS
end

local function axis_lines(name, axis)
    local least, most = axis.min and ("%.12g"):format(axis.min) or "*", axis.max and ("%.12g"):format(axis.max) or "*"
    local tics, turn = "autofreq", "norotate"
    if axis.names then
        turn = name == "x" and are_wide(axis.names) and "rotate by -20" or turn
        local list = {}
        for i, text in ipairs(axis.names) do
            list[i] = ("%s %d"):format(quote(text), i)
        end
        tics = ("(%s)"):format(table.concat(list, ", "))
        least, most = 0.5, #axis.names + 0.5
    end
    return {
        ("set %stics %s %s"):format(name, turn, tics),
        ("set %slabel %s"):format(name, quote(axis.label)), ("%s logscale %s"):format(axis.log and "set" or "unset", name),
        ("set %srange [%s:%s]"):format(name, least, most),
    }
end

local function append(lines, more)
    for _, line in ipairs(more) do
        lines[#lines + 1] = line
    end
end

local function panel_lines(number, panel)
    local lines, parts = {}, {}
    for i, series in ipairs(panel.series) do
        local name = ("p%ds%d"):format(number, i)
        lines[#lines + 1] = block(name, series.points)
        append(parts, parts_of(name, series))
    end
    append(lines, { "set title " .. quote(panel.title) })
    append(lines, axis_lines("x", panel.x))
    append(lines, axis_lines("y", panel.y))
    lines[#lines + 1] = "plot " .. table.concat(parts, ", \\\n    ")
    return lines
end

--- Draws a panel, or a list of panels side by side; the file appears as a whole. Raises where gnuplot is missing or fails.
-- @param path of the picture, .svg or .png
-- @param panels { title =, x = { label =, log = false, min =, max =, names = texts at 1, 2, ... }, y = (alike), series = {
-- { name =, points = { { x, y, deviation or nil, label = text or nil }, ... }, style = "linespoints" (or "points", "lines",
-- "steps"), colour = }, ... } }, or a list of such
return function(path, panels)
    panels = #panels == 0 and { panels } or panels
    local lines = {
        "set grid", "set offsets graph 0.06, graph 0.06, graph 0.08, graph 0.06", "set key below",
        ("set multiplot layout 1,%d"):format(#panels),
    }
    for i, panel in ipairs(panels) do
        append(lines, panel_lines(i, read_panel(panel)))
    end
    lines[#lines + 1] = "unset multiplot"
    gnuplot.draw(path, table.concat(lines, "\n"), #panels == 1 and WIDTH * 1.25 or WIDTH * #panels, HEIGHT * 1.1)
end
