--- Studies as processes: what is recorded, what survives being killed, how several share a database, what is refused.
local effv2 = require "effv2"
local store = require "effv2.search.store"
local support = dofile "tests/lua/support.lua"
local training = dofile "tests/lua/support_training.lua"

local program = effv2.program_path()
local SIGINT, SIGKILL, SIGTERM = 2, 9, 15

-- ---- scripts and processes ------------------------------------------------------------------------------

--- Writes the script of a study into a folder; `arguments` are those of the study beside name and path, in Lua, and
-- `head` stands before it. Returns a table of paths.
local function write_study(folder, arguments, head)
    local files = { folder = folder, db = folder .. "/study.db", script = folder .. "/study.lua", output = folder .. "/output" }
    assert(effv2.write_file(files.script, ([[
        local effv2 = require "effv2"
        local space, stopper = effv2.search.space, effv2.search.stopper
        local folder = %q
        %s
        local study = effv2.search.study { name = "s", path = %q, %s }
        study:run()
        print(study:summary())
    ]]):format(folder, head or "", files.db, arguments)))
    return files
end

local function start(files)
    return assert(effv2.start_process({ program, files.script }, {}, files.output))
end

--- The text that a study wrote.
local function output_of(files)
    return effv2.read_file(files.output) or ""
end

--- Runs the script to its end; returns how it ended (the exit code, or "signal") and what it wrote.
local function run(files)
    os.remove(files.output)
    local kind, code = effv2.look_at_process(start(files), true)
    return kind == "exit" and code or kind, output_of(files)
end

local function trials_of(files)
    local opened = store.open(files.db, true)
    local list = opened:trials(opened:study("s").id)
    opened:close()
    return list
end

--- "status status ..." of the trials, by number and seed.
local function statuses(files)
    local list = {}
    for i, row in ipairs(trials_of(files)) do
        list[i] = row.status
    end
    return table.concat(list, " ")
end

local function wait_until(condition, what)
    for _ = 1, 3000 do
        local result = condition()
        if result then
            return result
        end
        effv2.sleep(0.01)
    end
    error("waited half a minute for " .. what)
end

local function lives(pid)
    return effv2.process_stamp(pid) ~= nil
end

--- Whether a study of the folder has n trials of this status.
local function has(files, status, n)
    return effv2.file_exists(files.db) and pcall(function()
        assert(select(2, statuses(files):gsub(status, "")) >= n)
    end)
end

local function contains(text, ...)
    for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
    end
end

local SPACE = "space = { x = space.uniform(-1, 1) }, "

-- ---- what is recorded -----------------------------------------------------------------------------------

