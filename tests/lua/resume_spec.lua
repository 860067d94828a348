--- Runs that are killed, interrupted or stopped go on to the bits of a run that was left alone.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

local script = [[
    local effv2 = require "effv2"
    local support = dofile "tests/lua/support_training.lua"
    local cfg = effv2.config {
        epochs = 9, accumulate = 1, checkpoint_every = 0, log_every = 1,
        stop_after = effv2.config.optional "number",
        run = effv2.config.optional "string", resume = effv2.config.optional "string",
    }
    local result = effv2.train(support.arguments {
        data = support.data { train = 120, val = 20, seed = 3 }, schedule = support.schedule { stages = 4 },
        epochs = cfg.epochs, accumulate = cfg.accumulate, checkpoint_every = cfg.checkpoint_every, log_every = cfg.log_every,
        stop_after = cfg.stop_after, run = cfg.run, resume = cfg.resume, config = cfg, quiet = false,
    })
    print(effv2.json_encode(result))
]]
local UPDATES = 90

local path, undisturbed -- of the script; folder of the run that was left alone

--- Runs the script; options are its key=value arguments.
local function run(options, template)
    return support.run(template or "%s", ("--threads 1 '%s' %s"):format(path, options))
end

--- Runs the script in a shell that sends it `signal` once `lines` lines of metrics are there and `delay` seconds passed.
-- Returns its exit code; 0 when it had ended before.
local function run_and_signal(folder, options, signal, lines, delay)
    local template = ([[
        %%s & job=$!
        while kill -0 $job 2>/dev/null && [ $(wc -l 2>/dev/null <'%s/metrics.jsonl' || echo 0) -lt %d ]; do sleep 0.002; done
        sleep %.4f; kill -%s $job 2>/dev/null; wait $job]]):format(folder, lines, delay, signal)
    return run(options, template)
end

local function lines_of(folder)
    local text = effv2.file_exists(folder .. "/metrics.jsonl") and effv2.read_file(folder .. "/metrics.jsonl") or ""
    return select(2, text:gsub("\n", ""))
end

--- Arguments that start a run or go on with it.
local function start_or_go_on(folder)
    return (effv2.file_exists(folder .. "/config.json") and "resume=" or "run=") .. folder
end

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

local function append(file, text)
    local handle = assert(io.open(file, "a"))
    handle:write(text)
    handle:close()
end

local function cut_file(file, bytes)
    local text = assert(effv2.read_file(file))
    assert(effv2.write_file(file, text:sub(1, bytes)))
end

describe("a run of the program", function()
    setup(function()
        path, undisturbed = support.write(script), support.new_name()
        local code, _, errors = run("run=" .. undisturbed)
        assert.is_equal(0, code, errors)
        assert.is_equal(UPDATES, support.state(undisturbed).run.step)
    end)

    teardown(support.clean)

    local seed = tonumber(os.getenv "EFFV2_KILL_SEED") or os.time() % 100000
    it(("killed at ten random moments ends with the bits of the undisturbed one (EFFV2_KILL_SEED=%d)"):format(seed), function()
        math.randomseed(seed)
        local folder, kills = support.new_name(), 0
        while kills < 10 do
            local every = math.random(2) == 1 and 0 or 0.02
            local updates, delay = math.random(0, 8), math.random() * 0.01
            if updates == 0 then
                delay = math.random() * 0.06 -- while it starts, loads, or writes its first checkpoint
            end
            local code = run_and_signal(folder, ("%s checkpoint_every=%g"):format(start_or_go_on(folder), every), "KILL",
                lines_of(folder) + updates, delay)
            if code == 137 then
                kills = kills + 1
            else
                assert.is_equal(0, code)
                support.assert_same_run(undisturbed, folder) -- it came to its end before the signal
                folder = support.new_name()
            end
        end
        local code, _, errors = run(start_or_go_on(folder))
        assert.is_equal(0, code, errors)
        support.assert_same_run(undisturbed, folder)
    end)

    it("is stopped by signals with a checkpoint, says how to go on, and goes on", function()
        local folder = support.new_name()
        local steps = { { "INT", 130, 7 }, { "TERM", 75, 2 }, { "USR1", 75, 13 } }
        for _, step in ipairs(steps) do
            local signal, wanted = unpack(step)
            local lines = lines_of(folder) + step[3]
            local code, output, errors = run_and_signal(folder, start_or_go_on(folder) .. " checkpoint_every=1000", signal,
                lines, 0.003)
            assert.is_equal(wanted, code, errors)
            assert.is_equal("", output)
            assert.matches(("stopped at update %%d+ of %d; go on with resume=%s\n$"):format(UPDATES,
                (folder:gsub("%p", "%%%0"))), errors)
            assert.is_equal(lines_of(folder), support.state(folder).run.step + support.state(folder).run.epochs_done)
        end
        local code, output, errors = run("resume=" .. folder)
        assert.is_equal(0, code, errors)
        support.assert_same_run(undisturbed, folder)
        local result = effv2.json_decode(output)
        assert.is_equal(folder, result.run)
        assert.is_equal(support.metrics(undisturbed, "epoch")[9].top1, result.top1)
    end)

    it("stops after a number of updates of each process", function()
        local folder, code, starts = support.new_name(), 75, 0
        while code == 75 do
            starts = starts + 1
            code = run(start_or_go_on(folder) .. " checkpoint_every=1000 stop_after=25")
        end
        assert.is_equal(0, code)
        assert.is_equal(4, starts)
        support.assert_same_run(undisturbed, folder)
    end)

    it("keeps its settings, and refuses others", function()
        local folder = support.new_name()
        assert.is_equal(75, (run("epochs=8 stop_after=3 run=" .. folder)))
        local code, _, errors = run("epochs=9 resume=" .. folder)
        assert.is_equal(2, code)
        assert.matches("epochs=9: the run in .* was started with epochs=8", errors)
        assert.is_equal(75, (run("stop_after=1 resume=" .. folder)))
        assert.is_equal(4, support.state(folder).run.step)
    end)

    it("that ended before its first checkpoint says how to start it", function()
        local folder = support.new_name()
        assert(effv2.make_dir(folder .. "/checkpoints"))
        local code, _, errors = run("resume=" .. folder)
        assert.is_true(code ~= 0)
        assert.matches("start it with run=" .. folder:gsub("%p", "%%%0"), errors)
        assert.is_equal(75, (run("stop_after=1 run=" .. folder)))
    end)
end)

