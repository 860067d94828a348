--- What the prompt does with what is typed: whether it is complete, what it means, what is printed, what Tab offers.
--
-- The program gives a line editor (core/program/prompt.c) with the methods read, remember, terminal, take_signal and
-- glob. An expression prints its value, a trailing ";" hides it, `_` is the last one. Local variables of a typed chunk
-- stay as globals, so that lines pasted from a recipe work one by one.
local pretty = require "effv2.pretty"

local repl = {}

local chunk_name = "=stdin"
local signal_int, signal_term = 2, 15

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

-- ---- compile ----------------------------------------------------------------------------------------

local function is_incomplete(message)
    return message:match "near '<eof>'$" and not message:match "unfinished string near"
end

--- Compiles what was typed.
-- @return the function, and "expression", "quiet" (an expression that hides its value) or "statement";
--   or nil, "incomplete"; or nil and the compiler's message.
-- A statement takes a function that it calls at its end, for repl.keep_locals.
function repl.compile(text)
    text = text:gsub("^%s*=", "")
    local expression, hides = text:gsub(";%s*$", "")
    local chunk, expression_error = loadstring("return " .. expression, chunk_name)
    if chunk and expression:match "%S" then
        return chunk, hides > 0 and "quiet" or "expression"
    end
    local message
    chunk, message = loadstring(text, chunk_name)
    if chunk then
        return loadstring("local _keep = ...; " .. text .. "\n_keep()", chunk_name) or chunk, "statement"
    end
    if is_incomplete(message) or (expression_error and hides == 0 and is_incomplete(expression_error)) then
        return nil, "incomplete"
    end
    return nil, message
end

--- A function that copies the local variables of its caller into env.
function repl.keep_locals(env)
    return function()
        local index = 2 -- the first is _keep
        local name, value = debug.getlocal(2, index)
        while name do
            if name:match "^[%a_]" then
                env[name] = value
            end
            index = index + 1
            name, value = debug.getlocal(2, index)
        end
    end
end

-- ---- evaluate ---------------------------------------------------------------------------------------

--- The text for the user of an error value. Places inside the library are left out, except of its own mistakes.
local function error_text(value, typed)
    if type(value) == "table" and type(rawget(value, "message")) == "string" then
        return value.message
    elseif type(value) ~= "string" then
        return pretty.format(value)
    end
    local rest = value:match "^[^\n:]*/effv2/[%w_/]+%.lua:%d+: (.*)$"
    if rest and not rest:match "^attempt to " then
        return rest
    end
    return typed:find("\n", 1, true) and value or (value:gsub("^stdin:1: ", ""))
end

local function format_result(value)
    if type(value) == "string" and value:find("\n", 1, true) then
        return value
    end
    return pretty.format(value)
end

--- The text for results[2 .. count].
local function format_results(count, results)
    local texts = {}
    for i = 2, count do
        texts[i - 1] = format_result(results[i])
    end
    return table.concat(texts, "\t")
end

local function pack(...)
    return select("#", ...), { ... }
end

--- Runs typed text in env.
-- @return true and the text to print, or nil; or false and the text of the error
function repl.evaluate(text, env)
    local chunk, kind = repl.compile(text)
    if not chunk then
        if kind == "incomplete" then
            kind = select(2, loadstring(text, chunk_name))
        end
        return false, error_text(kind, text)
    end
    setfenv(chunk, env)
    jit.off(chunk, true) -- compiled loops cannot be interrupted
    local count, results
    if kind == "statement" then
        count, results = pack(pcall(chunk, repl.keep_locals(env)))
    else
        count, results = pack(pcall(chunk))
    end
    if not results[1] then
        return false, error_text(results[2], text)
    end
    if count == 1 then
        return true
    end
    if results[2] ~= nil then
        env._ = results[2]
    end
    if kind == "quiet" then
        return true
    end
    return true, format_results(count, results)
end

