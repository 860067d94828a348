--- Strategies of a search: random, evolution, reinforcement. strategy.lua says what they have in common.
--
--     local strategy = effv2.search.strategies.evolution { space = space, seed = 0 }
--     local architecture = strategy:ask()
--     strategy:tell(architecture, reward)
--     local architecture, reward = strategy:best()
local keys = require "effv2.keys"
local Strategy = require "effv2.search.strategy"

local strategies = {}

local function code_of_random(self)
    return self.space:encode(self.space:random(self.rng))
end

--- Random search: every architecture with equal chances (the paper: "or simply random search").
-- @param given { space =, seed = 0 }
strategies.random = Strategy.kind("random", {}, {
    fields = {},
    start = function() end,
    propose = code_of_random,
    learn = function() end,
})

--- Regularised evolution (Real et al. 2019): the population is the last `population` architectures, whatever they were
-- worth; a child is a mutation of the best of `tournament` that are drawn from it. The first `population` are random.
-- @param given { space =, seed = 0, population = 20, tournament = 5 }
strategies.evolution = Strategy.kind("evolution", { population = 20, tournament = 5 }, {
    fields = { "living" },

    start = function(self)
        for _, name in ipairs { "population", "tournament" } do
            keys.want_whole(self.what, name, self.settings[name], 1, false, 3)
        end
        self.living = {} -- { code =, reward = }, the oldest first
    end,

    propose = function(self)
        if self.asked <= self.settings.population or #self.living == 0 then
            return code_of_random(self)
        end
        local best
        for _ = 1, self.settings.tournament do
            local one = self.living[self.rng:below(#self.living)]
            best = (not best or one.reward > best.reward) and one or best
        end
        return self.space:encode(self.space:mutate(self.space:decode(best.code), self.rng))
    end,

    learn = function(self, code, reward)
        if reward then
            table.insert(self.living, { code = code, reward = reward })
            if #self.living > self.settings.population then
                table.remove(self.living, 1)
            end
        end
    end,
})

--- Reinforcement learning: a recurrent controller trained with PPO; see reinforcement.lua.
strategies.reinforcement = require "effv2.search.reinforcement"

return strategies
