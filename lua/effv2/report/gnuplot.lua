--- Runs gnuplot, which makes a picture of a script.
local core = require "effv2.core"

local gnuplot = {}

local MISSING = "gnuplot is not installed; on Debian: apt install gnuplot-nox"

--- What draws files with an ending.
local TERMINALS = {
    png = "pngcairo noenhanced size %d,%d font 'sans,11'",
    svg = "svg noenhanced size %d,%d font 'sans,13' background '#ffffff'",
}

--- A text in a gnuplot script.
function gnuplot.quote(text)
    return "'" .. text:gsub("[%c]", " "):gsub("'", "''") .. "'"
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

--- Whether the program is there.
function gnuplot.installed()
    return os.execute "command -v gnuplot >/dev/null 2>&1" == 0
end

local function run(path, source, log)
    local pid = assert(core.start_process({ "/usr/bin/env", "gnuplot", source }, {}, log))
    local kind, code = core.look_at_process(pid, true)
    if kind == "exit" and code == 127 then
        error(MISSING, 0)
    elseif code ~= 0 then
        error(("%s: gnuplot failed: %s"):format(path, (core.read_file(log) or ""):sub(1, 500)), 0)
    end
end

--- Lets gnuplot run a script that draws on its output; the picture, PNG or SVG by the path's ending, appears at `path` as a
-- whole. Raises where it fails.
-- @param width, height in pixels (900 x 600 when not given)
function gnuplot.draw(path, script, width, height)
    local ending = path:match "%.(%l+)$"
    local terminal = assert(TERMINALS[ending], ("%s: plots are .svg or .png files"):format(path))
    terminal = terminal:format(width or 900, height or 600)
    local drawing = path .. ".tmp"
    local head = ("set terminal %s\nset output %s\n"):format(terminal, gnuplot.quote(drawing))
    local drawn, problem = pcall(with_temporary, function(log)
        with_temporary(function(source)
            assert(core.write_file(source, head .. script .. "\nunset output\n"))
            run(path, source, log)
        end)
    end)
    if not drawn then
        core.remove_file(drawing)
        error(problem, 0)
    end
    assert(core.rename_file(drawing, path))
end

return gnuplot