-- ---- complete ---------------------------------------------------------------------------------------

local function add_names(names, object, callable_only)
    if type(object) ~= "table" then
        return
    end
    for key, value in next, object do
        if type(key) == "string" and key:match "^[%a_][%w_]*$" and (not callable_only or type(value) == "function") then
            names[key] = true
        end
    end
end

--- The names that can follow "object." and "object:", found through its metatables. Where __index is a function, a
-- metatable lists what it knows in a table `methods`, or `names` when they are not loaded yet.
local function names_of(object, callable_only)
    local names = {}
    for _ = 1, 10 do
        add_names(names, object, callable_only)
        local meta = debug.getmetatable(object)
        if type(meta) ~= "table" then
            break
        end
        add_names(names, rawget(meta, "methods"), callable_only)
        if not callable_only then
            add_names(names, rawget(meta, "names"))
        end
        local index = rawget(meta, "__index")
        if type(index) ~= "table" then
            break
        end
        object = index
    end
    return names
end

--- Follows "a.b.c" from env; nil where it leads nowhere.
local function lookup(path, env)
    local object = env
    for name in path:gmatch "[^.:]+" do
        local ok, value = pcall(function()
            return object[name]
        end)
        if not ok or value == nil then
            return nil
        end
        object = value
    end
    return object
end

--- The beginning of a string that is open at the end of the text, or nil.
local function open_string(text)
    local quote, start
    local at = 1
    while at <= #text do
        local char = text:sub(at, at)
        if quote and char == "\\" then
            at = at + 1
        elseif char == quote then
            quote = nil
        elseif not quote and (char == '"' or char == "'") then
            quote, start = char, at + 1
        end
        at = at + 1
    end
    return quote and text:sub(start)
end

