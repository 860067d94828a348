--- The scripts of experiments/ that use effv2.experiment: each explains itself, refuses what it does not know, and has a plan.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

--- The experiments, sorted; all.lua is none, it runs them.
local function scripts()
    local list = {}
    for _, entry in ipairs(effv2.list_dir "experiments") do
        local text = entry.name:match "%.lua$" and assert(effv2.read_file("experiments/" .. entry.name)) or ""
        if text:find("effv2.experiment", 1, true) and text:find("\nlocal x = experiment", 1, true) then
            list[#list + 1] = { path = "experiments/" .. entry.name, text = text }
        end
    end
    table.sort(list, function(a, b) return a.path < b.path end)
    return list
end

--- Runs a script in a folder of its own, whose path the arguments may name as HERE. Returns exit code, output, errors, and
-- the folder.
local function run(script, arguments)
    local folder = support.new_name()
    assert(effv2.make_dir(folder))
    local code, output, errors = support.run(("cd '%s'; %%s"):format(folder),
        ("--threads 1 '%s/%s' %s"):format(support.here, script, arguments:gsub("HERE", folder)))
    return code, output, errors, folder
end

describe("the experiments", function()
    teardown(support.clean)

    it("are found", function()
        assert.is_true(#scripts() >= 1)
    end)

    for _, script in ipairs(scripts()) do
        local path, text = script.path, script.text

        it("say what they are, and are named like their file: " .. path, function()
            assert.matches("^%-%-%- %u", text)
            assert.is_truthy(text:find(("effv2 %s"):format(path), 1, true), "its head has no command")
            assert.is_equal(path:match "([%w_]+)%.lua$", text:match '\n%s*name = "([^"]+)"')
        end)

        it("explain their settings: " .. path, function()
            local code, output, errors = run(path, "--help")
            assert.is_equal(0, code, errors)
            for _, key in ipairs { "scale", "data", "seeds", "jobs", "out", "dry_run" } do
                assert.matches("\n  " .. key .. " ", output)
            end
            assert.matches("%(section [^)]+%)", output)
        end)

        it("refuse a key that they do not know: " .. path, function()
            local code, _, errors = run(path, "no_such_setting=1")
            assert.is_equal(2, code)
            assert.matches("no_such_setting: unknown key", errors)
        end)

        if text:find("x:train", 1, true) then
            it("plan their trainings and train nothing: " .. path, function()
                local code, output, errors, folder = run(path, "scale=smoke dry_run=true out='HERE/out'")
                assert.is_equal(0, code, errors)
                local plan = assert(effv2.json_decode(assert(output:match "([^\n]*)\n$")))
                assert.is_true(plan.dry_run and plan.trainings >= 1 and plan.done == 0)
                assert.is_equal("smoke", plan.scale)
                assert.is_false(effv2.dir_exists(folder .. "/out/trainings"))
            end)
        end
    end
end)
