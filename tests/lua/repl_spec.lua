--- The prompt without a terminal: a table stands for the line editor.
local repl = require "effv2.repl"

local function environment()
    return setmetatable({}, { __index = _G })
end

describe("compile", function()
    local function kind(text)
        return select(2, repl.compile(text))
    end

    it("tells expressions, statements and unfinished text apart", function()
        assert.is_equal("expression", kind "1 + 1")
        assert.is_equal("expression", kind "=1")
        assert.is_equal("quiet", kind "1 + 1;")
        assert.is_equal("statement", kind "x = 1")
        assert.is_equal("statement", kind "x = 1;")
        assert.is_equal("statement", kind "return 1, 2")
        for _, text in ipairs { "for i = 1, 2 do", "f(", "{ 1,", "x =", "1 +", "x = [[a", "--[[ a", "function f()",
            "if x then" } do
            assert.is_equal("incomplete", kind(text), text)
        end
    end)

    it("reports errors that no further line can mend", function()
        for _, text in ipairs { "x = = 1", "1 1", ")", "'abc", "for for", "end" } do
            local chunk, message = repl.compile(text)
            assert.is_nil(chunk)
            assert.is_truthy(message:match "^stdin:1: ", text)
        end
    end)
end)

describe("evaluate", function()
    it("prints expressions, hides with ; and remembers the value", function()
        local env = environment()
        assert.is_same({ true, "3" }, { repl.evaluate("1 + 2", env) })
        assert.is_same({ true, "6" }, { repl.evaluate("_ * 2", env) })
        assert.is_same({ true }, { repl.evaluate("_ + 1;", env) })
        assert.is_equal(7, env._)
        assert.is_same({ true, "nil" }, { repl.evaluate("nil", env) })
        assert.is_equal(7, env._)
        assert.is_same({ true }, { repl.evaluate("(function() end)()", env) })
        assert.is_same({ true, '1\tnil\t"x"' }, { repl.evaluate("1, nil, 'x'", env) })
        assert.is_same({ true, "two\nlines" }, { repl.evaluate("'two\\nlines'", env) })
    end)

    it("keeps assigned and local variables for the next line", function()
        local env = environment()
        assert.is_same({ true }, { repl.evaluate("a = 1", env) })
        assert.is_same({ true }, { repl.evaluate("local b, c = a + 1\nlocal function f() return b end", env) })
        assert.is_same({ true, "2" }, { repl.evaluate("f()", env) })
        assert.is_nil(rawget(env, "c"))
        assert.is_nil(rawget(env, "_keep"))
        assert.is_nil(rawget(_G, "a"))
    end)

    it("returns the message of an error", function()
        local env = environment()
        assert.is_same({ false, "oh" }, { repl.evaluate("error 'oh'", env) })
        assert.is_same({ false, "stdin:2: oh" }, { repl.evaluate("local x\nerror 'oh'", env) })
        assert.is_same({ false, "why" }, { repl.evaluate("error { message = 'why', exit_code = 2 }", env) })
        assert.is_same({ false, "{ 1 }" }, { repl.evaluate("error { 1 }", env) })
        assert.is_same({ false, "unexpected symbol near ')'" }, { repl.evaluate(")", env) })
        local _, message = repl.evaluate("f(", env)
        assert.is_truthy(message:match "<eof>")
    end)

    it("leaves places inside the library out, except of its own mistakes", function()
        local env = environment()
        local _, message = repl.evaluate("require('effv2.config').optional 'x'; x = 1", env)
        assert.is_equal("effv2.config.optional: unknown type 'x' (number, string, boolean or list)", message)
        _, message = repl.evaluate("require('effv2.suggest').distance(1)", env)
        assert.is_truthy(message:match "/effv2/suggest%.lua:%d+: attempt to ")
    end)
end)

