--- The program from outside: options, exit codes, error texts, signals, paths.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local program = dofile(here .. "/program.lua")
local run = program.run

--- The command ends with this code and this text (a part of it) on standard error, and no traceback.
local function fails(expected_code, expected_text, command, options)
    local code, _, errors = run(command, options)
    assert.is_truthy(errors:find(expected_text, 1, true), ("%q is not in %q"):format(expected_text, errors))
    assert.is_nil(errors:find("stack traceback", 1, true))
    assert.is_equal(expected_code, code)
end

local function prints(expected, command, options)
    local code, output, errors = run(command, options)
    assert.is_equal("", errors)
    assert.is_equal(expected, output)
    assert.is_equal(0, code)
end

teardown(program.clean)

describe("options", function()
    it("--help and --version go to standard output", function()
        for _, option in ipairs { "--help", "-h" } do
            local code, output, errors = run(option)
            assert.is_equal(0, code)
            assert.is_equal("", errors)
            for _, word in ipairs { "Usage: effv2", "-e, --execute CODE", "--threads N", "Exit codes: 0 done" } do
                assert.is_truthy(output:find(word, 1, true), word)
            end
        end
        local code, output = run "--version"
        assert.is_equal(0, code)
        assert.is_truthy(output:match "^effv2 %d+%.%d+%.%d+[%w.-]*\n$")
    end)

    it("--info names the machine, the threads and the library", function()
        local code, output = run "--threads 1 --info"
        assert.is_equal(0, code)
        for _, name in ipairs { "blas", "cpu", "isa", "library", "lua", "version" } do
            assert.is_truthy(("\n" .. output):find("\n" .. name .. " +%S"), name)
        end
        assert.is_truthy(output:find "\nthreads +1\n")
    end)

    it("--threads sets the threads, in each spelling", function()
        for _, option in ipairs { "--threads 1", "--threads=1", "-t 1", "-t1" } do
            prints("1\n", option .. " -e 'print(effv2.info().threads)'")
        end
        fails(2, "effv2: --threads: '0' is not a number from 1 to ", "--threads 0")
        fails(2, "effv2: --threads: 'two' is not a number from 1 to ", "--threads=two")
        fails(2, "effv2: --threads: '' is not a number from 1 to ", "--threads=")
        fails(2, "effv2: --threads: a value is missing", "--threads")
    end)

    it("unknown options end with 2 and the nearest known one", function()
        fails(2, "effv2: --versoin: unknown option (did you mean --version?)", "--versoin")
        fails(2, "effv2: --thread-count: unknown option", "--thread-count=3")
        fails(2, "effv2: --zzz: unknown option; `effv2 --help` lists the options", "--zzz")
        fails(2, "effv2: -x: unknown option", "-x")
        fails(2, "effv2: -x: unknown option", "-ix")
        fails(2, "effv2: --help=now: this option takes no value", "--help=now")
        fails(2, "effv2: -e: a value is missing", "-e")
    end)

    it("-e runs code with effv2 as a global", function()
        prints("table\n", "-e 'print(type(effv2))'")
        prints("1\n", "--execute='print(1)'")
        program.write("after.lua", "print('script', rawget(_G, 'effv2'), ...)")
        prints("first\nscript\tnil\tx\n", "-e 'print \"first\"' @/after.lua x")
        fails(1, "effv2: (command line):1: oh", "-e 'error \"oh\"'")
        fails(1, "effv2: (command line):1: unexpected symbol near ')'", "-e ')'")
    end)
end)

