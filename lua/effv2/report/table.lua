--- report.table { columns = ..., rows = ... }: results as a table, for people as Markdown and for programs as CSV.
local core = require "effv2.core"
local keys = require "effv2.keys"
local text = require "effv2.search.text"

local Table = {}
Table.__index = Table

local NOTHING = "–"

--- A number, or { mean =, deviation = }, with the digits of its column.
local function show(value, column)
    if type(value) == "table" then
        if value.deviation then
            return ("%s ± %s"):format(show(value.mean, column), show(value.deviation, column))
        end
        return show(value.mean, column)
    elseif type(value) == "number" then
        return column.digits and ("%%.%df"):format(column.digits):format(value) or text.value(value)
    end
    return value == nil and NOTHING or tostring(value)
end

local function read_columns(columns)
    local list = {}
    for i, given in ipairs(columns) do
        local column = keys.check("report.table: column", type(given) == "table" and given or { name = given },
            { name = keys.none, digits = keys.none }, 0)
        if type(column.name) ~= "string" then
            error(("report.table: the name of column %d is %s, wanted a text"):format(i, keys.show(column.name)), 0)
        end
        keys.want_whole("report.table", ("digits of column %d"):format(i), column.digits, 0, true, 0)
        list[i] = column
    end
    return list
end

local function check_rows(rows, count)
    for r, row in ipairs(rows) do
        for c in pairs(row) do
            if type(c) ~= "number" or c > count then
                error(("report.table: row %d has a value in column %s, and there are %d columns"):format(r, tostring(c), count),
                    0)
            end
        end
    end
    return rows
end

local function cells_of(self)
    local lines = { {} }
    for c, column in ipairs(self.columns) do
        lines[1][c] = column.name
    end
    for r, row in ipairs(self.rows) do
        lines[r + 1] = {}
        for c, column in ipairs(self.columns) do
            lines[r + 1][c] = show(row[c], column)
        end
    end
    return lines
end

--- Lines of GitHub's Markdown.
function Table:markdown()
    local lines = {}
    for i, cells in ipairs(cells_of(self)) do
        for c, cell in ipairs(cells) do
            cells[c] = cell:gsub("|", "\\|"):gsub("%s*\n%s*", " ")
        end
        lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
        if i == 1 then
            lines[2] = "|" .. ("---|"):rep(#cells)
        end
    end
    return table.concat(lines, "\n")
end

local function csv_cell(value)
    if type(value) == "number" and math.abs(value) < math.huge then
        value = core.json_encode(value)
    end
    value = value == nil and "" or tostring(value)
    return value:find '[",\r\n]' and '"' .. value:gsub('"', '""') .. '"' or value
end

--- Whether some row has a spread, not a number alone, in a column.
local function is_spread(self, c)
    for _, row in ipairs(self.rows) do
        if type(row[c]) == "table" then
            return true
        end
    end
    return false
end

--- CSV with every digit; the deviation of a column is a column of its own.
function Table:csv()
    local spread, head, lines = {}, {}, {}
    for c, column in ipairs(self.columns) do
        spread[c] = is_spread(self, c)
        head[#head + 1] = csv_cell(column.name)
        head[#head + 1] = spread[c] and csv_cell(column.name .. ", deviation") or nil
    end
    lines[1] = table.concat(head, ",")
    for _, row in ipairs(self.rows) do
        local cells = {}
        for c in ipairs(self.columns) do
            local value = row[c]
            local is_table = type(value) == "table"
            cells[#cells + 1] = csv_cell(is_table and value.mean or not is_table and value or nil)
            if spread[c] then
                cells[#cells + 1] = csv_cell(is_table and value.deviation or nil)
            end
        end
        lines[#lines + 1] = table.concat(cells, ",")
    end
    return table.concat(lines, "\n") .. "\n"
end

--- Lines with aligned columns.
function Table:__tostring()
    return text.columns(cells_of(self), { true })
end

--- @param given { columns = a list of names or { name =, digits = after the point }, rows = lists of values: numbers, texts,
-- { mean =, deviation = nil or a number }, or nil, where nothing is known }. Raises where a row has more than the columns
-- @return a table with markdown() and csv(); tostring() aligns it
return function(given)
    local o = keys.check("report.table", given, { columns = keys.none, rows = keys.none })
    for _, name in ipairs { "columns", "rows" } do
        if type(o[name]) ~= "table" then
            error(("report.table: %s is a %s, wanted a list"):format(name, type(o[name])), 2)
        end
    end
    return setmetatable({ columns = read_columns(o.columns), rows = check_rows(o.rows, #o.columns) }, Table)
end
