--- Recipe configuration: types, nested keys, files, and every way to get the command line wrong.
local config = require "effv2.config"
local suggest = require "effv2.suggest"

local function defaults()
    return {
        model = "efficientnetv2-s", epochs = 350, lr = 0.5, amp = false, sizes = { 128, 160 }, names = { "a" },
        optimizer = { momentum = 0.9, warmup = { epochs = 5 } },
        weights = config.optional "string", stop_after = config.optional "number",
        mode = config.choice("fast", { "fast", "exact" }), stages = config.choice(4, { 1, 2, 4 }),
        callback = print,
        help = { "A recipe.", epochs = "passes over the data", files = "pictures" },
    }
end

local function read(...)
    return config(defaults(), { ... })
end

local function refused(...)
    local ok, problem = pcall(config, defaults(), { ... })
    assert.is_false(ok)
    assert.is_equal("table", type(problem))
    assert.is_equal(2, problem.exit_code)
    assert.is_equal(problem.message, tostring(problem))
    return problem.message
end

describe("config", function()
    it("gives the defaults when nothing is set", function()
        local cfg = read()
        assert.is_equal(350, cfg.epochs)
        assert.is_equal("efficientnetv2-s", cfg.model)
        assert.is_false(cfg.amp)
        assert.is_same({ 128, 160 }, cfg.sizes)
        assert.is_equal(5, cfg.optimizer.warmup.epochs)
        assert.is_nil(cfg.weights)
        assert.is_equal("fast", cfg.mode)
        assert.is_equal(print, cfg.callback)
        assert.is_same({}, cfg.files)
        assert.is_nil(rawget(cfg, "help"))
    end)

    it("reads values by the type of the default", function()
        local cfg = read("model=7", "epochs=1e2", "lr=-0x10", "amp=yes", "sizes=96,128, 160", "names=x,7",
            "optimizer.momentum=0", "optimizer.warmup.epochs=2.5", "weights=a=b", "stop_after=3", "mode=exact",
            "stages=2")
        assert.is_equal("7", cfg.model)
        assert.is_equal(100, cfg.epochs)
        assert.is_equal(-16, cfg.lr)
        assert.is_true(cfg.amp)
        assert.is_same({ 96, 128, 160 }, cfg.sizes)
        assert.is_same({ "x", "7" }, cfg.names)
        assert.is_equal(0, cfg.optimizer.momentum)
        assert.is_equal(2.5, cfg.optimizer.warmup.epochs)
        assert.is_equal("a=b", cfg.weights)
        assert.is_equal(3, cfg.stop_after)
        assert.is_equal("exact", cfg.mode)
        assert.is_equal(2, cfg.stages)
    end)

    it("takes the last of two values, lists in braces, empty lists and texts", function()
        assert.is_equal(2, read("epochs=1", "epochs=2").epochs)
        assert.is_same({ 1, 2 }, read("sizes={1, 2}").sizes)
        assert.is_same({}, read("sizes=").sizes)
        assert.is_equal("", read("model=").model)
        assert.is_nil(read("weights=x", "weights=nil").weights)
    end)

    it("never hands out or changes the default list itself", function()
        local given = defaults()
        config(given, {}).sizes[1] = 1
        assert.is_equal(128, given.sizes[1])
    end)

    it("collects files, also those that look like keys behind --", function()
        assert.is_same({ "a.jpg", "./b=c.jpg", "epochs=3", "--x" },
            read("a.jpg", "epochs=1", "./b=c.jpg", "--", "epochs=3", "--x").files)
    end)

    it("refuses files where the recipe takes none", function()
        local ok, problem = pcall(config, { data = "shapes" }, { "data=", "/data/imagenet" })
        assert.is_false(ok)
        assert.is_equal(2, problem.exit_code)
        assert.is_equal("/data/imagenet: unexpected argument (keys are given as key=value)", problem.message)
    end)

    it("tells where a value comes from", function()
        local cfg = read("epochs=3", "optimizer.momentum=0.9")
        local origins = config.origins(cfg)
        assert.is_equal("command line", origins.epochs)
        assert.is_equal("command line", origins["optimizer.momentum"])
        assert.is_equal("default", origins.lr)
        assert.is_equal("default", origins["optimizer.warmup.epochs"])
        assert.has_error(function()
            config.origins {}
        end)
    end)

    it("refuses unknown keys and names the nearest", function()
        assert.is_equal("epohcs: unknown key (did you mean epochs?); --help lists the keys", refused "epohcs=3")
        assert.is_equal("momentum.optimizer: unknown key; --help lists the keys", refused "momentum.optimizer=3")
        assert.is_equal("optimizer.momentun: unknown key (did you mean optimizer.momentum?); --help lists the keys",
            refused "optimizer.momentun=3")
        assert.is_equal("help: unknown key; --help lists the keys", refused "help=1")
        assert.is_truthy(refused("stop-after=3"):find("did you mean stop_after?", 1, true))
    end)

    it("refuses values of the wrong type and names key, value and wanted type", function()
        assert.is_equal("epochs: a number wanted, not 'many'", refused "epochs=many")
        assert.is_equal("epochs: a number wanted, not ''", refused "epochs=")
        assert.is_equal("epochs: a number wanted, not 'nan'", refused "epochs=nan")
        assert.is_equal("lr: a number wanted, not 'inf'", refused "lr=inf")
        assert.is_equal("lr: a number wanted, not '0,5'", refused "lr=0,5")
        assert.is_equal("amp: true or false wanted, not '2'", refused "amp=2")
        assert.is_equal("sizes: a list of numbers such as 1,2,3 wanted, not '1,b'", refused "sizes=1,b")
        assert.is_equal("sizes: a list of numbers such as 1,2,3 wanted, not '1,,2'", refused "sizes=1,,2")
        assert.is_equal("stop_after: a number wanted, not 'x'", refused "stop_after=x")
        assert.is_equal("mode: 'exat' is none of fast, exact (did you mean exact?)", refused "mode=exat")
        assert.is_equal("stages: '3' is none of 1, 2, 4", refused "stages=3")
        assert.is_equal("callback: cannot be set on the command line (it is a function)", refused "callback=x")
        assert.is_equal("epochs: a number wanted, not 'nil'", refused "epochs=nil")
    end)

    it("explains options in the style of other programs", function()
        assert.is_equal("--epochs=5: unknown option (keys are given as epochs=5)", refused "--epochs=5")
        assert.is_equal("--stop-after: unknown option (keys are given as stop_after=VALUE)", refused "--stop-after")
        assert.is_equal("--hepl: unknown option (did you mean --help?)", refused "--hepl")
    end)

    it("keeps percent signs of arguments out of formats", function()
        assert.is_equal("epochs: a number wanted, not '50%s'", refused "epochs=50%s")
    end)

    it("makes a misspelt field of the result an error", function()
        local cfg = read()
        assert.has_error(function()
            return cfg.epoch
        end, "configuration: no key 'epoch' (did you mean epochs?)")
        assert.has_error(function()
            cfg.optimizer.momentun = 1
        end, "configuration: no key 'optimizer.momentun' (did you mean momentum?)")
        cfg.epochs, cfg.weights = 1, "w"
        assert.is_equal("w", cfg.weights)
    end)

    it("refuses mistakes in the recipe itself", function()
        local function mistake(...)
            local ok, message = pcall(config, ...)
            assert.is_false(ok)
            return tostring(message)
        end
        assert.is_truthy(mistake(5):find("a table of defaults is wanted", 1, true))
        assert.is_truthy(mistake({ epochs = 1, help = { epoch = "x" } }, {}):find("did you mean epochs?", 1, true))
        assert.is_truthy(mistake({ files = 1 }, {}):find("'files'", 1, true))
        assert.is_truthy(mistake({ ["a b"] = 1 }, {}):find("a b is not a name", 1, true))
        assert.has_error(function()
            config.optional "strin"
        end)
        assert.has_error(function()
            config.choice("c", { "a", "b" })
        end)
    end)
end)

