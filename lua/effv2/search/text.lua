--- Numbers, parameters and tables as studies show them.
local names_of = require "effv2.names_of"

local text = {}

--- A value in few characters.
function text.value(value)
    if type(value) == "number" then
        return value == math.floor(value) and math.abs(value) < 1e15 and ("%.0f"):format(value) or ("%.4g"):format(value)
    end
    return type(value) == "table" and require("effv2.core").json_encode(value) or tostring(value)
end

--- "act=relu lr=0.01", by name.
function text.parameters(parameters)
    local parts = {}
    for i, name in ipairs(names_of(parameters)) do
        parts[i] = ("%s=%s"):format(name, text.value(parameters[name]))
    end
    return table.concat(parts, " ")
end

--- "0.91 ± 0.02", without the deviation where there is one value only; "-" for none.
function text.mean(mean, deviation)
    if not mean then
        return "-"
    end
    return deviation and ("%.5g ± %.2g"):format(mean, deviation) or ("%.5g"):format(mean)
end

--- The first n characters of a text.
function text.cut(line, n)
    for at in line:gmatch "()[^\128-\191]" do -- where a character of UTF-8 begins
        if n == 0 then
            return line:sub(1, at - 1)
        end
        n = n - 1
    end
    return line
end

local function width(cell)
    return select(2, cell:gsub("[^\128-\191]", "")) -- characters of UTF-8, not bytes
end

--- A list of rows, each a list of texts, as lines with aligned columns; columns in `left` begin at the left.
function text.columns(rows, left)
    local widths, lines = {}, {}
    for _, row in ipairs(rows) do
        for i, cell in ipairs(row) do
            widths[i] = math.max(widths[i] or 0, width(cell))
        end
    end
    for n, row in ipairs(rows) do
        local cells = {}
        for i, cell in ipairs(row) do
            local space = (" "):rep(widths[i] - width(cell))
            cells[i] = left[i] and cell .. space or space .. cell
        end
        lines[n] = table.concat(cells, "  "):gsub("%s+$", "")
    end
    return table.concat(lines, "\n")
end

return text
