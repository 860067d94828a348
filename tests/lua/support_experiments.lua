--- What the specs of experiments share: a training that takes a moment, and scripts of experiments as processes.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

local experiments = { clean = support.clean, new_name = support.new_name, program = support.program }

--- Settings of a training, as data; `changes` replaces some.
function experiments.settings(changes)
    local settings = {
        data = { kind = "shapes", train = 16, val = 8 }, epochs = 2, batch_size = 8, eval_size = 8, eval_rule = "whole",
        model = {
            stem = { channels = 4 }, head = 8,
            stages = { { op = "fused", channels = 4, expansion = 1 }, { op = "mb", channels = 8, expansion = 2, stride = 2 } },
        },
        optimizer = { rule = "sgd", momentum = 0.9 }, lr = { curve = "constant", peak = 0.05 },
        schedule = { kind = "progressive", image_size = { 6, 8 }, stages = 2, randaugment = { 0, 5 }, mixup = { 0, 0.2 } },
        augment = { crop = "pad", operations = 1, dialect = "relative" }, ema = 0.5,
    }
    for key, value in pairs(changes or {}) do
        settings[key] = value
    end
    return settings
end

--- The script of an experiment with two arms, "first" and "second" of so many epochs, that trains as settings() says.
-- @param body Lua that stands between the trainings, `found`, and the report; `before`, what stands before them
function experiments.script(name, body, o)
    o = o or {}
    return ([[
        local effv2 = require "effv2"
        local experiment = effv2.experiment
        local x = experiment {
            name = %q, title = "A title", section = "9.9", asks = "Is it so?", settings = { width = 1, list = { 1, 2 } },
            help = { width = "of something" },
        }
        local settings = effv2.json_decode(%q)
        %s
        local found = x:train({
            { name = "first", training = {} }, { name = "second", training = { epochs = %d } },
        }, settings)
        %s
        x:report {
            columns = { "arm", { name = "top-1 (%%)", digits = 1 } },
            rows = { { "fir|st", found[1].top1 }, { found[2].name, found[2].top1 } },
            claims = { x:claim("The first is better", found[1], found[2]) }, notes = { "A note.", "Another." },
            more = { { name = "extra", title = "By arm", columns = { "n" }, rows = { { #found } } } },
            plot = { x = { names = { "a", "b" } }, series = { { points = { { 1, found[1].top1.mean }, { 2, 3 } } } } },
        }
    ]]):format(name, effv2.json_encode(o.settings or experiments.settings()), o.before or "", o.second or 3, body or "")
end

--- Makes a folder with a script NAME.lua for each { NAME = text }.
function experiments.folder(scripts)
    local folder = support.new_name()
    assert(effv2.make_dir(folder))
    for name, text in pairs(scripts) do
        assert(effv2.write_file(("%s/%s.lua"):format(folder, name), text))
    end
    return folder
end

--- Runs a script in its folder. Returns exit code, output, errors.
function experiments.run(folder, name, arguments)
    return support.run(("cd '%s'; %%s"):format(folder), ("--threads 1 %s.lua %s"):format(name, arguments or ""))
end

--- Starts a script with results in its folder's `out`; returns the process. What it says goes to the file `output`.
function experiments.start(folder, name, arguments)
    local command = { support.program, "--threads", "1", ("%s/%s.lua"):format(folder, name), "out=" .. folder .. "/out" }
    for _, argument in ipairs(arguments) do
        command[#command + 1] = argument
    end
    return assert(effv2.start_process(command, {}, folder .. "/output"))
end

--- The JSON object in the last line of an output.
function experiments.result(output)
    return assert(effv2.json_decode(assert(output:match "([^\n]*)\n$")))
end

--- The bytes of the records below a folder of results: { path = bytes }, and their number.
function experiments.records(out)
    local list, count = {}, 0
    local folder = out .. "/trainings/smoke"
    for _, entry in ipairs(effv2.dir_exists(folder) and effv2.list_dir(folder) or {}) do
        local path = folder .. "/" .. entry.name
        list[path], count = assert(effv2.read_file(path)), count + 1
    end
    return list, count
end

return experiments
