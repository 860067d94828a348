--- What the specs of training share: a tiny model, tiny data, folders, and the program started as a process.
local effv2 = require "effv2"
local assert = require "luassert"

local support = {}

-- ---- a training that takes a fraction of a second ---------------------------------------------------

--- A network with all kinds of blocks: fused with and without expansion, MBConv with squeeze-excite, residuals.
function support.model(options)
    local description = {
        stem = { channels = 8, stride = 2 }, head = 32, classes = 10,
        stages = {
            { op = "fused", channels = 8, expansion = 1, layers = 2 },
            { op = "fused", channels = 12, expansion = 2, stride = 2 },
            { op = "mb", channels = 16, expansion = 2, stride = 2, layers = 2, se = 0.25 },
        },
    }
    for key, value in pairs(options or {}) do
        description[key] = value
    end
    return effv2.models.create(description)
end

function support.data(options)
    return effv2.data.open("shapes", options or { train = 48, val = 20, seed = 3 })
end

--- Everything at once: two stages, RandAugment, Mixup, CutMix, dropout, stochastic depth.
function support.schedule(options)
    local given = {
        stages = 2, image_size = { 16, 24 }, randaugment = { 3, 9 }, mixup = { 0.1, 0.3 }, cutmix = { 0.2, 0.4 },
        dropout = { 0.1, 0.3 }, drop_path = { 0.1, 0.3 },
    }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    return effv2.schedule.progressive(given)
end

--- Arguments of a training with all of it; `changes` replaces some (ema = false: no average).
function support.arguments(changes)
    effv2.manual_seed(changes and changes.seed or 5)
    local o = {
        model = support.model(), data = support.data(), epochs = 4, batch_size = 12, seed = 5, workers = 1,
        optimizer = effv2.optim.rmsprop { weight_decay = 1e-4 },
        lr = effv2.lr.exponential { peak = 0.02, warmup_epochs = 1, every_epochs = 1 },
        ema = 0.99, schedule = support.schedule(), quiet = true, log_every = 1,
    }
    for key, value in pairs(changes or {}) do
        o[key] = value
    end
    if o.ema == false then
        o.ema = nil
    end
    if not o.run and not o.resume then
        o.run = support.new_name()
    end
    return o
end

--- Trains with these arguments; returns what effv2.train returns.
function support.train(changes)
    return effv2.train(support.arguments(changes))
end

-- ---- folders ----------------------------------------------------------------------------------------

local folder, names

function support.folder()
    if not folder then
        folder, names = os.tmpname(), 0
        os.remove(folder)
        assert(effv2.make_dir(folder))
    end
    return folder
end

--- A path below the folder that nothing has yet.
function support.new_name()
    local base = support.folder()
    names = names + 1
    return ("%s/%d"):format(base, names)
end

--- Removes everything made below the folder.
function support.clean()
    if folder then
        assert(folder:match "^/tmp/")
        os.execute(("rm -rf '%s'"):format(folder))
        folder = nil
    end
end

-- ---- looking at runs --------------------------------------------------------------------------------

--- All objects of metrics.jsonl; of one kind when it is given.
function support.metrics(run, kind)
    local list = {}
    for line in assert(effv2.read_file(run .. "/metrics.jsonl")):gmatch "[^\n]+" do
        local value = assert(effv2.json_decode(line))
        if not kind or value.kind == kind then
            list[#list + 1] = value
        end
    end
    return list
end

local MEASURED = { "seconds", "images_per_s", "data_wait", "rss_mb" } -- differ from run to run

--- The metrics as text, without what the clock and the machine decide.
function support.results(run)
    local lines = {}
    for i, value in ipairs(support.metrics(run)) do
        for _, name in ipairs(MEASURED) do
            value[name] = nil
        end
        lines[i] = effv2.json_encode(value)
    end
    return table.concat(lines, "\n")
end

--- { name = bytes } of all tensors of a checkpoint: weights, statistics, optimiser, average.
function support.tensors(run, name)
    local found = {}
    for key, tensor in pairs(assert(effv2.load(("%s/checkpoints/%s.safetensors"):format(run, name or "last"), true))) do
        found[key] = tensor:tobytes()
    end
    return found
end

--- The scalars of a checkpoint.
function support.state(run, name)
    local _, metadata = assert(effv2.inspect(("%s/checkpoints/%s.safetensors"):format(run, name or "last")))
    return effv2.json_decode(metadata["effv2.state"])
end

local function differing(a, b)
    local names_of, list = {}, {}
    for _, set in ipairs { a, b } do
        for key in pairs(set) do
            names_of[key] = true
        end
    end
    for key in pairs(names_of) do
        if a[key] ~= b[key] then
            list[#list + 1] = key
        end
    end
    table.sort(list)
    return list
end

--- Fails unless two runs ended with the same bits: tensors of the checkpoint and of the best weights, scalars, metrics.
function support.assert_same_run(a, b)
    for _, name in ipairs { "last", "best" } do
        local list = differing(support.tensors(a, name), support.tensors(b, name))
        if #list > 0 then
            error(("%s and %s: %d tensors of %s differ: %s"):format(a, b, #list, name, table.concat(list, ", ")), 2)
        end
    end
    assert.is_equal(support.results(a), support.results(b))
    local x, y = support.state(a), support.state(b)
    for _, state in ipairs { x.run, y.run } do
        state.seconds, state.metrics.seconds, state.metrics.images_per_s, state.metrics.rss_mb = nil, nil, nil, nil
        state.metrics.data_wait = nil
    end
    assert.is_same(x, y)
end

-- ---- the program as a process -----------------------------------------------------------------------

local function shell(command)
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    pipe:close()
    return (text:gsub("\n$", ""))
end

--- The program under test: the one that ctest names, or else the one that runs the tests.
support.program = os.getenv "EFFV2" or shell "readlink /proc/$PPID/exe"

--- The folder that the tests run in, absolute.
support.here = shell "pwd"

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a shell command that has %s where the program and its arguments go.
-- @return exit code (128 + the signal's number when one ended it), standard output, standard error
function support.run(template, arguments)
    local base = support.new_name()
    local command = template:format(("%s %s"):format(quote(support.program), arguments))
    local code = tonumber(shell(("{ %s; } >%s.out 2>%s.err; echo $?"):format(command, base, base)))
    return code, assert(effv2.read_file(base .. ".out")), assert(effv2.read_file(base .. ".err"))
end

--- Writes a file below the folder; returns its path.
function support.write(text)
    local path = support.new_name() .. ".lua"
    assert(effv2.write_file(path, text))
    return path
end

return support
