--- One of several named things, or an error that lists the names.
local names_of = require "effv2.names_of"
local suggest = require "effv2.suggest"

--- choices[name]; an unknown name raises "<what> 'name' (did you mean ...?); there are ...".
-- @param level of the error (default: the caller of the function that chooses)
local function choose(what, name, choices, level)
    local found = choices[name]
    if found ~= nil then
        return found
    end
    local names = names_of(choices)
    error(("%s '%s'%s; there are %s"):format(what, tostring(name), suggest.hint(tostring(name), names),
        table.concat(names, ", ")), (level or 2) + 1)
end

return choose
