--- How a profile prints.

--- Adds up passes: { calls =, seconds =, flops =, bytes = }.
local function add(sum, pass)
    for key, value in pairs(pass) do
        sum[key] = (sum[key] or 0) + value
    end
end

--- Sums of rows that have the same key, in the order of their first rows.
local function gather(rows, key)
    local groups = {}
    for _, row in ipairs(rows) do
        local name = row[key]
        local group = groups[name]
        if not group then
            group = { name = name, forward = {}, backward = {}, kept = 0 }
            groups[name], groups[#groups + 1] = group, group
        end
        add(group.forward, row.forward)
        add(group.backward, row.backward)
        group.kept = group.kept + row.kept
    end
    return groups
end

local function rate(amount, seconds)
    return amount > 0 and seconds > 0 and ("%.1f"):format(amount / seconds / 1e9) or ""
end

local function pass_cells(pass, whole)
    if pass.calls == 0 then
        return { "", "", "", "", "" }
    end
    return {
        ("%g"):format(pass.calls), ("%.3f"):format(pass.seconds * 1e3), ("%.1f"):format(100 * pass.seconds / whole),
        rate(pass.flops, pass.seconds), rate(pass.bytes, pass.seconds),
    }
end

local function cells_of(group, whole)
    local cells = { group.name }
    for _, pass in ipairs { group.forward, group.backward } do
        for _, cell in ipairs(pass_cells(pass, whole)) do
            cells[#cells + 1] = cell
        end
    end
    cells[#cells + 1] = group.kept > 0 and ("%.3f"):format(group.kept / 1e6) or ""
    return cells
end

local function render(rows)
    local widths, lines = {}, {}
    for _, row in ipairs(rows) do
        for i, cell in ipairs(row) do
            widths[i] = math.max(widths[i] or 0, #cell)
        end
    end
    for i, row in ipairs(rows) do
        local cells = {}
        for j, cell in ipairs(row) do
            local space = (" "):rep(widths[j] - #cell)
            cells[j] = j == 1 and cell .. space or space .. cell
        end
        lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
    end
    return table.concat(lines, "\n")
end

local function table_of(title, groups, whole)
    local rows = { { title, "calls", "ms", "%", "GFLOP/s", "GB/s", "calls", "ms", "%", "GFLOP/s", "GB/s", "kept MB" } }
    for _, group in ipairs(groups) do
        rows[#rows + 1] = cells_of(group, whole)
    end
    return render(rows)
end

--- The report as two tables, with forward's five columns first and then backward's.
local function report_text(report)
    local total = { forward = {}, backward = {}, kept = 0, name = "all operations" }
    for _, row in ipairs(report) do
        add(total.forward, row.forward)
        add(total.backward, row.backward)
        total.kept = total.kept + row.kept
    end
    local layers, operations = gather(report, "path"), gather(report, "op")
    if #report > 0 then
        operations[#operations + 1] = total
    end
    table.sort(operations, function(a, b)
        return a.forward.seconds + a.backward.seconds > b.forward.seconds + b.backward.seconds
    end)
    return ("a step: %.2f ms on %d threads, %.2f ms of it outside of operations (mean of %g); forward, then backward\n")
        :format(report.seconds * 1e3, report.threads, report.rest * 1e3, report.steps)
        .. table_of("layer", layers, report.seconds) .. "\n\n" .. table_of("operation", operations, report.seconds)
end

return report_text