describe("a study", function()
    teardown(training.clean)

    it("records parameters, values, metrics by epoch, times and logs of every seed", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. [[ trials = 3, seeds = 2, seed = 5, jobs = 2, objective = function(trial)
                print("this is trial " .. trial.number, effv2.rand(1):item(), os.getenv "EFFV2_TRIAL", trial.run)
                for epoch = 1, 3 do trial:report(epoch, trial.params.x * epoch, { loss = 1 / epoch }) end
                return trial.params.x * 3 + trial.seed, { size = 10 * trial.number, loss = 0.25 }
            end]])
            local code, output = run(files)
            assert.is_equal(0, code, output)
            local list = trials_of(files)
            assert.is_equal(6, #list)
            local made, logs = require("effv2.search.space").new { x = require("effv2.search.space").uniform(-1, 1) }, {}
            for i, row in ipairs(list) do
                assert.is_same({ math.floor((i - 1) / 2), 5 + (i - 1) % 2, "complete", 1, 0 },
                    { row.number, row.seed, row.status, row.attempts, row.failures })
                assert.is_same(made:random(5, row.number), row.parameters)
                assert.is_equal(row.parameters.x * 3 + row.seed, row.value)
                assert.is_same({ size = 10 * row.number, loss = 0.25 }, row.metrics)
                assert.is_true(row.seconds >= 0 and row.started <= os.time() and row.host == effv2.host_name())
                logs[i] = assert(effv2.read_file(row.log))
                contains(logs[i], "this is trial " .. row.number, ("\tnil\t%s/study-logs/s/%05d-%d-1.run"):format(folder,
                    row.number, row.seed))
            end
            local drawn = {}
            for i, log in ipairs(logs) do
                drawn[i] = log:match "trial %d+\t(%S+)"
            end
            assert.is_equal(drawn[1], drawn[3])
            assert.is_not_equal(drawn[1], drawn[2])
            local opened = store.open(files.db, true)
            local reports = opened:reports(list[1].id)
            assert.is_equal(6, #reports)
            assert.is_same({ epoch = 3, name = "value", value = list[1].parameters.x * 3 }, reports[6])
            opened:close()
            contains(output, "6 complete; best: ", "±", "value", "2 complete")
        end)
    end)

    it("costs one trial when an objective fails, in whatever way, and runs it again only where it is asked to", function()
        support.in_folder(function(folder)
            local text = SPACE .. [[ trials = 8, jobs = 2, retries = %d, objective = function(trial)
                print("line of " .. trial.number)
                io.stdout:flush()
                if trial.number == 1 then error("broken on purpose") end
                if trial.number == 2 then os.exit(7) end
                if trial.number == 3 then os.execute("kill -KILL $PPID") effv2.sleep(5) end
                if trial.number == 4 then return "text" end
                if trial.number == 5 then return 0 / 0 end
                if trial.number == 6 then trial:report(1, 2) trial:report(1, 2) end
                if trial.number == 7 and not effv2.file_exists(folder .. "/mark") then
                    effv2.write_file(folder .. "/mark", "") error "once"
                end
                return 1
            end]]
            local files = write_study(folder, text:format(0))
            local code, output = run(files)
            assert.is_equal(0, code, output)
            local list = trials_of(files)
            assert.is_equal("complete" .. (" failed"):rep(7), statuses(files))
            contains(list[2].message, "study.lua:", "broken on purpose")
            contains(effv2.read_file(list[2].log), "stack traceback")
            assert.is_equal("ended with exit code 7\nline of 2", list[3].message)
            assert.is_equal("killed by signal 9 (Killed)\nline of 3", list[4].message)
            contains(list[5].message, "the objective returned a string, wanted a finite number")
            contains(list[6].message, "wanted a finite number")
            contains(list[7].message, "epoch 1 after epoch 1")
            contains(list[8].message, "once")

            assert.is_equal(0, (run(files)))
            assert.is_same(list, trials_of(files))

            assert.is_equal(0, (run(write_study(folder, text:format(1)))))
            assert.is_equal("complete" .. (" failed"):rep(6) .. " complete", statuses(files))
            for i, row in ipairs(trials_of(files)) do
                assert.is_equal(i == 1 and 1 or 2, row.attempts)
                assert.is_equal(i == 1 and 0 or i == 8 and 1 or 2, row.failures)
            end
        end)
    end)

    it("grows when more trials or seeds are asked for, and keeps what it has", function()
        support.in_folder(function(folder)
            local text = "space = { a = { 1, 2, 3 }, b = { 'x', 'y' } }, sampler = 'grid', %s direction = 'minimize', "
                .. "objective = function(trial) return trial.params.a end"
            local files = write_study(folder, text:format "trials = 2, ")
            assert.is_equal(0, (run(files)))
            local first = trials_of(files)
            assert.is_equal(2, #first)
            local code, output = run(write_study(folder, text:format "seeds = 2, jobs = 3, "))
            assert.is_equal(0, code)
            local all = trials_of(files)
            assert.is_equal(12, #all)
            assert.is_same({ first[1], first[2] }, { all[1], all[3] })
            contains(output, "12 complete; best: 1 ± 0, trial 0: a=1 b=x")
        end)
    end)

    it("ends trials early that its stopper ends", function()
        support.in_folder(function(folder)
            local files = write_study(folder, [[ space = { level = { 4, 3, 2, 1 } }, sampler = "grid", direction = "maximize",
                stopper = stopper.median { startup = 1 }, objective = function(trial)
                    for epoch = 1, 4 do trial:report(epoch, trial.params.level * epoch) end
                    return 100 + trial.params.level
                end]])
            local code, output = run(files)
            assert.is_equal(0, code, output)
            local values = {}
            for i, row in ipairs(trials_of(files)) do
                values[i] = row.value
            end
            assert.is_same({ "complete stopped stopped stopped", { 104, 3, 2, 1 } }, { statuses(files), values })
        end)
    end)

    it("takes an objective from a file of its own, with its neighbours", function()
        support.in_folder(function(folder)
            assert(effv2.write_file(folder .. "/neighbour.lua", "return 40"))
            assert(effv2.write_file(folder .. "/objective.lua",
                "local base = require 'neighbour' return function(trial) trial:report(1, base) return base + trial.params.x end"))
            local objective = folder .. "/objective.lua"
            local files = write_study(folder, ("space = { x = 2 }, trials = 1, objective = %q"):format(objective))
            local code, output = run(files)
            assert.is_equal(0, code, output)
            assert.is_equal(42, trials_of(files)[1].value)
        end)
    end)

    it("shares the cores among its trials", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. "trials = 2, jobs = 2, objective = function(trial) "
                .. "return effv2.threads(), { given = trial.threads } end")
            assert.is_equal(0, (run(files)))
            local share = math.max(1, math.floor(effv2.info().cores / 2))
            for _, row in ipairs(trials_of(files)) do
                assert.is_same({ share, share }, { row.value, row.metrics.given })
            end
        end)
    end)

    it("runs another study of the same script before it", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. "trials = 1, objective = function() return assert(first) end", [[
                local before = effv2.search.study { name = "first", path = folder .. "/study.db", space = { x = 3 }, trials = 1,
                    objective = function(trial) return trial.params.x end }
                first = before:run():best().mean]])
            local code, output = run(files)
            assert.is_equal(0, code, output)
            assert.is_equal(3, trials_of(files)[1].value)
        end)
    end)