describe("scripts", function()
    it("see their arguments in arg and ...", function()
        program.write("args.lua", [[
            print(arg[0]:match "[^/]*$", arg[1], arg[2], #arg)
            print(select("#", ...), ...)
            print(rawget(_G, "effv2"), type(require "effv2"))]])
        prints("args.lua\t-x\ta b\t2\n2\t-x\ta b\nnil\ttable\n", "@/args.lua -x 'a b'")
        prints("args.lua\tk=v\tnil\t1\n1\tk=v\nnil\ttable\n", "-- @/args.lua k=v")
    end)

    it("come from standard input as -, and from a pipe without one", function()
        prints("- a\n", "- a", { input = 'print(arg[0] .. " " .. ...)' })
        prints("table\n", "", { input = "print(type(effv2))" })
        prints("", "", { input = "" })
        fails(1, "effv2: stdin:2: oh", "", { input = "\nerror 'oh'\nprint 'not reached'" })
        fails(1, "effv2: stdin:1: '=' expected near '<eof>'", "-", { input = "x" })
    end)

    it("may begin with #!", function()
        program.write("bang.lua", "#!/usr/bin/env effv2\nprint 'ran'")
        prints("ran\n", "@/bang.lua")
    end)

    it("find their neighbours from any folder", function()
        program.write("recipe/main.lua", "print(require 'neighbour', require 'package_folder')")
        program.write("recipe/neighbour.lua", "return 'beside'")
        program.write("recipe/package_folder/init.lua", "return 'below'")
        program.write("recipe/effv2.lua", "return 'not the library'")
        program.write("recipe/library.lua", "print(type(require 'effv2'))")
        for _, folder in ipairs { "/", "@/recipe", "@" } do
            prints("beside\tbelow\n", "@/recipe/main.lua", { folder = folder })
            prints("table\n", "@/recipe/library.lua", { folder = folder })
        end
        prints("beside\tbelow\n", "main.lua", { folder = "@/recipe" })
    end)

    it("honour LUA_PATH", function()
        program.write("elsewhere/far.lua", "return 'far'")
        local base = program.folder()
        prints("far\ttable\n", "-e 'print(require \"far\", type(effv2))'",
            { environment = program.quote("LUA_PATH=" .. base .. "/elsewhere/?.lua;;") })
    end)

    it("that are not there end with 2", function()
        fails(2, "nowhere.lua: No such file or directory", "@/nowhere.lua")
        fails(2, "cannot read", "@/")
    end)

    it("run over malloc when asked", function()
        prints("1\n", "-e 'print(1)'", { environment = "EFFV2_LUA_MALLOC=1" })
    end)
end)

describe("errors", function()
    local function script(text)
        return (program.write("recipe.lua", text))
    end

    it("begin with the recipe's own line", function()
        script "\n\nerror 'oh'"
        fails(1, "/recipe.lua:3: oh\n", "@/recipe.lua")
        script "local x = nil\nlocal y = x.field\nreturn y"
        fails(1, "/recipe.lua:2: attempt to index local 'x' (a nil value)\n", "@/recipe.lua")
        script "x = = 1"
        fails(1, "/recipe.lua:1: unexpected symbol near '='\n", "@/recipe.lua")
    end)

    it("keep the whole path of a file with a long name", function()
        local folder = ("deep/"):rep(100)
        program.write(folder .. "recipe.lua", "local function f() error 'oh' end\nf()")
        fails(1, "effv2: " .. program.folder() .. "/" .. folder .. "recipe.lua:1: oh\n", "@/" .. folder .. "recipe.lua")
    end)

    it("inside the library name the line of the recipe that called it", function()
        script "local config = require('effv2.config')\n\nlocal c = config.optional 'strin'\nreturn c"
        fails(1, "/recipe.lua:3: effv2.config.optional: unknown type 'strin'", "@/recipe.lua")
        script "local config = require('effv2.config')\nlocal c = config(5)\nreturn c"
        fails(1, "/recipe.lua:2: effv2.config: a table of defaults is wanted, not a number\n", "@/recipe.lua")
    end)

    it("that are mistakes of the library say where", function()
        script "local suggest = require 'effv2.suggest'\nlocal d = suggest.distance(1)\nreturn d"
        local code, _, errors = run "@/recipe.lua"
        assert.is_equal(1, code)
        assert.is_truthy(errors:match "/recipe%.lua:2: attempt to .* %(.*/effv2/suggest%.lua:%d+%)\n$")
    end)

    it("in a neighbour name the recipe first", function()
        program.write("broken_neighbour.lua", "return function() error 'oh' end")
        script "local f = require 'broken_neighbour'\nf()"
        local _, _, errors = run "@/recipe.lua"
        assert.is_truthy(errors:match "/recipe%.lua:2: .*/broken_neighbour%.lua:1: oh\n$")
    end)

    it("survive a tail call, which forgets the recipe's line", function()
        script "return require('effv2.config').optional 'strin'"
        fails(1, "effv2.config.optional: unknown type 'strin'", "@/recipe.lua")
    end)

    it("may be any value", function()
        script "error { message = 'from a table' }"
        fails(1, "/recipe.lua:1: from a table\n", "@/recipe.lua")
        script "error(setmetatable({}, { __tostring = function() return 'an object' end }))"
        fails(1, "/recipe.lua:1: an object\n", "@/recipe.lua")
        script "error {}"
        fails(1, "/recipe.lua:1: (error object is a table value)\n", "@/recipe.lua")
        script "error '50%s_off.jpg %n'"
        fails(1, "/recipe.lua:1: 50%s_off.jpg %n\n", "@/recipe.lua")
    end)

    it("show a traceback with -v", function()
        script "local function inner() error 'oh' end\ninner()"
        for _, option in ipairs { "-v", "--verbose" } do
            local code, _, errors = run(option .. " @/recipe.lua")
            assert.is_equal(1, code)
            assert.is_truthy(errors:match "/recipe%.lua:1: oh\nstack traceback:\n.*'inner'.*")
        end
    end)
end)

describe("exit codes", function()
    it("are chosen by an error that is a table", function()
        for _, code in ipairs { 1, 2, 3, 75, 130 } do
            fails(code, "why", ("-e 'error { exit_code = %d, message = \"why\" }'"):format(code))
        end
        local code, output, errors = run "-e 'error { exit_code = 0 }'"
        assert.is_same({ 0, "", "" }, { code, output, errors })
    end)

    it("name no line for an end that is no mistake", function()
        local _, _, errors = run "-e 'error { exit_code = 75, message = \"checkpoint written\" }'"
        assert.is_equal("effv2: checkpoint written\n", errors)
    end)

    it("are chosen by os.exit, which closes the state", function()
        local finaliser = "local p = newproxy(true); getmetatable(p).__gc = function() print \"closed\" end; "
        for argument, expected in pairs { [""] = 0, ["true"] = 0, ["false"] = 1, ["7"] = 7, ["0, true"] = 0 } do
            local code, output = run(("-e '%s os.exit(%s)'"):format(finaliser, argument))
            assert.is_equal(expected, code)
            assert.is_equal("closed\n", output)
        end
        local code, output = run(("-e '%s coroutine.wrap(function() os.exit(5) end)()'"):format(finaliser))
        assert.is_same({ 5, "closed\n" }, { code, output })
        code, output = run(("-e '%s error \"oh\"'"):format(finaliser))
        assert.is_equal(1, code)
        assert.is_equal("closed\n", output)
    end)

    it("are 2 for a wrong configuration, with the recipe's line", function()
        program.write("configured.lua", "local effv2 = require 'effv2'\n"
            .. "local cfg = effv2.config { epochs = 1, help = { 'Trains.', epochs = 'passes' } }\nprint(cfg.epochs)")
        prints("3\n", "@/configured.lua epochs=3")
        fails(2, "/configured.lua:2: epohcs: unknown key (did you mean epochs?)", "@/configured.lua epohcs=3")
        fails(2, "/configured.lua:2: epochs: a number wanted, not 'x'", "@/configured.lua epochs=x")
        fails(2, "/configured.lua:2: photo.jpg: unexpected argument", "@/configured.lua photo.jpg")
    end)

    it("are 0 for the help of a recipe", function()
        local code, output, errors = run "@/configured.lua epochs=3 --help"
        assert.is_equal("", errors)
        assert.is_equal(0, code)
        assert.is_truthy(output:find("Trains.", 1, true))
        assert.is_truthy(output:find("\n  epochs +1 +passes\n"))
        code, output = run "@/configured.lua --print-config epochs=3"
        assert.is_equal(0, code)
        assert.is_truthy(output:find("  epochs +3 +command line\n"))
    end)
end)

describe("signals", function()
    -- io.write, because ThreadSanitizer delivers signals only in calls of the C library
    local loop = "jit.off(); print \"ready\"; io.flush(); while true do io.write \"\" end"

    it("stop Lua code: 130 for Ctrl-C, 143 for TERM", function()
        local code, _, errors = program.run_and_signal("-e '" .. loop .. "'", "INT")
        assert.is_same({ 130, "effv2: interrupted\n" }, { code, (errors:gsub("%(command line%):1: ", "")) })
        assert.is_equal(143, (program.run_and_signal("-e '" .. loop .. "'", "TERM")))
    end)

    it("stop a loop over operations, compiled or not", function()
        local compiled = "print \"ready\"; io.flush(); local x = effv2.zeros(10); while true do x = x + 1 end"
        local code, _, errors = program.run_and_signal("-e '" .. compiled .. "'", "INT")
        assert.is_equal(130, code)
        assert.is_truthy(errors:find("interrupted\n", 1, true))
    end)

    it("leave time for a checkpoint: 75", function()
        program.write("saver.lua", "jit.off()\npcall(function() print 'ready' io.flush() while true do io.write '' end "
            .. "end)\nerror { exit_code = 75, message = 'checkpoint written' }")
        for _, signal in ipairs { "TERM", "USR1" } do
            local code, _, errors = program.run_and_signal("@/saver.lua", signal)
            assert.is_same({ 75, "effv2: checkpoint written\n" }, { code, errors })
        end
    end)

    it("end the program quietly when nobody reads its output", function()
        local base = program.folder()
        local first = program.shell(("%s -e 'for i = 1, 1e6 do print(i) end' 2>%s/errors | head -n 1"):format(
            program.quote(program.path), program.quote(base)))
        assert.is_equal("1", first)
        assert.is_equal("", program.read_file(base .. "/errors"))
    end)
end)

describe("-i from a pipe", function()
    it("evaluates lines after the script, which leaves its variables", function()
        program.write("model.lua", "local width = 5\nlocal function double(x) return 2 * x end\nfactor = 3")
        prints("5\n10\n3\n", "-i @/model.lua", { input = "width\ndouble(width)\nfactor\n" })
    end)

    it("also after an error, with the variables of that moment", function()
        program.write("broken.lua", "local rate = 0.5\nerror 'oh'")
        local code, output, errors = run("-i @/broken.lua", { input = "rate\n" })
        assert.is_equal("0.5\n", output)
        assert.is_truthy(errors:find("/broken.lua:2: oh\n", 1, true))
        assert.is_equal(0, code)
    end)

    it("stops at the first error", function()
        local code, output, errors = run("-i", { input = "1\nerror 'oh'\n2\n" })
        assert.is_same({ 1, "1\n", "error: oh\n" }, { code, output, errors })
    end)
end)

describe("an installed program", function()
    it("finds its library in ../share/effv2/lua", function()
        local base = program.folder()
        local library = program.shell(program.quote(program.path)
            .. " -e 'print((package.path:match \"[^;]*\"):match \"^(.*)/%?\")'")
        os.execute(("cd %s && mkdir -p prefix/bin prefix/share/effv2 && cp %s prefix/bin/effv2 && ln -s %s %s"):format(
            program.quote(base), program.quote(program.path), program.quote(library), "prefix/share/effv2/lua"))
        local info = program.shell(program.quote(base .. "/prefix/bin/effv2") .. " --info")
        assert.is_truthy(info:find("\nlibrary +" .. library:gsub("%p", "%%%0") .. "\n"))
    end)
end)
