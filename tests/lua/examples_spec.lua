--- Every example runs as it is, every recipe and experiment with tiny settings.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

--- The Lua files of a folder of the project, sorted; none when there is no such folder.
local function scripts(folder)
    local list = {}
    for _, entry in ipairs(effv2.dir_exists(folder) and effv2.list_dir(folder) or {}) do
        if entry.name:match "%.lua$" then
            list[#list + 1] = folder .. "/" .. entry.name
        end
    end
    return list
end

--- Runs a script of the project in a folder of its own. Returns exit code, output, errors.
local function run(script, arguments)
    local folder = support.new_name()
    assert(effv2.make_dir(folder))
    return support.run(("cd '%s'; %%s"):format(folder), ("--threads 1 '%s/%s' %s"):format(support.here, script, arguments))
end

--- A folder of a few pictures in three classes.
local function picture_folder()
    local folder, source = support.new_name(), support.data().train
    for i = 1, 30 do
        local class = ("%s/class%d"):format(folder, i % 3)
        assert(effv2.make_dir(class))
        assert(effv2.write_png(("%s/%d.png"):format(class, i), source:image(i, 40)))
    end
    return folder
end

--- Settings with which each recipe and experiment takes seconds. FOLDER stands for a folder of pictures.
local tiny = {
    ["recipes/imagenet_progressive.lua"] = {
        "epochs=1 stages=2 image_size=16,24 eval_size=24 workers=1 minival=100",
        "data=FOLDER model=efficientnetv2-tiny epochs=2 stages=2 image_size=16,24 eval_size=24 batch_size=9 micro_batch=3 "
            .. "minival=3",
    },
    ["recipes/cifar10_progressive.lua"] = { "data=shapes epochs=1 stages=2 image_size=16,24 workers=1 profile=true" },
    ["experiments/shapes_linear.lua"] = { "size=8 train=200 val=50 epochs=1" },
    ["experiments/step_time.lua"] = { "networks=10 image=8 batch=1 steps=1 warmup=0 layers=-2,-1" },
}

local function last_line(text)
    return text:match "([^\n]*)\n?$"
end

describe("examples", function()
    teardown(support.clean)

    for _, script in ipairs(scripts "examples") do
        it("run: " .. script, function()
            local code, output, errors = run(script, "")
            assert.is_equal(0, code, errors)
            assert.is_equal("", errors)
            assert.is_true(#output > 0)
        end)

        it("are short and say what they are: " .. script, function()
            local text = assert(effv2.read_file(script))
            assert.matches("^%-%-%- ", text)
            local lines = select(2, text:gsub("\n", ""))
            assert.is_true(lines >= 10 and lines <= 60, ("%d lines"):format(lines))
        end)
    end
end)

describe("recipes and experiments", function()
    local folder

    setup(function()
        folder = picture_folder()
    end)

    teardown(support.clean)

    for _, script in ipairs(scripts "recipes") do
        it("have tiny settings here, or a spec of their own: " .. script, function()
            local spec = ("tests/lua/%s_recipe_spec.lua"):format(script:match "([%w_]+)%.lua$")
            assert.is_true(tiny[script] ~= nil or effv2.file_exists(spec), script)
        end)
    end

    for script, settings in pairs(tiny) do
        for _, arguments in ipairs(settings) do
            it(("run and end with a JSON object: %s %s"):format(script, arguments), function()
                local code, output, errors = run(script, (arguments:gsub("FOLDER", folder)))
                assert.is_equal(0, code, errors)
                local result = assert(effv2.json_decode(last_line(output)))
                assert.is_equal("table", type(result))
                if script:match "^recipes/" then
                    assert.is_true(result.top1 >= 0 and result.top1 <= 1 and result.seconds > 0)
                    assert.is_equal(arguments:match "profile=true" ~= nil, errors:match "\nlayer +calls" ~= nil)
                end
            end)
        end

        it("explain their settings: " .. script, function()
            local code, output = run(script, "--help")
            assert.is_equal(0, code)
            assert.matches("\n", output)
            code = run(script, "no_such_setting=1")
            assert.is_equal(2, code)
        end)
    end

    it("go on where they were stopped, with the settings of the run alone", function()
        local here = support.new_name()
        local arguments = tiny["recipes/imagenet_progressive.lua"][2]:gsub("FOLDER", folder)
        local until_first_epoch = ([[
            %%s & job=$!
            while kill -0 $job 2>/dev/null && ! grep -q epoch '%s/metrics.jsonl' 2>/dev/null; do sleep 0.002; done
            kill -KILL $job; wait $job]]):format(here)
        support.run(until_first_epoch, ("--threads 1 recipes/imagenet_progressive.lua %s run='%s' checkpoint_every=0"):format(
            arguments, here))
        local code, output, errors = run("recipes/imagenet_progressive.lua", "resume=" .. here)
        assert.is_equal(0, code, errors)
        assert.is_equal(here, effv2.json_decode(last_line(output)).run)
        local whole = support.new_name()
        assert.is_equal(0, (run("recipes/imagenet_progressive.lua", arguments .. " run=" .. whole)))
        support.assert_same_run(whole, here)
    end)
end)
