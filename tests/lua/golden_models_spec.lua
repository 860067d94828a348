--- Blocks and whole networks against double-precision PyTorch: outputs, every gradient, and a training run.
-- tests/golden/README.md says how the values were made; weights and images are computed on both sides.
local effv2 = require "effv2"
local golden = dofile "tests/lua/golden.lua"

local tensors, records = golden.load "models"

-- A block is a few sums deep; the largest error seen is 1.5e-6, of a norm's scale: a sum of terms that cancel.
local BLOCK = 3e-6
-- Sixty convolutions and norms deep, PyTorch's own float32 is off by 1e-5 in the logits and by 8e-5 in a gradient.
local LOGITS, GRADIENT = 5e-5, 1e-4
-- Losses of training steps: rounding errors grow from step to step, slowly here; PyTorch's float32 stays below 4e-5
-- with networks, below 2e-7 with blocks.
local LOSS, BLOCK_LOSS = 1e-4, 5e-7

local IMAGES, COTANGENT, VECTORS = 100001, 100002, 200001 -- as in tests/golden/model_cases.py

local function stored(record, name)
    return assert(tensors[record.name .. "/" .. name], name)
end

local function check(e, tolerance, record, what)
    if not (e <= tolerance) then -- luacheck: ignore 581 (a NaN must fail)
        error(("%s: %s is off by %.2e"):format(record.name, what, e), 0)
    end
end

--- Gives a module the recorded parameters, which must be exactly its own, in order.
local function fill(module, record)
    local named = module:named_parameters()
    assert.is_equal(#record.parameters, #named)
    for i, parameter in ipairs(named) do
        local wanted = record.parameters[i]
        assert.is_equal(wanted.name, parameter.name)
        assert.is_same(wanted.shape, parameter.tensor:shape())
        assert.is_equal(wanted.decay, parameter.decay, wanted.name)
        parameter.tensor:copy(golden.formula(i, wanted.shape, wanted.centre, wanted.width))
    end
    return named
end

--- Trains on one batch; each loss must be the recorded one. `look(step, logits)` sees gradients and buffers of a step.
local function train(record, model, forward, tolerance, look)
    local optimiser = effv2.optim.rmsprop(record.settings):attach(model)
    local images, labels = golden.formula(IMAGES, record.x, 0, 2), stored(record, "labels")
    for step, wanted in ipairs(stored(record, "losses"):totable()) do
        optimiser:zero_grad()
        effv2.step(function()
            local logits = forward(images)
            local loss = logits:cross_entropy(labels, { label_smoothing = record.label_smoothing })
            check(math.abs(loss:item() - wanted) / wanted, tolerance, record, "loss of step " .. step)
            loss:backward()
            look(step, logits)
        end)
        optimiser:step { lr = record.lr }
    end
end

local function train_block(record)
    local block = effv2.nn[record.block](record.args)
    fill(block, record)
    train(record, block, function(images)
        return block(images):mean { axes = { 2, 3 } }
    end, BLOCK_LOSS, function() end)
end

local function run_block(record)
    local block = effv2.nn[record.block](record.args)
    local named = fill(block, record)
    local x = golden.formula(IMAGES, record.x, 0, 2):requires_grad(true)
    local y = block(x)
    y:backward(golden.formula(COTANGENT, y:shape(), 0, 2))
    check(golden.error_of_norm(y, stored(record, "y")), BLOCK, record, "y")
    check(golden.error_of_norm(x:grad(), stored(record, "dx")), BLOCK, record, "dx")
    for _, parameter in ipairs(named) do
        check(golden.error_of_norm(parameter.tensor:grad(), stored(record, "d" .. parameter.name)), BLOCK, record,
            "gradient of " .. parameter.name)
    end
    for _, buffer in ipairs(block:named_buffers()) do
        check(golden.error_of_norm(buffer.tensor, stored(record, "after." .. buffer.name)), BLOCK, record, buffer.name)
    end
    train_block(record)
end

--- The largest error of a tensor's norm and projections over `scale`.
local function error_of_summary(tensor, want, i, scale)
    local got, worst = golden.summary(tensor, VECTORS + (i - 1) * (#want - 1), #want - 1), 0
    for k, value in ipairs(want) do
        worst = math.max(worst, math.abs(got[k] - value) / scale)
    end
    return worst
end

--- Gradients are judged by their norm; those that are zero but for rounding (the shift of a linear norm before another
-- convolution and norm) by 1e-3 of the whole gradient's norm.
local function check_gradients(record, named)
    local want, total = stored(record, "gradients"):totable(), 0
    for _, row in ipairs(want) do
        total = total + row[1] ^ 2
    end
    local least = 1e-3 * math.sqrt(total)
    for i, parameter in ipairs(named) do
        check(error_of_summary(parameter.tensor:grad(), want[i], i, math.max(want[i][1], least)), GRADIENT, record,
            "gradient of " .. parameter.name)
    end
end

local function check_buffers(record, model)
    local want = stored(record, "buffers"):totable()
    for i, buffer in ipairs(model:named_buffers()) do
        assert.is_equal(record.buffers[i], buffer.name)
        check(error_of_summary(buffer.tensor, want[i], i, want[i][1]), LOGITS, record, buffer.name)
    end
end

local function run_model(record)
    local model = effv2.models.create(record.name, record.options)
    local named = fill(model, record)
    train(record, model, model, LOSS, function(step, logits)
        if step == 1 then
            check(golden.error_of_norm(logits, stored(record, "logits")), LOGITS, record, "logits")
            check_gradients(record, named)
            check_buffers(record, model)
        end
    end)
end

describe("golden values of models", function()
    local threads = effv2.threads()

    -- Results do not depend on the number of threads; on a busy machine the time that they wait for each other does.
    setup(function()
        effv2.set_threads(1)
    end)
    teardown(function()
        effv2.set_threads(threads)
    end)

    for _, isa in ipairs(golden.instruction_sets()) do
        for _, record in ipairs(records) do
            it(("are met by %s with %s"):format(record.name, isa), function()
                golden.with_isa(isa, function()
                    (record.block and run_block or run_model)(record)
                end)
            end)
        end
    end
end)
