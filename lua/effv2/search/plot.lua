--- Plots as PNG files, drawn by gnuplot.
local core = require "effv2.core"

local plot = {}

local MISSING = "gnuplot is not installed; on Debian: apt install gnuplot-nox"

--- A text in a gnuplot script.
local function quote(text)
    return "'" .. text:gsub("[%c]", " "):gsub("'", "''") .. "'"
end
plot.quote = quote

local function must(value, message)
    if value == nil then
        error(message, 0)
    end
    return value
end

--- Calls f(path) with the path of a temporary file, which is removed afterwards.
local function with_temporary(f)
    local path = os.tmpname()
    local fine, problem = pcall(f, path)
    os.remove(path)
    if not fine then
        error(problem, 0)
    end
end

--- Lets gnuplot run a script that draws on its output; the PNG appears at `path` as a whole. Raises where it fails.
function plot.draw(path, script)
    local drawing = path .. ".tmp"
    local head = ("set terminal pngcairo noenhanced size 900,600 font 'sans,11'\nset output %s\n"):format(quote(drawing))
    with_temporary(function(log)
        with_temporary(function(source)
            must(core.write_file(source, head .. script .. "\nunset output\n"))
            local pid = must(core.start_process({ "/usr/bin/env", "gnuplot", source }, {}, log))
            local kind, code = core.look_at_process(pid, true)
            if kind == "exit" and code == 127 then
                error(MISSING, 0)
            elseif code ~= 0 then
                error(("%s: gnuplot failed: %s"):format(path, (core.read_file(log) or ""):sub(1, 500)), 0)
            end
        end)
    end)
    must(core.rename_file(drawing, path))
end

local function block(name, points)
    local lines = { ("$%s << EOD"):format(name) }
    for _, point in ipairs(points) do
        lines[#lines + 1] = ("%.17g %.17g"):format(point.x, point.y)
    end
    lines[#lines + 1] = "EOD"
    return table.concat(lines, "\n")
end

--- Draws all points, and the Pareto front as steps. labels: title, x, y.
function plot.pareto(path, points, front, labels)
    plot.draw(path, table.concat({
        block("all", points), block("front", front),
        "set title " .. quote(labels.title), "set xlabel " .. quote(labels.x), "set ylabel " .. quote(labels.y),
        "set grid", "set key outside bottom center horizontal", "set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05",
        "plot $all with points pt 7 ps 0.8 lc rgb '#a0a0a0' title 'trials', \\",
        "    $front with steps lw 2 lc rgb '#c03020' notitle, \\",
        "    $front with points pt 7 ps 1.4 lc rgb '#c03020' title 'Pareto front'",
    }, "\n"))
end

return plot
