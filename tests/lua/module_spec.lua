-- The core is a Lua module as well: a plain luajit can require it.
local MODULES = os.getenv "EFFV2_MODULES" or "build/release/lib"

-- The sanitizers' builds need their run-time loaded first, which a plain luajit does not have.
local function instrumented()
    local pipe = assert(io.popen(("grep -lE '__(asan|tsan)_init' '%s/effv2/core.so'"):format(MODULES)))
    local found = pipe:read "*a" ~= ""
    pipe:close()
    return found
end

--- What plain luajit writes when it runs the code as a script.
local function run(code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local paths = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/?.so;;'"):format(MODULES)
    local pipe = assert(io.popen(("%s luajit -O2 %s 2>&1"):format(paths, path)))
    local output = pipe:read "*a"
    pipe:close()
    os.remove(path)
    return output
end

describe("the module", function()
    it("loads in plain luajit, sets no global and prints nothing", function()
        if instrumented() then
            return
        end
        local code = [[
            local before = {}
            for name in pairs(_G) do before[name] = true end
            local effv2 = require "effv2"
            for name in pairs(_G) do assert(before[name], name) end
            local w = effv2.randn(3, 4):requires_grad(true)
            effv2.randn(2, 3):matmul(w):sum():backward()
            io.write(effv2._VERSION, " ", table.concat(w:grad():shape(), "x"))
        ]]
        local output = run(code)
        assert.are.equal(require("effv2")._VERSION .. " 3x4", output)
    end)

    it("runs the trials of a study in processes of luajit", function()
        if instrumented() then
            return
        end
        local folder = os.tmpname()
        os.remove(folder)
        assert(require("effv2").make_dir(folder))
        local output = run(([[
            local study = require("effv2").search.study { name = "s", path = "%s/s.db", quiet = true, sampler = "grid",
                space = { x = { 1, 3, 2 } }, objective = function(trial) return trial.params.x end }
            io.write(study:run():best().mean)
        ]]):format(folder))
        os.execute(("rm -rf '%s'"):format(folder))
        assert.are.equal("3", output)
    end)
end)