describe("a resumed training", function()
    local reference

    setup(function()
        reference = support.train { epochs = 4 }.run
    end)

    teardown(support.clean)

    --- Trains until it is stopped; returns the folder of the run.
    local function stopped(changes)
        local _, stop = pcall(support.train, changes)
        assert.is_equal(75, type(stop) == "table" and stop.exit_code, tostring(stop))
        assert.matches(stop.run, tostring(stop))
        return stop.run
    end

    --- A model that calls f(number of the call) in each forward pass.
    local function watched_model(f)
        effv2.manual_seed(5)
        local model, calls = support.model(), 0
        local forward = model.forward
        rawset(model, "forward", function(self, x)
            calls = calls + 1
            f(calls)
            return forward(self, x)
        end)
        return model
    end

    local function send(signal)
        os.execute(("kill -%s %d"):format(signal, effv2.process_id()))
    end

    it("ends with the same bits wherever it was stopped, and twice", function()
        for step = 1, 15 do
            local folder = stopped { stop_after = step }
            assert.is_equal(step, support.state(folder).run.step)
            if step < 12 then
                assert.is_equal(folder, stopped { resume = folder, stop_after = 3 })
            end
            support.train { resume = folder }
            support.assert_same_run(reference, folder)
        end
    end)

    it("goes on from the end of an epoch, before its evaluation", function()
        local folder = stopped { stop_after = 4 }
        local state = support.state(folder).run
        assert.is_equal(0, state.epochs_done)
        assert.is_equal(4, state.loss_count)
        assert.is_equal(0, #support.metrics(folder, "epoch"))
        support.train { resume = folder }
        support.assert_same_run(reference, folder)
    end)

    it("may have been stopped between two parts of a batch", function()
        local whole = support.train { accumulate = 3 }.run
        local folder = stopped { accumulate = 3, model = watched_model(function(call)
            if call == 5 * 3 + 2 then
                send "USR1"
            end
        end) }
        assert.is_equal(5, support.state(folder).run.step)
        support.train { accumulate = 3, resume = folder }
        support.assert_same_run(whole, folder)
    end)

    it("may have been stopped in the evaluation, of the weights or of their average", function()
        for _, call in ipairs { 5, 6 } do
            local folder = stopped { model = watched_model(function(n)
                if n == call then
                    send "TERM"
                end
            end) }
            assert.is_equal(4, support.state(folder).run.step)
            assert.is_equal(0, support.state(folder).run.epochs_done)
            support.train { resume = folder }
            support.assert_same_run(reference, folder)
        end
    end)

    it("that was complete only tells its result again", function()
        local before = support.tensors(reference)
        local again = support.train { resume = reference }
        assert.is_same(before, support.tensors(reference))
        local last = support.metrics(reference, "epoch")[4]
        assert.is_equal(last.top1, again.top1)
        assert.is_equal(last.ema_top5, again.ema_top5)
        assert.is_equal(last.loss, again.loss)
    end)

    it("keeps results that were cut aside, and never has an epoch twice", function()
        local folder = stopped { stop_after = 4 }
        local file = folder .. "/metrics.jsonl"
        append(file, '{"kind":"epoch","epoch":1,"step":4,"loss":7}\n') -- killed between this line and its checkpoint
        append(file, '{"kind":"step","epoch":2,"step":5,"loss":8}\n{"kind":"ep')
        support.train { resume = folder }
        support.assert_same_run(reference, folder)
        local aside = assert(effv2.read_file(folder .. "/metrics.cut-4.jsonl"))
        assert.matches('"loss":7}\n.*"loss":8}\n{"kind":"ep\n$', aside)
    end)

    it("takes the checkpoint before when the last one is damaged or missing, and says so", function()
        for _, damage in ipairs { 100, 3000, 0, "missing" } do
            local folder = stopped { stop_after = 5, checkpoint_every = 0 }
            local last = folder .. "/checkpoints/last.safetensors"
            if damage == "missing" then
                os.remove(last)
            else
                cut_file(last, damage)
            end
            local stop = stopped { resume = folder, stop_after = 1 }
            assert.matches("passed over a checkpoint: .*last.safetensors", assert(effv2.read_file(stop .. "/log.txt")))
            assert.is_true(effv2.load(folder .. "/checkpoints/previous.safetensors", true) ~= nil)
            support.train { resume = folder }
            support.assert_same_run(reference, folder)
        end
    end)

    it("refuses a run whose checkpoints are all damaged, and a folder without one", function()
        local folder = stopped { stop_after = 2 }
        for _, name in ipairs { "last", "previous" } do
            cut_file(("%s/checkpoints/%s.safetensors"):format(folder, name), 50)
        end
        local message = message_of(support.train, { resume = folder })
        assert.matches("no usable checkpoint .*last.safetensors.*previous.safetensors", message)
        assert.matches("there is no such folder", message_of(support.train, { resume = support.new_name() }))
        assert.matches("start it with run=", message_of(support.train, { resume = support.folder() }))
        assert.matches("holds a run already: continue it with resume=", message_of(support.train, { run = reference }))
    end)

    it("refuses a run that is at work, and lets go of it at its end, however that comes", function()
        local folder = support.new_name()
        local messages = {}
        assert.matches("on purpose", message_of(support.train, { run = folder, epochs = 4, on_epoch = function()
            messages[1] = message_of(support.train, { resume = folder })
            messages[2] = message_of(support.train, { run = folder })
            error("on purpose", 0)
        end }))
        for _, message in ipairs(messages) do
            assert.matches(folder .. " is in use by another process (wait until it ends, or name another folder with run=)",
                message, 1, true)
        end
        assert.is_equal(2, #messages)
        assert.matches("holds a run already", message_of(support.train, { run = folder }))
        support.train { resume = folder }
        support.train { resume = folder }
    end)

    it("refuses other settings, naming them, and leaves the run as it was", function()
        local folder = stopped { stop_after = 2 }
        for name, change in pairs {
            seed = { seed = 6 }, epochs = { epochs = 5 }, accumulate = { accumulate = 2 }, loss = { loss = "sigmoid" },
            optimizer = { optimizer = effv2.optim.sgd {} }, label_smoothing = { label_smoothing = 0 },
            optimizer_settings = { optimizer = effv2.optim.rmsprop { weight_decay = 2e-4 } },
            learning_rate = { lr = effv2.lr.exponential { peak = 0.03, warmup_epochs = 1, every_epochs = 1 } },
            schedule = { schedule = support.schedule { dropout = { 0.1, 0.2 } } }, average = { ema = 0.9 },
            clip_norm = { clip_norm = 1 }, images = { data = support.data { train = 49, val = 20, seed = 3 } },
        } do
            change.resume = folder
            assert.matches("the run was started with " .. name, message_of(support.train, change))
        end
        assert.matches("does not fit", message_of(support.train, { resume = folder, model = support.model { head = 16 } }))
        support.train { resume = folder }
        support.assert_same_run(reference, folder)
    end)

    it("has its own times and log behind those of the first part", function()
        local folder = stopped { stop_after = 6 }
        local before = support.state(folder).run.seconds
        support.train { resume = folder }
        assert.is_true(support.state(folder).run.seconds > before)
        local log = assert(effv2.read_file(folder .. "/log.txt"))
        assert.matches("stopped at update 6 of 16; go on with resume=.*resumed at update 6 of 16.*epoch 4/4", log)
    end)
end)
