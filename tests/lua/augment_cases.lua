--- What the cases of tests/golden/augment_cases.py are in effv2: a picture in, a picture out.
local effv2 = require "effv2"
local core = require "effv2.core"
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

local function sample(steps, picture)
    local floats = core.Pipeline(steps)(picture)
    return effv2.zeros(floats:size(1), floats:size(2), 3, { dtype = "uint8" }):copy(floats)
end

--- The whole picture at another size { height, width }.
function cases.resize(picture, record, size)
    return sample({ { kind = "resize", height = size[1], width = size[2], filter = record.filter } }, picture)
end

--- The centre of a picture at another size: { height, width (of the part), height, width }.
function cases.part(picture, record, sizes)
    return sample({
        { kind = "center_crop", rule = "size", height = sizes[1], width = sizes[2] },
        { kind = "resize", height = sizes[3], width = sizes[4], filter = record.filter },
    }, picture)
end

function cases.run(picture, record, case)
    return cases[record.kind](picture, record, case)
end

return cases