end)

-- ---- being killed ---------------------------------------------------------------------------------------

--- A cheap objective that notes each start in a file of its trial.
local NOTING = SPACE .. [[ trials = %d, jobs = 2, objective = function(trial)
    assert(effv2.append_line(folder .. "/starts-" .. trial.number, tostring(trial.row.attempts)))
    effv2.sleep(trial.number %% 20 == 7 and 0.3 or 0.002 * (trial.number %% 5))
    trial:report(1, trial.params.x)
    return -trial.params.x ^ 2
end]]

--- How often the objective of each trial began, checked against the database: each ended trial did so once an attempt.
local function check_starts(files, count)
    local list = trials_of(files)
    assert.is_equal(count, #list)
    for i, row in ipairs(list) do
        local starts = effv2.read_file(("%s/starts-%d"):format(files.folder, row.number)) or ""
        local n, last = 0, nil
        for attempt in starts:gmatch "%d+" do
            assert.is_true(last == nil or tonumber(attempt) > last, "an attempt ran twice")
            n, last = n + 1, tonumber(attempt)
        end
        assert.is_equal(i - 1, row.number)
        assert.is_true(row.status == "complete" and last == row.attempts or row.status == "failed" and n <= row.attempts)
        assert.is_true(n <= row.attempts)
    end
    return list
end

describe("a sweep that is killed", function()
    it("of 200 trials by ten SIGKILLs of coordinator and workers ends with every trial recorded once", function()
        support.in_folder(function(folder)
            local files = write_study(folder, NOTING:format(200))
            local coordinator, ended_before = start(files), {}
            local random = 12345
            local function draw(n)
                random = (random * 1103515245 + 12345) % 2 ^ 31
                return math.floor(random / 2 ^ 16) % n
            end
            wait_until(function() return has(files, "complete", 3) end, "the first trials")
            local function slow_worker()
                for _, row in ipairs(trials_of(files)) do
                    if row.status == "running" and row.number % 20 == 7 and row.worker then
                        return row.worker
                    end
                end
            end
            for kill = 1, 10 do
                effv2.sleep(0.05 + draw(200) / 1000)
                for _, row in ipairs(trials_of(files)) do
                    ended_before[row.id] = row.status == "complete" and row or nil
                end
                if kill % 2 == 0 then
                    os.execute(("kill -KILL %d 2>/dev/null"):format(wait_until(slow_worker, "a slow trial")))
                else
                    effv2.signal_process(coordinator, SIGKILL)
                    assert.is_equal("signal", (effv2.look_at_process(coordinator, true)))
                    coordinator = start(files)
                end
            end
            assert.is_same({ "exit", 0 }, { effv2.look_at_process(coordinator, true) }, output_of(files))
            local failed = 0
            for _, row in ipairs(check_starts(files, 200)) do
                failed = failed + (row.status == "failed" and 1 or 0)
                local before = ended_before[row.id]
                if before then
                    assert.is_same({ before.attempts, before.value, before.started }, { row.attempts, row.value, row.started })
                end
            end
            assert.is_true(failed >= 1 and failed <= 5, failed .. " failed")
        end)
    end)

    it("shares its trials with a second coordinator, also when one of them dies", function()
        support.in_folder(function(folder)
            local files = write_study(folder, NOTING:format(60))
            local first, second = start(files), start(files)
            wait_until(function() return has(files, "complete", 20) end, "some trials")
            effv2.signal_process(first, SIGKILL)
            effv2.look_at_process(first, true)
            local third = start(files)
            assert.is_same({ "exit", 0 }, { effv2.look_at_process(second, true) }, output_of(files))
            assert.is_same({ "exit", 0 }, { effv2.look_at_process(third, true) }, output_of(files))
            local by = {}
            for _, row in ipairs(check_starts(files, 60)) do
                assert.is_equal("complete", row.status)
                by[row.pid] = true
            end
            assert.is_true(by[second] and (by[first] or by[third]))
        end)
    end)

    for _, case in ipairs { { "Ctrl-C", SIGINT, 130 }, { "TERM", SIGTERM, 75 } } do
        it("by " .. case[1] .. " takes its trials back, ends their processes and says how to go on", function()
            support.in_folder(function(folder)
                local files = write_study(folder, SPACE .. [[ trials = 3, jobs = 2, objective = function(trial)
                    for epoch = 1, 1000 do trial:report(epoch, 1) effv2.sleep(0.05)
                        if effv2.file_exists(folder .. "/go") then return 1 end
                    end
                end]])
                local pid = start(files)
                local workers
                wait_until(function()
                    local opened = effv2.file_exists(files.db) and has(files, "running", 2) and store.open(files.db, true)
                    workers = opened and opened:rows "SELECT DISTINCT worker FROM trials t JOIN metrics m ON m.trial = t.id" or {}
                    return #workers == 2
                end, "two reports")
                effv2.signal_process(pid, case[2])
                assert.is_same({ "exit", case[3] }, { effv2.look_at_process(pid, true) })
                contains(output_of(files), "study s: interrupted; the same command goes on")
                assert.is_equal("waiting waiting waiting", statuses(files))
                assert.is_false(lives(workers[1].worker) or lives(workers[2].worker))
                effv2.write_file(folder .. "/go", "")
                assert.is_equal(0, (run(files)))
                assert.is_equal("complete complete complete", statuses(files))
                assert.is_equal(0, trials_of(files)[1].failures)
            end)
        end)
    end

    it("without a warning leaves no process behind", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. "trials = 1, objective = function() effv2.sleep(60) return 1 end")
            local pid = start(files)
            local worker
            wait_until(function()
                worker = has(files, "running", 1) and trials_of(files)[1].worker
                return worker
            end, "a worker")
            effv2.signal_process(pid, SIGKILL)
            effv2.look_at_process(pid, true)
            wait_until(function() return not lives(worker) end, "the worker's end")
            assert.is_equal("running", statuses(files))
        end)
    end)