describe("suggest", function()
    it("counts edits", function()
        assert.is_equal(0, suggest.distance("abc", "abc"))
        assert.is_equal(3, suggest.distance("", "abc"))
        assert.is_equal(3, suggest.distance("abc", ""))
        assert.is_equal(1, suggest.distance("abc", "acb"))
        assert.is_equal(3, suggest.distance("kitten", "sitting"))
        assert.is_equal(1, suggest.distance("epochs", "epoch"))
    end)

    it("finds the nearest name, and none when all are far", function()
        local names = { "batch_size", "epochs", "data", "seed", "mixup_alpha", "cutmix_alpha" }
        assert.is_equal("batch_size", suggest.nearest("batch_sise", names))
        assert.is_equal("batch_size", suggest.nearest("batchsize", names))
        assert.is_equal("batch_size", suggest.nearest("BATCH-SIZE", names))
        assert.is_equal("mixup_alpha", suggest.nearest("mixup", names))
        assert.is_equal("data", suggest.nearest("dta", names))
        assert.is_nil(suggest.nearest("momentum", names))
        assert.is_nil(suggest.nearest("x", names))
        assert.is_nil(suggest.nearest("x", {}))
        assert.is_equal(" (did you mean --epochs?)", suggest.hint("epoch", names, "--"))
        assert.is_equal("", suggest.hint("zzzz", names))
    end)
end)
