--- Trainings, runs, checkpoints and command lines that cannot work end in messages with cause and cure, and nothing
-- that was good is lost by them.
local effv2 = require "effv2"
local program = dofile "tests/cli/program.lua"
local support = dofile "tests/lua/support.lua"

local augment, optim, lr, schedule = effv2.augment, effv2.optim, effv2.lr, effv2.schedule

--- Arguments of a training of 2 epochs of 2 updates; `changes` replaces some, and false removes one.
local function arguments(changes)
    effv2.manual_seed(0)
    local o = {
        model = support.model(), data = effv2.data.open("shapes", { train = 16, val = 8 }), optimizer = optim.sgd {},
        lr = lr.constant { peak = 0.01 }, schedule = schedule.fixed { image_size = 16 }, epochs = 2, batch_size = 8,
        workers = 0, eval_rule = "whole", quiet = true,
    }
    for key, value in pairs(changes) do
        o[key] = value or nil
    end
    return o
end

--- A training with these changes, in a folder that it must not create when its arguments are refused.
local function train(changes)
    return function(root)
        return effv2.train(arguments(changes)), root
    end
end

local function train_in(name, changes)
    return function(root)
        local o = arguments(changes or {})
        o.run = root .. name
        return effv2.train(o)
    end
end

-- ---- arguments --------------------------------------------------------------------------------------

local given = {
    { "no model", train { model = false }, "train: model is missing", "effv2.models.create" },
    { "no data", train { data = false }, "train: data is missing", "effv2.data.open" },
    { "no rate", train { lr = false }, "train: lr is missing", "effv2.lr.cosine" },
    { "no schedule", train { schedule = false }, "train: schedule is missing", "effv2.schedule.fixed" },
    { "a rate instead of its curve", train { lr = 0.1 }, "train: lr is a number", "effv2.lr.cosine" },
    { "a name instead of an optimiser", train { optimizer = "sgd" }, "train: optimizer is a string", "effv2.optim.sgd" },
    { "a misspelt argument", train { epohcs = 3 }, "train: unknown argument 'epohcs'", "did you mean epochs?" },
    { "no epochs", train { epochs = 0 }, "train: epochs is 0", "a whole number from 1" },
    { "half a seed", train { seed = 0.5 }, "train: seed is 0.5", "a whole number from 0" },
    { "a batch larger than the data", train { batch_size = 100 }, "batch_size is 100", "only 16 training images" },
    { "parts that do not divide", train { accumulate = 3 }, "batch_size 8 is not a multiple", "accumulate 3" },
    { "an unknown loss", train { loss = "softmx" }, 'train: loss is "softmx"', "did you mean softmax?" },
    { "an unknown rule of evaluation", train { eval_rule = "hole" }, 'eval_rule is "hole"', "did you mean whole?" },
    { "too much smoothing", train { label_smoothing = 2 }, "label_smoothing is 2", "in [0, 1)" },
    { "no clipping", train { clip_norm = 0 }, "clip_norm is 0", "above 0" },
    { "an average that is a text", train { ema = "yes" }, "train: ema is a string", "effv2.optim.ema" },
    { "a pipeline for all sizes", train { augment = augment.train { size = 16 } }, "augment is a table", "wanted a function" },
    { "an empty name", train { run = "" }, "train: run is an empty text", "the name of a folder" },
    { "a new run and an old one", train { run = "a", resume = "b" }, "both run and resume are given", "to go on with" },
    { "another number of classes", train { model = support.model { classes = 3 } }, "the model has 3 classes, the data 10",
        "classes = data.classes" },
}

-- ---- folders ----------------------------------------------------------------------------------------

local function stopped_run(root)
    local folder = root .. "/run"
    local o = arguments { run = folder, stop_after = 3 }
    local ok, stop = pcall(effv2.train, o)
    assert(not ok and stop.exit_code == 75, tostring(stop))
    return folder
end

local function resume(folder, changes)
    local o = arguments(changes or {})
    o.resume = folder
    return effv2.train(o)
end

local function resume_changed(changes)
    return function(root)
        return resume(stopped_run(root), changes)
    end
end

