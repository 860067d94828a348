--- Results of a study: configurations with mean and deviation over the seeds, the best, the Pareto front.
local names_of = require "effv2.names_of"
local store = require "effv2.search.store"
local suggest = require "effv2.suggest"
local text = require "effv2.search.text"

local results = {}

local Results = {}
Results.__index = Results

local STATUSES = { "complete", "stopped", "failed", "running", "waiting" }

--- The results of a study in a store; direction is "maximize" or "minimize".
function results.of(opened, study, direction)
    return setmetatable({ store = opened, study = study, maximize = direction == "maximize" }, Results)
end

--- The results of study `name` in the database at `path`; raises when there is none.
function results.open(path, name)
    local opened = store.open(path, true)
    local row = opened:study(name)
    if not row then
        local names = {}
        for i, other in ipairs(opened:studies()) do
            names[i] = other.name
        end
        error(("%s: no study \"%s\"%s"):format(path, name, suggest.cure(name, names)), 0)
    end
    local self = results.of(opened, row.id, row.direction)
    self.name, self.definition = name, row.definition
    return self
end

--- Every trial, by number and seed: rows of the database, parameters and metrics (last values by name) as tables.
function Results:trials()
    return self.store:trials(self.study)
end

--- mean and sample deviation (nil of one value) of a list; nil of none.
local function spread(list)
    local sum, squares = 0, 0
    for _, value in ipairs(list) do
        sum = sum + value
    end
    local mean = #list > 0 and sum / #list or nil
    for _, value in ipairs(list) do
        squares = squares + (value - mean) ^ 2
    end
    return mean, #list > 1 and math.sqrt(squares / (#list - 1)) or nil
end
results.spread = spread

local function configuration_of(row)
    local one = { number = row.number, parameters = row.parameters, runs = 0, values = {}, metrics = {}, all_seconds = {} }
    for _, status in ipairs(STATUSES) do
        one[status] = 0
    end
    return one
end

local function add(list, name, value)
    list[name] = list[name] or {}
    table.insert(list[name], value)
end

--- Groups trials by number; only trials with a result count in values, metrics and seconds.
local function configurations(trials)
    local list, by_number = {}, {}
    for _, row in ipairs(trials) do
        local one = by_number[row.number]
        if not one then
            one = configuration_of(row)
            by_number[row.number], list[#list + 1] = one, one
        end
        one.runs, one[row.status] = one.runs + 1, one[row.status] + 1
        if row.status == "complete" then
            table.insert(one.values, row.value)
            table.insert(one.all_seconds, row.seconds)
            for name, value in pairs(row.metrics) do
                add(one.metrics, name, value)
            end
        end
    end
    for _, one in ipairs(list) do
        one.mean, one.deviation = spread(one.values)
        one.seconds, one.all_seconds = spread(one.all_seconds), nil
        for name, values in pairs(one.metrics) do
            one.metrics[name] = spread(values)
        end
    end
    return list
end

local Summary = {}

--- The summary as a table; of a study with one seed there is no deviation.
function Summary:__tostring()
    local rows = { { "trial", "value", "seeds", "seconds", "status", "parameters" } }
    for _, one in ipairs(self) do
        local states = {}
        for _, status in ipairs(STATUSES) do
            if one[status] > 0 then
                states[#states + 1] = one.runs > 1 and ("%d %s"):format(one[status], status) or status
            end
        end
        rows[#rows + 1] = {
            tostring(one.number), text.mean(one.mean, one.deviation), ("%d/%d"):format(#one.values, one.runs),
            one.seconds and ("%.1f"):format(one.seconds) or "-", table.concat(states, ", "), text.parameters(one.parameters),
        }
    end
    return text.columns(rows, { [5] = true, [6] = true })
end

--- The configurations, a list of { number, parameters, mean, deviation (over the seeds; nil of one), values, seconds,
-- metrics (means), runs, complete, stopped, failed, running, waiting }: those with a result of every seed first, the
-- best first. tostring() makes a table of it.
function Results:summary()
    local list, maximize = configurations(self:trials()), self.maximize
    local function rank(one)
        return one.complete == one.runs and 2 or one.complete > 0 and 1 or 0
    end
    table.sort(list, function(a, b)
        if rank(a) ~= rank(b) then
            return rank(a) > rank(b)
        elseif a.mean ~= b.mean then
            return maximize == (a.mean > b.mean)
        end
        return a.number < b.number
    end)
    return setmetatable(list, Summary)
end

--- The first of the summary; nil when no trial has a result.
function Results:best()
    local first = self:summary()[1]
    return first and first.mean and first or nil
end

--- The number behind a name of a configuration: "value" (the mean), "seconds", a metric, or a parameter; or nil.
function results.quantity(one, name)
    if name == "value" then
        return one.mean
    elseif name == "seconds" then
        return one.seconds
    end
    local number = one.metrics[name] or one.parameters[name]
    return type(number) == "number" and number or nil
end

local function want_quantity(list, name)
    local names = { value = true, seconds = true }
    for _, one in ipairs(list) do
        for key, value in pairs(one.parameters) do
            names[key] = names[key] or type(value) == "number" or nil
        end
        for key in pairs(one.metrics) do
            names[key] = true
        end
    end
    if not names[name] then
        error(("no trial has a quantity \"%s\"%s"):format(name, suggest.cure(name, names_of(names))), 0)
    end
end

--- The configurations with a result that no other beats in one of two quantities without losing in the other, by x.
-- @param x, y names of quantities; `more` says of which more is better: { value = true }, by default what the study
-- maximizes
-- @return a list of { x =, y =, configuration =, front = true or false } of all, by x; and the front alone
function Results:pareto(x, y, more)
    local list = self:summary()
    more = more or { value = self.maximize }
    want_quantity(list, x)
    want_quantity(list, y)
    local points = {}
    for _, one in ipairs(list) do
        local px, py = results.quantity(one, x), results.quantity(one, y)
        if one.mean and px and py then
            points[#points + 1] = { x = px, y = py, configuration = one }
        end
    end
    local front = results.front(points, more[x] or false, more[y] or false)
    return points, front
end

--- Marks the points that no other dominates (point.front) and sorts all by x; returns those alone.
function results.front(points, more_x, more_y)
    local sign_x, sign_y = more_x and -1 or 1, more_y and -1 or 1
    table.sort(points, function(a, b)
        if a.x ~= b.x then
            return sign_x * a.x < sign_x * b.x
        end
        return sign_y * a.y < sign_y * b.y
    end)
    local front, best, last_x = {}, math.huge, nil
    for _, point in ipairs(points) do
        local y = sign_y * point.y
        point.front = y < best or (y == best and point.x == last_x)
        if point.front then
            front[#front + 1] = point
            best, last_x = y, point.x
        end
    end
    return front
end

function Results:close()
    self.store:close()
end

return results
