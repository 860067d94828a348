--- The operations of augmentation policies by name, and what the core makes of one at a magnitude.
--
-- An operation turns a magnitude into the arguments of an image primitive of the core:
-- { name =, primitive =, argument = function(magnitude, size), signed =, probability = }. The tables of the known
-- dialects are in dialects.lua; users register their own.
local core = require "effv2.core"
local choose = require "effv2.augment.choose"
local dialects = require "effv2.augment.dialects"
local keys = require "effv2.keys"
local suggest = require "effv2.suggest"

local operations = {}

local registry, order = {}, {}

local primitives = {}
for _, primitive in ipairs(core.image_primitives()) do
    primitives[primitive.name] = primitive
end

local function fail(level, format, ...)
    error(format:format(...), level + 1)
end

local function check_entry(entry, what, level)
    local o = keys.check(what, entry, {
        name = keys.none, primitive = keys.none, argument = keys.none, signed = false, probability = 1,
    }, level + 1)
    if type(o.name) ~= "string" or o.name == "" then
        fail(level + 1, "%s: name is missing", what)
    end
    local primitive = choose(("%s: %s: unknown primitive"):format(what, o.name), o.primitive, primitives, level + 1)
    if o.argument == nil and (primitive.count > 0 or primitive.name == "lut") then
        fail(level + 1, "%s: %s: argument is missing, a function(magnitude, size) that gives %s", what, o.name,
            primitive.name == "lut" and "a function of the pixel value, or a list of 256 values" or primitive.arguments)
    end
    if o.argument ~= nil and type(o.argument) ~= "function" then
        fail(level + 1, "%s: %s: argument is a %s, wanted a function(magnitude, size)", what, o.name, type(o.argument))
    end
    return o
end

--- Makes an operation known by its name, for the `operations` of augment.randaugment. Replaces one of the same name.
-- @param entry { name =, primitive = (see effv2.image_primitives()), argument = function(magnitude, size),
-- signed = false (half of the time negate the first argument, or mirror a blend's factor about 1), probability = 1 }.
-- For the primitive "lut", argument gives a function from pixel value to pixel value, or a list of 256.
function operations.register(entry)
    local o = check_entry(entry, "augment.register", 2)
    if not registry[o.name] then
        order[#order + 1] = o.name
    end
    registry[o.name] = o
    return o
end

for _, entry in ipairs(dialects.randaugment.official.operations) do
    operations.register(entry)
end

--- The names of all known operations: the 16 official ones in their order, then the registered ones.
function operations.list()
    local names = {}
    for i, name in ipairs(order) do
        names[i] = name
    end
    return names
end

--- The entry of an operation, by name; unknown names are errors.
function operations.find(name, level)
    local entry = registry[name]
    if not entry then
        fail((level or 1) + 1, "augment: unknown operation '%s'%s", tostring(name), suggest.hint(tostring(name), order))
    end
    return entry
end

--- The entry that `item` of an operations list means: a name or an entry.
function operations.resolve(item, level)
    if type(item) == "table" then
        return check_entry(item, "randaugment", (level or 1) + 1)
    end
    return operations.find(item, (level or 1) + 1)
end

local function lookup_table(curve, name)
    if type(curve) == "table" then
        return curve
    elseif type(curve) ~= "function" then
        error(("operation %s: its argument gave a %s, wanted a function of the pixel value or a list of 256 values")
            :format(name, type(curve)), 0)
    end
    local values = {}
    for value = 0, 255 do
        values[value + 1] = curve(value)
    end
    return values
end

--- The operation at a magnitude, as the core wants it: { name, primitive, args or lut, signed, probability }.
function operations.at(entry, magnitude, size)
    local primitive = primitives[entry.primitive]
    local compiled = {
        name = entry.name, primitive = entry.primitive, signed = entry.signed, probability = entry.probability,
    }
    if primitive.name == "lut" then
        compiled.lut = lookup_table(entry.argument(magnitude, size), entry.name)
    elseif primitive.count > 0 then
        compiled.args = { entry.argument(magnitude, size) }
        if #compiled.args ~= primitive.count then
            error(("operation %s: its argument gave %d values, primitive %s wants %d: %s"):format(entry.name,
                #compiled.args, primitive.name, primitive.count, primitive.arguments), 0)
        end
    end
    return compiled
end

return operations
