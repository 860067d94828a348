--- recipes/study.lua: lists, tables, the best, Pareto fronts with their PNG, exports, and what it refuses.
local effv2 = require "effv2"
local store = require "effv2.search.store"
local support = dofile "tests/lua/support.lua"
local training = dofile "tests/lua/support_training.lua"

--- Makes a database with study "lr": four configurations with two seeds, of which one trial failed, one was stopped.
local function make_study(path)
    local opened = store.open(path)
    local study = opened:add_study("lr", "maximize", { space = {} }).id
    local parameters = { { lr = 0.1, act = "relu" }, { lr = 0.01, act = "silu", beta = 0.5 }, { lr = 0.001, act = "relu" },
        { lr = 0.5, act = 'a "b", c' } }
    local values = { { 0.8, 0.9 }, { 0.9, 1 }, { 0.5, 0.7 }, {} }
    opened:add_trials(study, 4, { 0, 1 }, function(number) return parameters[number + 1] end)
    local wishes = { study = study, count = 4, last_seed = 1, retries = 0, log = function() return "some.log" end }
    for i = 1, 8 do
        local trial = opened:claim(wishes)
        local value = values[trial.number + 1][trial.seed + 1]
        opened:report(trial.id, 1, 1, { value = i / 10, loss = 2 })
        opened:finish(trial.id, 1, value and {
            status = "complete", value = value, seconds = (trial.number + 1) * 10, metrics = { size = 100 * (trial.number + 1) },
        } or trial.seed == 0 and { status = "failed", message = "ended with exit code 3\nlast line", seconds = 1 }
            or { status = "stopped", value = 0.25, seconds = 2 })
    end
    opened:add_study("empty", "minimize", { space = {} })
    opened:close()
end

local folder, db

--- Runs the recipe; returns exit code, output, errors.
local function study(arguments)
    return training.run("%s", ("--threads 1 recipes/study.lua %s db='%s'"):format(arguments, db))
end

local function prints(arguments, ...)
    local code, output, errors = study(arguments)
    assert.is_equal(0, code, errors)
    for _, part in ipairs { ... } do
        assert.is_truthy(output:find(part, 1, true), ("%q is not in:\n%s"):format(part, output))
    end
    return output
end

