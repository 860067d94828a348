--- Every operation and layer against PyTorch's double-precision answers: with each instruction set that the CPU
-- has, and with each kernel variant pinned. tests/golden/README.md says how the values were made.
local effv2 = require "effv2"
local golden = dofile "tests/lua/golden.lua"

-- The largest errors seen are 6e-7 (of a softmax, element by element) and 5e-7 (of a convolution's gradient, a sum of
-- 216 products); a float32 resolves 6e-8.
local TOLERANCE = 1e-6

local tensors, records = golden.load "ops"
local layer_tensors, layer_records = golden.load "layers"

-- They draw random numbers, so no foreign value exists.
local random = { dropout = true, drop_path = true }

--- The op's arguments and its tensors by name; inputs "tensors.1", "tensors.2" make a list.
local function arguments(record)
    local args, inputs = {}, {}
    for name, value in pairs(record.args) do
        args[name] = value
    end
    for _, name in ipairs(record.inputs) do
        local tensor, list = tensors[record.name .. "/" .. name]:clone(), name:match "^(.*)%.%d+$"
        inputs[name] = tensor
        if list then
            args[list] = args[list] or {}
            table.insert(args[list], tensor)
        else
            args[name] = tensor
        end
    end
    for _, name in ipairs(record.gradients) do
        inputs[name]:requires_grad(true)
    end
    return args, inputs
end

--- Fails unless `got` is the stored tensor `name` to within the tolerance.
local function compare(got, want, what, error_of)
    local shape, wanted = table.concat(got:shape(), ","), table.concat(want:shape(), ",")
    if shape ~= wanted or got:dtype() ~= want:dtype() then
        error(("%s is %s [%s], not %s [%s]"):format(what, got:dtype(), shape, want:dtype(), wanted), 0)
    end
    local e = error_of(got, want)
    if e > TOLERANCE then
        error(("%s is off by %.2e"):format(what, e), 0)
    end
end

local function run(record)
    local args, inputs = arguments(record)
    local y = effv2[record.op](args)
    compare(y, tensors[record.name .. "/y"], record.op .. " " .. record.text .. ": y",
        record.single and golden.error_of_elements or golden.error_of_tensor)
    if #record.gradients > 0 then
        y:backward(tensors[record.name .. "/dy"])
    end
    for _, name in ipairs(record.gradients) do
        compare(inputs[name]:grad(), tensors[record.name .. "/d" .. name],
            record.op .. " " .. record.text .. ": gradient of " .. name, golden.error_of_tensor)
    end
end

--- A layer with the stored parameters and buffers, once forward and backward in training, then in eval().
local function run_layer(record)
    local function stored(name)
        return layer_tensors[record.name .. "/" .. name]
    end
    local function check(got, name)
        compare(got, stored(name), record.name .. ": " .. name, golden.error_of_tensor)
    end
    local layer = effv2.layers[record.layer](record.args)
    for _, list in ipairs { layer:named_parameters(), layer:named_buffers() } do
        for _, item in ipairs(list) do
            item.tensor:copy(stored(item.name))
        end
    end
    local x = stored("x"):clone():requires_grad(true)
    local y = layer(x)
    check(y, "y")
    y:backward(stored "dy")
    check(x:grad(), "dx")
    for _, parameter in ipairs(layer:named_parameters()) do
        check(parameter.tensor:grad(), "d" .. parameter.name)
    end
    for _, buffer in ipairs(layer:named_buffers()) do
        check(buffer.tensor, "after." .. buffer.name)
    end
    layer:eval()
    check(layer(stored "x"), "eval")
end

local function run_all()
    for _, record in ipairs(records) do
        run(record)
    end
    for _, record in ipairs(layer_records) do
        run_layer(record)
    end
end

describe("golden values of operations and layers", function()
    it("exist for every operation", function()
        local covered = {}
        for _, record in ipairs(records) do
            covered[record.op] = true
        end
        for _, op in ipairs(effv2.op_records()) do
            assert.is_true(covered[op.name] or random[op.name] or false, op.name .. " has no golden value")
        end
    end)

    it("cover the gradient of every tensor argument that has one", function()
        for _, record in ipairs(records) do
            local y = effv2[record.op]((arguments(record)))
            assert.is_equal(#record.gradients > 0, y:requires_grad(), record.op)
        end
    end)

    it("exist for every layer", function()
        local covered = { Dropout = true, DropPath = true }
        for _, record in ipairs(layer_records) do
            covered[record.layer] = true
        end
        for _, layer in ipairs(effv2.layer_records()) do
            assert.is_true(covered[layer.name] or false, layer.name .. " has no golden value")
        end
    end)

    for _, isa in ipairs(golden.instruction_sets()) do
        it("are met with " .. isa, function()
            golden.with_isa(isa, run_all)
        end)
    end

    for _, kernel in ipairs(effv2.kernels()) do
        if kernel.available then
            it("are met with " .. kernel.name .. " pinned", function()
                kernel:with(run_all)
            end)
        end
    end
end)
