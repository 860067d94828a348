--- Starts the effv2 program for the tests: with its output in files, or on a pseudo-terminal.
local program = {}

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end
program.quote = quote

local function read_file(path)
    local file = io.open(path)
    if not file then
        return ""
    end
    local text = file:read "*a"
    file:close()
    return text
end
program.read_file = read_file

--- Output of a shell command, without its last newline.
function program.shell(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    pipe:close()
    return (text:gsub("\n$", ""))
end

--- The program under test is the one that runs the tests.
program.path = program.shell "readlink /proc/$PPID/exe"

local folder -- removed by program.clean

--- A folder for the files of the tests.
function program.folder()
    folder = folder or program.shell "mktemp -d"
    return folder
end

function program.clean()
    if folder then
        os.execute("rm -rf " .. quote(folder))
        folder = nil
    end
end

--- Writes a file below the folder, making folders as needed; returns its path.
function program.write(name, text)
    local path = program.folder() .. "/" .. name
    os.execute("mkdir -p " .. quote(path:match "^(.*)/"))
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    return path
end

--- Runs the program. `command` is its command line in shell syntax, "@" stands for the folder of the tests.
-- options: input (text of standard input), environment (as in env), folder (to run in).
-- Returns the exit code, standard output, standard error.
function program.run(command, options)
    options = options or {}
    local base = program.folder()
    program.write("input", options.input or "")
    local line = ("cd %s; env %s %s %s <@/input >@/output 2>@/errors; echo $?"):format(options.folder or "@",
        options.environment or "", quote(program.path), command):gsub("@", base)
    local code = tonumber(program.shell(line))
    return code, read_file(base .. "/output"), read_file(base .. "/errors")
end

--- Starts the program, waits until it has printed "ready", sends the signal. Returns as run does.
function program.run_and_signal(command, signal)
    local base = program.folder()
    local line = ([[cd %s; : >output; %s %s >output 2>errors & job=$!
        tries=0; until grep -q ready %s/output || [ $tries -gt 400 ]; do sleep 0.02; tries=$((tries+1)); done
        kill -%s $job; wait $job; echo $?]]):format(quote(base), quote(program.path), (command:gsub("@", base)),
        quote(base), signal)
    local code = tonumber(program.shell(line))
    return code, read_file(base .. "/output"), read_file(base .. "/errors")
end

-- ---- a terminal -------------------------------------------------------------------------------------

local Terminal = {}
Terminal.__index = Terminal

--- Starts the program on a pseudo-terminal.
function program.terminal(arguments, environment)
    local base = program.folder()
    local keys, screen = base .. "/keys", base .. "/screen"
    os.execute(("cd %s; rm -f keys screen ended; mkfifo keys"):format(quote(base)))
    local inner = ("env TERM=xterm %s %s %s"):format(environment or "", quote(program.path), arguments or "")
    os.execute(("cd %s; (script -qefc %s screen <keys >/dev/null 2>&1; echo $? >ended) &"):format(quote(base),
        quote(inner)))
    local input = assert(io.open(keys, "w"))
    input:setvbuf "no"
    return setmetatable({ input = input, screen_file = screen, ended = base .. "/ended", seen = 0 }, Terminal)
end

local function wait_until(condition)
    for _ = 1, 500 do
        local result = condition()
        if result then
            return result
        end
        os.execute "sleep 0.02"
    end
end

--- What appeared since the last successful expect, without control sequences.
function Terminal:screen()
    local text = read_file(self.screen_file):gsub("\27%[[%d?;]*%a", ""):gsub("\r", "")
    return text:sub(self.seen + 1), #text
end

--- Types text.
function Terminal:send(text)
    self.input:write(text)
end

--- Waits for plain text on the screen; fails the test when it does not come.
function Terminal:expect(text)
    local found = wait_until(function()
        local screen = self:screen()
        local _, last = screen:find(text, 1, true)
        return last
    end)
    if not found then
        error(("%q did not appear; the screen shows:\n%s"):format(text, (self:screen())), 2)
    end
    self.seen = self.seen + found
end

--- Waits for the end of the program; returns its exit code.
function Terminal:wait()
    local code = wait_until(function()
        return tonumber(read_file(self.ended))
    end)
    self.input:close()
    return code or error("the program does not end; the screen shows:\n" .. self:screen(), 2)
end

return program
