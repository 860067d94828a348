--- Which given tensors go where in a model, and what does not fit.
local fitting = {}

local floating = { float32 = true, float64 = true }

local function shape_text(shape)
    return #shape == 0 and "scalar" or table.concat(shape, "x")
end

local function as_it_is(tensor)
    return tensor
end

local kept = { import = as_it_is, export = as_it_is }

--- The type of given elements where they cannot become the model's.
local function foreign_type(given, entry)
    local kind = given:dtype()
    return kind ~= entry.tensor:dtype() and not floating[kind] and kind or nil
end

--- Sorts given tensors out.
-- @param entries { { name =, tensor = the model's, axes = { import =, export = } between its axes and the given ones } }
-- @param tensors { [name] = tensor }
-- @param is_spare function(name): whether a tensor without a place is none too many (default: never)
-- @return a report { missing =, unexpected = names, misshaped = { { name =, given =, wanted = shapes, dtype = the given
-- one where it is no number with a fraction } }, loaded = count }, and a list of { to =, from = } for fitting.copy
function fitting.compare(entries, tensors, is_spare)
    local report, matching, known = { missing = {}, unexpected = {}, misshaped = {}, loaded = 0 }, {}, {}
    for _, entry in ipairs(entries) do
        local axes, given = entry.axes or kept, tensors[entry.name]
        local wanted, foreign = axes.export(entry.tensor):shape(), given and foreign_type(given, entry)
        known[entry.name] = true
        if not given then
            table.insert(report.missing, entry.name)
        elseif foreign or shape_text(given:shape()) ~= shape_text(wanted) then
            table.insert(report.misshaped, { name = entry.name, given = given:shape(), wanted = wanted, dtype = foreign })
        else
            matching[#matching + 1] = { to = entry.tensor, from = axes.import(given) }
        end
    end
    for name in pairs(tensors) do
        if not known[name] and not (is_spare and is_spare(name)) then
            table.insert(report.unexpected, name)
        end
    end
    table.sort(report.unexpected)
    report.loaded = #matching
    return report, matching
end

function fitting.copy(matching)
    for _, pair in ipairs(matching) do
        pair.to:copy(pair.from)
    end
end

local function some(list)
    local shown = { unpack(list, 1, 3) }
    if #list > 3 then
        shown[#shown + 1] = ("and %d more"):format(#list - 3)
    end
    return table.concat(shown, ", ")
end

local function misshaped_text(entry)
    return ("%s (given %s%s, wanted %s)"):format(entry.name, entry.dtype and entry.dtype .. " " or "",
        shape_text(entry.given), shape_text(entry.wanted))
end

--- A report in one line: "2 missing: a, b; 1 of another shape: c (given 3x3, wanted 3)"; "" when everything fits.
function fitting.describe(report)
    local parts, misshaped = {}, {}
    for i, entry in ipairs(report.misshaped) do
        misshaped[i] = misshaped_text(entry)
    end
    for _, group in ipairs {
        { "missing", report.missing }, { "unexpected", report.unexpected }, { "of another shape", misshaped },
    } do
        if #group[2] > 0 then
            parts[#parts + 1] = ("%d %s: %s"):format(#group[2], group[1], some(group[2]))
        end
    end
    return table.concat(parts, "; ")
end

return fitting
