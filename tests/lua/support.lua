--- What the specs of bad input share: cases, temporary folders, pictures, a tiny model.
--
-- A case is { name, action, text, text, ... }: the action must fail, and its message must hold every text. The first
-- ones are the cause (which file, key, argument or operation, and what was seen), the last ones the cure (what would
-- be right, the nearest name, what to do). An action fails by an error or by returning nil and a message.
local effv2 = require "effv2"
local assert = require "luassert"

local support = {}

--- The message of an action that must fail.
function support.message_of(f, ...)
    local ok, value, message = pcall(f, ...)
    if ok then
        assert(value == nil and type(message) == "string", "nothing failed")
        return message
    end
    return tostring(value)
end

--- Fails unless the message has all the texts, and is one for users: no traceback, no mistake of the library's own.
function support.assert_explains(message, texts)
    assert(#texts >= 2, "a case needs a cause and a cure")
    for _, text in ipairs(texts) do
        assert(message:find(text, 1, true), ("%q is not in %q"):format(text, message))
    end
    for _, text in ipairs { "attempt to ", "stack traceback", "bad argument #" } do
        assert(not message:find(text, 1, true), ("%q is in %q"):format(text, message))
    end
end

--- Runs a case; the action gets the further arguments.
function support.check(case, ...)
    support.assert_explains(support.message_of(case[2], ...), { unpack(case, 3) })
end

-- ---- folders ----------------------------------------------------------------------------------------

--- Calls f(folder) with an empty folder, and removes it.
function support.in_folder(f)
    local folder = os.tmpname()
    os.remove(folder)
    assert(effv2.make_dir(folder))
    local ok, message = pcall(f, folder)
    assert(folder:match "^/tmp/")
    os.execute(("chmod -R u+rwx '%s'; rm -rf '%s'"):format(folder, folder))
    if not ok then
        error(message, 0)
    end
end

--- A JPEG of 16 x 16 pixels.
support.jpeg = ([[
    ffd8ffe000104a46494600010100000100010000ffdb004300281c1e231e19282321232d2b28303c64413c37373c7b585d496491
    8099968f808c8aa0b4e6c3a0aadaad8a8cc8ffcbdaeef5ffffff9bc1fffffffaffe6fdfff8ffc0000b080010001001011100ffc4
    00160001010100000000000000000000000000010002ffc400221000010303040301000000000000000000010211210041610312
    3171132351e1ffda0008010100003f00768f111a60250ccdf6cd93336b49aca549283eb7412ca166e85c72e3ba4249d4858525d9
    dddff66467b150dc7705a434154f02f9c0bc9affd9]]):gsub("%s", ""):gsub("%x%x", function(byte)
        return string.char(tonumber(byte, 16))
    end)

local function make_parents(root, name)
    local path = root
    for part in name:gmatch "([^/]+)/" do
        path = path .. "/" .. part
        assert(effv2.make_dir(path))
    end
end

--- Makes files below root: { ["cats/1.png"] = gray value, ["cats/2.jpg"] = "bytes", ["empty/"] = true }.
function support.fill(root, files)
    for name, content in pairs(files) do
        make_parents(root, name)
        local path = root .. "/" .. name
        if type(content) == "number" then
            assert(effv2.write_png(path, effv2.full(content, 8, 8, 3, { dtype = "uint8" })))
        elseif type(content) == "string" then
            assert(effv2.write_file(path, content))
        end
    end
    return root
end

--- A folder with `count` pictures of each of two classes, and the further files.
function support.fill_classes(root, count, files)
    for _, class in ipairs { "cats", "dogs" } do
        for i = 1, count do
            support.fill(root, { [("%s/%02d.png"):format(class, i)] = i * 9 })
        end
    end
    return support.fill(root, files or {})
end

-- ---- a network of a few hundred parameters ----------------------------------------------------------

--- Options of effv2.models.create; `changes` replaces some.
function support.network(changes)
    local options = {
        stem = { channels = 4 }, head = 8, classes = 10,
        stages = {
            { op = "fused", channels = 4, expansion = 1 }, { op = "mb", channels = 8, expansion = 2, stride = 2 },
        },
    }
    for key, value in pairs(changes or {}) do
        options[key] = value
    end
    return options
end

function support.model(changes)
    return effv2.models.create(support.network(changes))
end

return support
