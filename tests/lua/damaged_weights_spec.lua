--- More than 200 kinds of damage to a file of weights: each ends in a message that names the file, and takes no more memory than
-- the file's size. tests/core/test_io_damage.c flips every bit and looks deeper; here the way is that of a user.
local effv2 = require "effv2"
local support = dofile "tests/lua/support.lua"

local weights = effv2.weights
local ROOM = 65536 -- bytes beyond the file's size for what is not its contents

--- A file of this header and so many bytes of data; `length` as announced in the first 8 bytes (default: the truth).
local function file(header, data, length)
    local prefix, rest = {}, length or #header
    for i = 1, 8 do
        prefix[i] = string.char(rest % 256)
        rest = math.floor(rest / 256)
    end
    return table.concat(prefix) .. header .. data
end

local DATA = ("\0\0\128\63"):rep(6) -- ones

local function entry(dtype, shape, offsets)
    return ('{"dtype":%s,"shape":%s,"data_offsets":%s}'):format(dtype, shape, offsets)
end

-- three tensors, one behind the other
local parts = {
    { name = "a", dtype = '"F32"', shape = "[2]", offsets = "[0,8]" },
    { name = "b", dtype = '"F32"', shape = "[3]", offsets = "[8,20]" },
    { name = "c", dtype = '"F32"', shape = "[]", offsets = "[20,24]" },
}

--- The header with a field of tensor i changed; `raw` stands for its whole description.
local function header(i, field, value)
    local items = {}
    for j, part in ipairs(parts) do
        local own = { dtype = part.dtype, shape = part.shape, offsets = part.offsets, raw = nil }
        if i == j then
            own[field] = value
        end
        items[j] = ('"%s":%s'):format(part.name, own.raw or entry(own.dtype, own.shape, own.offsets))
    end
    return "{" .. table.concat(items, ",") .. "}"
end

local good = header()

local values = {
    offsets = {
        "[-8,0]", "[-1,7]", "[0,-8]", "[8,0]", "[0,7]", "[0,9]", "[1,8]", "[4,12]", "[0,24]", "[0,25]", "[16,28]", "[24,32]",
        "[1000000,1000008]", "[9007199254740992,9007199254741000]", "[9223372036854775799,9223372036854775807]",
        "[18446744073709551608,18446744073709551616]", "[0.0,8.0]", '["0","8"]', "[0]", "[]", "[0,8,16]", "8", "null",
        '{"0":0,"1":8}', "[[0,8]]",
    },
    shape = {
        "[-2]", "[-1,-2]", "[3]", "[2,2]", "[0]", "[9223372036854775807]", "[4294967296,4294967296]",
        "[4611686018427387904,2]", "[1,1,1,1,1,1,1,1,2]", "[2.0]", '["2"]', "[[2]]", "2", "null", '"2"', "{}", "[1000000000]",
        "[18446744073709551616]",
    },
    dtype = {
        '"F64"', '"F16"', '"BF16"', '"U8"', '"I64"', '"BOOL"', '"F4"', '"C64"', '"f32"', '"F33"', '""', "32", "null", "[]",
        '"float32"', '"U32"', '"F8_E4M3"',
    },
    raw = { "{}", "[]", "null", "1", '"F32"', "[1,2,3]", '{"dtype":"F32"}', '{"shape":[2]}', '{"data_offsets":[0,8]}' },
}

local texts = {
    "", "{", "}", "[]", "null", "true", "1", '"a"', " " .. good, good .. "}", good .. ",", good .. "\0", good .. good,
    good:sub(1, -2), good:gsub('"', "'"), good:gsub(":", "="), (good:gsub('"a"', "a")), (good:gsub('"a"', '"\255"')),
    (good:gsub('"a"', '"a\\u0000"')), (good:gsub('"b"', '"a"')), (good:gsub('"c"', '"a"')), "\239\187\191" .. good,
    (good:gsub("^{", "{/**/")), (good:gsub("}$", ",}")), (good:gsub("%[2%]", "[2,]")), (good:gsub("%[2%]", "[02]")),
    (good:gsub("%[2%]", "[NaN]")), (good:gsub("%[2%]", "[0x2]")), (good:gsub("^{", '{"__metadata__":1,')),
    (good:gsub("^{", '{"__metadata__":[],')), (good:gsub("^{", '{"__metadata__":{"a":1},')),
    (good:gsub("^{", '{"__metadata__":{"a":null},')), (good:gsub("^{", '{"__metadata__":{},"__metadata__":{},')),
    ("["):rep(5000), ('{"a":'):rep(3000), '{"a":' .. ("["):rep(1000) .. ("]"):rep(1000) .. "}", "{}",
}

--- All the damaged files: a list of { name =, text = }.
local function damages()
    local list = {}
    local function add(name, text)
        list[#list + 1] = { name = name, text = text }
    end
    local whole = file(good, DATA)
    for keep = 0, #whole - 1, 5 do
        add("truncated to " .. keep, whole:sub(1, keep))
    end
    for extra = 1, 4 do
        add("lengthened by " .. extra, whole .. ("x"):rep(extra))
    end
    for _, length in ipairs {
        0, 1, #good - 1, #good + 1, #whole, 99999999, 1e8, 2 ^ 31, 2 ^ 32, 2 ^ 52, 2 ^ 63, 2 ^ 64 - 2048,
    } do
        add(("a header of %.0f"):format(length), file(good, DATA, length))
    end
    for field, wrong in pairs(values) do
        for i, part in ipairs(parts) do
            for _, value in ipairs(wrong) do
                if value ~= part[field] then
                    add(("%s of %s: %s"):format(field, part.name, value), file(header(i, field, value), DATA))
                end
            end
        end
    end
    for _, text in ipairs(texts) do
        add("header " .. text:sub(1, 40), file(text, DATA))
    end
    return list
end

describe("a damaged file of weights", function()
    it("that is not damaged loads", function()
        support.in_folder(function(folder)
            local path = folder .. "/w"
            assert(effv2.write_file(path, file(good, DATA)))
            assert.is_same({ 3 }, assert(effv2.load(path)).b:shape())
        end)
    end)

    it("is refused, with its name and within its size, however it is damaged", function()
        local list, model = damages(), support.model()
        assert.is_true(#list >= 200, #list .. " damages")
        support.in_folder(function(folder)
            local path = folder .. "/damaged.safetensors"
            for _, damage in ipairs(list) do
                assert(effv2.write_file(path, damage.text))
                collectgarbage()
                effv2.memory_reset_peak()
                local before = effv2.memory().peak
                local report, message, code = weights.load(model, path, { strict = false })
                local took = effv2.memory().peak - before
                assert.is_nil(report, damage.name .. " was loaded")
                assert.is_truthy(message:find(path, 1, true), damage.name .. ": " .. message)
                assert.is_true(code == "format" or code == "type", damage.name .. ": " .. tostring(code))
                assert.is_true(took <= #damage.text + ROOM, ("%s: %d bytes"):format(damage.name, took))
            end
        end)
    end)
end)