local folders = {
    { "a folder that holds a run", function(root)
        local folder = stopped_run(root)
        return train_in("/run", {})(root), folder
    end, "/run holds a run already", "continue it with resume=", "name another folder with run=" },
    { "a folder below a file", function(root)
        support.fill(root, { ["file"] = "text" })
        return train_in "/file/run"(root)
    end, "/file: cannot create the folder: Not a directory", "a file where a folder is needed" },
    { "a folder where none can be", function() return effv2.train(arguments { run = "/proc/nope/run" }) end,
        "/proc/nope: cannot create the folder", "choose another path" },
    { "a run that is not there", function(root) return resume(root .. "/nope") end, "/nope: there is no such folder",
        "resume=" },
    { "a folder that is no run", function(root) return resume(root) end, "no run is there", "start it with run=" },
    { "a run without checkpoints", function(root)
        local folder = stopped_run(root)
        os.execute(("rm '%s'/checkpoints/*"):format(folder))
        return resume(folder)
    end, "no usable checkpoint", "last.safetensors: cannot read", "previous.safetensors: cannot read", "start again with run=" },
    { "other epochs", resume_changed { epochs = 3 }, "started with epochs = 2, now it is 3", "pass the old value" },
    { "another seed", resume_changed { seed = 3 }, "started with seed = 0, now it is 3", "pass the old value" },
    { "another optimiser", resume_changed { optimizer = optim.adamw {} }, "started with optimizer = sgd, now it is adamw",
        "pass the old value" },
    { "another model", resume_changed { model = support.model { head = 16 } }, "last.safetensors: it is of another model",
        "head.conv.weight (given 1x1x8x8, wanted 1x1x8x16)", "make the same one" },
    { "a folder that vanishes", function(root)
        local function remove()
            os.execute(("rm -rf '%s/run'"):format(root))
        end
        return train_in("/run", { on_epoch = remove })(root)
    end, "/run/", "does not exist" },
}

-- ---- checkpoints ------------------------------------------------------------------------------------

local function last(folder)
    return folder .. "/checkpoints/last.safetensors"
end

--- Resumes a stopped run whose only checkpoint is what `change` makes of it.
local function resume_damaged(change)
    return function(root)
        local folder = stopped_run(root)
        local bytes = assert(effv2.read_file(last(folder)))
        os.remove(folder .. "/checkpoints/previous.safetensors")
        assert(effv2.write_file(last(folder), change(bytes, folder)))
        return resume(folder)
    end
end

local checkpoints = {
    { "a truncated checkpoint", resume_damaged(function(bytes) return bytes:sub(1, -100) end),
        "last.safetensors: tensor ", "truncated file?", "start again with run=" },
    { "a truncated header", resume_damaged(function(bytes) return bytes:sub(1, 100) end),
        "last.safetensors: the file ends within its header", "truncated file?", "start again with run=" },
    { "a flipped byte", resume_damaged(function(bytes)
        return bytes:sub(1, -9) .. string.char((bytes:byte(-8) + 1) % 256) .. bytes:sub(-7)
    end), "last.safetensors: the file is damaged or was edited: its checksum differs", "take another copy or checkpoint" },
    { "an empty checkpoint", resume_damaged(function() return "" end), "no safetensors file: it holds 0 bytes",
        "start again with run=" },
    { "a text", resume_damaged(function() return "this is no checkpoint" end), "last.safetensors: no safetensors file",
        "start again with run=" },
    { "weights alone", resume_damaged(function(_, folder)
        return assert(effv2.read_file(folder .. "/checkpoints/best.safetensors"))
    end), "not a training checkpoint of effv2", "weights alone cannot be resumed" },
    { "weights that are not there", function(root) return effv2.load(root .. "/nope") end, "/nope: cannot read",
        "No such file" },
    { "a folder as weights", effv2.load, "this is a folder", "a safetensors file is needed" },
    { "a folder for weights that is not there", function(root)
        return effv2.save(root .. "/nope/a", { a = effv2.zeros(2) })
    end, "/nope/a: cannot write", "/nope does not exist" },
    { "weights that are no tensors", function(root) return effv2.save(root .. "/a", { a = 3 }) end,
        "save: wants a table of name = tensor", "got string = number" },
    { "weights that were freed", function(root)
        local freed
        effv2.step(function() freed = effv2.zeros(2) + 1 end)
        return effv2.save(root .. "/a", { a = freed })
    end, "freed at the end of its step", "call :keep()" },
    { "settings that are no JSON", function(root)
        support.fill(root, { ["config.json"] = "{ epochs: 3 }" })
        return require "effv2.train.run".settings(root)
    end, "config.json: not valid JSON", "line 1, column " },
}

-- ---- in the midst of a training ---------------------------------------------------------------------

--- Data of two classes with a picture that cannot be read.
local function with_bad_picture(changes)
    return function(root)
        support.fill_classes(root, 20, { ["cats/bad.jpg"] = support.jpeg:sub(1, 150) })
        local o = arguments(changes or {})
        o.run, o.data, o.model = root .. "/run", effv2.data.open(root), support.model { classes = 2 }
        return effv2.train(o)
    end
