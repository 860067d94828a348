--- Reads an ONNX file: a decoder of protobuf's wire format that knows nothing of the writer.
local bit = require "bit"
local ffi = require "ffi"

-- field number -> name and kind (the fields of a message within); many: a list
local schema = {}
schema.attribute = {
    [1] = { "name", "bytes" }, [2] = { "f", "float" }, [3] = { "i", "int" }, [4] = { "s", "bytes" },
    [8] = { "ints", "int", many = true }, [20] = { "type", "int" },
}
schema.node = {
    [1] = { "inputs", "bytes", many = true }, [2] = { "outputs", "bytes", many = true }, [3] = { "name", "bytes" },
    [4] = { "op", "bytes" }, [5] = { "attributes", schema.attribute, many = true },
}
schema.tensor = {
    [1] = { "shape", "int", many = true }, [2] = { "type", "int" }, [8] = { "name", "bytes" }, [9] = { "data", "bytes" },
}
schema.size = { [1] = { "value", "int" }, [2] = { "name", "bytes" } }
schema.shape = { [1] = { "sizes", schema.size, many = true } }
schema.tensor_type = { [1] = { "element", "int" }, [2] = { "shape", schema.shape } }
schema.info = { [1] = { "name", "bytes" }, [2] = { "type", { [1] = { "tensor", schema.tensor_type } } } }
schema.graph = {
    [1] = { "nodes", schema.node, many = true }, [2] = { "name", "bytes" },
    [5] = { "initializers", schema.tensor, many = true }, [11] = { "inputs", schema.info, many = true },
    [12] = { "outputs", schema.info, many = true },
}
schema.model = {
    [1] = { "ir", "int" }, [2] = { "producer", "bytes" }, [3] = { "version", "bytes" }, [7] = { "graph", schema.graph },
    [8] = { "opsets", { [1] = { "domain", "bytes" }, [2] = { "version", "int" } }, many = true },
    [14] = { "metadata", { [1] = { "key", "bytes" }, [2] = { "value", "bytes" } }, many = true },
}

local function varint(text, at)
    local value, shift = 0ULL, 0
    while true do
        local byte = text:byte(at)
        value = value + bit.lshift(bit.band(byte, 0x7f) + 0ULL, shift)
        at, shift = at + 1, shift + 7
        if byte < 0x80 then
            return tonumber(ffi.cast("int64_t", value)), at
        end
    end
end

local read_message

local function read_field(text, at, wire, kind)
    if wire == 0 then
        return varint(text, at)
    elseif wire == 5 then
        return tonumber(ffi.cast("const float *", ffi.cast("const char *", text) + at - 1)[0]), at + 4
    end
    assert(wire == 2, "wire type " .. wire)
    local bytes
    bytes, at = varint(text, at)
    local inner = text:sub(at, at + bytes - 1)
    return type(kind) == "table" and read_message(inner, kind) or inner, at + bytes
end

function read_message(text, fields)
    local message, at = {}, 1
    for _, field in pairs(fields) do
        if field.many then
            message[field[1]] = {}
        end
    end
    while at <= #text do
        local key, value
        key, at = varint(text, at)
        local field = assert(fields[math.floor(key / 8)], "field " .. math.floor(key / 8))
        value, at = read_field(text, at, key % 8, field[2])
        if field.many then
            table.insert(message[field[1]], value)
        else
            message[field[1]] = value
        end
    end
    return message
end

return function(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return read_message(text, schema.model)
end
