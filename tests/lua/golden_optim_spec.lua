--- Optimisers and moving averages against PyTorch and, for RMSProp, TensorFlow's formula in double precision.
local effv2 = require "effv2"
local golden = dofile "tests/lua/golden.lua"

-- Five updates of numbers around 1 in float32; the largest error seen is 2e-7.
local TOLERANCE = 5e-7

local tensors, records = golden.load "optim"

local function stored(record, name)
    return tensors[record.name .. "/" .. name]
end

local function check(got, record, name)
    local e = golden.error_of_tensor(got, stored(record, name))
    if e > TOLERANCE then
        error(("%s: %s is off by %.2e"):format(record.name, name, e), 0)
    end
end

--- Something with parameters and a buffer, as a model has them; the one without weight decay comes first.
local function target(bias, kernel, buffer)
    return {
        named_parameters = function()
            return {
                { name = "bias", tensor = bias, decay = false },
                { name = "kernel", tensor = kernel, decay = true },
            }
        end,
        named_buffers = function()
            return buffer and { { name = "buffer", tensor = buffer, decay = false } } or {}
        end,
    }
end

local function run(record)
    local bias = stored(record, "start.bias"):clone():requires_grad(true)
    local kernel = stored(record, "start.kernel"):clone():requires_grad(true)
    local optimiser = effv2.optim[record.rule](record.settings):attach(target(bias, kernel))
    for step, rate in ipairs(record.rates) do
        optimiser:zero_grad()
        local loss = (bias * stored(record, "gradient." .. step .. ".bias")):sum()
            + (kernel * stored(record, "gradient." .. step .. ".kernel")):sum()
        loss:backward()
        optimiser:step { lr = rate, scale = record.options.scale, clip_norm = record.options.clip_norm }
        check(bias, record, "after." .. step .. ".bias")
        check(kernel, record, "after." .. step .. ".kernel")
    end
end

--- Whether step { average = a } leaves the same bits as step {} and a:update() do, with more than one chunk.
local function assert_one_pass(rule)
    local function train(together)
        effv2.manual_seed(3)
        local kernel, bias = effv2.randn(300, 301):requires_grad(true), effv2.randn(17):requires_grad(true)
        local model = target(bias, kernel, effv2.randn(5))
        local optimiser = effv2.optim[rule] { weight_decay = 0.01 }:attach(model)
        local ema = effv2.optim.ema(0.9):attach(model, optimiser)
        for _ = 1, 3 do
            optimiser:zero_grad()
            local loss = (kernel * kernel):sum() + (bias * bias):sum()
            loss:backward()
            optimiser:step { lr = 0.01, average = together and ema or nil }
            if not together then
                ema:update()
            end
        end
        return kernel:tobytes(), ema.average.parameters:tobytes(), ema.average.buffers:tobytes(), ema.updates
    end
    assert.is_same({ train(true) }, { train(false) })
end

--- A parameter and a buffer that take the same values have the same average.
local function run_average(record)
    local bias = stored(record, "value.0"):clone():requires_grad(true)
    local kernel, buffer = effv2.zeros(2):requires_grad(true), stored(record, "value.0"):clone()
    local model = target(bias, kernel, buffer)
    local optimiser = effv2.optim.sgd {}:attach(model)
    local ema = effv2.optim.ema { decay = record.decay, warmup = record.warmup }:attach(model, optimiser)
    for t = 1, 5 do
        bias:copy(stored(record, "value." .. t))
        buffer:copy(stored(record, "value." .. t))
        ema:update()
        ema:apply(function()
            check(bias, record, "average." .. t)
            check(buffer, record, "average." .. t)
        end)
        assert.is_equal(stored(record, "value." .. t):tobytes(), bias:tobytes())
    end
    for t, decay in pairs(record.decays) do
        assert.is_equal(decay, ema:decay_at(tonumber(t)))
    end
end

describe("golden values of optimisers", function()
    it("exist for every rule", function()
        local covered = {}
        for _, record in ipairs(records) do
            covered[record.rule or "ema"] = true
        end
        for rule in pairs(effv2.optim) do
            assert.is_true(covered[rule] or false, rule)
        end
    end)

    it("do not depend on whether the average moves in the same pass", function()
        for _, rule in ipairs { "rmsprop", "sgd", "adamw" } do
            assert_one_pass(rule)
        end
    end)

    it("are of the optimiser that the average was attached to", function()
        local function attached()
            local model = target(effv2.zeros(2):requires_grad(true), effv2.zeros(3):requires_grad(true))
            return model, effv2.optim.sgd {}:attach(model)
        end
        local model, optimiser = attached()
        local _, other = attached()
        local ema = effv2.optim.ema(0.9):attach(model, optimiser)
        local ok, message = pcall(other.step, other, { lr = 0.1, average = ema })
        assert.is_false(ok)
        assert.is_truthy(message:find("average is not one of optim.ema", 1, true))
    end)

    for _, record in ipairs(records) do
        it("are met by " .. record.name, function()
            if record.rule then
                run(record)
            else
                run_average(record)
            end
        end)
    end
end)