end

local midst = {
    { "a truncated JPEG", with_bad_picture(), "cats/bad.jpg: damaged JPEG: the data ends early", 'on_bad = "skip"' },
    { "a loss that is no number", train_in("/run", { lr = lr.constant { peak = 1e30 } }), "the loss became ",
        "at update 2 (learning rate 1e+30, image size 16)", "lower the rate", "the last checkpoint is " },
    { "weights that are no numbers", train_in("/run", { lr = lr.constant { peak = 1e300 }, batch_size = 16 }),
        "the weights became ", "at update 1 (learning rate 1e+300", "lower the rate", "the last checkpoint is " },
    { "an augmentation that is none", train_in("/run", { augment = function() return 3 end }), "pipeline is a number",
        "effv2.augment.train" },
    { "a schedule without a size", train_in("/run", { schedule = schedule.custom(function() return {} end) }),
        "schedule.custom, at 0 % of the training: image_size is ", "a whole number of pixels" },
    { "a rate that is none", train_in("/run", { lr = lr.custom(function(step) return step < 3 and 0.1 or nil end) }),
        "lr.custom: the function gave nil for update 3", "wanted a number from 0" },
}

describe("trainings that cannot work are explained:", function()
    for part, cases in pairs { given = given, folders = folders, checkpoints = checkpoints, midst = midst } do
        for _, case in ipairs(cases) do
            it(("%s: %s"):format(part, case[1]), function()
                support.in_folder(function(root)
                    support.check(case, root)
                end)
            end)
        end
    end
end)

describe("what was good stays:", function()
    it("arguments that are refused create nothing", function()
        support.in_folder(function(root)
            for _, changes in ipairs { { epochs = 0 }, { eval_rule = "hole" }, { loss = "x" }, { lr = 3 } } do
                changes.run = root .. "/run"
                support.message_of(effv2.train, arguments(changes))
                assert.is_false(effv2.file_exists(root .. "/run"))
            end
        end)
    end)

    it("a training that diverges keeps the checkpoint before", function()
        for peak, batch_size in pairs { [1e30] = 8, [1e300] = 16 } do
            support.in_folder(function(root)
                support.message_of(train_in("/run", { lr = lr.constant { peak = peak }, batch_size = batch_size }), root)
                local tensors, metadata = assert(effv2.load(last(root .. "/run"), true))
                assert.is_equal(0, effv2.json_decode(metadata["effv2.state"]).run.step)
                local sum = tensors["model.stem.conv.weight"]:sum():item()
                assert.is_true(sum == sum and math.abs(sum) < 1e3)
                assert.is_false(effv2.file_exists(root .. "/run/checkpoints/best.safetensors"))
            end)
        end
    end)

    it("a damaged checkpoint is passed over for the one before, with a notice", function()
        support.in_folder(function(root)
            local undisturbed = train_in("/whole", {})(root)
            local folder = stopped_run(root)
            local bytes = assert(effv2.read_file(last(folder)))
            assert(effv2.write_file(last(folder), bytes:sub(1, -100)))
            local result = resume(folder)
            assert.is_equal(undisturbed.loss, result.loss)
            local log = assert(effv2.read_file(folder .. "/log.txt"))
            assert.matches("passed over a checkpoint: .*last.safetensors: .*truncated file%?", log)
        end)
    end)

    it("a run that refused to go on is as it was", function()
        support.in_folder(function(root)
            local folder = stopped_run(root)
            local before = assert(effv2.read_file(last(folder)))
            support.message_of(resume, folder, { seed = 3 })
            support.message_of(resume, folder, { model = support.model { head = 16 } })
            assert.is_equal(before, effv2.read_file(last(folder)))
            assert.is_number(resume(folder).loss)
        end)
    end)

    it("unreadable pictures are skipped and named when asked for", function()
        support.in_folder(function(root)
            local result = with_bad_picture { on_bad = "skip", max_bad = 1 }(root)
            assert.is_number(result.top1)
            local log = assert(effv2.read_file(root .. "/run/log.txt"))
            local _, named = log:gsub("skipped: [^\n]*cats/bad.jpg: damaged JPEG", "")
            assert.is_equal(1, named)
            assert.matches("epoch 1/%d+ [^\n]*  1 skipped\n", log)
            assert.matches("\"skipped\":1[,}]", assert(effv2.read_file(root .. "/run/metrics.jsonl")))
        end)
    end)
end)

-- ---- the command line of a recipe -------------------------------------------------------------------

