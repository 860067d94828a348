--- Profiles: what is counted, where, and that nothing is left behind.
local effv2 = require "effv2"
local core = require "effv2.core"

local nn, profile = effv2.nn, effv2.profile

local Net = nn.class "Net"

function Net:init()
    self.conv = nn.Conv2d { in_channels = 4, out_channels = 8, kernel_size = 3, padding = 1, bias = false }
    self.block = nn.MBConv { in_channels = 8, out_channels = 8, se_ratio = 0 }
    self.classifier = nn.Dense { in_features = 8, out_features = 3 }
end

function Net:forward(x)
    return self.classifier(self.block(self.conv(x)):relu():mean { axes = { 2, 3 } })
end

local function train_step(model)
    local labels = effv2.zeros(2, { dtype = "int64" })
    local images = effv2.randn(2, 6, 6, 4)
    return function()
        effv2.cross_entropy(model(images), labels):backward()
    end
end

local function rows_by_name(report)
    local rows = {}
    for _, row in ipairs(report) do
        rows[row.path .. ":" .. row.op] = row
    end
    return rows
end

describe("a profile", function()
    it("counts calls, arithmetic and bytes by layer, for one step", function()
        local model = Net()
        local report = profile.run(model, train_step(model), 3)
        local rows = rows_by_name(report)
        local conv, flops = rows["conv:conv2d"], 2 * (2 * 6 * 6 * 8) * (3 * 3 * 4)
        assert.are.same({ 1, flops }, { conv.forward.calls, conv.forward.flops })
        assert.are.same({ 1, flops }, { conv.backward.calls, conv.backward.flops }) -- of the weight, not of the images
        local expand = rows["block.expand.conv:conv2d"]
        assert.is_equal(2 * expand.forward.flops, expand.backward.flops)
        assert.is_equal(4 * (2 * 36 * 4 + 9 * 4 * 8 + 2 * 36 * 8), conv.forward.bytes)
        assert.is_equal(4 * 2 * 36 * 4, conv.kept) -- the images
        for _, name in ipairs { "(model):relu", "(model):mean", "classifier:dense", "(outside):cross_entropy",
            "block.expand.conv:conv2d", "block.depthwise.norm:batch_norm", "block:add" } do
            assert.is_truthy(rows[name], name)
            assert.is_equal(1, rows[name].forward.calls, name)
            assert.is_equal(1, rows[name].backward.calls, name)
        end
        assert.is_equal(0, rows["block:add"].backward.flops) -- hands its gradient on
        assert.is_equal("conv", report[1].path)
    end)

    it("adds up to the step", function()
        local model = Net()
        local report, sum = profile.run(model, train_step(model), 2), 0
        for _, row in ipairs(report) do
            assert.is_true(row.forward.seconds >= 0 and row.backward.seconds >= 0)
            sum = sum + row.forward.seconds + row.backward.seconds
        end
        assert.is_near(report.seconds, sum + report.rest, 1e-9)
        assert.is_true(report.rest >= 0)
    end)

    it("counts a function's own operations once", function()
        local twice = effv2.Function {
            forward = function(x) return x * 2, nil end,
            backward = function(_, dy) return (dy * 2):exp():log() end,
        }
        local model = nn.Sequential { function(x) return twice(x) end }
        local x = effv2.randn(5):requires_grad(true)
        local report, sum = profile.run(model, function() model(x):sum():backward() end), 0
        for _, row in ipairs(report) do
            sum = sum + row.forward.seconds + row.backward.seconds
        end
        assert.is_true(rows_by_name(report)["(outside):exp"] ~= nil)
        assert.is_true(sum <= report.seconds)
    end)

    it("changes no result", function()
        local function gradient(profiled)
            effv2.manual_seed(3)
            local model = Net()
            local step = train_step(model)
            if profiled then
                local session = profile.start(model)
                step()
                session:stop()
            else
                step()
            end
            return model.conv.weight:grad():tobytes()
        end
        assert.is_equal(gradient(false), gradient(true))
    end)

    it("prints a table by layer and one by operation", function()
        local model = Net()
        local text = tostring(profile.run(model, train_step(model)))
        for _, pattern in ipairs { "^a step: ", "\nlayer +calls +ms", "\nblock%.expand%.conv +1 ", "\noperation +calls",
            "\nconv2d +4 ", "\nall operations " } do
            assert.is_truthy(text:find(pattern), pattern)
        end
    end)

    it("ends with an error inside, and says where it was", function()
        local model = Net()
        local ok, message = pcall(profile.run, model, function(step)
            model(effv2.zeros(1, 4, 4, step == 0 and 4 or 5))
        end)
        assert.is_false(ok)
        assert.is_truthy(message:find("^in conv: "), message)
        local calls = #core.profile_rows()
        model(effv2.zeros(1, 4, 4, 4))
        assert.is_equal(calls, #core.profile_rows())
        assert.is_truthy(profile.run(model, train_step(model)))
    end)

    it("is one at a time, of a model", function()
        local model = Net()
        local session = profile.start(model)
        local ok, message = pcall(profile.start, model)
        session:stop()
        assert.is_false(ok)
        assert.is_truthy(message:find("is running already", 1, true))
        ok, message = pcall(profile.start, 3)
        assert.is_false(ok)
        assert.is_truthy(message:find("the model is a number, wanted a module", 1, true))
    end)
end)

describe("the machine's peaks", function()
    it("are measured", function()
        assert.is_true(effv2.peak_flops(0.001) > 1e6)
        local bandwidth = effv2.peak_bandwidth(0.001, 1)
        assert.is_true(bandwidth.read > 1e6 and bandwidth.copy > 1e6)
        assert.is_false((pcall(effv2.peak_bandwidth, 1, -1)))
    end)
end)
