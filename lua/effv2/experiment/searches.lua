--- Searches of one space side by side: what they ask for is trained together, a network that several ask for once.
--
-- A search is a function of its seed and of what it was told, so after a kill it goes on by being asked and told again, as
-- long as the same network has the same worth.
local statistics = require "effv2.experiment.statistics"
local trials = require "effv2.experiment.trials"

local searches = {}

local Searches = {}
Searches.__index = Searches

--- @param o { space =, strategies = list of { name =, make = of search.strategies, settings = of it }, seeds = how many
-- searches of each }
-- @return list, of { kind = the strategy's name, seed =, trials = what run() has judged, in order }
function searches.new(o)
    local list = {}
    for _, kind in ipairs(o.strategies) do
        for seed = 0, o.seeds - 1 do
            local strategy = kind.make(trials.changed(kind.settings, { seed = seed, space = o.space }))
            list[#list + 1] = { kind = kind.name, seed = seed, strategy = strategy, trials = {} }
        end
    end
    return setmetatable({ space = o.space, list = list }, Searches)
end

--- What each search asks for next: lists, by search, of so many architectures.
function Searches:ask(count)
    local asked = {}
    for i, one in ipairs(self.list) do
        asked[i] = {}
        for k = 1, count do
            asked[i][k] = one.strategy:ask()
        end
    end
    return asked
end

--- The architectures of ask(), each once, and the place of each one's name.
function Searches:distinct(asked)
    local list, places = {}, {}
    for _, architectures in ipairs(asked) do
        for _, architecture in ipairs(architectures) do
            local name = self.space:name(architecture)
            if not places[name] then
                list[#list + 1] = architecture
                places[name] = #list
            end
        end
    end
    return list, places
end

--- Asks every search for its next architectures, and tells each what its own were worth.
local function run_round(self, count, evaluate, judge)
    local asked = self:ask(count)
    local list, places = self:distinct(asked)
    local found = evaluate(list)
    for i, one in ipairs(self.list) do
        for _, architecture in ipairs(asked[i]) do
            local trial = judge(architecture, found[places[self.space:name(architecture)]])
            one.strategy:tell(architecture, trial.reward)
            table.insert(one.trials, trial)
        end
    end
end

--- Runs all searches.
-- @param count trials of each
-- @param round how many each asks for at once
-- @param evaluate f(architectures) that gives a list of results
-- @param judge f(architecture, result) that gives a trial, { reward =, whatever else }
function Searches:run(count, round, evaluate, judge)
    for first = 1, count, round do
        run_round(self, math.min(round, count - first + 1), evaluate, judge)
        io.stderr:write(("%d of %d trials of %d searches\n"):format(#self.list[1].trials, count, #self.list))
    end
end

--- How many different networks were asked for.
function Searches:count_networks()
    local seen, count = {}, 0
    for _, one in ipairs(self.list) do
        for _, trial in ipairs(one.trials) do
            local name = self.space:name(trial.architecture)
            count, seen[name] = count + (seen[name] and 0 or 1), true
        end
    end
    return count
end

--- The spread of f(trials) over the searches of a kind, as a result that claims compare.
function Searches:over_seeds(kind, f)
    local values = {}
    for _, one in ipairs(self.list) do
        if one.kind == kind then
            values[#values + 1] = f(one.trials)
        end
    end
    return { top1 = statistics.spread(values) }
end

--- The trial of the highest reward among the first so many (all when not given); nil of none.
function searches.best_trial(list, count)
    local best
    for i = 1, count or #list do
        best = (not best or list[i].reward > best.reward) and list[i] or best
    end
    return best
end

--- The best trial of all searches of a kind, or of all.
function Searches:best(kind)
    local best = {}
    for _, one in ipairs(self.list) do
        if not kind or one.kind == kind then
            best[#best + 1] = searches.best_trial(one.trials)
        end
    end
    return searches.best_trial(best)
end

return searches
