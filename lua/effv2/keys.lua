--- Named arguments: a table is checked against what is known, and defaults are filled in.
local names_of = require "effv2.names_of"
local suggest = require "effv2.suggest"

local keys = {}

--- A copy of `given` with `defaults` filled in; keys.none stands for an argument without a default.
-- An unknown key is an error that names the nearest known one; a value must have its default's type.
-- @param what the function's name, for errors
-- @param level of the error (default: the caller of the function that checks; 0: no position)
function keys.check(what, given, defaults, level)
    level = level == 0 and 0 or (level or 2) + 1
    if given ~= nil and type(given) ~= "table" then
        error(("%s: a %s, wanted a table of named arguments"):format(what, type(given)), level)
    end
    local result = {}
    for key, value in pairs(defaults) do
        if value ~= keys.none then
            result[key] = value
        end
    end
    for key, value in pairs(given or {}) do
        local default = defaults[key]
        if default == nil then
            local cure = suggest.cure(tostring(key), names_of(defaults))
            error(("%s: unknown argument '%s'%s"):format(what, tostring(key), cure), level)
        end
        if default ~= keys.none and type(default) ~= type(value) then
            error(("%s: %s is a %s, wanted a %s"):format(what, key, type(value), type(default)), level)
        end
        result[key] = value
    end
    return result
end

--- A value in a message: texts in quotes, nil as "missing".
function keys.show(value)
    if type(value) == "string" then
        return ('"%s"'):format(value)
    end
    return value == nil and "missing" or tostring(value)
end

--- An error unless the value is a whole number of at least `least` (or nil, where `optional`).
-- @param level of the error (default: the caller of the function that checks; 0: no position)
function keys.want_whole(what, name, value, least, optional, level)
    if value == nil and optional then
        return
    end
    if type(value) ~= "number" or value < least or value ~= math.floor(value) or value == math.huge then
        error(("%s: %s is %s, wanted a whole number from %d"):format(what, name, keys.show(value), least),
            level == 0 and 0 or (level or 2) + 1)
    end
end

--- An argument that has no default and may have any type.
keys.none = setmetatable({}, { __tostring = function() return "(none)" end })

return keys
