--- The nearest known name, for "did you mean": used wherever a user writes a name.
local names_of = require "effv2.names_of"

local suggest = {}

--- Edits that turn a into b: insertions, deletions, replacements and swaps of neighbours count one each.
-- (Optimal string alignment distance.)
function suggest.distance(a, b)
    local before, last, row = {}, {}, {}
    for j = 0, #b do
        last[j] = j
    end
    for i = 1, #a do
        row[0] = i
        for j = 1, #b do
            local same = a:byte(i) == b:byte(j)
            local edits = math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (same and 0 or 1))
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                edits = math.min(edits, before[j - 2] + 1)
            end
            row[j] = edits
        end
        before, last, row = last, row, before
    end
    return last[#b]
end

local function plain(name)
    return (name:lower():gsub("[_%-%s]", ""))
end

--- How unlike two names are: case and separators count nothing, a common beginning makes them alike.
local function unlike(name, candidate)
    local a, b = plain(name), plain(candidate)
    local edits = suggest.distance(a, b)
    local shorter = math.min(#a, #b)
    if shorter >= 3 and a:sub(1, shorter) == b:sub(1, shorter) then
        return math.min(edits, 1)
    end
    return edits
end

--- The candidate nearest to name, or nil when none is near (more than a third of its letters differ).
function suggest.nearest(name, candidates)
    local best, best_edits
    for _, candidate in ipairs(candidates) do
        local edits = unlike(name, candidate)
        local closer = best == nil or edits < best_edits
            or (edits == best_edits and math.abs(#candidate - #name) < math.abs(#best - #name))
        if closer and edits < #name and edits <= math.max(1, math.floor(#name / 3)) then
            best, best_edits = candidate, edits
        end
    end
    return best
end

--- " (did you mean NAME?)" for the end of a message, or "" when no candidate is near.
-- @param prefix is put before the name, e.g. "--"
function suggest.hint(name, candidates, prefix)
    local nearest = suggest.nearest(name, candidates)
    return nearest and (" (did you mean %s%s?)"):format(prefix or "", nearest) or ""
end

local MOST_LISTED = 12

--- What helps against an unknown name: the nearest one, or, when none is near, all of them if they are few.
function suggest.cure(name, candidates)
    local hint = suggest.hint(name, candidates)
    if hint ~= "" or #candidates == 0 or #candidates > MOST_LISTED then
        return hint
    end
    return ("; known: %s"):format(table.concat(candidates, ", "))
end

--- Makes reading a field that the table lacks an error with a suggestion: for tables of constructors and functions,
-- where a misspelt name would else be found only as "attempt to call a nil value". Returns the table.
function suggest.guard(t, title)
    local meta = getmetatable(t) or {}
    meta.__index = function(_, name)
        error(("%s has no '%s'%s"):format(title, tostring(name), suggest.cure(tostring(name), names_of(t))), 2)
    end
    return setmetatable(t, meta)
end

return suggest
