--- The space of a study: what each parameter may be.
--
--     local space = effv2.search.space
--     {
--       lr = space.log(1e-4, 1e-1),                                -- its logarithm is uniform
--       width = space.int(1, 8),
--       act = { "relu", "silu" },                                  -- a list is space.choice of it
--       momentum = space.when("act", "silu", space.uniform(0, 1)), -- a parameter only where act is "silu"
--       epochs = 10,                                               -- always the same
--     }
--
-- Random parameters are a pure function of (seed of the study, number of the trial, name of the parameter).
local core = require "effv2.core"
local keys = require "effv2.keys"
local names_of = require "effv2.names_of"
local suggest = require "effv2.suggest"

local space = {}

--- One parameter: at(u) gives the value behind a number 0 <= u < 1, values the list of all values (nil: too many).
local Dimension = {}
Dimension.__index = Dimension

function Dimension:__tostring()
    return self.text
end

local function is_dimension(value)
    return getmetatable(value) == Dimension
end

local function dimension(text, at, values)
    return setmetatable({ text = text, at = at, values = values }, Dimension)
end

local function want_numbers(what, low, high)
    for name, value in pairs { low = low or keys.none, high = high or keys.none } do
        if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
            error(("space.%s: %s is %s, wanted a number"):format(what, name, keys.show(value ~= keys.none and value or nil)), 3)
        end
    end
    if low >= high then
        error(("space.%s: low is %g and high is %g, wanted low < high"):format(what, low, high), 3)
    end
end

local function want_positive(what, low)
    if low <= 0 then
        error(("space.%s: low is %g, wanted a number above 0"):format(what, low), 3)
    end
end

--- low and high as they stand in a definition, with all their digits.
local function bounds_text(what, low, high, extra)
    return ("%s(%s, %s%s)"):format(what, core.json_encode(low), core.json_encode(high),
        extra and ", " .. core.json_encode(extra) or "")
end

--- The item of a list of n that u stands for, from 0.
local function index_of(u, n)
    return math.min(math.floor(u * n), n - 1)
end

--- A dimension over between(share), share in [0, 1]: everywhere, or at `points` evenly spaced shares.
local function continuous(text, between, points)
    if points == nil then
        return dimension(text, between)
    end
    local values = {}
    for i = 1, points do
        values[i] = between((i - 1) / (points - 1))
    end
    return dimension(text, function(u)
        return values[1 + index_of(u, points)]
    end, values)
end

--- A number between low and high. With `points`, one of so many evenly spaced values, both ends among them: a grid
-- needs that.
function space.uniform(low, high, points)
    want_numbers("uniform", low, high)
    keys.want_whole("space.uniform", "points", points, 2, true)
    return continuous(bounds_text("uniform", low, high, points), function(share)
        return share == 1 and high or low + (high - low) * share
    end, points)
end

--- A number between low and high (above 0) whose logarithm is uniform: for learning rates and weight decays. With
-- `points`, one of so many values with the same ratio between neighbours.
function space.log(low, high, points)
    want_numbers("log", low, high)
    want_positive("log", low)
    keys.want_whole("space.log", "points", points, 2, true)
    return continuous(bounds_text("log", low, high, points), function(share)
        return share == 1 and high or math.min(math.max(low * (high / low) ^ share, low), high)
    end, points)
end

local function want_whole_bounds(what, low, high)
    for name, value in pairs { low = low, high = high } do
        if value ~= math.floor(value) then
            error(("space.%s: %s is %g, wanted a whole number"):format(what, name, value), 3)
        end
    end
end

--- A whole number from low to high, both included; with `step`, low, low + step, ...
function space.int(low, high, step)
    want_numbers("int", low, high)
    want_whole_bounds("int", low, high)
    keys.want_whole("space.int", "step", step, 1, true)
    local values, width = {}, step or 1
    local n = math.floor((high - low) / width) + 1
    for i = 1, math.min(n, 1e5) do
        values[i] = low + (i - 1) * width
    end
    return dimension(bounds_text("int", low, high, step), function(u)
        return low + index_of(u, n) * width
    end, n <= 1e5 and values or nil)
end

--- A whole number from low (at least 1) to high whose logarithm is uniform: for widths and batch sizes.
function space.log_int(low, high)
    want_numbers("log_int", low, high)
    want_whole_bounds("log_int", low, high)
    want_positive("log_int", low)
    return dimension(bounds_text("log_int", low, high), function(u)
        return math.min(math.max(math.floor(low * ((high + 1) / low) ^ u), low), high)
    end, high - low < 1e5 and space.int(low, high).values or nil)
end

local plain = { number = true, string = true, boolean = true }

local function want_plain(value, where, level)
    if type(value) == "table" and getmetatable(value) == nil then
        for key, item in pairs(value) do
            want_plain(item, ("%s[%s]"):format(where, tostring(key)), level + 1)
        end
    elseif not plain[type(value)] then
        error(("%s is a %s, wanted numbers, texts, booleans or tables of them"):format(where, type(value)), level + 1)
    end
end

