--- run(steps, x): applies layers, modules or functions one after another.
--
-- Modules that are `private` (parts of folded models, nn/fold.lua) keep neither what they are given nor what they
-- return: a tensor between two of them is freed when the second has read it, and the next one finds warm memory. Where
-- their tensors for the whole batch are too large for the cache, they run on parts of the batch, one after another.
local core = require "effv2.core"

local CACHE = 3 * 2 ^ 20 -- bytes of the largest tensor that a part of the batch may have

local function is_private(step)
    return type(step) == "table" and step.private
end

--- The steps, with those of private sequences in their places.
local function flatten(steps, list)
    for _, step in ipairs(steps) do
        if is_private(step) and step.steps then
            local inner = {}
            for i, name in ipairs(step.steps) do
                inner[i] = step[name]
            end
            flatten(inner, list)
        else
            list[#list + 1] = step
        end
    end
    return list
end

--- Steps first .. last on x; `mine`: nobody else holds x.
local function apply(steps, first, last, x, mine)
    for i = first, last do
        local y = steps[i](x)
        local private = is_private(steps[i]) and y ~= x
        if mine and private then
            x:free()
        end
        x, mine = y, private
    end
    return x
end

--- The last of the steps from `first` on that run on as many parts of the batch as `first` does, and that number.
local function plan(steps, first, x)
    local step = steps[first]
    if not is_private(step) or not step.largest_tensor or x:dim() ~= 4 then
        return #steps, 1
    end
    local n, height, width = x:size(1), x:size(2), x:size(3)
    local last, largest = first - 1, 0
    for i = first, #steps do
        local bytes
        if not is_private(steps[i]) or not steps[i].largest_tensor then
            break
        end
        bytes, height, width = steps[i]:largest_tensor(height, width)
        if n * bytes <= CACHE or 3 * bytes < largest then -- larger parts do
            break
        end
        last, largest = i, math.max(largest, bytes)
    end
    local parts = math.min(n, math.ceil(n * largest / CACHE))
    if parts <= 1 then
        return #steps, 1
    end
    return last, parts
end

local function apply_to_parts(steps, first, last, x, count)
    local parts, n = {}, x:size(1)
    for i = 1, count do
        local part = x:slice(1, math.floor((i - 1) * n / count) + 1, math.floor(i * n / count))
        parts[i] = apply(steps, first, last, part, true)
    end
    local y = core.concat(parts, 1)
    for _, part in ipairs(parts) do
        part:free()
    end
    return y
end

return function(steps, x)
    steps = flatten(steps, {})
    local first, mine = 1, false
    while true do
        local last, parts = plan(steps, first, x)
        if parts == 1 then
            return apply(steps, first, #steps, x, mine)
        end
        local y = apply_to_parts(steps, first, last, x, parts)
        if mine then
            x:free()
        end
        x, first, mine = y, last + 1, true
    end
end
