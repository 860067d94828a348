--- Every experiment, one after another.
--
--     effv2 experiments/all.lua scale=smoke
--     effv2 experiments/all.lua scale=cifar jobs=2
--
-- Further settings (data=, jobs=, out=, ...) are handed on; experiments that do not have the scale are left out. What has a
-- record is not run again, so the same command goes on after it was stopped. The last line is a JSON object.
local effv2 = require "effv2"

local optional = effv2.config.optional

local cfg = effv2.config {
    scale = effv2.config.choice("smoke", effv2.experiment.scales.names), data = optional "string", out = optional "string",
    seeds = optional "number", jobs = optional "number", dry_run = false, only = "",
    help = {
        "Runs the experiments of this folder.", scale = "see any experiment's --help", data = "handed on", out = "handed on",
        seeds = "handed on", jobs = "handed on", dry_run = "handed on",
        only = "a pattern of Lua: experiments whose names match",
    },
}

local folder = arg[0]:match "^(.*)/" or "."

--- The arguments that every experiment gets.
local function handed_on()
    local list = { "scale=" .. cfg.scale }
    for _, name in ipairs { "data", "out", "seeds", "jobs" } do
        if cfg[name] ~= nil then
            list[#list + 1] = ("%s=%s"):format(name, tostring(cfg[name]))
        end
    end
    list[#list + 1] = cfg.dry_run and "dry_run=true" or nil
    return list
end

--- The experiments: scripts that use the framework.
local function scripts()
    local list = {}
    for _, entry in ipairs(assert(effv2.list_dir(folder))) do
        local name = entry.name:match "^(.*)%.lua$"
        local text = name and name ~= "all" and effv2.read_file(folder .. "/" .. entry.name) or ""
        if text:find("effv2.experiment", 1, true) and name:match(cfg.only) then
            list[#list + 1] = name
        end
    end
    return list
end

--- Runs a script. Returns the exit code, or the signal's name, its output, and seconds.
local function run(name, arguments)
    local log, began = os.tmpname(), effv2.clock()
    io.stderr:write(("%s: what it says is in %s until it ends\n"):format(name, log))
    local command = { effv2.program_path(), "--threads", tostring(effv2.threads()), ("%s/%s.lua"):format(folder, name),
        unpack(arguments) }
    local pid = assert(effv2.start_process(command, {}, log))
    local kind, code = effv2.look_at_process(pid, true)
    local output = effv2.read_file(log) or ""
    os.remove(log)
    return kind == "exit" and code or effv2.signal_name(code), output, effv2.clock() - began
end

local arguments, failed, left_out, count, total = handed_on(), {}, {}, 0, 0
for _, name in ipairs(scripts()) do
    local code, output, seconds = run(name, arguments)
    if code == 2 and output:find("scale: '", 1, true) then -- it does not have this scale
        left_out[#left_out + 1] = name
    else
        count, total = count + 1, total + seconds
        print(("%-44s %s  %.1f s"):format(name, code == 0 and "done" or "FAILED: " .. tostring(code), seconds))
        if code ~= 0 or cfg.dry_run then
            print(output)
        end
        failed[#failed + 1] = code ~= 0 and name or nil
    end
    io.stdout:flush()
    if effv2.interrupted() then
        os.exit(130)
    end
end

print(effv2.json_encode { experiments = count, failed = #failed, left_out = #left_out, seconds = total, scale = cfg.scale })
os.exit(#failed == 0 and 0 or 1)
