--- effv2.train: what a run leaves behind, what each argument does, and the schedules of sizes, strengths and rates.
local effv2 = require "effv2"
local core = require "effv2.core"
local support = dofile "tests/lua/support_training.lua"
local progress = require "effv2.train.progress"

local function message_of(f, ...)
    local ok, message = pcall(f, ...)
    assert.is_false(ok)
    return tostring(message)
end

local function near(wanted, got, tolerance)
    assert.is_true(math.abs(wanted - got) <= tolerance, ("%.9g, wanted %.9g"):format(got, wanted))
end

local function read(folder, name)
    return assert(effv2.read_file(folder .. "/" .. name))
end

describe("a run's folder", function()
    local result, folder, seen

    setup(function()
        seen = {}
        result = support.train {
            epochs = 4, log_every = 2, config = { seed = 5, note = "x" },
            on_epoch = function(metrics) seen[#seen + 1] = metrics end,
        }
        folder = result.run
    end)

    teardown(support.clean)

    it("has the settings as data", function()
        assert.is_same({ seed = 5, note = "x" }, effv2.json_decode(read(folder, "config.json")))
    end)

    it("has one line of metrics an epoch and one every log_every updates, in order", function()
        local kinds = {}
        for i, line in ipairs(support.metrics(folder)) do
            kinds[i] = ("%s %d %d"):format(line.kind, line.epoch, line.step)
        end
        assert.is_same({
            "step 1 2", "step 1 4", "epoch 1 4", "step 2 6", "step 2 8", "epoch 2 8", "step 3 10", "step 3 12", "epoch 3 12",
            "step 4 14", "step 4 16", "epoch 4 16",
        }, kinds)
    end)

    it("has in each line what it was trained with", function()
        local schedule, lr = support.schedule(), effv2.lr.exponential { peak = 0.02, warmup_epochs = 1, every_epochs = 1 }
        for _, line in ipairs(support.metrics(folder)) do
            local at = schedule:at((line.step - 1) / 16, {})
            for name, value in pairs(at) do
                assert.is_equal(value, line[name], name)
            end
            assert.is_equal(lr:at(line.step - 1, 4, 16), line.lr)
            assert.is_true(line.loss > 0 and line.images_per_s > 0)
            assert.is_true(line.kind ~= "epoch" or line.data_wait >= 0 and line.data_wait < 1)
        end
    end)

    it("has results of the weights and of their average", function()
        local last
        for _, line in ipairs(support.metrics(folder, "epoch")) do
            for _, name in ipairs { "top1", "top5", "ema_top1", "ema_top5" } do
                assert.is_true(line[name] >= 0 and line[name] <= 1)
            end
            assert.is_true(line.top5 >= line.top1 and line.val_loss > 0 and line.ema_val_loss > 0)
            assert.is_not_equal(line.val_loss, line.ema_val_loss)
            assert.is_true(line.seconds > 0 and line.rss_mb > 1)
            last = line
        end
        for _, name in ipairs { "top1", "top5", "ema_top1", "ema_top5", "loss" } do
            assert.is_equal(last[name], result[name], name)
        end
        assert.is_equal(4, result.epochs)
        assert.is_equal(4, #seen)
        assert.is_equal(last.val_loss, seen[4].val_loss)
    end)

    it("has the mean loss of the epoch's updates", function()
        local every = support.train { epochs = 1, schedule = support.schedule { stages = 1 } }.run
        local lines, sum = support.metrics(every), 0
        for i = 1, 4 do
            sum = sum + lines[i].loss
        end
        assert.is_equal(sum / 4, lines[5].loss)
    end)

    it("has a log with the plan, and one line an epoch", function()
        local log = read(folder, "log.txt")
        assert.matches("run .*: %d+ parameters, 48 %+ 20 images, 4 epochs of 4 updates at batch 12, seed 5", log)
        assert.matches("learning rate: exponential from 0.02, warm%-up 1 epochs; optimiser: rmsprop", log)
        assert.matches("progressive %(paper%)\n +stage +part +image_size +randaugment", log)
        assert.matches("\n +1 +0%-50 %% +16 +3 ", log)
        assert.matches("\n +2 +50%-100 %% +24 +9 ", log)
        for epoch, size in ipairs { 16, 16, 24, 24 } do
            local line = log:match(("\nepoch %d/4 [^\n]*"):format(epoch))
            assert.matches(("stage %d  %d px  lr %%S+  loss %%S+  %%S+ img/s  top%%-1 %%S+  top%%-5 %%S+  EMA top%%-1"):format(
                math.ceil(epoch / 2), size), line)
        end
    end)

    it("has the last checkpoint, the one before, and the best weights alone", function()
        assert.is_equal(16, support.state(folder).run.step)
        assert.is_equal(12, support.state(folder, "previous").run.step)
        local tensors, metadata = effv2.load(folder .. "/checkpoints/best.safetensors", true)
        local state = support.model():state()
        for name, tensor in pairs(tensors) do
            assert.is_same(state[name]:shape(), tensor:shape())
            state[name] = nil
        end
        assert.is_nil(next(state))
        local best = 0
        for _, line in ipairs(support.metrics(folder, "epoch")) do
            best = math.max(best, line.top1, line.ema_top1)
        end
        assert.is_equal(best, result.best)
        assert.is_equal(("%.6f"):format(best), metadata["effv2.top1"])
        assert.is_equal('"official"', metadata["effv2.normalise"])
        assert.matches('^%["disc",', metadata["effv2.class_names"])
        assert.is_false(effv2.file_exists(folder .. "/checkpoints/next.safetensors"))
    end)

    it("has best weights that score what they say", function()
        local tensors, metadata = effv2.load(folder .. "/checkpoints/best.safetensors", true)
        local model = support.model()
        model:load_state(tensors)
        local o = { model = model, source = support.data().val, size = 24 }
        local got = effv2.evaluate(o)
        assert.is_equal(metadata["effv2.top1"], ("%.6f"):format(got.top1))
        assert.is_equal(20, got.images)
        assert.is_true(model:is_training())
        for _, other in ipairs { { batch_size = 7 }, { batch_size = 20, workers = 0 }, { workers = 3 } } do
            other.model, other.source, other.size = model, o.source, 24
            local again = effv2.evaluate(other)
            assert.is_equal(got.top1, again.top1)
            assert.is_equal(got.top5, again.top5)
            near(got.loss, again.loss, 1e-6)
        end
    end)

    it("is not shared by two runs", function()
        local here = support.new_name()
        assert(effv2.make_dir(here))
        local path = support.write [[
            local support = dofile(arg[1])
            for _ = 1, 3 do
                local o = support.arguments { epochs = 1, run = "x" }
                o.run = nil
                print(require("effv2").train(o).run)
            end
        ]]
        local template = ("cd '%s'; for i in 1 2; do %%s & done; wait"):format(here)
        local code, output, errors = support.run(template, ("%s '%s/tests/lua/support_training.lua'"):format(path, support.here))
        assert.is_equal(0, code, errors)
        local folders = {}
        for name in output:gmatch "[^\n]+" do
            assert.matches("^runs/%d+%-%d+%-custom", name)
            assert.is_nil(folders[name])
            folders[name] = true
            assert.is_equal(4, support.state(here .. "/" .. name).run.step)
        end
        local entries = {}
        for _, entry in ipairs(effv2.list_dir(here .. "/runs")) do
            entries[#entries + 1] = entry.name
        end
        assert.is_equal(6, #entries)
    end)

    it("is told in plain lines on a pipe", function()
        local path = support.write [[
            dofile("tests/lua/support_training.lua").train { epochs = 2, quiet = false, run = arg[1] }
        ]]
        local name = support.new_name()
        local code, output, errors = support.run("%s", path .. " " .. name)
        assert.is_equal(0, code, errors)
        assert.is_equal("", output)
        assert.is_nil(errors:find "[\27\r]")
        assert.is_equal(read(name, "log.txt"), errors)
        assert.matches("stage 1  epoch 1/2  16 px  loss %S+  %S+ img/s  ETA %d+:%d%d\n", errors)
    end)
end)

describe("effv2.train", function()
    teardown(support.clean)

    --- Weights after one epoch of a network without batch norm's statistics of the batch, at learning rate 0.1.
    local function weights(changes)
        effv2.manual_seed(2)
        local nn = effv2.nn
        local o = {
            model = nn.Sequential {
                nn.Conv2d { in_channels = 3, out_channels = 6, kernel_size = 3, stride = 2 }, nn.Activation { kind = "silu" },
                nn.GlobalAvgPool {}, nn.Dense { in_features = 6, out_features = 10 },
            },
            optimizer = effv2.optim.sgd { momentum = 0.9 }, lr = effv2.lr.constant { peak = 0.1 },
            schedule = effv2.schedule.fixed { image_size = 16, mixup = 0.2 }, epochs = 1, ema = false,
        }
        for key, value in pairs(changes) do
            o[key] = value
        end
        return effv2.load(support.train(o).run .. "/checkpoints/last.safetensors")
    end

    local function largest_difference(a, b)
        local worst = 0
        for name, tensor in pairs(a) do
            if name:find "^model" then
                worst = math.max(worst, (tensor - b[name]):reshape(tensor:numel()):abs():max():item())
            end
        end
        return worst
    end

    it("gives a batch in parts the gradients of the whole", function()
        -- Mixup mixes within a part, so without it
        local plain = { schedule = effv2.schedule.fixed { image_size = 16 } }
        local whole, before = weights(plain), weights { lr = effv2.lr.constant { peak = 0 } }
        for _, parts in ipairs { 2, 3, 12 } do
            plain.accumulate = parts
            local difference = largest_difference(whole, weights(plain))
            assert.is_true(difference < 2e-7, ("%d parts: %g"):format(parts, difference))
        end
        assert.is_true(largest_difference(whole, before) > 1e-3)
    end)

    it("clips the gradient's norm, of the whole batch", function()
        local norms = {}
        local sgd = effv2.optim.sgd {}
        local attach = sgd.attach
        rawset(sgd, "attach", function(self, model)
            local optimiser = attach(self, model)
            local step = optimiser.step
            rawset(optimiser, "step", function(o, options)
                norms[#norms + 1] = step(o, options)
            end)
            return optimiser
        end)
        local before = weights { lr = effv2.lr.constant { peak = 0 } }
        local moved = weights { optimizer = sgd, clip_norm = 0.01, batch_size = 48, accumulate = 2 }
        assert.is_equal(1, #norms)
        assert.is_true(norms[1] > 0.02)
        local length = 0
        for name, tensor in pairs(moved) do
            if name:find "^model" then
                length = length + (tensor - before[name]):square():sum():item()
            end
        end
        near(0.1 * 0.01, math.sqrt(length), 1e-6)
    end)

    it("trains with the sigmoid loss, mixed or not", function()
        for _, mixup in ipairs { 0, 0.3 } do
            local run = support.train {
                loss = "sigmoid", epochs = 1, schedule = effv2.schedule.fixed { image_size = 16, mixup = mixup }, ema = false,
                lr = effv2.lr.constant { peak = 0 }, label_smoothing = 0,
            }.run
            local line = support.metrics(run)[1]
            near(math.log(2), line.loss, 0.1) -- yes or no by chance
            near(math.log(2), support.metrics(run, "epoch")[1].val_loss, 0.1)
        end
    end)

    it("learns a few pictures by heart, and knows them in the evaluation", function()
        local data = support.data { train = 36, val = 10, seed = 1 }
        effv2.manual_seed(5)
        local result = support.train {
            model = support.model { drop_path = 0, dropout = 0, bn_momentum = 0.9 }, ema = 0.9, epochs = 40, eval_every = 30,
            data = { train = data.train, val = data.train, classes = data.classes }, eval_rule = "whole",
            schedule = effv2.schedule.fixed { image_size = 32 }, lr = effv2.lr.cosine { peak = 0.01, warmup_epochs = 2 },
            optimizer = effv2.optim.rmsprop {},
            augment = function(at) return effv2.augment.eval { size = at.image_size, rule = "whole" } end,
        }
        local epochs = support.metrics(result.run, "epoch")
        assert.is_true(epochs[1].loss > 2.2 and epochs[40].loss < 1)
        assert.is_true(result.top1 > 0.9 and result.ema_top1 > 0.9)
        assert.is_true(epochs[30].top1 and epochs[40].top1 and not epochs[29].top1 and not epochs[31].ema_top1)
    end)

    it("warms the average up", function()
        local average
        local ema = effv2.optim.ema(0.99)
        local attach = ema.attach
        rawset(ema, "attach", function(self, model, optimiser)
            average = attach(self, model, optimiser)
            return average
        end)
        support.train { ema = ema, epochs = 2 }
        assert.is_equal(8, average.updates)
        near(0.1, average:decay_at(0), 0)
        near(9 / 18, average:decay_at(8), 0)
        near(101 / 110, effv2.optim.ema(0.9999):attach(support.model(), effv2.optim.sgd {}:attach(support.model()))
            :decay_at(100), 1e-12)
    end)

    it("follows a schedule of one's own, update by update", function()
        local schedule = effv2.schedule.custom(function(share, run)
            assert.is_equal(3, run.epochs)
            return { image_size = 16 + 8 * math.floor(share * 6) % 16, dropout = share / 2, hue = math.floor(share * 4) }
        end)
        local seen = {}
        local folder = support.train { schedule = schedule, epochs = 3, augment = function(at)
            seen[at.hue] = true
            return effv2.augment.train { size = at.image_size }
        end }.run
        for _, line in ipairs(support.metrics(folder, "step")) do
            local at = schedule:at((line.step - 1) / 12, { epochs = 3 })
            assert.is_equal(at.image_size, line.image_size)
            assert.is_equal(at.dropout, line.dropout)
        end
        assert.is_same({ [0] = true, true, true, true }, seen)
        assert.matches("sets dropout at some times only", message_of(support.train, {
            schedule = effv2.schedule.custom(function(share)
                return { image_size = 16, dropout = share > 0.4 and 0.1 or nil }
            end),
        }))
    end)

    it("follows every schedule of the paper", function()
        for name, schedule in pairs {
            fixed = effv2.schedule.fixed { image_size = { 16, 24 }, dropout = { 0, 0.2 } },
            size_only = effv2.schedule.size_only { image_size = { 16, 24 }, dropout = { 0, 0.2 }, stages = 2 },
            random = effv2.schedule.random_resize { image_size = { 16, 32 }, every_epochs = 1, multiple = 8 },
            official = support.schedule { rule = "official" },
        } do
            local folder = support.train { schedule = schedule, epochs = 2 }.run
            for _, line in ipairs(support.metrics(folder, "step")) do
                local at = schedule:at((line.step - 1) / 8, { epochs = 2, seed = 5 })
                for key, value in pairs(at) do
                    assert.is_equal(value, line[key], name)
                end
            end
        end
    end)

    it("stops at a loss that is no number, saying what to do", function()
        local message = message_of(support.train, { lr = effv2.lr.constant { peak = 1e30 }, label_smoothing = 0 })
        assert.matches("the loss became %S+ at update %d+ %(learning rate 1e%+30, image size 16%): lower the rate", message)
    end)

    it("keeps errors of images, models and callbacks as they are", function()
        assert.matches("on purpose", message_of(support.train, { on_epoch = function() error "on purpose" end }))
        assert.matches("on purpose", message_of(support.train, { augment = function() error "on purpose" end }))
        local reason = {}
        local ok, got = pcall(support.train, { on_epoch = function() error(reason) end })
        assert.is_true(not ok and got == reason)
        assert.matches("dense", message_of(support.train, { model = effv2.nn.Sequential {
            { "pool", effv2.nn.GlobalAvgPool {} }, { "fc", effv2.nn.Dense { in_features = 4, out_features = 10 } },
        } }):lower())
    end)

    it("names arguments that are missing, unknown or out of range", function()
        for wanted, changes in pairs {
            ["train: unknown argument 'epoch'.*did you mean epochs"] = { epoch = 3 },
            ["train: epochs is 0, wanted a whole number from 1"] = { epochs = 0 },
            ["train: batch_size is 2.5, wanted a whole number from 1"] = { batch_size = 2.5 },
            ["train: batch_size 12 is not a multiple of accumulate 5"] = { accumulate = 5 },
            ["train: batch_size is 60, but there are only 48 training images"] = { batch_size = 60 },
            ['train: loss is "hinge"; known: softmax, sigmoid'] = { loss = "hinge" },
            ["train: clip_norm is 0, wanted a number above 0"] = { clip_norm = 0 },
            ["train: eval_every is 0"] = { eval_every = 0 },
            ['train: stop_after is "soon", wanted a whole number'] = { stop_after = "soon" },
            ["train: workers is a string, wanted a number"] = { workers = "2" },
        } do
            assert.matches(wanted, message_of(support.train, changes))
        end
        for _, name in ipairs { "model", "data", "optimizer", "lr", "schedule" } do
            local o = support.arguments()
            o[name] = nil
            assert.matches(("train: %s is missing, wanted "):format(name), message_of(effv2.train, o))
        end
        assert.matches("source is missing", message_of(effv2.evaluate, { model = support.model(), size = 16 }))
    end)
end)

describe("the remaining time", function()
    local clock, now

    before_each(function()
        clock, now = core.clock, 1000
        core.clock = function() return now end
    end)

    after_each(function()
        core.clock = clock
    end)

    it("is exact from the first step on, also across stages, when cost follows the pixels", function()
        local schedule = effv2.schedule.progressive { stages = 4, image_size = { 128, 300 } }
        local total = 400
        local function cost(step)
            return schedule:at(step / total, {}).image_size ^ 2 * 1e-5
        end
        local work = {}
        work[0] = 0
        for step = 1, total do
            work[step] = work[step - 1] + cost(step - 1)
        end
        local bar = progress.new(total, function(step) return work[step] end, function() end)
        bar:begin(0)
        local before = math.huge
        for step = 1, total do
            now = now + 3 * cost(step - 1)
            local remaining = bar:remaining(step)
            near(3 * (work[total] - work[step]), remaining, 1e-6)
            assert.is_true(remaining < before)
            before = remaining
        end
        near(0, before, 1e-9)
    end)

    it("is unknown at first, and written as a clock shows it", function()
        local bar = progress.new(10, function(step) return step end, function() end)
        bar:begin(3)
        assert.is_equal("?", progress.duration(bar:remaining(3)))
        now = now + 20
        assert.is_equal("0:50", progress.duration(bar:remaining(5)))
        assert.is_equal("1:00:00", progress.duration(3599.6))
        assert.is_equal("59:59", progress.duration(3599.4))
        assert.is_equal("27:46:40", progress.duration(100000))
    end)

    it("comes with a line a minute where there is no terminal, and a rate since the last change", function()
        local lines = {}
        local bar = progress.new(100, function(step) return step end, function(line) lines[#lines + 1] = line end)
        bar.terminal = false
        bar:begin(0)
        for step = 1, 100 do
            now = now + 10
            bar:count(5)
            bar:show { step = step, epoch = 1, epochs = 1, settings = { stage = 2, image_size = 64 }, loss = 1.25 }
        end
        assert.is_equal(17, #lines)
        assert.is_equal("stage 2  epoch 1/1  64 px  loss 1.2500  0.5 img/s  ETA 16:30", lines[1])
        bar:restart_rate()
        assert.is_nil(bar:rate())
        now = now + 1
        bar:count(7)
        assert.is_equal(7, bar:rate())
    end)
end)

describe("schedules", function()
    local schedule = effv2.schedule

    local function column(s, name, parts, run)
        local list = {}
        for i = 0, parts - 1 do
            list[i + 1] = s:at(i / parts, run)[name]
        end
        return list
    end

    it("of the paper reach both ends exactly (Table 6, V2-S)", function()
        local s = schedule.progressive {
            image_size = { 128, 300 }, randaugment = { 5, 15 }, mixup = { 0, 0 }, dropout = { 0.1, 0.3 },
        }
        assert.is_same({ 128, 185, 243, 300 }, column(s, "image_size", 4))
        local strengths, dropouts = column(s, "randaugment", 4), column(s, "dropout", 4)
        for i, wanted in ipairs { 5, 25 / 3, 35 / 3, 15 } do
            near(wanted, strengths[i], 1e-12)
        end
        for i, wanted in ipairs { 0.1, 0.5 / 3, 0.7 / 3, 0.3 } do
            near(wanted, dropouts[i], 1e-12)
        end
        assert.is_equal(15, strengths[4])
        assert.is_equal(0.3, dropouts[4])
        assert.is_same({ 0, 0, 0, 0 }, column(s, "mixup", 4))
        assert.is_nil(s:at(0).cutmix)
        assert.is_same(s:at(0.75), s:at(1))
        assert.is_equal(1, s:at(0.24999).stage)
        assert.is_equal(2, s:at(0.25).stage)
        assert.is_equal(4, s:at(1).stage)
    end)

    it("of the paper for V2-M and V2-L", function()
        local m = schedule.progressive { image_size = { 128, 380 }, randaugment = { 5, 20 }, mixup = { 0, 0.2 } }
        assert.is_same({ 128, 212, 296, 380 }, column(m, "image_size", 4))
        assert.is_same({ 5, 10, 15, 20 }, column(m, "randaugment", 4))
        local mixup = column(m, "mixup", 4)
        for i, wanted in ipairs { 0, 0.2 / 3, 0.4 / 3, 0.2 } do
            near(wanted, mixup[i], 1e-12)
        end
    end)

    it("of the released code have its sizes and a constant dropout", function()
        local s = schedule.progressive {
            rule = "official", image_size = { 128, 300 }, randaugment = { 5, 15 }, dropout = { 0.1, 0.3 },
        }
        assert.is_same({ 171, 214, 257, 300 }, column(s, "image_size", 4))
        assert.is_same({ 0.3, 0.3, 0.3, 0.3 }, column(s, "dropout", 4))
        assert.is_equal(5, s:at(0).randaugment)
        assert.is_equal(15, s:at(0.9).randaugment)
    end)

    it("have one stage, or whole multiples, where asked", function()
        local one = schedule.progressive { stages = 1, image_size = { 128, 300 }, dropout = { 0.1, 0.3 } }
        assert.is_same({ stage = 1, image_size = 300, dropout = 0.3 }, one:at(0))
        local s = schedule.progressive { stages = 5, image_size = { 100, 300 }, multiple = 32 }
        assert.is_same({ 100, 160, 192, 256, 300 }, column(s, "image_size", 5))
    end)

    it("of other shapes take the values worked out by hand, the end points exactly", function()
        local function of(shape, stages)
            return schedule.progressive { shape = shape, stages = stages, image_size = { 100, 300 }, dropout = { 0.1, 0.3 } }
        end
        local cosine = of("cosine", 5) -- (1 - cos(pi k / 4)) / 2: 0, 0.146447, 0.5, 0.853553, 1
        assert.is_same({ 100, 129, 200, 271, 300 }, column(cosine, "image_size", 5))
        local dropouts = column(cosine, "dropout", 5)
        for i, wanted in ipairs { 0.1, 0.1292893, 0.2, 0.2707107, 0.3 } do
            near(wanted, dropouts[i], 1e-7)
        end
        assert.is_same({ 0.1, 0.3 }, { dropouts[1], dropouts[5] })
        assert.is_same({ 100, 100, 300, 300 }, column(of("step", 4), "image_size", 4))
        assert.is_same({ 0.1, 0.1, 0.3, 0.3 }, column(of("step", 4), "dropout", 4))
        assert.is_same({ 100, 300, 300 }, column(of("step", 3), "image_size", 3))
        assert.is_same({ 300, 233, 167, 100 }, column(of("reversed", 4), "image_size", 4))
        local back = column(of("reversed", 4), "dropout", 4)
        assert.is_same({ 0.3, 0.1 }, { back[1], back[4] })
        near(0.7 / 3, back[2], 1e-12)
        for parts = 1, 6 do
            assert.is_same(column(of("linear", parts), "dropout", parts), column(of(nil, parts), "dropout", parts))
        end
        assert.is_same({ stage = 1, image_size = 300, dropout = 0.3 }, of("step", 1):at(0))
        assert.matches("^progressive %(paper, reversed%)\n", tostring(of("reversed", 4)))
        assert.matches("^progressive %(paper%)\n", tostring(of("linear", 4)))
    end)

    it("have no other shapes than these, and with the released code's rule none", function()
        for _, given in ipairs { { shape = "sine" }, { shape = "cosine", rule = "official" } } do
            given.image_size = 32
            local fine, message = pcall(schedule.progressive, given)
            assert.is_false(fine)
            assert.is_truthy(message:find(('shape is "%s", wanted "linear", or with rule = "paper" also "cosine", "step" or '
                .. '"reversed"'):format(given.shape), 1, true), message)
        end
        assert.is_equal(32, schedule.progressive({ shape = "linear", rule = "official", image_size = 32 }):at(0).image_size)
    end)

    it("with fixed or growing sizes keep the last strengths", function()
        local given = { image_size = { 128, 300 }, randaugment = { 5, 15 }, dropout = { 0.1, 0.3 } }
        local fixed, size_only = schedule.fixed(given), schedule.size_only(given)
        assert.is_same({ stage = 1, image_size = 300, randaugment = 15, dropout = 0.3 }, fixed:at(0.1))
        assert.is_same({ 128, 185, 243, 300 }, column(size_only, "image_size", 4))
        assert.is_same({ 15, 15, 15, 15 }, column(size_only, "randaugment", 4))
        assert.is_same({ 171, 214, 257, 300 },
            column(schedule.size_only { image_size = { 128, 300 }, rule = "official" }, "image_size", 4))
    end)

    it("with random sizes are functions of the seed and the epoch", function()
        local s = schedule.random_resize { image_size = { 128, 300 }, dropout = { 0.1, 0.3 } }
        local run = { epochs = 800, seed = 3 }
        local sizes = column(s, "image_size", 100, run)
        assert.is_same(sizes, column(s, "image_size", 100, run))
        assert.is_equal(sizes[42], s:at(41 / 100, run).image_size)
        assert.is_not_same(sizes, column(s, "image_size", 100, { epochs = 800, seed = 4 }))
        local low, high, sum = math.huge, 0, 0
        for _, size in ipairs(sizes) do
            low, high, sum = math.min(low, size), math.max(high, size), sum + size
        end
        assert.is_true(low >= 128 and low < 140 and high <= 300 and high > 288)
        near(214, sum / 100, 15) -- three standard errors
        for epoch = 0, 7 do
            assert.is_equal(s:at(0, run).image_size, s:at(epoch / 800, run).image_size)
        end
        assert.is_equal(0.3, s:at(0.5, run).dropout)
        local adaptive = schedule.random_resize { image_size = { 128, 300 }, dropout = { 0.1, 0.3 }, adaptive = true }
        for i = 0, 9 do
            local at = adaptive:at(i / 100, run)
            near((at.dropout - 0.1) / 0.2, (at.image_size - 128) / 172, 0.5 / 172 + 1e-9)
        end
    end)

    it("list their stages", function()
        local plan = schedule.progressive { image_size = { 128, 300 }, stages = 3 }:plan {}
        assert.is_equal(3, #plan)
        assert.is_equal(0, plan[1].from)
        assert.is_equal(plan[1].to, plan[2].from)
        assert.is_equal(1, plan[3].to)
        assert.is_equal(214, plan[2].settings.image_size)
        local random = schedule.random_resize { image_size = { 32, 64 } }
        assert.is_equal(5, #random:plan { epochs = 40, seed = 1 })
        local text = schedule.custom(function(p) return { image_size = 32 + math.floor(p * 500) } end):describe {}
        assert.is_true(select(2, text:gsub("\n", "")) < 50)
        assert.matches("531", text)
    end)
end)

describe("learning rates", function()
    it("of the paper, at batch 4096 (306.667 updates an epoch)", function()
        local lr, steps = effv2.lr.exponential { peak = 0.256 }, 306.667
        local function at(step)
            return lr:at(step, steps, 350 * steps)
        end
        assert.is_equal(0, at(0))
        near(0.1279, at(766), 5e-5)
        near(0.256, at(1532), 2e-4)
        near(0.256 * 0.97 ^ 2, at(1533), 1e-12)
        near(0.24087, at(1533), 5e-6)
        near(0.07343, at(30667), 5e-6)
        near(0.00309, at(107335), 5e-6)
    end)

    it("fall by a cosine or a line to zero, or stay", function()
        local cosine = effv2.lr.cosine { peak = 0.4, warmup_epochs = 2 }
        assert.is_equal(0, cosine:at(0, 10, 100))
        near(0.2, cosine:at(10, 10, 100), 1e-12)
        near(0.2, cosine:at(50, 10, 100), 1e-12)
        near(0, cosine:at(100, 10, 100), 1e-12)
        local linear = effv2.lr.linear { peak = 0.4 }
        assert.is_equal(0.4, linear:at(0, 10, 100))
        near(0.1, linear:at(75, 10, 100), 1e-12)
        assert.is_equal(0.4, effv2.lr.constant { peak = 0.4 }:at(99, 10, 100))
        assert.is_equal(0.01, effv2.lr.linear { peak = 0.4, floor = 0.01 }:at(100, 10, 100))
        assert.is_equal(17, effv2.lr.custom(function(step) return step end):at(17, 10, 100))
    end)
end)