local function matching(names, word)
    local found = {}
    for name in pairs(names) do
        local private = name:sub(1, 1) == "_" and word:sub(1, 1) ~= "_"
        if name:sub(1, #word) == word and not private then
            found[#found + 1] = name
        end
    end
    table.sort(found)
    return found
end

--- Candidates for the end of the text.
-- @param glob a function that lists the files of a pattern
-- @return the word to be completed and a sorted list of what it can become
function repl.complete(text, env, glob)
    local path_start = open_string(text)
    if path_start then
        return path_start, glob and glob(path_start .. "*") or {}
    end
    local expression = text:match "[%w_.:]*$"
    local path, separator, word = expression:match "^(.*)([.:])([%w_]*)$"
    if not path then
        local names = names_of(env)
        for _, keyword in ipairs(keywords) do
            names[keyword] = true
        end
        return expression, matching(names, expression)
    end
    local object = path:match "^[%a_]" and lookup(path, env)
    return word, object and matching(names_of(object, separator == ":"), word) or {}
end

local function common_prefix(candidates)
    local prefix = candidates[1]
    for i = 2, #candidates do
        while candidates[i]:sub(1, #prefix) ~= prefix do
            prefix = prefix:sub(1, -2)
        end
    end
    return prefix
end

local function in_columns(names, width)
    local longest = 0
    for _, name in ipairs(names) do
        longest = math.max(longest, #name)
    end
    local columns = math.max(1, math.floor(width / (longest + 2)))
    local lines = {}
    local rows = math.ceil(#names / columns)
    for row = 1, rows do
        local cells = {}
        for column = 0, columns - 1 do
            cells[#cells + 1] = names[column * rows + row]
        end
        for i = 1, #cells - 1 do
            cells[i] = cells[i] .. (" "):rep(longest + 2 - #cells[i])
        end
        lines[row] = table.concat(cells)
    end
    return table.concat(lines, "\n")
end

--- The Tab key: a function of the text before the cursor that returns what to insert and what to show (each or nil).
function repl.completer(editor, env)
    local function glob(pattern)
        return editor:glob(pattern)
    end
    return function(text)
        if text:match "^%s*$" then
            return "    "
        end
        local word, candidates = repl.complete(text, env or _G, glob)
        if #candidates == 0 then
            return nil
        end
        local addition = common_prefix(candidates):sub(#word + 1)
        if addition ~= "" then
            return addition
        end
        return nil, #candidates > 1 and in_columns(candidates, 80) or nil
    end
end

-- ---- the loop ---------------------------------------------------------------------------------------

--- Reads lines until they make a complete chunk. Returns nil and the editor's reason at the end.
local function read_chunk(editor)
    local text
    while true do
        local line, more = editor:read(text and ">> " or "> ")
        if not line then
            if text and more == "end" then
                return text
            end
            return nil, more
        end
        text = text and text .. "\n" .. line or line
        local pasting = more
        if not pasting then
            local _, problem = repl.compile(text)
            if problem ~= "incomplete" or text:match "^%s*%?" then
                return text
            end
        end
    end
end

--- help(x) and "? name".
local function explain(topic)
    return require "effv2.help"(topic)
end

--- Sets what only the prompt has: effv2, help, who.
local function add_globals(env)
    local ok, effv2 = pcall(require, "effv2")
    if not ok then
        io.stderr:write(error_text(effv2, ""), "\n")
        effv2 = nil
    end
    env.effv2 = effv2
    local own = {}
    function env.help(topic)
        print(explain(topic))
    end
    function env.who()
        for _, name in ipairs(matching(env, "")) do
            if not own[name] then
                print(("%-16s %s"):format(name, pretty.format(env[name], { depth = 1, entries = 6 })))
            end
        end
    end
    for name in pairs(env) do
        own[name] = true
    end
end

local function greet(effv2)
    print(("effv2 %s: Tab completes, ? name explains, Ctrl-C stops, Ctrl-D leaves"):format(effv2 and effv2._VERSION
        or ""))
end

--- The user's start-up file: $XDG_CONFIG_HOME/effv2/init.lua.
local function run_start_file(env)
    local folder = os.getenv "XDG_CONFIG_HOME" or (os.getenv "HOME" or "") .. "/.config"
    local path = folder .. "/effv2/init.lua"
    local file = io.open(path)
    if not file then
        return
    end
    file:close()
    local chunk, message = loadfile(path)
    local ok = chunk ~= nil
    if ok then
        ok, message = pcall(setfenv(chunk, env))
    end
    if not ok then
        io.stderr:write(error_text(message, ""), "\n")
    end
end

local function respond(editor, text, env)
    local topic = text:match "^%s*%?%s*(.-)%s*$"
    local ok, answer
    if topic then
        ok, answer = pcall(explain, topic)
    else
        ok, answer = repl.evaluate(text, env)
    end
    local signal = editor:take_signal()
    if signal and not ok then
        answer = "interrupted"
    end
    if answer and ok then
        print(answer)
    elseif answer then
        io.stdout:flush()
        io.stderr:write("error: ", answer, "\n")
    end
    return ok, signal
end

--- Reads and evaluates until the end of the input. From a terminal errors are shown and forgotten; from a pipe the
-- first ends the run.
-- @return the exit code
function repl.run(editor, env)
    env = env or _G
    local terminal = editor:terminal()
    add_globals(env)
    if terminal then
        greet(env.effv2)
        run_start_file(env)
    end
    editor:take_signal() -- of the script that ran before
    while true do
        local text, reason = read_chunk(editor)
        local ok, signal = true, nil
        if text and text:match "%S" then
            editor:remember(text)
            ok, signal = respond(editor, text, env)
        elseif reason == "signal" then
            signal = editor:take_signal()
            print(signal == signal_int and "^C" or "")
        elseif not text then
            if terminal then
                print()
            end
            return 0
        end
        if signal == signal_term or (signal and not terminal) then
            return 128 + signal
        elseif not ok and not terminal then
            return 1
        end
    end
end

return repl