end)

-- ---- claims ---------------------------------------------------------------------------------------------

describe("claims", function()
    local function with_study(f)
        support.in_folder(function(folder)
            local opened = store.open(folder .. "/a.db")
            local study = opened:add_study("s", "maximize", {}).id
            opened:add_trials(study, 2, { 0 }, function(number) return { n = number } end)
            f(opened, {
                study = study, count = 2, last_seed = 0, retries = 0, log = function() return folder .. "/log" end,
            }, folder .. "/a.db")
            opened:close()
        end)
    end

    it("go to one process each, and end with it", function()
        with_study(function(opened, wishes)
            local one = opened:claim(wishes)
            assert.is_same({ 0, 1 }, { one.number, one.attempts })
            assert.is_equal(1, opened:claim(wishes).number)
            assert.is_nil(opened:claim(wishes))
            opened:run "UPDATE trials SET stamp = 'earlier:1' WHERE number = 0" -- another process had this number
            one = opened:claim(wishes)
            assert.is_same({ 0, 2 }, { one.number, one.attempts })
            opened:run "UPDATE trials SET host = 'elsewhere', stamp = 'earlier:1' WHERE number = 0"
            assert.is_nil(opened:claim(wishes))
            assert.is_same({ "elsewhere", 1 }, { opened:progress(wishes).others[1].host, opened:progress(wishes).others[1].n })
        end)
    end)

    it("are lost to a later attempt, and nothing is written in their name", function()
        with_study(function(opened, wishes)
            local old = opened:claim(wishes)
            assert.is_true(opened:report(old.id, 1, 1, { value = 3 }))
            opened:release(old)
            assert.is_false(opened:report(old.id, 1, 2, { value = 3 }))
            local new = opened:claim(wishes)
            assert.is_same({ old.id, 2 }, { new.id, new.attempts })
            assert.is_same({}, opened:reports(new.id))
            assert.is_nil(opened:begin(old.id, 1))
            assert.is_false(opened:finish(old.id, 1, { status = "complete", value = 1 }))
            opened:release(old)
            assert.is_equal("running", opened:trial(new.id).status)
            assert.is_true(opened:finish(new.id, 2, { status = "complete", value = 2, metrics = { m = 5 } }))
            assert.is_false(opened:finish(new.id, 2, { status = "failed" }))
            assert.is_same({ "complete", 2 }, { opened:trial(new.id).status, opened:trial(new.id).value })
        end)
    end)

    it("are written wholly or not at all", function()
        with_study(function(opened)
            local fine, message = pcall(opened.transaction, opened, function()
                opened:run "UPDATE trials SET status = 'failed'"
                error("half-way", 0)
            end)
            assert.is_same({ false, "half-way" }, { fine, message })
            assert.is_equal(2, #opened:rows "SELECT id FROM trials WHERE status = 'waiting'")
        end)
    end)
end)

describe("a study that is asked for trials again", function()
    it("runs these, and no others, once more", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. [[ trials = 3, objective = function(trial)
                if trial.number == 1 and not effv2.file_exists(folder .. "/mark") then error "no mark" end
                return trial.number end]])
            assert.is_equal(0, (run(files)))
            assert.is_equal("complete failed complete", statuses(files))
            assert.is_equal(0, (run(files)))
            assert.is_equal("complete failed complete", statuses(files))
            assert(effv2.write_file(folder .. "/mark", ""))
            local study = effv2.search.study { name = "s", path = files.db, trials = 3, objective = print,
                space = { x = effv2.search.space.uniform(-1, 1) } }
            study:again(function(trial)
                return trial.number == 2 or trial.status == "failed" and type(trial.parameters.x) == "number"
            end)
            assert.is_equal("complete waiting waiting", statuses(files))
            assert.is_equal(0, (run(files)))
            assert.is_equal("complete complete complete", statuses(files))
            local attempts = {}
            for i, trial in ipairs(trials_of(files)) do
                attempts[i] = trial.attempts
            end
            assert.is_same({ 1, 2, 2 }, attempts)
        end)
    end)

    it("has none where nothing ran yet", function()
        support.in_folder(function(folder)
            effv2.search.study({ name = "s", path = folder .. "/none.db", trials = 1, objective = print, space = { x = 1 } })
                :again(function() return true end)
            assert.is_false(effv2.file_exists(folder .. "/none.db"))
        end)
    end)
