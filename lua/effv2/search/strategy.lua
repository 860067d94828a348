--- What strategies have in common: ask() for an architecture, tell() what it was worth.
--
-- A strategy is a pure function of its settings, its seed and what it was told. Several architectures may be asked for
-- before the first is told about, in any order. state() is plain data (JSON keeps it exactly); restore(state), on a strategy
-- of the same settings, goes on as if nothing had been between.
local keys = require "effv2.keys"
local random = require "effv2.search.random"

local Strategy = {}
Strategy.__index = Strategy

local function copy(value)
    if type(value) ~= "table" then
        return value
    end
    local result = {}
    for key, item in pairs(value) do
        result[key] = copy(item)
    end
    return result
end

--- A new kind of strategy: rules { propose(self) -> code, learn(self, code, reward), fields = names of plain state }.
-- @param defaults further settings
-- @return its constructor, a function of { space =, seed = 0, ... }
function Strategy.kind(name, defaults, rules)
    local what = "search.strategies." .. name
    local class = setmetatable(rules, { __index = Strategy })
    class.__index = class
    local allowed = { space = keys.none, seed = 0 }
    for key, value in pairs(defaults) do
        allowed[key] = value
    end
    return function(given)
        local settings = keys.check(what, given, allowed)
        if type(settings.space) ~= "table" or not settings.space.decode then
            error(("%s: space is a %s, wanted one of search.networks"):format(what, type(settings.space)), 2)
        end
        keys.want_whole(what, "seed", settings.seed, 0)
        local self = setmetatable({
            name = name, what = what, space = settings.space, settings = settings, rng = random(settings.seed), asked = 0,
            told = 0,
        }, class)
        self:start()
        return self
    end
end

--- The next architecture to try.
function Strategy:ask()
    self.asked = self.asked + 1
    return self.space:decode(self:propose())
end

--- What an architecture was worth; nil for one that failed, which is counted and not learnt from.
function Strategy:tell(architecture, reward)
    if reward ~= nil and (type(reward) ~= "number" or reward - reward ~= 0) then
        error(("%s: tell: the reward is %s, wanted a number, or nil for a trial that failed"):format(self.what,
            keys.show(reward)), 2)
    end
    local code = self.space:encode(architecture)
    self.told = self.told + 1
    if reward and (not self.best_reward or reward > self.best_reward) then
        self.best_code, self.best_reward = code, reward
    end
    self:learn(code, reward)
end

--- The best architecture so far and its reward; nil before the first.
function Strategy:best()
    if self.best_code then
        return self.space:decode(self.best_code), self.best_reward
    end
end

--- What a state must have been made for: the choices of the space.
local function signature(space)
    local parts = {}
    for i, choice in ipairs(space.choices) do
        parts[i] = ("%s:%d"):format(choice.name, #choice.values)
    end
    return table.concat(parts, " ")
end

local COMMON = { "asked", "told", "best_code", "best_reward" }

--- Everything that the strategy has learnt, as plain data.
function Strategy:state()
    local state = { name = self.name, space = signature(self.space), random = self.rng:state() }
    for _, list in ipairs { COMMON, self.fields } do
        for _, field in ipairs(list) do
            state[field] = copy(self[field])
        end
    end
    return state
end

--- Goes on from a state; returns the strategy.
function Strategy:restore(state)
    if type(state) ~= "table" or state.name ~= self.name then
        error(("%s: restore: the state of %s, wanted one that state() of such a strategy gave"):format(self.what,
            keys.show(type(state) == "table" and state.name or state)), 2)
    end
    if state.space ~= signature(self.space) then
        error(("%s: restore: the state is of another space (%s), wanted one of %s"):format(self.what, keys.show(state.space),
            signature(self.space)), 2)
    end
    self.rng:restore(state.random)
    for _, list in ipairs { COMMON, self.fields } do
        for _, field in ipairs(list) do
            self[field] = copy(state[field])
        end
    end
    return self
end

return Strategy
