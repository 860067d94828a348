--- The prompt on a pseudo-terminal: keys, history, completion, interrupts, pastes.
local here = debug.getinfo(1, "S").source:match "^@(.*)/" or "."
local program = dofile(here .. "/program.lua")

teardown(program.clean)

describe("the prompt", function()
    local state, terminal

    before_each(function()
        state = program.folder() .. "/state"
        os.execute("rm -rf " .. state)
    end)

    local function start(arguments)
        terminal = program.terminal(arguments, "HOME=/nonexistent XDG_CONFIG_HOME=" .. program.folder()
            .. "/config XDG_STATE_HOME=" .. state)
        terminal:expect "> "
        return terminal
    end

    --- Types a line and waits for the answer and the next prompt.
    local function ask(line, answer)
        terminal:send(line .. "\n")
        terminal:expect("\n" .. answer .. "\n")
        terminal:expect "> "
    end

    --- Types a line that answers nothing.
    local function tell(line)
        terminal:send(line .. "\n")
        terminal:expect("\n")
        terminal:expect "> "
    end

    local function leave()
        terminal:send "\4"
        assert.is_equal(0, terminal:wait())
    end

    it("greets, prints expressions, reports errors and goes on", function()
        terminal = program.terminal("", "HOME=/nonexistent XDG_STATE_HOME=" .. state)
        terminal:expect "effv2 "
        terminal:expect "Ctrl-D leaves"
        terminal:expect "> "
        ask("1 + 1", "2")
        ask("_ * 21", "42")
        ask("error 'oh'", "error: oh")
        ask("type(effv2)", '"table"')
        terminal:send "for i = 1, 2 do\n"
        terminal:expect ">> "
        ask("print(i + 10) end", "11\n12")
        ask("\"h\195\169\"", '"h\195\169"')
        leave()
    end)

    it("completes names at Tab", function()
        start()
        terminal:send "string.rev\t"
        terminal:expect "string.reverse"
        ask("('ab')", '"ba"')
        terminal:send "string.re\t"
        terminal:expect "rep      reverse"
        terminal:expect "> string.re"
        ask("p('a', 3)", '"aaa"')
        tell "f = string.rep"
        ask("f('b', 2)", '"bb"')
        leave()
    end)

    it("drops the line at Ctrl-C", function()
        start()
        terminal:send "error 'never run'"
        terminal:expect "never run'"
        terminal:send "\3"
        terminal:expect "^C"
        terminal:expect "> "
        ask("7", "7")
        terminal:send "f(\n"
        terminal:expect ">> "
        terminal:send "\3"
        terminal:expect "^C"
        ask("8", "8")
        leave()
    end)

    it("stops a computation at Ctrl-C and keeps its variables", function()
        start()
        tell "n = 1"
        terminal:send "while true do n = n + 1 io.write '' end\n"
        terminal:expect "n + 1 io.write"
        os.execute "sleep 0.2"
        terminal:send "\3"
        terminal:expect "error: interrupted"
        terminal:expect "> "
        ask("n > 1000", "true")
        leave()
    end)

    it("keeps a history across sessions, for its owner only", function()
        start()
        ask("'first ' .. 1", '"first 1"')
        terminal:send "for i = 1, 1 do\n"
        terminal:expect ">> "
        ask("print 'second' end", "second")
        ask("'third'", '"third"')
        ask("'third'", '"third"')
        leave()
        assert.is_equal("600", program.shell("stat -c %a " .. state .. "/effv2/history"))
        start()
        terminal:send "\27[A"
        terminal:expect "'third'"
        terminal:send "\27[A"
        terminal:expect "print 'second' end"
        ask("", "second")
        terminal:send "\18first"
        terminal:expect "'first ' .. 1"
        terminal:send "\n"
        terminal:expect '"first 1"'
        leave()
    end)

    it("runs a paste once, when Enter is pressed", function()
        start()
        terminal:send "\27[200~local pasted = 5\n\tlocal more = 'x'\nprint(pasted, more)\n\27[201~"
        terminal:expect ">> print(pasted, more)"
        terminal:expect ">> "
        ask("", "5\tx")
        ask("pasted", "5")
        leave()
    end)

    it("runs the start-up file", function()
        program.write("config/effv2/init.lua", "favourite = 'blue'")
        start()
        ask("favourite", '"blue"')
        leave()
        program.write("config/effv2/init.lua", "error 'bad start'")
        terminal = program.terminal("", "XDG_CONFIG_HOME=" .. program.folder() .. "/config XDG_STATE_HOME=" .. state)
        terminal:expect "bad start"
        terminal:expect "> "
        leave()
        program.write("config/effv2/init.lua", "")
    end)

    it("comes after a script with -i", function()
        local path = program.write("made.lua", "local made = 'by the script'\nprint 'script ran'")
        terminal = program.terminal("-i " .. path, "XDG_STATE_HOME=" .. state)
        terminal:expect "script ran"
        terminal:expect "> "
        ask("made", '"by the script"')
        leave()
    end)

    it("obeys os.exit and TERM", function()
        start()
        terminal:send "os.exit(9)\n"
        assert.is_equal(9, terminal:wait())
        start()
        terminal:send "os.execute('kill -TERM $PPID');\n"
        assert.is_equal(143, terminal:wait())
    end)

    it("works without a history folder and on a dumb terminal", function()
        terminal = program.terminal("", "TERM=dumb HOME=/nonexistent XDG_STATE_HOME=/proc/none")
        terminal:expect "> "
        ask("1 + 1", "2")
        leave()
    end)
end)