describe("recipes/study.lua", function()
    setup(function()
        folder = training.new_name()
        assert(effv2.make_dir(folder))
        db = folder .. "/lr.db"
        make_study(db)
    end)

    teardown(training.clean)

    it("lists studies with their trials", function()
        local output = prints "list"
        assert.matches("\nlr +maximize +8 +6 +1 +1 +0 +0 +20", output)
        assert.matches("\nempty +minimize +0 +0 +0 +0 +0 +0 +20", output)
    end)

    it("shows configurations, the best first, and what failed", function()
        local output = prints("show lr", "trial 3, seed 0 failed (some.log):\n  ended with exit code 3\n  last line")
        local numbers = {}
        for number in output:gmatch "\n +(%d+) +[%d%-]" do
            numbers[#numbers + 1] = number
        end
        assert.is_same({ "1", "0", "2", "3" }, numbers)
        assert.matches("1 +0.95 ± 0.071 +2/2 +20.0 +2 complete +act=silu beta=0.5 lr=0.01", output)
        assert.matches("3 +%- +0/2 +%- +1 stopped, 1 failed", output)
    end)

    it("prints the best as JSON", function()
        local best = effv2.json_decode(prints "best lr")
        assert.is_same({ 1, 0.95, { act = "silu", beta = 0.5, lr = 0.01 }, { 0.9, 1 } },
            { best.trial, best.value, best.parameters, best.values })
        assert.is_same({ 20, 200 }, { best.seconds, best.metrics.size })
    end)

    it("finds the Pareto front and draws it", function()
        local png = folder .. "/front.png"
        local drawn = os.execute "command -v gnuplot >/dev/null 2>&1" == 0
        local code, output, errors = study("pareto lr out=" .. png)
        assert.matches("trial +seconds +value +parameters\n +0 +10 +0.85 +act=relu lr=0.1\n +1 +20 +0.95 ", output)
        assert.is_falsy(output:find("\n    2 ", 1, true))
        if not drawn then
            assert.is_equal(1, code)
            return support.assert_explains(errors, { "gnuplot is not installed", "apt install gnuplot-nox" })
        end
        assert.is_equal("\137PNG", assert(effv2.read_file(png)):sub(1, 4))
        assert.is_equal(0, code, errors)
        output = prints("pareto lr x=size y=lr more=lr,size out=" .. png, "size")
        assert.matches("\n +2 +300 +0.001 .*\n +1 +200 +0.01 .*\n +0 +100 +0.1 ", output)
    end)

    it("says how gnuplot is got where it is missing", function()
        local code, _, errors = training.run("PATH=/nowhere %s",
            ("--threads 1 recipes/study.lua pareto lr out=%s/none.png db='%s'"):format(folder, db))
        assert.is_equal(1, code)
        support.assert_explains(errors, { "gnuplot is not installed", "apt install gnuplot-nox" })
        assert.is_false(effv2.file_exists(folder .. "/none.png"))
    end)

    it("exports every trial as CSV and JSON", function()
        local output = prints("export lr", "number,seed,status,value,started,seconds,host,attempts,log,message,"
            .. "parameters.act,parameters.beta,parameters.lr,metrics.loss,metrics.size\n",
            ',some.log,,silu,0.5,0.01,2,200\n', '"ended with exit code 3\nlast line","a ""b"", c",,0.5,2,\n')
        assert.matches("\n1,0,complete,0.9,%d+,20,[^,]+,1,", output)
        prints(("export lr out=%s/lr.json"):format(folder), "lr.json: 8 trials")
        local all = assert(effv2.json_decode(assert(effv2.read_file(folder .. "/lr.json"))))
        assert.is_equal(8, #all.trials)
        assert.is_same({ { epoch = 1, name = "loss", value = 2 }, { epoch = 1, name = "value", value = 0.1 } },
            all.trials[1].reports)
        prints(("export lr out=%s/lr.csv"):format(folder), "lr.csv: 8 trials")
        assert.is_equal(output, effv2.read_file(folder .. "/lr.csv"))
    end)

    it("gives back what a machine that is gone had claimed", function()
        local opened = store.open(db)
        local one = opened:study("lr").id
        opened:run("UPDATE trials SET status = 'running', host = 'elsewhere' WHERE study = ? AND number = 3", one)
        assert.matches("^0 trials of nowhere", prints "release lr host=nowhere")
        assert.matches("^2 trials of elsewhere are to be run again", prints "release lr host=elsewhere")
        assert.is_equal(2, #opened:rows("SELECT id FROM trials WHERE status = 'waiting' AND study = ?", one))
        opened:close()
    end)

    for _, case in ipairs {
        { "no word", "", 2, "no word says what to do", "list, show, best, pareto, export" },
        { "an unknown word", "shwo lr", 2, "unknown word 'shwo'", "did you mean show?" },
        { "a missing name", "show", 2, "show needs the name of a study", "study.lua list" },
        { "one word too many", "show lr more", 2, "unexpected argument 'more'", "study:" },
        { "an unknown study", "show rl", 1, 'no study "rl"', "did you mean lr?" },
        { "a study without results", "best empty", 1, "no trial of empty has a result", "study:" },
        { "an unknown quantity", "pareto lr y=sise", 1, 'no trial has a quantity "sise"', "did you mean size?" },
        { "a direction of nothing", "pareto lr more=size", 2, "more=size is neither x=seconds", "y=value" },
        { "a release of nothing", "release lr", 2, "release needs host=NAME", "study:" },
        { "an unknown format", "export lr out=a.xls", 2, "out=a.xls", ".csv or .json" },
    } do
        it("explains " .. case[1], function()
            local code, _, errors = study(case[2])
            assert.is_equal(case[3], code)
            support.assert_explains(errors, { case[4], case[5] })
        end)
    end

    it("explains what is wrong with the database", function()
        local other = db
        db = folder .. "/missing.db"
        local code, _, errors = study "list"
        assert.is_equal(1, code)
        support.assert_explains(errors, { "missing.db", "there is no such database" })
        assert.is_false(effv2.file_exists(db))
        db = "README.md"
        code, _, errors = study "list"
        assert.is_equal(1, code)
        support.assert_explains(errors, { "README.md", "file is not a database" })
        db = other
    end)
end)