describe("complete", function()
    local env = {
        alpha = 1, alpine = 2, beta = { gamma = 3, greet = function() end, _hidden = 4 }, text = "s",
        listed = setmetatable({}, { __index = function() end, methods = { close = print }, names = { closed = true } }),
        guarded = setmetatable({}, { __index = function() error "no" end }),
        object = setmetatable({ field = 1 }, { __index = setmetatable({ run = function() end },
            { __index = { rest = function() end, rate = 2 } }) }),
    }
    local function candidates(text, glob)
        return select(2, repl.complete(text, env, glob))
    end

    it("offers globals and keywords", function()
        assert.is_same({ "alpha", "alpine" }, candidates "x = al")
        assert.is_same({ "while" }, candidates "wh")
        assert.is_same({}, candidates "zz")
    end)

    it("offers fields and methods through metatables", function()
        assert.is_same({ "gamma", "greet" }, candidates "beta.g")
        assert.is_same({ "greet" }, candidates "beta:g")
        assert.is_same({ "gamma", "greet" }, candidates "f(beta.")
        assert.is_same({ "_hidden" }, candidates "beta._")
        assert.is_same({ "rate", "rest", "run" }, candidates "object.r")
        assert.is_same({ "rest", "run" }, candidates "object:r")
        assert.is_same({ "rep", "reverse" }, candidates "text:re")
        assert.is_same({ "close", "closed" }, candidates "listed.clo")
        assert.is_same({ "close" }, candidates "listed:clo")
        assert.is_same({ "close" }, (function()
            env.file = io.stdout
            return candidates "file:clo"
        end)())
        env.tensor = require("effv2").zeros(2)
        assert.is_same({ "reshape" }, candidates "tensor:resh")
    end)

    it("finds nothing, quietly, where there is nothing", function()
        for _, text in ipairs { "beta.nothing.x", "guarded.x", "guarded.x.y", "alpha.x", "f().x", "1.5", "..",
            "x::" } do
            assert.is_same({}, candidates(text), text)
        end
    end)

    it("offers files inside strings", function()
        local pattern
        assert.is_same({ "/tmp/a", "/tmp/b" }, candidates("io.open('x', \"/tmp/", function(asked)
            pattern = asked
            return { "/tmp/a", "/tmp/b" }
        end))
        assert.is_equal("/tmp/*", pattern)
        assert.is_same({ "alpha", "alpine" }, candidates "'quoted \\' text' .. al")
    end)

    it("inserts what is common and shows the rest", function()
        local tab = repl.completer({}, env)
        assert.is_same({ "p" }, { tab "al" })
        assert.is_same({ nil, "alpha   alpine" }, { tab "alp" })
        assert.is_same({ "ta" }, { tab "be" })
        assert.is_same({ "    " }, { tab "  " })
        assert.is_nil(tab "zz")
    end)
end)

--- An editor that gives the lines one after the other; a table in their place is { line, true } in a paste, or
-- { nil, reason }, or { signal = n } for a signal while the line before it runs.
local function fake_editor(lines, terminal)
    local at = 0
    local editor = { prompts = {}, remembered = {} }
    function editor.read(_, prompt)
        at = at + 1
        editor.prompts[at] = prompt
        local line = lines[at]
        if type(line) == "table" then
            return line[1], line[2]
        elseif line then
            return line, false
        end
        return nil, "end"
    end
    function editor.remember(_, text)
        table.insert(editor.remembered, text)
    end
    function editor.terminal()
        return terminal
    end
    function editor.take_signal()
        local signal = editor.signal
        editor.signal = nil
        return signal
    end
    return editor
end

describe("the loop", function()
    local printed, print_before

    before_each(function()
        printed, print_before = {}, print
        _G.print = function(...)
            table.insert(printed, (tostring((...))))
        end
    end)

    after_each(function()
        _G.print = print_before
    end)

    local function run(lines, terminal)
        local editor = fake_editor(lines, terminal)
        local code = repl.run(editor, environment())
        return code, editor
    end

    it("joins lines until they are complete", function()
        local code, editor = run { "for i = 1, 2 do", "x = i", "end", "x" }
        assert.is_equal(0, code)
        assert.is_same({ "2" }, printed)
        assert.is_same({ "> ", ">> ", ">> ", "> ", "> " }, editor.prompts)
        assert.is_same({ "for i = 1, 2 do\nx = i\nend", "x" }, editor.remembered)
    end)

    it("runs a paste once", function()
        local _, editor = run { { "a = 1", true }, { "b = 2", true }, "", "a + b" }
        assert.is_same({ "a = 1\nb = 2\n", "a + b" }, editor.remembered)
        assert.is_same({ "3" }, printed)
    end)

    it("ends at the first error from a pipe, not on a terminal", function()
        assert.is_equal(1, (run { "error 'wanted by the test'", "1" }))
        assert.is_same({}, printed)
        local code = run({ "error 'wanted by the test'", "1" }, true)
        assert.is_equal(0, code)
        assert.is_same("1", printed[2])
    end)

    it("drops the line at Ctrl-C and leaves at TERM", function()
        local editor = fake_editor({ "f(", { nil, "signal" }, "1" }, true)
        local read = editor.read
        function editor.read(self, prompt)
            local line, more = read(self, prompt)
            if more == "signal" then
                editor.signal = 2
            end
            return line, more
        end
        assert.is_equal(0, repl.run(editor, environment()))
        assert.is_equal("^C", printed[2])
        assert.is_equal("1", printed[3])

        editor = fake_editor({ { nil, "signal" }, "1" }, true)
        local original = editor.read
        function editor.read(...)
            editor.signal = 15
            return original(...)
        end
        assert.is_equal(143, repl.run(editor, environment()))
    end)

    it("lists what the user made", function()
        run { "answer = 42", "who()" }
        assert.is_same({ ("%-16s 42"):format "answer" }, printed)
    end)
end)
