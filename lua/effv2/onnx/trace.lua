--- trace(model, height, width): the operations of a model, with the axis of each value that grows with the batch.
--
-- The model runs twice, on one image and on two others. Both runs must make the same steps; an axis that is twice as
-- long in the second is the batch's, and what is no operation's result must be the same in both, else it was computed
-- from the images behind the trace's back.
local core = require "effv2.core"
local places = require "effv2.nn.places"

local function run(model, n, height, width, channels, place_of)
    local x = core.rand(n, height, width, channels)
    local unwatch = places.watch(place_of)
    local ok, trace = pcall(core.trace, function(images)
        return core.no_grad(model, images)
    end, x)
    unwatch()
    if not ok then
        error(trace, 0)
    end
    return trace
end

local function refuse(where, format, ...)
    error(("onnx: %s%s"):format(where == "" and "" or "in " .. where .. ": ", format:format(...)), 0)
end

--- The axis that is twice as long in the second shape; nil when the shapes are equal, false when they differ otherwise.
local function batch_axis(first, second)
    local batch
    if #first ~= #second then
        return false
    end
    for axis, size in ipairs(first) do
        if second[axis] ~= size then
            if batch or second[axis] ~= 2 * size then
                return false
            end
            batch = axis
        end
    end
    return batch
end

local function bytes_of(tensor)
    return tensor:contiguous():tobytes()
end

local function same_constant(first, second, batch)
    if first.address == second.address then
        return true
    elseif not batch then
        return bytes_of(first.constant) == bytes_of(second.constant)
    end
    local size, once = first.shape[batch], bytes_of(first.constant)
    return bytes_of(second.constant:slice(batch, 1, size)) == once
        and bytes_of(second.constant:slice(batch, size + 1, 2 * size)) == once
end

local function numbers(list)
    local texts = {}
    for i, number in ipairs(list) do
        texts[i] = tostring(number)
    end
    return table.concat(texts, ",")
end

local function same_steps(first, second)
    if #first.steps ~= #second.steps or #first.values ~= #second.values or first.result ~= second.result then
        return false
    end
    for i, step in ipairs(first.steps) do
        local other = second.steps[i]
        if step.op ~= other.op or step.place ~= other.place
            or numbers(step.outputs) ~= numbers(other.outputs) or numbers(step.inputs) ~= numbers(other.inputs) then
            return false
        end
    end
    return true
end

--- The path of the step that reads or makes each value first.
local function places_of_values(trace)
    local path_of = {}
    for _, step in ipairs(trace.steps) do
        for _, list in ipairs { step.inputs, step.outputs } do
            for _, number in ipairs(list) do
                path_of[number or 0] = path_of[number or 0] or step.path
            end
        end
    end
    return path_of
end

local function compare_values(first, second)
    local path_of = places_of_values(first)
    for number, value in ipairs(first.values) do
        local other, where = second.values[number], path_of[number] or ""
        value.batch = batch_axis(value.shape, other.shape)
        if value.batch == false then
            refuse(where, "a tensor is %s for one image and %s for two, so the batch cannot be left open",
                table.concat(value.shape, "x"), table.concat(other.shape, "x"))
        elseif value.constant and not same_constant(value, other, value.batch) then
            refuse(where, "a tensor depends on the images, but not through operations that a graph can hold "
                .. "(:copy, :clone, :item or elements set in Lua)")
        end
    end
end

--- Numbers become the values and places the paths that they stand for; `differs` names arguments that are of the batch.
local function link(first, second, path_of)
    for i, step in ipairs(first.steps) do
        step.path = path_of[step.place] or ""
        step.batch_args = {}
        for name, value in pairs(second.steps[i].args) do
            if type(value) ~= "table" and step.args[name] ~= value then
                step.batch_args[name] = true
            end
        end
    end
    compare_values(first, second)
    for _, step in ipairs(first.steps) do
        for _, list in ipairs { step.inputs, step.outputs } do
            for j, number in ipairs(list) do
                list[j] = number and first.values[number]
            end
        end
    end
end

--- @param model in eval() and folded
-- @return { steps = { { op =, path =, inputs =, outputs =, args =, batch_args = }, ... }, input =, output = }, where inputs
-- (false for an absent one) and outputs are values { shape = for one image, batch = axis or nil, dtype =, constant = }
return function(model, height, width, channels)
    local place_of, path_of = places.number(model)
    local first = run(model, 1, height, width, channels, place_of)
    local second = run(model, 2, height, width, channels, place_of)
    if not same_steps(first, second) then
        refuse("", "the model runs other operations on two images than on one")
    elseif not first.result then
        refuse("", "the model's result is not computed from the images by operations")
    end
    link(first, second, path_of)
    return { steps = first.steps, input = first.values[1], output = first.values[first.result] }
end
