--- How descriptions and summaries of models print.
local text = {}

local operators = { fused = "Fused-MBConv", mb = "MBConv" }

--- 21458488 -> "21,458,488"
local function grouped(n)
    local digits = ("%.0f"):format(n)
    return (digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

--- 8366000000 -> "8.366 G"
local function scaled(n)
    for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
        if n >= unit[1] then
            return ("%.3f %s"):format(n / unit[1], unit[2])
        end
    end
    return ("%d"):format(n)
end

local function megabytes(bytes)
    return ("%.2f MB"):format(bytes / 1e6)
end

local function render(head, rows)
    local widths = {}
    table.insert(rows, 1, head)
    for _, row in ipairs(rows) do
        for i, cell in ipairs(row) do
            widths[i] = math.max(widths[i] or 0, #cell)
        end
    end
    local lines = {}
    for i, row in ipairs(rows) do
        local cells = {}
        for j, cell in ipairs(row) do
            cells[j] = j == 1 and cell .. (" "):rep(widths[j] - #cell) or (" "):rep(widths[j] - #cell) .. cell
        end
        lines[i] = table.concat(cells, "  ")
    end
    return table.concat(lines, "\n")
end

function text.summary(rows)
    local lines = {}
    for i, row in ipairs(rows) do
        lines[i] = { row.name, ("%dx%dx%d"):format(row.height, row.width, row.channels), grouped(row.parameters),
            scaled(row.macs), megabytes(row.activations) }
    end
    lines[#lines + 1] = { "total", "", grouped(rows.parameters), scaled(rows.macs), megabytes(rows.activations) }
    return ("%s, one image of %dx%dx%d\n"):format(rows.name, unpack(rows.input))
        .. render({ "part", "output", "parameters", "multiply-adds", "activations" }, lines)
end

function text.description(entry)
    local title = entry.name .. (entry.doc ~= "" and ": " .. entry.doc or "")
    if not entry.stages then
        return title
    end
    local lines = { { "stem", ("Conv %dx%d"):format(entry.stem.kernel, entry.stem.kernel), tostring(entry.stem.stride),
        tostring(entry.stem.channels), "1", "" } }
    for i, stage in ipairs(entry.stages) do
        local operator = ("%s%g, k%dx%d"):format(operators[stage.op], stage.expansion, stage.kernel, stage.kernel)
        lines[#lines + 1] = { "stage" .. i, operator, tostring(stage.stride), tostring(stage.channels),
            tostring(stage.layers), stage.se > 0 and ("%g"):format(stage.se) or "" }
    end
    lines[#lines + 1] = { "head", "Conv 1x1, pool, dense", "1", tostring(entry.head), "1", "" }
    return title .. "\n" .. render({ "part", "operator", "stride", "channels", "layers", "SE" }, lines)
end

return text
