--- graph: nodes and constants of an ONNX graph, and the two forms that a value of the model has in it.
--
-- effv2 keeps images as [n][h][w][c], ONNX's convolutions want [n][c][h][w]. A value has the name of its elements in the
-- model's own order (`natural`), of the same elements in ONNX's order of images (`image`), or of both; graph:natural and
-- graph:image add a Transpose when the other one is there alone. A reshaped value is only noted (`source`) until
-- somebody needs its name.
local core = require "effv2.core"

local Graph = {}
Graph.__index = Graph

local to_image, from_image = { 0, 3, 1, 2 }, { 0, 2, 3, 1 }
local image_axis = { 0, 2, 3, 1 } -- the axis from 0 in an image of the axes 1 .. 4 of the model

function Graph.new()
    return setmetatable({ nodes = {}, initializers = {}, taken = {}, path = "" }, Graph)
end

--- A name that nothing else in the graph has.
function Graph:unique(name)
    local free, n = name, 1
    while self.taken[free] do
        n = n + 1
        free = name .. "_" .. n
    end
    self.taken[free] = true
    return free
end

-- ---- nodes and constants ----------------------------------------------------------------------------

--- Adds a node behind those before it; returns the name of its output.
-- @param op ONNX's name of the operator
-- @param inputs names; "" for an absent one
-- @param attributes { name = whole number, list of them, or text }
-- @param floats attributes of type float
function Graph:node(op, inputs, attributes, floats)
    local name, list = self:unique(self.path == "" and op or self.path .. "/" .. op), {}
    for key, value in pairs(attributes or {}) do
        list[#list + 1] = type(value) == "number" and { name = key, int = value } or { name = key, value = value }
    end
    for key, value in pairs(floats or {}) do
        list[#list + 1] = { name = key, float = value }
    end
    table.sort(list, function(a, b)
        return a.name < b.name
    end)
    table.insert(self.nodes, { op = op, name = name, inputs = inputs, outputs = { name }, attributes = list })
    return name
end

--- Adds a constant; returns its name.
function Graph:constant(tensor, label)
    local name = self:unique(self.path == "" and label or self.path .. "." .. label)
    table.insert(self.initializers, { name = name, tensor = tensor:contiguous() })
    return name
end

--- A constant list of whole numbers
function Graph:ints(list, label)
    return self:constant(core.tensor(list, "int64"), label)
end

--- The name of a shape with the batch's size at axis `batch`
function Graph:shape_with_batch(shape, batch)
    if shape[batch] ~= 1 then
        error(("a constant of %s for each image has no ONNX form"):format(table.concat(shape, "x")), 0)
    end
    self.batch_size = self.batch_size or self:node("Shape", { self.input }, { start = 0, ["end"] = 1 })
    local parts = { self.batch_size }
    if batch > 1 then
        table.insert(parts, 1, self:ints({ unpack(shape, 1, batch - 1) }, "sizes"))
    end
    if batch < #shape then
        table.insert(parts, self:ints({ unpack(shape, batch + 1) }, "sizes"))
    end
    return #parts == 1 and parts[1] or self:node("Concat", parts, { axis = 0 })
end

-- ---- forms of values --------------------------------------------------------------------------------

--- Whether two values have the same shape for every size of the batch.
local function same_shape(a, b)
    return table.concat(a.shape, "x") == table.concat(b.shape, "x") and a.batch == b.batch
end
Graph.same_shape = same_shape

--- The value whose elements in the same order this value only shows in another shape
local function origin(value)
    while value.source do
        value = value.source
    end
    return value
end

local function is_pixel(value)
    return #value.shape == 4 and value.shape[2] == 1 and value.shape[3] == 1
end

--- Whether a value is there as an image and not in the model's order.
function Graph.is_image(value)
    local from = origin(value)
    return from.image ~= nil and from.natural == nil and same_shape(value, from)
end

local function reshaped(graph, value, name)
    if #value.shape == 2 and value.batch == 1 and origin(value).batch == 1 then
        return graph:node("Flatten", { name }, { axis = 1 })
    end
    local sizes = { unpack(value.shape) }
    if value.batch then
        sizes[value.batch] = -1
    end
    return graph:node("Reshape", { name, graph:ints(sizes, "shape") })
end

local function natural_constant(graph, value)
    local name = graph:constant(value.constant, value.label)
    return value.batch and graph:node("Expand", { name, graph:shape_with_batch(value.shape, value.batch) }) or name
end

local function natural_of_source(graph, value)
    local from = origin(value)
    if same_shape(value, from) then
        return graph:natural(from)
    elseif from.image and not from.natural and is_pixel(from) then
        return reshaped(graph, value, from.image)
    end
    return reshaped(graph, value, graph:natural(from))
end

--- The name of a value in the model's order of axes.
function Graph:natural(value)
    if not value.natural then
        if value.constant then
            value.natural = natural_constant(self, value)
        elseif value.source then
            value.natural = natural_of_source(self, value)
        else
            value.natural = self:node("Transpose", { value.image }, { perm = from_image })
        end
    end
    return value.natural
end

--- A constant with leading axes of size 1 up to four
local function four_axes(tensor)
    local shape = tensor:shape()
    while #shape < 4 do
        table.insert(shape, 1, 1)
    end
    return tensor:reshape(shape)
end

--- The name of a value of four axes as [n][c][h][w]; a constant may have fewer, for broadcasting.
function Graph:image(value)
    if not value.image then
        if value.constant and not value.batch then
            value.image = self:constant(four_axes(value.constant):permute { 1, 4, 2, 3 }, value.label)
        elseif self.is_image(value) then
            value.image = self:image(origin(value))
        else
            value.image = self:node("Transpose", { self:natural(value) }, { perm = to_image })
        end
    end
    return value.image
end

--- A value computed by the graph alone, in the model's order.
function Graph.value(shape, batch, natural)
    return { shape = shape, batch = batch, natural = natural }
end

--- Notes that `value` has the elements of `from` in another shape.
function Graph.set_reshaped(value, from)
    value.source = from
end

--- The value that has the elements and the last axis of `value`, but as few reshapes behind it as possible.
function Graph.rows(value)
    while value.source and value.source.shape[#value.source.shape] == value.shape[#value.shape] do
        value = value.source
    end
    if Graph.is_image(value) and is_pixel(value) then
        return { shape = { value.shape[1], value.shape[4] }, batch = value.batch, source = value }
    end
    return value
end

--- Whether operands may be combined element by element as images.
local function as_images(values)
    local any = false
    for _, value in ipairs(values) do
        local constant = value.constant and not value.batch
        if #value.shape > 4 or #value.shape < 4 and not constant then
            return false
        end
        any = any or not constant and Graph.is_image(value)
    end
    return any
end

--- An element-wise function: output gets f(names of the operands) in the form that most of the operands have.
function Graph:map(output, values, f)
    local form = as_images(values) and #output.shape == 4 and "image" or "natural"
    local names = {}
    for i, value in ipairs(values) do
        names[i] = self[form](self, value)
    end
    output[form] = f(unpack(names))
end

--- The axis, from 0, in the form that as_image says, of an axis of the model, from 1.
function Graph.axis(axis, as_image)
    return as_image and image_axis[axis] or axis - 1
end

-- ---- the whole --------------------------------------------------------------------------------------

--- Removes nodes and constants that the value called `output` does not need.
function Graph:prune(output)
    local needed, nodes, initializers = { [output] = true }, {}, {}
    for i = #self.nodes, 1, -1 do
        local node = self.nodes[i]
        if needed[node.outputs[1]] then
            table.insert(nodes, 1, node)
            for _, name in ipairs(node.inputs) do
                needed[name] = true
            end
        end
    end
    for _, initializer in ipairs(self.initializers) do
        if needed[initializer.name] then
            initializers[#initializers + 1] = initializer
        end
    end
    self.nodes, self.initializers = nodes, initializers
end

--- Gives what is called `old` another name everywhere.
function Graph:rename(old, new)
    for _, node in ipairs(self.nodes) do
        for _, names in ipairs { node.inputs, node.outputs } do
            for i, name in ipairs(names) do
                names[i] = name == old and new or name
            end
        end
    end
end

return Graph
