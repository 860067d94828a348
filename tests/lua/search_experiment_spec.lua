--- The experiment that searches: killed anywhere, it goes on to the same trials; its rewards are the formula's; what is
-- judged on was held out of what is trained on.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"
local training = require "effv2.experiment.training"

local SCRIPT = "experiments/search_strategies.lua"

--- Runs the experiment at scale=smoke. `template` is a shell command with %s for the program and its arguments.
local function run(out, template, more)
    local arguments = ("--threads 2 %s scale=smoke jobs=2 out='%s' %s"):format(SCRIPT, out, more or "")
    return support.run(template or "%s", arguments)
end

local function file(out, name)
    return ("%s/search_strategies/smoke%s"):format(out, name)
end

--- The rows of the CSV with the trials, { column = text }.
local function trials_of(out)
    local rows, columns = {}, nil
    for line in assert(effv2.read_file(file(out, "-trials.csv"))):gmatch "[^\n]+" do
        local cells, row = {}, {}
        for cell in (line .. ","):gmatch "([^,]*)," do
            cells[#cells + 1] = cell
        end
        if columns then
            for i, name in ipairs(columns) do
                row[name] = cells[i]
            end
            rows[#rows + 1] = row
        else
            columns = cells
        end
    end
    return rows
end

local function names_in(folder)
    local names = {}
    for i, entry in ipairs(assert(effv2.list_dir(folder))) do
        names[i] = entry.name
    end
    table.sort(names)
    return names
end

--- Copies the file with the step times, which no second run would measure alike.
local function copy_step_times(from, to)
    assert(effv2.make_dir(to .. "/search_strategies"))
    for _, name in ipairs(names_in(from .. "/search_strategies")) do
        if name:match "step%-time" then
            assert(effv2.write_file(("%s/search_strategies/%s"):format(to, name),
                assert(effv2.read_file(("%s/search_strategies/%s"):format(from, name)))))
        end
    end
end

--- A shell command: one trial is killed, and after three more records the search itself.
local function kill_twice(out)
    return ([[
        records() { ls '%s/trainings/smoke' 2>/dev/null | wc -l; }
        %%s & job=$!
        until [ $(records) -ge 1 ] || ! kill -0 $job; do sleep 0.01; done
        pkill -KILL -o -P $job
        until [ $(records) -ge 4 ] || ! kill -0 $job; do sleep 0.01; done
        kill -KILL $job; wait $job]]):format(out)
end

describe("the search as an experiment", function()
    local whole

    setup(function()
        whole = support.new_name()
        local code, output, errors = run(whole)
        assert.is_equal(0, code, errors)
        local result = assert(effv2.json_decode(output:match "([^\n]*)\n?$"))
        assert.is_equal(file(whole, ".md"), result.page)
    end)

    teardown(support.clean)

    it("has every trial of every search, with the reward that the formula gives", function()
        local rows, count = trials_of(whole), {}
        for _, row in ipairs(rows) do
            count[row.strategy] = (count[row.strategy] or 0) + 1
            assert.is_equal(tostring(count[row.strategy]), row.trial)
            local expected = tonumber(row.accuracy) * math.exp(-0.07 * math.log(row.S) - 0.05 * math.log(row.P))
            assert.is_near(expected, tonumber(row.reward), 1e-12)
        end
        assert.are.same({ random = 4, reinforcement = 4, evolution = 4 }, count)
    end)

    it("trains each network once, for all searches, and the winner and another one to compare", function()
        local seen, different = {}, 0
        for _, row in ipairs(trials_of(whole)) do
            different, seen[row.network] = different + (seen[row.network] and 0 or 1), row.accuracy
        end
        assert.is_equal(different + 2, #names_in(whole .. "/trainings/smoke"))
    end)

    it("writes the winner as a network, a page with it made larger, and a plot", function()
        local best
        for _, row in ipairs(trials_of(whole)) do
            best = (not best or tonumber(row.reward) > tonumber(best.reward)) and row or best
        end
        local page = assert(effv2.read_file(file(whole, ".md")))
        assert.is_truthy(page:find(("The winner, %s, is in smoke-winner.lua"):format(best.network), 1, true), page)
        assert.matches("\n| the winner |", page)
        assert.matches("one image of 48x48x3\n", page)
        assert.is_true(effv2.models.create(file(whole, "-winner.lua"), { classes = 10 }):num_parameters() > 0)
        assert.is_equal(effv2.report.can_plot(), effv2.file_exists(file(whole, ".svg")))
    end)

    it("goes on to the same trials, where a trial and then the search were killed", function()
        local killed = support.new_name()
        copy_step_times(whole, killed)
        assert.is_not_equal(0, (run(killed, kill_twice(killed))))
        local before = names_in(killed .. "/trainings/smoke")
        assert.is_true(#before < #names_in(whole .. "/trainings/smoke"))
        local code, _, errors = run(killed)
        assert.is_equal(0, code, errors)
        assert.are.same(trials_of(whole), trials_of(killed))
        assert.are.same(names_in(whole .. "/trainings/smoke"), names_in(killed .. "/trainings/smoke"))
    end)

    it("says what it would do, and what it takes", function()
        local code, output = run(support.new_name(), nil, "dry_run=true trials=7 seeds=2")
        assert.is_equal(0, code)
        local plan = assert(effv2.json_decode(output:match "([^\n]*)\n?$"))
        assert.is_same({ (3 * 7 + 2) * 2, 0 }, { plan.trainings, plan.done })
        code, output = run(support.new_name(), nil, "--help")
        assert.is_equal(0, code)
        assert.matches("trials", output)
        local refused, _, errors = run(support.new_name(), nil, "trials=2.5")
        assert.is_equal(2, refused)
        assert.matches("trials is 2.5, wanted a whole number from 1", errors)
    end)
end)

describe("the data of a training", function()
    it("can be judged on pictures held out of those to train", function()
        local data = training.open({ kind = "shapes", train = 48, val = 20, minival = 16 })
        assert.is_equal(32, data.train:size())
        assert.is_equal(16, data.val:size())
        local pictures = {}
        for i = 1, data.train:size() do
            pictures[data.train:image(i, 16):tobytes()] = true
        end
        for i = 1, data.val:size() do
            assert.is_nil(pictures[data.val:image(i, 16):tobytes()])
        end
        assert.is_equal(20, training.open({ kind = "shapes", train = 48, val = 20 }).val:size())
    end)

    it("are of a folder the first ones, after that", function()
        local folder, source = support.new_name(), support.data().train
        for i = 1, 30 do
            local class = ("%s/class%d"):format(folder, i % 3)
            assert(effv2.make_dir(class))
            assert(effv2.write_png(("%s/%d.png"):format(class, i), source:image(i, 16)))
        end
        local whole = effv2.data.open(folder)
        local data = training.open({ kind = "folder", train = 5, minival = 6 }, folder)
        assert.is_equal(5, data.train:size())
        assert.is_equal(6, data.val:size())
        assert.is_true(whole.train:size() >= 11)
    end)
end)
