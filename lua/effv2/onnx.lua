--- onnx: models as ONNX files, for other runtimes.
--
--     effv2.onnx.export(model:eval(), { path = "model.onnx", size = 224 })
--
-- The input, `image`, is float32 [batch][channels][height][width], already normalised, with height and width fixed and
-- the batch left open; the output is called `logits`. Norms are folded. What the model does is found by running it: any
-- module whose result comes from the core's operations can be written, with no word about it in its class. An operation
-- that has no form yet can be given one by effv2.onnx.register.
local core = require "effv2.core"
local fold = require "effv2.nn.fold"
local forms = require "effv2.onnx.forms"
local Graph = require "effv2.onnx.graph"
local keys = require "effv2.keys"
local Module = require "effv2.nn.module"
local trace = require "effv2.onnx.trace"

local onnx = {}

local OPSET, IR = 22, 10 -- of ONNX 1.17

--- Gives an operation its form, or replaces one.
--     effv2.onnx.register("abs", function(graph, step)
--       local x = graph:natural(step.inputs[1])               -- a name; graph:image(x) for [n][c][h][w]
--       step.outputs[1].natural = graph:node("Abs", { x })    -- or .image, when the result has that order
--     end)
-- @param op the name of an operation of the core
-- @param form function(graph, step); see lua/effv2/onnx/graph.lua and the forms in lua/effv2/onnx/forms.lua
function onnx.register(op, form)
    if type(op) ~= "string" or type(form) ~= "function" then
        error(("onnx.register: got (%s, %s), wanted the name of an operation and a function"):format(type(op), type(form)), 2)
    end
    forms[op] = form
end

-- ---- from steps to a graph --------------------------------------------------------------------------

--- { [operation] = names of its tensors }
local tensor_names = {}
for _, record in ipairs(core.op_records()) do
    local names = {}
    for _, argument in ipairs(record.args) do
        if argument.kind:match "^tensor" then
            names[#names + 1] = argument.name
        end
    end
    tensor_names[record.name] = names
end

--- Reading an argument that is another number for another batch raises.
local function guard_arguments(step)
    for name in pairs(step.batch_args) do
        step.args[name] = nil
    end
    setmetatable(step.args, {
        __index = function(_, name)
            if step.batch_args[name] then
                error(("%s: %s depends on the number of images, so the batch cannot be left open"):format(step.op, name), 0)
            end
        end,
    })
end

--- Constants are called by the layer and the argument that they are first used for.
local function label_constants(step)
    for i, value in ipairs(step.inputs) do
        if value and value.constant then
            value.label = value.label or tensor_names[step.op][i] or "constant"
        end
    end
end

local function write_step(graph, step)
    if not forms[step.op] then
        error(("operation '%s' has no ONNX form; effv2.onnx.register('%s', f) gives it one"):format(step.op, step.op), 0)
    end
    graph.path = step.path
    guard_arguments(step)
    label_constants(step)
    forms[step.op](graph, step)
end

local function build_graph(steps, input)
    local graph = Graph.new()
    graph.input = graph:unique "image"
    input.image = graph.input
    for _, step in ipairs(steps.steps) do
        local ok, message = pcall(write_step, graph, step)
        if not ok then
            error(("onnx: in %s: %s"):format(step.path == "" and "the model" or step.path, tostring(message)), 0)
        end
    end
    graph.path = ""
    local name, result = graph:unique "logits", graph:natural(steps.output)
    graph:prune(result)
    graph:rename(result, name)
    return graph, name
end

-- ---- what the file says about the model -------------------------------------------------------------

local function join(list)
    local texts = {}
    for i, number in ipairs(list) do
        texts[i] = ("%.9g"):format(number)
    end
    return table.concat(texts, ",")
end

local function describe(config, given, height, width)
    local list = {}
    local function add(key, value)
        if value ~= nil then
            list[#list + 1] = { key = key, value = tostring(value) }
        end
    end
    local normalise = config.normalise or {}
    add("model", config.name)
    add("image_size", ("%d,%d"):format(height, width))
    add("mean", normalise.mean and join(normalise.mean))
    add("std", normalise.std and join(normalise.std))
    add("pixels", normalise.mean and "RGB, (0..255 - mean) / std")
    for key, value in pairs(given) do
        add(key, value)
    end
    table.sort(list, function(a, b)
        return a.key < b.key
    end)
    return list
end

--- A value's shape with -1 for the batch; axes in another order where one is given.
local function open_batch(value, order)
    local shape = {}
    for i in ipairs(value.shape) do
        local axis = order and order[i] or i
        shape[i] = axis == value.batch and -1 or value.shape[axis]
    end
    return shape
end

local function size_of(size, config)
    size = size or config.sizes and config.sizes.eval
    if not size then
        error("onnx.export: the model has no size of its own, give one: size = 224", 3)
    end
    if type(size) == "table" then
        return size[1], size[2] or size[1]
    end
    return size, size
end

--- A folded copy that runs the whole batch at once.
local function folded(model)
    local copy = fold.fold(model)
    for _, module in copy:modules() do
        if Module.is_module(module) and module.largest_tensor then
            rawset(module, "largest_tensor", false)
        end
    end
    return copy
end

--- Writes a model in eval() as an ONNX file.
-- @param args { path =, size = a number or { height, width } (default: the model's evaluation size),
-- channels = (default: the model's, or 3), metadata = { key = text } to add to what the file says of the model: its name,
-- image_size, and mean and std of pixels from 0 to 255 }
-- @return { nodes =, initializers =, opset =, input = shape, output = shape } (-1: the batch); or nil, message, code when
-- the file cannot be written
function onnx.export(model, args)
    args = keys.check("onnx.export", args, {
        path = keys.none, size = keys.none, channels = keys.none, metadata = {},
    })
    if not Module.is_module(model) then
        error(("onnx.export: a %s, wanted a module"):format(type(model)), 2)
    elseif type(args.path) ~= "string" then
        error("onnx.export: path is missing", 2)
    end
    local config = model.config or {}
    local height, width = size_of(args.size, config)
    local steps = trace(folded(model), height, width, args.channels or config.in_channels or 3)
    local graph, output = build_graph(steps, steps.input)
    local file = {
        graph = config.name or model:type(), ir = IR, opset = OPSET, producer = "effv2", version = core.version,
        inputs = { { name = graph.input, dtype = "float32", shape = open_batch(steps.input, { 1, 4, 2, 3 }) } },
        outputs = { { name = output, dtype = steps.output.dtype, shape = open_batch(steps.output) } },
        initializers = graph.initializers, nodes = graph.nodes, metadata = describe(config, args.metadata, height, width),
    }
    local ok, message, code = core.onnx_write(args.path, file)
    if not ok then
        return nil, message, code
    end
    return {
        nodes = #graph.nodes, initializers = #graph.initializers, opset = OPSET, input = file.inputs[1].shape,
        output = file.outputs[1].shape,
    }
end

return onnx
