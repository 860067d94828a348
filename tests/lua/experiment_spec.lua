--- Experiments: trainings as data with a record each, what survives being killed, statistics and claims, networks, pages.
local effv2 = require "effv2"
local experiments = dofile "tests/lua/support_experiments.lua"
local networks = require "effv2.experiment.networks"
local records = require "effv2.experiment.records"
local scales = require "effv2.experiment.scales"
local statistics = require "effv2.experiment.statistics"
local store = require "effv2.search.store"
local support = dofile "tests/lua/support.lua"
local training = require "effv2.experiment.training"
local trials = require "effv2.experiment.trials"

local SIGKILL = 9

local function contains(text, ...)
    for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
    end
end

-- ---- one training -----------------------------------------------------------------------------------

--- A result without what the clock decides.
local function bits_of(result)
    local curve = {}
    for i, point in ipairs(result.curve) do
        curve[i] = trials.changed(point, { seconds = 0 })
    end
    return { result.top1, result.raw_top1, result.parameters, curve }
end

describe("a training as data", function()
    teardown(experiments.clean)

    it("gives the same bits for the same settings, others for another seed", function()
        local first = training.run(experiments.settings(), { run = experiments.new_name() })
        local second = training.run(experiments.settings(), { run = experiments.new_name(), workers = 2 })
        local other = training.run(experiments.settings { seed = 1 }, { run = experiments.new_name() })
        assert.is_same(bits_of(first), bits_of(second))
        assert.is_not_same(bits_of(first)[4], bits_of(other)[4])
        assert.is_equal(2, #first.curve)
        assert.is_equal(first.top1, first.curve[2].ema_top1)
        assert.is_equal(first.raw_top1, first.curve[2].top1)
        assert.is_same({ 6, 8 }, { first.curve[1].image_size, first.curve[2].image_size })
        local options = trials.changed(experiments.settings().model, { classes = 10 })
        assert.is_equal(effv2.models.create(options):num_parameters(), first.parameters)
        assert.is_true(first.seconds > 0)
    end)

    it("goes on where it was interrupted, to the same bits, and can be asked again for its result", function()
        local settings, run, seen = experiments.settings { epochs = 4 }, experiments.new_name(), {}
        local function note(epoch)
            seen[#seen + 1] = epoch
            if epoch == 2 and #seen == 2 then
                error("interrupted on purpose", 0)
            end
        end
        assert.is_same({ false, "interrupted on purpose" }, { pcall(training.run, settings, { run = run, report = note }) })
        local result = training.run(settings, { run = run, report = note })
        assert.is_same({ 1, 2, 3, 4 }, { seen[1], seen[2], seen[#seen - 1], seen[#seen] })
        assert.is_true(#seen <= 5) -- the first epoch was not trained again
        local whole = training.run(settings, { run = experiments.new_name() })
        assert.is_same(bits_of(whole), bits_of(result))
        assert.is_same(bits_of(whole), bits_of(training.run(settings, { run = run })))
    end)

    it("has a name that its settings alone decide", function()
        local settings = training.check(experiments.settings())
        assert.matches("^%x+$", training.key(settings))
        assert.is_equal(16, #training.key(settings))
        assert.is_equal(training.key(settings), training.key(effv2.json_decode(effv2.json_encode(settings))))
        for _, changes in ipairs { { seed = 1 }, { epochs = 3 }, { lr = { peak = 0.0500000001 } }, { data = { val = 9 } } } do
            assert.is_not_equal(training.key(settings), training.key(trials.changed(settings, changes)))
        end
    end)

    for _, case in ipairs {
        { "a misspelt key", { epohcs = 2 }, "training: unknown argument 'epohcs'", "did you mean epochs?" },
        { "a misspelt key of the data", { data = { kind = "shapes", trian = 8 } }, "data: unknown argument 'trian'", "train?" },
        { "a misspelt key of the augmentation", { augment = { crp = "pad" } }, "augment: unknown argument 'crp'", "crop?" },
        { "a misspelt key of the optimiser", { optimizer = { rule = "sgd", momentm = 1 } }, "optim.sgd", "momentum?" },
        { "an unknown optimiser", { optimizer = { rule = "adam" } }, 'optimizer.rule is "adam"', "adamw, rmsprop, sgd" },
        { "an unknown curve", { lr = { peak = 1 } }, "lr.curve is missing", "constant, cosine, exponential, linear" },
        { "an unknown schedule", { schedule = { kind = "custom" } }, 'schedule.kind is "custom"', "progressive" },
        { "no size", { schedule = { kind = "fixed" } }, "schedule.fixed: image_size is missing", "a number of pixels" },
        { "half an epoch", { epochs = 0.5 }, "training: epochs is 0.5", "a whole number from 1" },
        { "no kind of data", { data = {} }, "data.kind is missing", "shapes" },
        { "a text for a number", { label_smoothing = "0.1" }, "label_smoothing is a string", "wanted a number" },
    } do
        it("refuses " .. case[1], function()
            support.check { case[1], function() training.check(experiments.settings(case[2])) end, unpack(case, 3) }
        end)
    end

    it("refuses to be without a network", function()
        local settings = experiments.settings()
        settings.model = nil
        support.check { "model", function() training.check(settings) end, "model is missing", "a description" }
    end)
end)

describe("changes of settings", function()
    it("reach into tables, replace lists and networks, and leave what they change alone", function()
        local base = { a = 1, range = { 1, 2 }, lr = { peak = 1, curve = "cosine" }, model = { head = 8, stem = {} } }
        local changed = trials.changed(base, { range = { 3 }, lr = { peak = 2 }, model = { head = 9 }, b = { c = 1 } })
        assert.is_same({
            a = 1, range = { 3 }, lr = { peak = 2, curve = "cosine" }, model = { head = 9 }, b = { c = 1 },
        }, changed)
        assert.is_same({ 1, 8 }, { base.lr.peak, base.model.head })
        assert.is_same(base, trials.changed(base))
    end)

    it("make the trainings of each arm and seed, the arm's over those for all", function()
        local arms = { { training = {} }, { training = { epochs = 5, data = { train = 8 } } } }
        local all = trials.settings(experiments.settings(), arms, 3)
        assert.is_same({ 2, 3 }, { #all, #all[2] })
        assert.is_same({ 0, 2, 5, 8, 8 },
            { all[1][1].seed, all[2][3].seed, all[2][3].epochs, all[2][1].data.train, all[2][1].data.val })
    end)
end)

-- ---- records ----------------------------------------------------------------------------------------

describe("records", function()
    local result = { top1 = 1 / 3, seconds = 2.5, parameters = 7, curve = { { epoch = 1, top1 = 0.1 } } }

    it("are found again, exactly, by the same settings alone", function()
        support.in_folder(function(folder)
            local kept, settings = records.open(folder .. "/a/b"), training.check(experiments.settings())
            assert.is_nil(kept:find(settings))
            kept:keep(settings, result)
            assert.is_same(result, kept:find(settings))
            assert.is_same(result, records.open(folder .. "/a/b"):find(training.check(experiments.settings())))
            assert.is_nil(kept:find(training.check(experiments.settings { seed = 1 })))
            local record = effv2.json_decode(assert(effv2.read_file(kept:path(settings))))
            assert.is_same({ settings, effv2.version, effv2.info().cpu },
                { record.settings, record.version, record.machine.cpu })
            assert.is_same({ effv2.info().isa, effv2.threads() }, { record.machine.isa, record.machine.threads })
            effv2.remove_file(kept:path(settings))
            assert.is_nil(kept:find(settings))
        end)
    end)

    it("that are damaged, or another training's, are refused with their path and what to do", function()
        support.in_folder(function(folder)
            local kept, settings = records.open(folder), training.check(experiments.settings())
            local other = training.check(experiments.settings { seed = 1 })
            kept:keep(other, result)
            local text, path = assert(effv2.read_file(kept:path(other))), kept:path(settings)
            local without = effv2.json_encode { settings = settings, result = { seconds = 1 } }
            for _, content in ipairs { "", text:sub(1, 40), "{]", "null", "3", "[]", "{}", text, without } do
                assert(effv2.write_file(path, content))
                support.check { content, function() kept:find(settings) end, path, "remove it to have that" }
            end
        end)
    end)
end)

-- ---- statistics and claims --------------------------------------------------------------------------

describe("statistics", function()
    it("of a list are its mean and its sample's deviation", function()
        assert.is_same({ mean = 5, deviation = 2, values = { 3, 5, 7 } }, statistics.spread { 3, 5, 7 })
        assert.is_same({ mean = 3, values = { 3 } }, statistics.spread { 3 })
        assert.is_nil(statistics.spread {})
    end)

    it("of a difference are Welch's, with whole degrees of freedom", function()
        -- worked out with Python: the standard error, the degrees of freedom (3.74, 4.26, 1.12, 2) rounded down, and the
        -- 97.5 % point of Student's t found by integration
        for _, case in ipairs {
            { { 84.1, 84.5, 84.3 }, { 85.0, 85.2, 84.9 }, -0.733333, 0.462399 },
            { { 1, 2, 3, 4, 10 }, { 2, 2.5, 3 }, 1.5, 4.462511 }, { { 90, 90.4 }, { 90.1, 90.2 }, 0.05, 2.619451 },
            { { 5, 5, 5 }, { 4, 4.5, 4.2 }, 0.766667, 0.625161 },
        } do
            local difference, interval = statistics.difference({ case[1] }, { case[2] })
            assert.is_near(case[3], difference, 1e-6)
            assert.is_near(case[4], interval, 1e-3) -- of a point with three digits
            local back, same = statistics.difference({ case[2] }, { case[1] })
            assert.is_same({ -difference, interval }, { back, same })
        end
        assert.is_same({ 1 }, { statistics.difference({ { 3 } }, { { 1, 2, 3 } }) })
        assert.is_same({ 1 }, { statistics.difference({ { 3, 3 } }, { { 2, 2 } }) })
    end)

    it("of several samples a side count these alike", function()
        -- by hand: means 3 and 8 against 2 and 6; variances of the means 1/3 and 1 against 1/3 and 4/3, a quarter of each: 0.75
        -- in all; degrees of freedom 0.75^2 / ((1/12)^2 / 2 + (1/4)^2 / 2 + (1/12)^2 / 2 + (1/3)^2 / 2) = 6
        local difference, interval = statistics.difference({ { 2, 3, 4 }, { 8, 8 + math.sqrt(3), 8 - math.sqrt(3) } },
            { { 1, 2, 3 }, { 4, 6, 8 } })
        assert.is_near(1.5, difference, 1e-12)
        assert.is_near(2.447 * math.sqrt(0.75), interval, 1e-3)
        assert.is_same({ 2 }, { statistics.difference({ { 2, 4 }, { 7 } }, { { 2, 4 }, { 2, 4 } }) })
    end)

    it("of two orders are Spearman's, ties shared", function()
        assert.is_near(1, statistics.rank_correlation({ 1, 2, 30 }, { 5, 6, 7 }), 1e-12)
        assert.is_near(-1, statistics.rank_correlation({ 1, 2, 30 }, { 7, 6, 5 }), 1e-12)
        -- ranks 1, 2, 3, 4, 5 and 2, 1, 4, 3, 5: 1 - 6 * 4 / (5 * 24)
        assert.is_near(0.8, statistics.rank_correlation({ 10, 20, 30, 40, 50 }, { 2, 1, 4, 3, 5 }), 1e-12)
        -- ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
        assert.is_near(math.sqrt(0.9), statistics.rank_correlation({ 1, 2, 2, 3 }, { 1, 2, 3, 4 }), 1e-12)
        assert.is_nil(statistics.rank_correlation({ 1, 1, 1 }, { 1, 2, 3 }))
    end)
end)

--- Calls f with an experiment that a command line makes.
local function with_experiment(arguments, f, changes)
    local before = rawget(_G, "arg")
    arguments[0] = "somewhere/script.lua"
    rawset(_G, "arg", arguments)
    local fine, result = pcall(function()
        f(effv2.experiment(trials.changed({ name = "name", title = "Title", section = "1", asks = "Is it?" }, changes)))
    end)
    rawset(_G, "arg", before)
    if not fine then
        error(result, 0)
    end
end

describe("claims", function()
    local function verdict(better, worse)
        local claim
        with_experiment({}, function(x)
            claim = x:claim("It helps", { top1 = statistics.spread(better) }, { top1 = statistics.spread(worse) })
        end)
        assert.is_equal("It helps", claim.text)
        return claim.verdict, claim
    end

    it("hold, do not hold, or are not decided", function()
        assert.is_equal("holds", (verdict({ 85.0, 85.2, 84.9 }, { 84.1, 84.5, 84.3 })))
        assert.is_equal("does not hold", (verdict({ 84.1, 84.5, 84.3 }, { 85.0, 85.2, 84.9 })))
        assert.is_equal("is not decided", (verdict({ 90, 90.4 }, { 90.1, 90.2 })))
    end)

    it("are not decided by one seed, or by seeds that do not differ", function()
        local word, claim = verdict({ 90 }, { 10 })
        assert.is_same({ "is not decided", 80 }, { word, claim.difference })
        assert.is_nil(claim.interval)
        assert.is_equal("is not decided", (verdict({ 90, 90 }, { 10, 10 })))
    end)

    it("compare the means of several results", function()
        local function results(...)
            local list = {}
            for i, values in ipairs { ... } do
                list[i] = { top1 = statistics.spread(values) }
            end
            return list
        end
        with_experiment({}, function(x)
            local claim = x:claim("Both", results({ 5, 6, 7 }, { 85.0, 85.2, 84.9 }), results({ 4, 5, 6 }, { 84.1, 84.5, 84.3 }))
            assert.is_near((1 + 85.0333333 - 84.3) / 2, claim.difference, 1e-6)
            assert.is_equal("is not decided", claim.verdict)
        end)
    end)
end)

-- ---- networks and scales ----------------------------------------------------------------------------

describe("networks of experiments", function()
    it("cost what the head of their file says", function()
        local small = networks.of "cifar"
        for family, wanted in pairs { v2 = { 3.8, 10.2, 22.9, 37.2 }, v1 = { 5.6, 10.7, 16.0, 40.3 } } do
            for i, millions in ipairs(wanted) do
                assert.is_near(millions, networks.cost(small[family][i], 32, 10).macs / 1e6, 0.05, small[family][i].name)
            end
        end
    end)

    it("are built as they are counted, and grow along each ladder", function()
        for _, scale in ipairs(scales.names) do
            for family, ladder in pairs(networks.of(scale)) do
                local before
                for _, network in ipairs(ladder) do
                    local cost = networks.cost(network, scales[scale].image_size[2], 10)
                    assert.is_true(not before or cost.macs > before.macs, network.name)
                    before = cost
                    if scale == "smoke" then
                        local options = trials.changed(network.options, { classes = 10 })
                        local model = type(network.model) == "string" and effv2.models.create(network.model, options)
                            or effv2.models.create(trials.changed(network.model, options))
                        assert.is_equal(model:num_parameters(), cost.parameters, family .. " " .. network.name)
                    end
                end
            end
        end
    end)

    it("are no changes of each other", function()
        local first, second = networks.of "cifar", networks.of "flowers"
        assert.is_same({ 1, 2 }, { first.v2[1].model.stem.stride, second.v2[1].model.stem.stride })
        local base = effv2.experiment.with_network(first.v2[1])
        local changed = trials.changed(base, effv2.experiment.with_network(first.v1[1]))
        assert.is_same(first.v1[1].model, changed.model)
    end)

    it("are trained with the pictures of a folder of one's own under its name", function()
        for arguments, wanted in pairs { ["data=/a/photos/"] = "photos", ["data=/b/flowers"] = "", ["seeds=1"] = "" } do
            with_experiment({ "scale=flowers", arguments }, function(x)
                assert.is_equal(wanted, x:base().data.name or "")
            end)
        end
        with_experiment({ "scale=cifar", "data=/a/cifar10" }, function(x) assert.is_nil(x:base().data.name) end)
    end)

    it("and every scale make settings that can be trained", function()
        for _, name in ipairs(scales.names) do
            with_experiment({ "scale=" .. name }, function(x)
                local settings = x:base(effv2.experiment.with_network(x.networks.v2[1], { schedule = {
                    kind = "progressive", image_size = x.scale.image_size, stages = x.scale.stages, dropout = x.scale.dropout,
                    randaugment = x.scale.randaugment, mixup = x.scale.mixup,
                }, data = { val = 5 } }))
                assert.is_equal(5, training.check(settings).data.val)
                assert.is_equal(scales[name].data.train, settings.data.train)
                assert.is_equal(x.cfg.seeds, scales[name].seeds)
            end)
        end
    end)
end)

describe("a schedule of an experiment", function()
    it("has the scale's sizes and strengths, the last ones at a fixed size, and what is put over them", function()
        with_experiment({ "scale=cifar" }, function(x)
            assert.is_same({ schedule = { kind = "progressive", stages = 4, image_size = { 16, 32 }, randaugment = { 1, 4 },
                mixup = { 0, 0.1 }, dropout = { 0, 0.1 }, shape = "cosine" } }, x:schedule("progressive", { shape = "cosine" }))
            assert.is_same({ schedule = { kind = "fixed", image_size = 24, randaugment = 4, mixup = 0.1, dropout = 0.1 } },
                x:schedule("fixed", { image_size = 24 }))
            for _, kind in ipairs { "fixed", "progressive", "size_only", "random_resize" } do
                training.check(x:base(effv2.experiment.with_network(x.networks.v1[1], x:schedule(kind))))
            end
        end)
    end)
end)

describe("an experiment", function()
    it("says what of its description is missing or unknown", function()
        support.check { "title", function() with_experiment({}, function() end, { title = 3 }) end, "title is 3", "a text" }
        support.check { "key", function() with_experiment({}, function() end, { ask = "" }) end, "'ask'", "asks?" }
    end)

    it("runs at the scales that it has, the first unless another is named", function()
        with_experiment({}, function(x)
            assert.is_same({ "cifar", 3 }, { x.cfg.scale, x.cfg.seeds })
            assert.is_equal("somewhere/results/name", x.folder)
        end, { scales = { "cifar", "smoke" } })
        with_experiment({ "scale=smoke" }, function(x)
            assert.is_same({ "smoke", 1, "runs/experiments/name" }, { x.cfg.scale, x.cfg.seeds, x.folder })
        end, { scales = { "cifar", "smoke" } })
    end)
end)

-- ---- scripts ----------------------------------------------------------------------------------------

describe("the command line of an experiment", function()
    local folder

    setup(function()
        folder = experiments.folder { one = experiments.script "one" }
    end)

    teardown(experiments.clean)

    it("explains itself", function()
        local code, output = experiments.run(folder, "one", "--help")
        assert.is_equal(0, code)
        contains(output, "A title (section 9.9).", "Is it so?", "of something", "one of smoke,cifar,flowers,paper", "$EFFV2_DATA",
            "print what would be trained")
    end)

    for _, case in ipairs {
        { "sacle=smoke", "sacle: unknown key", "did you mean scale?" },
        { "scale=smok", "'smok' is none of smoke, cifar, flowers, paper", "did you mean smoke?" },
        { "scale=names", "'names' is none of", "smoke" }, { "seeds=0", "seeds: a whole number from 1 wanted", "0" },
        { "jobs=1.5", "jobs: a whole number from 1 wanted", "1.5" }, { "seeds=two", "seeds: a number wanted", "two" },
        { "scale=cifar data=/no/such/folder", "scale=cifar needs data=FOLDER", "there is no /no/such/folder" },
    } do
        it("refuses " .. case[1], function()
            local code, _, errors = experiments.run(folder, "one", case[1])
            assert.is_equal(2, code)
            support.assert_explains(errors, { unpack(case, 2) })
        end)
    end

    it("says where data were looked for that are missing", function()
        local training_support = dofile "tests/lua/support_training.lua"
        local code, _, errors = training_support.run("EFFV2_DATA=/nowhere %s",
            ("--threads 1 '%s/one.lua' scale=cifar out='%s/o'"):format(folder, folder))
        training_support.clean()
        assert.is_equal(2, code)
        support.assert_explains(errors, { "scale=cifar needs data=FOLDER", "there is no /nowhere/cifar-10-batches-bin" })
    end)

    it("refuses two trainings of one name", function()
        local twice = [[
            local _, message = pcall(x.train, x, { { name = "same", training = {} }, { name = "same", training = {} } }, settings)
            print(message)
            os.exit(0)
        ]]
        local scripts = experiments.folder { twice = experiments.script("twice", nil, { before = twice }) }
        local _, output = experiments.run(scripts, "twice", "out=out")
        contains(output, 'two trainings are named "same"')
    end)

    it("plans with dry_run, and trains nothing", function()
        local code, output, errors = experiments.run(folder, "one", "dry_run=true scale=cifar seeds=2")
        assert.is_equal(0, code, errors)
        assert.matches("first +2 seeds  2 epochs  0.00 M parameters, 0.0 M multiply%-adds at 8 px\nsecond +2 seeds  3 epochs",
            output)
        assert.is_same({ dry_run = true, experiment = "one", scale = "cifar", trainings = 4, done = 0 },
            experiments.result(output))
        assert.is_false(effv2.dir_exists(folder .. "/results") or effv2.dir_exists(folder .. "/runs"))
    end)
end)

describe("the results of an experiment", function()
    local folder, output, progress, before

    setup(function()
        folder = experiments.folder {
            one = experiments.script("one", [[
                assert(#found == 2 and #found[1].runs == 2 and found[1].arm.name == "first" and found[2].seconds.mean > 0)
                assert(found[1].parameters == found[2].parameters and #found[2].runs[1].curve == 3)
                print("timed " .. effv2.json_encode(times[1].seconds))
            ]], { before = [[
                local jobs = { { model = settings.model, options = { classes = 10 }, image = 8, batch = 1, steps = 9 } }
                local times = x:time("steps", jobs)
                assert(jobs[1].steps == 9 and jobs[1].warmup == nil and #times[1].all == 1)
            ]] }),
            two = experiments.script("two", nil, { second = 1 }),
        }
        local code
        code, output, progress = experiments.run(folder, "one", "out=out seeds=2 width=3 list=4,5 jobs=2")
        assert.is_equal(0, code, progress)
        before = experiments.records(folder .. "/out")
    end)

    teardown(experiments.clean)

    it("come of trials that have the names of the trainings", function()
        contains(progress, "training=first", "training=second")
    end)

    it("end with a JSON object that names the files", function()
        local plot = effv2.report.can_plot() and "out/one/smoke.svg" or nil
        assert.is_same({ experiment = "one", scale = "smoke", seeds = 2, page = "out/one/smoke.md", csv = "out/one/smoke.csv",
            plot = plot }, experiments.result(output))
        contains(output, "\nfir|st  ", "\nsecond  ", "\n- The first is better: **")
        assert.matches("\narm +top%-1 %(%%%)\n", output)
    end)

    it("are a page with its command, table, claims and notes", function()
        local page = assert(effv2.read_file(folder .. "/out/one/smoke.md"))
        contains(page, "# A title\n\nSection 9.9 of the paper. Is it so?\n\n```sh\n"
            .. "effv2 one.lua scale=smoke list=4,5 seeds=2 width=3\n```\n\n4 trainings, ",
            " hours of a core in all, on ", "\n\n| arm | top-1 (%) |\n|---|---|\n| fir\\|st | ",
            "What holds at this scale", "\n\nA note.\n\nAnother.\n")
        assert.matches("%- The first is better: %*%*[%a ]+%*%* %([+-]%d+%.%d%d ± %d+%.%d%d points%)%.\n", page)
        contains(page, "\n\nBy arm:\n\n| n |\n|---|\n| 2 |\n\nA note.")
        assert.is_equal("n\n2\n", effv2.read_file(folder .. "/out/one/smoke-extra.csv"))
        assert.is_equal(effv2.report.can_plot(), page:find("![A title](smoke.svg)\n", 1, true) ~= nil)
    end)

    it("are a CSV with every digit, and a plot", function()
        local first, second = {}, {}
        for _, text in pairs(before) do
            local record = effv2.json_decode(text)
            table.insert(record.settings.epochs == 2 and first or second, 100 * record.result.top1)
        end
        local a, b = statistics.spread(first), statistics.spread(second)
        local csv = assert(effv2.read_file(folder .. "/out/one/smoke.csv"))
        local numbers = {}
        for line in csv:gmatch "[^\n]+" do
            local name, mean, deviation = line:match "^([^,]+),(%d[^,]*),([^,]+)$"
            numbers[name or ""] = { tonumber(mean), tonumber(deviation) }
        end
        assert.matches('^arm,top%-1 %(%%%),"top%-1 %(%%%), deviation"\n', csv)
        assert.is_near(a.mean, numbers["fir|st"][1], 1e-12)
        assert.is_near(b.deviation, numbers.second[2], 1e-12)
        if effv2.report.can_plot() then
            assert.matches("</svg>%s*$", assert(effv2.read_file(folder .. "/out/one/smoke.svg")))
        end
    end)

    it("come from a record a training, and times that were taken once", function()
        assert.is_equal(4, select(2, experiments.records(folder .. "/out")))
        local kept = {}
        for _, entry in ipairs(effv2.list_dir(folder .. "/out/one")) do
            kept[#kept + 1] = entry.name:match "^smoke%-steps%-%x+%.json$"
        end
        assert.is_equal(1, #kept)
        local times = effv2.json_decode(assert(effv2.read_file(folder .. "/out/one/" .. kept[1])))
        assert.is_equal(tonumber(output:match "\ntimed (%S+)" or output:match "^timed (%S+)"), times[1].seconds)
        for _, entry in ipairs(effv2.list_dir(folder .. "/out/.work")) do
            assert.is_nil(entry.name:match "^%x+$", "a run was left behind")
        end
    end)

    it("are not trained again, by another script either, and say so in its plan", function()
        local _, plan = experiments.run(folder, "two", "out=out seeds=2 dry_run=true")
        assert.is_same({ 4, 2 }, { experiments.result(plan).trainings, experiments.result(plan).done })
        for _, name in ipairs { "one", "two" } do
            local code, _, errors = experiments.run(folder, name, "out=out seeds=2")
            assert.is_equal(0, code, errors)
            assert.is_equal(name == "two", errors:find("2 complete", 1, true) ~= nil or errors:find("4 complete", 1, true) ~= nil)
        end
        local after, count = experiments.records(folder .. "/out")
        assert.is_equal(6, count)
        for path, bytes in pairs(before) do
            assert.is_equal(bytes, after[path])
        end
    end)

    it("are trained again where a record was removed, and not used where it is damaged", function()
        local path = next(before)
        assert(effv2.remove_file(path))
        assert.is_equal(0, (experiments.run(folder, "one", "out=out seeds=2")))
        local old, new = effv2.json_decode(before[path]), effv2.json_decode(assert(effv2.read_file(path)))
        assert.is_same(bits_of(old.result), bits_of(new.result))
        assert.is_same(old.settings, new.settings)
        assert(effv2.write_file(path, before[path]:sub(1, 50)))
        local code, _, errors = experiments.run(folder, "one", "out=out seeds=2")
        assert.is_equal(1, code)
        support.assert_explains(errors, { path:match "trainings/.*", "remove it" })
    end)
end)

-- ---- being disturbed --------------------------------------------------------------------------------

local function wait_until(condition, what)
    for _ = 1, 20000 do
        local result = condition()
        if result then
            return result
        end
        effv2.sleep(0.003)
    end
    error("waited a minute for " .. what)
end

describe("an experiment beside another that runs the same training", function()
    teardown(experiments.clean)

    --- Whether a training has begun (and waits: nothing is reported in this test).
    local function has_begun(folder)
        local fine, rows = pcall(function()
            local opened = store.open(folder .. "/out/.work/study.db", true)
            local found = opened:rows "SELECT 1 FROM trials WHERE status = 'running' AND worker IS NOT NULL"
            opened:close()
            return found
        end)
        return fine and #rows > 0
    end

    it("waits for the record", function()
        local folder = experiments.folder { one = experiments.script "one" }
        assert.is_equal(0, (experiments.run(folder, "one", "out=out")))
        local before = experiments.records(folder .. "/out")
        local path, bytes = next(before)
        local place = ("%s/out/.work/%s"):format(folder, path:match "([^/]+)%.json$")
        assert(effv2.remove_file(path))
        assert(effv2.make_dir(place))
        local held = assert(effv2.lock_dir(place))
        local waiting = experiments.start(folder, "one", {})
        wait_until(function() return has_begun(folder) end, "the training")
        effv2.sleep(0.5) -- the training itself would take a tenth of that
        assert.is_false(effv2.file_exists(path))
        assert(effv2.write_file(path, bytes))
        held:release()
        assert.is_same({ "exit", 0 }, { effv2.look_at_process(waiting, true) }, effv2.read_file(folder .. "/output"))
        assert.is_same(before, (experiments.records(folder .. "/out")))
    end)
end)

describe("an experiment that is killed", function()
    teardown(experiments.clean)

    --- The process of a training that has reported four epochs, as only the longer one does; nil while there is none.
    local function worker_of(folder)
        local path = folder .. "/out/.work/study.db"
        local fine, row = pcall(function()
            local opened = store.open(path, true)
            local rows = opened:rows([[SELECT worker FROM trials t JOIN metrics m ON m.trial = t.id
                WHERE t.status = 'running' AND m.epoch >= 4 AND worker IS NOT NULL LIMIT 1]])
            opened:close()
            return rows[1]
        end)
        return fine and row and row.worker or nil
    end

    it("ends, with the same command, with every result once and the same bits", function()
        local folder = experiments.folder { killed = experiments.script("killed", nil, { second = 30 }) }
        local first = experiments.start(folder, "killed", { "jobs=1" })
        local worker = wait_until(function() return worker_of(folder) end, "a report of a training")
        effv2.signal_process(worker, SIGKILL)
        assert.is_same({ "exit", 1 }, { effv2.look_at_process(first, true) })
        local said = assert(effv2.read_file(folder .. "/output"))
        contains(said, "second: the training with seed 0 failed; effv2 recipes/study.lua show killed-", "says why")
        local before, count = experiments.records(folder .. "/out")
        assert.is_equal(1, count)
        local again = experiments.start(folder, "killed", { "jobs=1" })
        wait_until(function() return worker_of(folder) end, "a report of the training that goes on")
        effv2.signal_process(again, SIGKILL)
        assert.is_equal("signal", (effv2.look_at_process(again, true)))
        assert.is_equal(1, select(2, experiments.records(folder .. "/out")))
        local last = experiments.start(folder, "killed", { "jobs=1" })
        assert.is_same({ "exit", 0 }, { effv2.look_at_process(last, true) }, effv2.read_file(folder .. "/output"))
        local after
        after, count = experiments.records(folder .. "/out")
        assert.is_equal(2, count)
        for path, bytes in pairs(after) do
            local record = effv2.json_decode(bytes)
            assert.is_equal(before[path] or bytes, bytes)
            if record.settings.epochs == 30 then
                local undisturbed = training.run(record.settings, { run = experiments.new_name() })
                assert.is_same(bits_of(undisturbed), bits_of(record.result))
            end
        end
    end)
end)