--- One item of a list, each as likely: numbers, texts, booleans, or tables of them.
function space.choice(list)
    if type(list) ~= "table" or #list == 0 then
        error(("space.choice: %s, wanted a list such as { \"relu\", \"silu\" }"):format(
            type(list) == "table" and "an empty list" or "a " .. type(list)), 2)
    end
    want_plain(list, "space.choice: the list", 2)
    local texts = {}
    for i, value in ipairs(list) do
        texts[i] = core.json_encode(value)
    end
    return dimension(("choice(%s)"):format(table.concat(texts, ", ")), function(u)
        return list[1 + index_of(u, #list)]
    end, list)
end

--- A parameter that exists only where parameter `name` has the value (or one of the values in a list).
function space.when(name, value, of)
    local given = type(value) == "table" and value or { value }
    if type(name) ~= "string" or #given == 0 then
        error("space.when: wanted the name of a parameter and one or several of its values", 2)
    end
    if not is_dimension(of) then
        error(("space.when: the third argument is a %s, wanted a parameter such as space.uniform(0, 1)"):format(type(of)), 2)
    end
    local wanted, texts = {}, {}
    for i, item in ipairs(given) do
        wanted[item], texts[i] = true, core.json_encode(item)
    end
    local result = dimension(("when(%s = %s, %s)"):format(name, table.concat(texts, " or "), of.text), of.at, of.values)
    result.parent, result.wanted, result.inner = name, wanted, of
    return result
end

-- ---- a whole space --------------------------------------------------------------------------------------

local Space = {}
Space.__index = Space

local function as_dimension(name, value)
    if is_dimension(value) then
        return value
    elseif type(value) == "table" and getmetatable(value) == nil and #value > 0 then
        return space.choice(value)
    elseif plain[type(value)] then
        return space.choice { value }
    end
    error(("space: %s is a %s, wanted a value, a list, or space.uniform, log, int, log_int, choice or when"):format(name,
        type(value)), 0)
end

local function can_be(parent, wanted)
    for _, value in ipairs(parent.values or {}) do
        if wanted[value] then
            return true
        end
    end
    return parent.values == nil
end

--- Appends name to the order behind those that it depends on.
local function place(dimensions, order, state, name)
    if state[name] == "done" then
        return
    elseif state[name] == "open" then
        error(("space: %s depends on itself through space.when"):format(name), 0)
    end
    state[name] = "open"
    local parent, inner = dimensions[name].parent, dimensions[name]
    while parent do
        if not dimensions[parent] then
            error(("space: %s depends on %s, but there is no parameter %s%s"):format(name, parent, parent,
                suggest.hint(parent, names_of(dimensions))), 0)
        elseif not can_be(dimensions[parent], inner.wanted) then
            error(("space: %s exists only where %s never is: %s"):format(name, parent, inner.text), 0)
        end
        place(dimensions, order, state, parent)
        inner = inner.inner
        parent = inner.parent
    end
    state[name] = "done"
    order[#order + 1] = name
end

--- Checks a table of parameters and makes a space of it.
function space.new(given)
    if type(given) ~= "table" or next(given) == nil then
        error("space: wanted a table of parameters such as { lr = space.log(1e-4, 1e-1) }", 0)
    end
    local dimensions = {}
    for name, value in pairs(given) do
        if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
            error(("space: %s is no name for a parameter"):format(tostring(name)), 0)
        end
        dimensions[name] = as_dimension(name, value)
    end
    local order, state = {}, {}
    for _, name in ipairs(names_of(dimensions)) do
        place(dimensions, order, state, name)
    end
    return setmetatable({ dimensions = dimensions, order = order }, Space)
end

local function exists(one, parameters)
    while one.parent do
        if not one.wanted[parameters[one.parent]] then
            return false
        end
        one = one.inner
    end
    return true
end

--- The random parameters of trial `number`, a table.
function Space:random(seed, number)
    local parameters = {}
    for _, name in ipairs(self.order) do
        local one = self.dimensions[name]
        if exists(one, parameters) then
            parameters[name] = one.at(core.random_parameter(seed, number, name))
        end
    end
    return parameters
end

local function copy(t)
    local result = {}
    for key, value in pairs(t) do
        result[key] = value
    end
    return result
end

local MOST_COMBINATIONS = 1e6

--- All combinations, a list of tables; parameters that come late in the alphabet change fastest.
function Space:grid()
    local list = { {} }
    for _, name in ipairs(self.order) do
        local one, longer = self.dimensions[name], {}
        if not one.values then
            error(("sampler grid: %s = %s has no list of values; give space.choice, space.int, or a number of points: "
                .. "space.log(1e-4, 1e-1, 4)"):format(name, one.text), 0)
        end
        for _, parameters in ipairs(list) do
            if exists(one, parameters) then
                for _, value in ipairs(one.values) do
                    local more = copy(parameters)
                    more[name] = value
                    longer[#longer + 1] = more
                end
            else
                longer[#longer + 1] = parameters
            end
        end
        list = longer
        if #list > MOST_COMBINATIONS then
            error(("sampler grid: more than %d combinations; give fewer values, or sample at random"):format(
                MOST_COMBINATIONS), 0)
        end
    end
    return list
end

--- What the space is, as texts by name: two spaces with the same texts are the same.
function Space:texts()
    local texts = {}
    for name, one in pairs(self.dimensions) do
        texts[name] = one.text
    end
    return texts
end

return space