end)

-- ---- what is refused ------------------------------------------------------------------------------------

describe("what is wrong with a study", function()
    it("is said: another definition under the same name", function()
        support.in_folder(function(folder)
            local objective = "trials = 1, objective = function() return 1 end, "
            assert.is_equal(0, (run(write_study(folder, objective .. "space = { lr = space.log(1e-4, 1e-1), old = 1 }"))))
            local code, output = run(write_study(folder, objective
                .. "space = { lr = space.log(1e-3, 1e-1), new = { 1, 2 } }, stopper = 'median', direction = 'minimize'"))
            assert.is_equal(1, code)
            contains(output, 'holds a study "s" of another definition', "direction is maximize there and minimize here",
                "space.lr is log(0.0001, 0.1) there and log(0.001, 0.1) here",
                "space.new is missing there and choice(1, 2) here", "space.old is choice(1) there and missing here",
                "stopper.name is none there and median here", "take another name")
        end)
    end)

    it("is said of its arguments", function()
        local fine = { name = "s", space = { x = 1 }, trials = 1, objective = print }
        for _, case in ipairs {
            { "name", "a b", "name is \"a b\", wanted letters, digits" }, { "name", nil, "name is missing" },
            { "trials", 0, "trials is 0, wanted a whole number from 1" }, { "trials", nil, "trials is missing" },
            { "jobs", 1.5, "jobs is 1.5" }, { "seeds", 0, "seeds is 0" }, { "seed", -1, "seed is -1" },
            { "direction", "maximise", 'direction is "maximise", wanted maximize or minimize (did you mean maximize?)' },
            { "sampler", "tpe", 'sampler is "tpe", wanted random or grid' },
            { "stopper", "meidan", "(did you mean median?)" }, { "stopper", {}, "stopper is no stopper" },
            { "space", {}, "wanted a table of parameters" },
            { "objective", nil, "objective is missing, wanted a function(trial)" },
            { "objective", "/nope.lua", "objective: cannot open /nope.lua" }, { "spcae", {}, "did you mean space?" },
            { "retries", -1, "retries is -1" },
        } do
            local given = {}
            for key, value in pairs(fine) do
                given[key] = value
            end
            given[case[1]] = case[2]
            local ok, message = pcall(effv2.search.study, given)
            assert.is_false(ok, case[3])
            contains(message, case[3])
        end
    end)

    it("is said of its script, where a trial cannot run it again", function()
        support.in_folder(function(folder)
            local code = ("effv2.search.study({ name = 's', path = '%s/a.db', space = { x = 1 }, trials = 1, "
                .. "objective = function() return 1 end }):run()"):format(folder)
            local exit, _, errors = training.run("%s", "-e " .. '"' .. code .. '"')
            assert.is_equal(1, exit)
            contains(errors, "each trial runs its script again", 'objective = "FILE.lua"')
        end)
    end)

    it("is said of its database", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. "trials = 1, objective = function() return 1 end")
            local function refuses(...)
                local code, output = run(files)
                assert.is_equal(1, code, output)
                contains(output, "study.db", ...)
                assert.is_falsy(output:find("traceback", 1, true))
            end
            assert(effv2.make_dir(files.db))
            refuses "a folder, wanted the file of a database"
            os.execute("rmdir " .. files.db)
            assert(effv2.write_file(files.db, ("no database "):rep(1000)))
            refuses "file is not a database"
            os.remove(files.db)
            local other = assert(effv2.open_database(files.db))
            assert(other:run "CREATE TABLE t (a)")
            other:close()
            refuses "a database, but not one of studies"
            os.remove(files.db)
            assert.is_equal(0, (run(files)))
            local bytes = assert(effv2.read_file(files.db))
            assert(effv2.write_file(files.db, bytes:sub(1, 4096) .. ("\255"):rep(#bytes - 4096)))
            refuses "malformed"
            assert(effv2.write_file(files.db, bytes:sub(1, 5000)))
            refuses "malformed"
        end)
    end)

    it("is said where nothing can be written", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. "trials = 1, objective = function() return 1 end")
            assert.is_equal(0, (run(files)))
            local read = store.open(files.db, true)
            local fine, message = pcall(read.add_study, read, "t", "maximize", {})
            assert.is_false(fine)
            contains(message, "study.db: attempt to write a readonly database")
            read:close()
            fine, message = pcall(store.open, folder .. "/missing/study.db")
            assert.is_false(fine)
            contains(message, "missing/study.db: unable to open database file")
        end)
    end)
end)

describe("a study on a terminal", function()
    it("shows the trials that run, the best and the time that is left", function()
        support.in_folder(function(folder)
            local files = write_study(folder, SPACE .. [[ trials = 2, objective = function(trial)
                trial:report(1, trial.number) effv2.sleep(1.2) return trial.number end]])
            os.execute(("cd '%s'; script -qefc \"'%s' study.lua\" screen </dev/null >/dev/null 2>&1"):format(folder, program))
            local screen = assert(effv2.read_file(folder .. "/screen"))
            contains(screen, "study s: 2 waiting, 1 at a time", "trial  seed  time  epoch  value  parameters",
                "      1      1  x=", "best: 0, trial 0: x=", "1 complete, 1 running  ETA 0:0",
                "trial 1 seed 0  complete  1  0:0", "2 complete; best: 1, trial 1", "\27[4A\27[J")
            assert.is_equal("complete complete", statuses(files))
        end)
    end)
end)
