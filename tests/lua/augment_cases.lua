--- What the cases of tests/golden/augment_cases.py are in effv2: a picture in, a picture out.
local effv2 = require "effv2"
local dialects = require "effv2.augment.dialects"
local operations = require "effv2.augment.operations"

local cases = {}

local function find(dialect, name)
    for _, entry in ipairs(dialect.operations) do
        if entry.name == name then
            return entry
        end
    end
end

local blends = { color = true, contrast = true, brightness = true, sharpness = true }

--- An operation of a dialect at a magnitude, whose sign stands for the drawn one.
function cases.operation(picture, record, magnitude)
    local dialect = dialects.randaugment[record.dialect] or dialects[record.dialect]
    local entry = assert(find(dialect, record.operation), record.name)
    local size = picture:size(entry.primitive == "translate_y" and 1 or 2)
    local compiled = operations.at(entry, math.abs(magnitude), size)
    if magnitude < 0 then
        compiled.args[1] = blends[entry.primitive] and 2 - compiled.args[1] or -compiled.args[1]
    end
    compiled.signed = false
    return effv2.apply_operation(picture, compiled, { rule = dialect.rule, filter = record.filter, fill = dialect.fill })
end

--- A primitive with one argument, by Pillow's rule.
function cases.primitive(picture, record, argument)
    return effv2.apply_operation(picture, { primitive = record.primitive, args = { argument } }, { rule = "pil" })
end

--- The whole picture at another size { height, width }.
function cases.resize(picture, record, size)
    local step = { kind = "resize", height = size[1], width = size[2], filter = record.filter }
    local floats = require("effv2.core").Pipeline { step }(picture)
    return effv2.zeros(size[1], size[2], 3, { dtype = "uint8" }):copy(floats)
end

function cases.run(picture, record, case)
    return cases[record.kind](picture, record, case)
end

return cases