local recipe = program.shell "pwd" .. "/recipes/imagenet_progressive.lua"

--- Runs the recipe with these arguments in an empty folder; it must fail with this code and create nothing.
local function refuses(code, command, ...)
    local before = program.shell("ls -R " .. program.folder())
    local exit_code, _, errors = program.run(("--threads 1 %s %s"):format(program.quote(recipe), command))
    support.assert_explains(errors, { ... })
    assert.is_equal(code, exit_code)
    assert.is_equal(before, program.shell("ls -R " .. program.folder()))
end

describe("a recipe's command line:", function()
    setup(function()
        program.write("input", "")
        program.run "-e 'x = 1'"
    end)
    teardown(program.clean)

    local usage = {
        { "an unknown key", "epohcs=3", "epohcs: unknown key", "did you mean epochs?", "--help lists the keys" },
        { "a value of another type", "epochs=many", "epochs: a number wanted", "not 'many'" },
        { "a list of another type", "image_size=a,b", "image_size: a list of numbers such as 1,2,3 wanted", "not 'a,b'" },
        { "a value that is no choice", "rule=papr", "rule: 'papr' is none of paper, official", "did you mean paper?" },
        { "a file", "photo.jpg", "photo.jpg: unexpected argument", "key=value" },
        { "an option", "--epochs=3", "--epochs=3: unknown option", "keys are given as epochs=3" },
        { "no run to go on with", "resume=nope", "resume=nope: no run to go on with there", "start it with run=nope" },
    }
    for _, case in ipairs(usage) do
        it(case[1] .. " is refused with exit code 2", function()
            refuses(2, unpack(case, 2))
        end)
    end

    it("other settings than the run's are refused with exit code 2", function()
        program.write("run/config.json", '{ "epochs": 5, "seed": 1 }')
        refuses(2, "resume=run epochs=6", "epochs=6: the run in run was started with epochs=5", "leave it out")
        refuses(2, "resume=run seed=2", "seed=2: the run in run was started with seed=1", "leave it out")
    end)

    it("damaged settings of a run are refused with exit code 2", function()
        program.write("run/config.json", '{ "epochs": ')
        refuses(2, "resume=run", "resume=run: the run's settings cannot be read (run/config.json: not valid JSON",
            "mend that file")
        program.write("run/config.json", "3")
        refuses(2, "resume=run", "run/config.json: it holds a number", "wanted an object of settings")
    end)

    local values = {
        { "an unknown model", "model=efficientnetv2-z", "unknown model 'efficientnetv2-z'", "did you mean efficientnetv2-" },
        { "missing data", "data=nope", "data.open: nope: No such file or directory", "a folder of class folders" },
        { "no epochs", "epochs=0", "train: epochs is 0", "a whole number from 1" },
        { "a negative rate", "lr=-1", "lr.exponential: peak is -1", "a number from 0" },
        { "a dropout of 2", "dropout=0,2", "schedule.progressive: dropout is 2", "in [0, 1)" },
        { "sizes of 0", "image_size=0,0", "image_size is 0", "a whole number of pixels" },
        { "an average that never moves", "ema=3", "optim.ema: decay is 3", "in [0, 1)" },
        { "negative workers", "workers=-3", "workers is -3", "a whole number from 0" },
        { "an empty name", "run=", "run is an empty text", "the name of a folder" },
        { "a folder where none can be", "run=/proc/nope/run", "/proc/nope: cannot create the folder", "another path" },
    }
    for _, case in ipairs(values) do
        it(case[1] .. ": nothing is created", function()
            refuses(1, unpack(case, 2))
        end)
    end

    it("a folder that may not be written: nothing is created", function()
        local binary, script = program.quote(program.path), program.quote(recipe)
        local user = "" -- the superuser may write everywhere, so it becomes another one
        if program.shell "id -u" == "0" then
            user = "setpriv --reuid=65534 --regid=65534 --clear-groups "
            if program.shell(("%s test -x %s -a -r %s 2>&1; echo $?"):format(user, binary, script)) ~= "0" then
                return pending "another user cannot read the project here"
            end
        end
        program.write("locked/file", "")
        program.shell(("chmod 755 '%s'; chmod 555 '%s/locked'"):format(program.folder(), program.folder()))
        local errors = program.shell(("cd '%s'; %s %s --threads 1 %s run=locked/run 2>&1 >/dev/null"):format(program.folder(),
            user, binary, script))
        support.assert_explains(errors, { "locked/run: cannot create the folder: Permission denied", "choose another path" })
        assert.is_equal("file", program.shell(("ls '%s/locked'"):format(program.folder())))
    end)
end)
