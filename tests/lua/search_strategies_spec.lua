--- Strategies of a search: each finds a known optimum, learns, and goes on from its state as if it had never stopped.
local effv2 = require "effv2"
local bad_input = dofile "tests/lua/support.lua"

local search = effv2.search
local strategies = search.strategies
local KINDS = { "random", "evolution", "reinforcement" }

--- 2304 networks of two stages.
local space = search.networks.stages {
    stem = { channels = 8 }, head = 8,
    stages = { { channels = 8, layers = { 1, 2, 3, 4 } }, { channels = 8, layers = { 1, 2, 3, 4 } } },
}

--- A sum of a score for each choice, less where both stages have one operator, more for one pair of expansion and layers.
local function problem(seed)
    local scores, rng = {}, search.random(seed)
    for i, choice in ipairs(space.choices) do
        scores[i] = {}
        for value = 1, #choice.values do
            scores[i][value] = rng:uniform()
        end
    end
    return function(architecture)
        local code, sum = space:encode(architecture), 0
        for i, value in ipairs(code) do
            sum = sum + scores[i][value]
        end
        sum = sum - (code[1] == code[5] and 0.7 or 0) + (code[3] == 2 and code[8] == 3 and 0.9 or 0)
        return sum / #code
    end
end

--- The values of all architectures, rising.
local function all_values(value_of)
    local values, code = {}, {}
    local function every(i)
        if i > #space.choices then
            values[#values + 1] = value_of(space:decode(code))
            return
        end
        for value = 1, #space.choices[i].values do
            code[i] = value
            every(i + 1)
        end
    end
    every(1)
    table.sort(values)
    return values
end

local value_of = problem(40)
local values = all_values(value_of)
local optimum = values[#values]

local function make(kind, seed, more)
    local settings = { space = space, seed = seed }
    for key, value in pairs(more or {}) do
        settings[key] = value
    end
    return strategies[kind](settings)
end

--- Asks and tells until the optimum is found or the budget is spent. Returns the strategy and the rewards.
local function search_for(kind, seed, budget)
    local strategy, rewards = make(kind, seed), {}
    for i = 1, budget do
        local architecture = strategy:ask()
        rewards[i] = value_of(architecture)
        strategy:tell(architecture, rewards[i])
        if rewards[i] >= optimum - 1e-12 then
            break
        end
    end
    return strategy, rewards
end

local function median(list)
    table.sort(list)
    return list[math.ceil(#list / 2)]
end

describe("a search of 2304 networks with a known best one", function()
    local BUDGET = { random = 12000, evolution = 1000, reinforcement = 1000 }

    for _, kind in ipairs(KINDS) do
        it(("finds it: %s, within %d trials"):format(kind, BUDGET[kind]), function()
            for seed = 1, 3 do
                local strategy = search_for(kind, seed, BUDGET[kind])
                local architecture, reward = strategy:best()
                assert.is_near(optimum, reward, 1e-12, ("seed %d"):format(seed))
                assert.is_near(optimum, value_of(architecture), 1e-12)
            end
        end)
    end

    it("gets further in 150 trials by evolution or reinforcement than by chance", function()
        local by_chance = {}
        for seed = 1, 15 do
            by_chance[seed] = search_for("random", seed, 150).best_reward
        end
        for _, kind in ipairs { "evolution", "reinforcement" } do
            local reached = {}
            for seed = 1, 5 do
                reached[seed] = search_for(kind, seed, 150).best_reward
                assert.is_true(reached[seed] > values[math.ceil(#values / 2)])
            end
            assert.is_true(median(reached) > median(by_chance), kind)
        end
    end)

    it("proposes better networks the longer it learns", function()
        for _, kind in ipairs { "evolution", "reinforcement" } do
            local strategy, early, late = make(kind, 6), 0, 0
            for i = 1, 200 do
                local architecture = strategy:ask()
                local reward = value_of(architecture)
                strategy:tell(architecture, reward)
                early, late = early + (i <= 20 and reward or 0), late + (i > 180 and reward or 0)
            end
            assert.is_true(late / 20 > early / 20 + 0.1, kind)
        end
    end)
end)

--- The names of the next networks that a strategy tries.
local function go_on(strategy, trials)
    local names = {}
    for i = 1, trials do
        local architecture = strategy:ask()
        names[i] = space:name(architecture)
        strategy:tell(architecture, value_of(architecture))
    end
    return names
end

describe("strategies", function()
    for _, kind in ipairs(KINDS) do
        it("are functions of their seed, and disturb nobody's random numbers: " .. kind, function()
            effv2.manual_seed(1)
            local expected = effv2.randn(3):totable()
            effv2.manual_seed(1)
            local first = go_on(make(kind, 4), 45)
            assert.are.same(expected, effv2.randn(3):totable())
            assert.are.same(first, go_on(make(kind, 4), 45))
            assert.are_not.same(first, go_on(make(kind, 5), 45))
        end)

        it("go on from their state, through JSON, with an update half full: " .. kind, function()
            local strategy = make(kind, 3)
            go_on(strategy, 33)
            local open = { strategy:ask(), strategy:ask() }
            local text = effv2.json_encode(strategy:state())
            local other = make(kind, 0):restore(effv2.json_decode(text))
            assert.is_equal(text, effv2.json_encode(other:state()))
            for _, one in ipairs { strategy, other } do
                one:tell(open[2], 0.3)
                one:tell(open[1], 0.2)
            end
            assert.are.same(go_on(strategy, 40), go_on(other, 40))
            assert.are.same({ strategy:best() }, { other:best() })
            assert.is_equal(effv2.json_encode(strategy:state()), effv2.json_encode(other:state()))
        end)

        it("take failed trials, several at once, and networks that they did not ask for: " .. kind, function()
            local strategy = make(kind, 2)
            assert.is_nil((strategy:best()))
            local rng = search.random(9)
            for _ = 1, 12 do
                local a, b, c = strategy:ask(), strategy:ask(), strategy:ask()
                strategy:tell(c, value_of(c))
                strategy:tell(a, nil)
                strategy:tell(space:random(rng), 0.1)
                strategy:tell(b, value_of(b))
            end
            assert.is_equal(36, strategy.asked)
            assert.is_equal(48, strategy.told)
            assert.is_true(select(2, strategy:best()) > 0.1)
        end)
    end

    it("of evolution keep the last networks alone, and draw parents among them", function()
        local strategy = make("evolution", 1, { population = 4, tournament = 50 })
        for _ = 1, 4 do
            strategy:ask()
        end
        local parent = space:random(search.random(1))
        for _ = 1, 6 do
            strategy:tell(space:random(search.random(2)), 0.9)
        end
        strategy:tell(parent, 0.95)
        for _ = 1, 3 do
            strategy:tell(space:random(search.random(3)), 0.1)
        end
        assert.is_equal(4, #strategy:state().living)
        local before, after = space:encode(parent), space:encode(strategy:ask())
        local changed = 0
        for i in ipairs(before) do
            changed = changed + (before[i] ~= after[i] and 1 or 0)
        end
        assert.is_equal(1, changed)
    end)

    it("of reinforcement learn which of two values is worth more, and remember the chances", function()
        local pair = search.networks.stages {
            stem = { channels = 8 }, head = 8,
            stages = { { channels = 8, layers = { 1, 2 }, op = "mb", kernel = 3, expansion = 4 } },
        }
        local strategy = strategies.reinforcement { space = pair, seed = 1, entropy = 0 }
        local code, chances = strategy.controller:sample(search.random(0))
        assert.is_near(0.5, math.exp(chances[1]), 0.05)
        assert.are.same(chances, strategy:chances_now(code))
        for _ = 1, 300 do
            local architecture = strategy:ask()
            strategy:tell(architecture, architecture[1].layers)
        end
        assert.is_true(strategy:chances_now({ 2 })[1] > math.log(0.9))
        assert.is_near(1, math.exp(strategy:chances_now({ 1 })[1]) + math.exp(strategy:chances_now({ 2 })[1]), 1e-5)
    end)

    it("of reinforcement have the clipped loss of PPO and the bonus for entropy", function()
        local pair = search.networks.stages {
            stem = { channels = 8 }, head = 8,
            stages = { { channels = 8, layers = { 1, 2 }, op = "mb", kernel = 3, expansion = 4 } },
        }
        local strategy = strategies.reinforcement { space = pair, clip = 0.2, entropy = 0.5 }
        local log = { strategy:chances_now({ 1 })[1], strategy:chances_now({ 2 })[1] }
        local function trial(value, ratio, advantage)
            return { code = { value }, chances = { log[value] - math.log(ratio) }, advantage = advantage }
        end
        local batch = { trial(1, 1.5, 1), trial(2, 0.5, 1), trial(1, 1.5, -1), trial(2, 0.5, -1) }
        local entropy = -math.exp(log[1]) * log[1] - math.exp(log[2]) * log[2]
        local expected = -(1.2 + 0.5 - 1.5 - 0.8) / 4 - 0.5 * entropy
        assert.is_near(expected, strategy:loss(batch):item(), 1e-5)
    end)

    it("say what is wrong", function()
        bad_input.check { "space", function() strategies.random {} end, "space is a nil", "wanted one of search.networks" }
        bad_input.check { "seed", function() make("random", -1) end, "seed is -1", "whole number" }
        bad_input.check { "key", function() make("evolution", 1, { populaton = 3 }) end, "'populaton'", "population" }
        bad_input.check { "population", function() make("evolution", 1, { population = 0 }) end, "population is 0",
            "whole number from 1" }
        bad_input.check { "clip", function() make("reinforcement", 1, { clip = 1 }) end, "clip is 1", "below 1" }
        bad_input.check { "reward", function()
            local strategy = make("random", 1)
            strategy:tell(strategy:ask(), 0 / 0)
        end, "the reward is", "nil for a trial that failed" }
        bad_input.check { "state", function() make("random", 1):restore(make("evolution", 1):state()) end,
            'the state of "evolution"', "search.strategies.random" }
        local small = search.networks.stages { stem = { channels = 8 }, head = 8, stages = { { channels = 8, layers = 1 } } }
        for _, kind in ipairs(KINDS) do
            local state = strategies[kind]({ space = small }):state()
            bad_input.check { kind, function() make(kind, 1):restore(state) end, "of another space", "wanted one of stage1.op:2" }
        end
        local state = make("reinforcement", 1, { hidden = 8 }):state()
        bad_input.check { "hidden", function() make("reinforcement", 1):restore(state) end, "a controller of 8 units", "has 32" }
    end)
end)
