-- The house keeps its order: includes point down, ops and layers are a file and a line, errors have one door.
local ROOMS = { -- what each room may include, besides itself
    base = {},
    kernels = { "base" },
    tensor = { "base" },
    autograd = { "base", "tensor", "kernels" },
    ops = { "base", "tensor", "kernels", "autograd" },
    layers = { "base", "tensor", "autograd", "ops" },
    optim = { "base" },
    image = { "base", "kernels" },
    io = { "base" },
    onnx = { "base", "io" },
    data = { "base", "kernels", "image", "io" },
    program = { "base" },
    bind = { "base", "tensor", "kernels", "autograd", "ops", "layers", "optim", "image", "io", "data", "onnx" },
}

local function lines_of(command)
    local pipe, list = assert(io.popen(command)), {}
    for line in pipe:lines() do
        list[#list + 1] = line
    end
    pipe:close()
    return list
end

local function text_of(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

local function set_of(list)
    local set = {}
    for _, item in ipairs(list) do
        set[item] = true
    end
    return set
end

describe("the structure", function()
    it("has no include that points up", function()
        local wrong, seen = {}, 0
        for _, path in ipairs(lines_of "find core -name '*.[ch]' -o -name '*.def'") do
            local room = path:match "^core/(%a+)/"
            local allowed = room and set_of(ROOMS[room] or {})
            for target in text_of(path):gmatch '#include "(%a+)/' do
                seen = seen + 1
                if room and target ~= room and not allowed[target] then
                    wrong[#wrong + 1] = path .. " includes " .. target .. "/"
                end
            end
        end
        assert.is_true(seen > 200)
        assert.are.same({}, wrong)
    end)

    it("knows every room", function()
        for _, path in ipairs(lines_of "find core -mindepth 1 -maxdepth 1 -type d") do
            local room = path:match "core/(.+)$"
            local empty = #lines_of("find " .. path .. " -name '*.c'") == 0
            assert.is_true(ROOMS[room] ~= nil or empty, "core/" .. room .. " is not in the list of rooms")
        end
    end)

    it("keeps Lua in bind and program", function()
        for _, path in ipairs(lines_of "grep -lE '#include <(lua|lauxlib|lualib)' -r core") do
            assert.is_truthy(path:match "^core/bind/" or path:match "^core/program/" or path == "core/main.c", path)
        end
    end)

    it("has a record in its own file for each line of ops.def and layers.def", function()
        for _, pair in ipairs { { "ops", "EFF_OP", "eff_op_" }, { "layers", "EFF_LAYER", "eff_layer_" } } do
            local room, macro, prefix = unpack(pair)
            local listed, previous = {}, ""
            for name in text_of(("core/%s/%s.def"):format(room, room)):gmatch(macro .. "%(([%w_]+)%)") do
                assert.is_true(previous < name, name .. " is out of order")
                previous = name
                listed[name] = true
                assert.is_truthy(text_of(("core/%s/%s.c"):format(room, name)):find(prefix .. name .. " = ", 1, true))
            end
            for _, line in ipairs(lines_of(("grep -oE '^const eff_[a-z_]+ %s[a-z0-9_]+ = ' core/%s/*.c"):format(prefix, room))) do
                local name = line:match(prefix .. "([%w_]+) =")
                assert.is_true(listed[name], name .. " is not listed in " .. room .. ".def")
            end
        end
    end)

    it("raises in bind through one door, never with a finished text as the format", function()
        assert.are.same({}, lines_of "grep -nE 'luaL_error|lua_pushfstring\\(L, [^\"]' -r core/bind")
    end)

    it("ends nowhere but in the program", function()
        local wrong = {}
        for _, line in ipairs(lines_of "grep -nE '[^_a-z](abort|exit|assert)\\(' -r core") do
            if not line:match "^core/program/" and not line:match "^core/main" and not line:find("_exit", 1, true) then
                wrong[#wrong + 1] = line
            end
        end
        assert.are.same({}, wrong)
    end)

    it("keeps files within reach", function()
        for _, line in ipairs(lines_of "find core lua recipes examples -name '*.[ch]' -o -name '*.lua' | xargs wc -l") do
            local count, path = line:match "(%d+) (.+)$"
            assert.is_true(path == "total" or tonumber(count) <= 800, line)
        end
    end)
end)
