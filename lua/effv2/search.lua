--- Searching: for settings, by many trials of an objective, and for networks.
--
-- Sweeps: search.study runs and records the trials, each in a process of its own, search.space says what their parameters
-- may be, and search.stopper ends trials early that do worse than others.
--
-- Networks: section 3.3 of the paper (Tan & Le 2021) searches operators, kernels, expansions and numbers of layers by stage,
-- for a reward of accuracy, training step time and parameters.
--
--     local search = effv2.search
--     local space = search.networks.around("efficientnetv2-b0", { layers = { -1, 0, 1 } })
--     local strategy = search.strategies.evolution { space = space, seed = 0 }
--     for _ = 1, 60 do
--       local architecture = strategy:ask()
--       local description = space:stages(architecture)  -- what models.create takes
--       strategy:tell(architecture, search.reward { accuracy = ..., step_time = ..., parameters = ... })
--     end
--     local best, reward = strategy:best()
local predictor = require "effv2.search.predictor"
local step_time = require "effv2.search.step_time"
local suggest = require "effv2.suggest"

local search = {}

-- ---- sweeps -----------------------------------------------------------------------------------------

search.space = require "effv2.search.space"
search.stopper = require "effv2.search.stopper"
search.study = require "effv2.search.study"

-- ---- networks ---------------------------------------------------------------------------------------

--- Numbers of a search: pure functions of a seed, as plain state.
search.random = require "effv2.search.random"
--- Spaces of networks: networks.stages, networks.around.
search.networks = require "effv2.search.networks"
--- The reward accuracy * step time ^ -0.07 * parameters ^ -0.05.
search.reward = require "effv2.search.reward"
--- What proposes networks: strategies.random, evolution, reinforcement.
search.strategies = require "effv2.search.strategies"
--- The seconds of a training step of a network, timed in a process of its own.
search.step_time = step_time.measure
--- A linear model of step times, fitted to measurements, that states its error.
search.fit_step_time = predictor.fit
--- Such a model again, from its state.
search.restore_step_time = predictor.restore
--- The winner made larger: compound scaling with capped images and more late layers (section 3.4).
search.scale = require "effv2.search.scale"

suggest.guard(search.space, "effv2.search.space")
suggest.guard(search.stopper, "effv2.search.stopper")

return search
