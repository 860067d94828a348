--- Reinforcement learning, as in MnasNet (Tan et al. 2019), which section 3.3 refers to: a recurrent controller draws
-- architectures and is trained on their rewards with proximal policy optimisation (Schulman et al. 2017).
--
-- Each choice is an action. Once `batch` rewards are there, the controller takes `epochs` steps of Adam on
--     - mean(min(ratio * advantage, clip(ratio, 1 - clip, 1 + clip) * advantage)) - entropy * mean entropy
-- where ratio is a value's probability now over that when it was drawn, and the advantage how far the reward is above a
-- moving average of rewards, in units of their moving deviation.
local core = require "effv2.core"
local keys = require "effv2.keys"
local optim = require "effv2.optim"
local Controller = require "effv2.search.controller"
local Strategy = require "effv2.search.strategy"

local function sizes_of(space)
    local sizes = {}
    for i, choice in ipairs(space.choices) do
        sizes[i] = #choice.values
    end
    return sizes
end

local function column(list, f)
    local values = {}
    for k, item in ipairs(list) do
        values[k] = f(item)
    end
    return values
end

--- The smaller of two tensors, element by element.
local function least(a, b)
    return b - (b - a):relu()
end

local function clamp(x, low, high)
    return low + (x - low):relu() - (x - high):relu()
end

local function name_of(code)
    return table.concat(code, " ")
end

local Reinforcement = { fields = { "drawn", "batch", "mean", "square", "seen" } }

function Reinforcement:start()
    local s = self.settings
    for _, name in ipairs { "hidden", "batch", "epochs" } do
        keys.want_whole(self.what, name, s[name], 1, false, 3)
    end
    for _, name in ipairs { "lr", "clip", "entropy", "baseline" } do
        local most = (name == "clip" or name == "baseline") and 1 or math.huge
        if not (s[name] >= 0 and s[name] < most) then
            error(("%s: %s is %g, wanted a number from 0%s"):format(self.what, name, s[name],
                most == 1 and " to below 1" or ""), 3)
        end
    end
    self.controller = Controller { sizes = sizes_of(self.space), hidden = s.hidden, rng = self.rng }
    self.optimiser = optim.adamw { weight_decay = 0 }:attach(self.controller)
    self.drawn = {}                             -- code's name -> the chances of its values, for each time it was drawn
    self.batch = {}                             -- { code =, chances =, reward = } since the last update
    self.mean, self.square, self.seen = 0, 0, 0 -- moving averages of rewards and their squares, and of how many
end

function Reinforcement:propose()
    local code, chances = self.controller:sample(self.rng)
    local name = name_of(code)
    self.drawn[name] = self.drawn[name] or {}
    table.insert(self.drawn[name], chances)
    return code
end

--- The log probabilities of a code's values as the controller stands.
function Reinforcement:chances_now(code)
    local chances = {}
    core.step(core.no_grad, function()
        self.controller:forward(1, function(i, log_probabilities)
            chances[i] = log_probabilities[1][code[i]]
            return { code[i] }
        end)
    end)
    return chances
end

--- What the chances were when the code was drawn; those of now where it was not drawn here.
function Reinforcement:chances_of(code)
    local name = name_of(code)
    local list = self.drawn[name]
    if not list then
        return self:chances_now(code)
    end
    local chances = table.remove(list, 1)
    if #list == 0 then
        self.drawn[name] = nil
    end
    return chances
end

function Reinforcement:learn(code, reward)
    local chances = self:chances_of(code)
    if reward then
        table.insert(self.batch, { code = code, chances = chances, reward = reward })
        if #self.batch >= self.settings.batch then
            self:update()
        end
    end
end

--- Moves the baseline; the averages are those of what was seen, without the zeros that they began with.
function Reinforcement:follow(reward)
    local decay = self.settings.baseline
    self.mean = decay * self.mean + (1 - decay) * reward
    self.square = decay * self.square + (1 - decay) * reward * reward
    self.seen = decay * self.seen + (1 - decay)
end

--- The loss of a batch of { code =, chances =, advantage = }.
function Reinforcement:loss(batch)
    local settings, controller = self.settings, self.controller
    local advantage = core.tensor(column(batch, function(trial) return trial.advantage end))
    local logs = controller(#batch, function(i)
        return column(batch, function(trial) return trial.code[i] end)
    end)
    local total = 0
    for i, log in ipairs(logs) do
        local taken = core.one_hot(core.tensor(column(batch, function(trial) return trial.code[i] - 1 end), "int64"),
            controller.sizes[i])
        local before = core.tensor(column(batch, function(trial) return trial.chances[i] end))
        local ratio = ((log * taken):sum(2) - before):exp()
        local gain = least(ratio * advantage, clamp(ratio, 1 - settings.clip, 1 + settings.clip) * advantage)
        local entropy = -(log:exp() * log):sum(2)
        total = total - (gain + entropy * settings.entropy):mean()
    end
    return total / #logs
end

function Reinforcement:update()
    for _, trial in ipairs(self.batch) do
        self:follow(trial.reward)
    end
    local baseline = self.mean / self.seen
    local deviation = math.sqrt(math.max(self.square / self.seen - baseline ^ 2, 1e-12))
    for _, trial in ipairs(self.batch) do
        trial.advantage = (trial.reward - baseline) / deviation
    end
    for _ = 1, self.settings.epochs do
        core.step(function()
            self.optimiser:zero_grad()
            self:loss(self.batch):backward()
            self.optimiser:step { lr = self.settings.lr, clip_norm = 1 }
        end)
    end
    self.batch = {}
end

-- ---- state ------------------------------------------------------------------------------------------

local function lists_of(tensors)
    local lists = {}
    for name, tensor in pairs(tensors) do
        lists[name] = tensor:reshape { -1 }:totable()
    end
    return lists
end

function Reinforcement:state()
    local state = Strategy.state(self)
    local states, steps = self.optimiser:state()
    state.controller, state.optimiser, state.steps = lists_of(self.controller:state()), lists_of(states), steps
    return state
end

local function fill(tensors, lists)
    for name, tensor in pairs(tensors) do
        tensor:copy(core.tensor(lists[name]):reshape(tensor:shape()))
    end
end

function Reinforcement:restore(state)
    Strategy.restore(self, state)
    local units = #state.controller.candidate_bias
    if units ~= self.settings.hidden then
        error(("%s: restore: the state is of a controller of %d units, this one has %d (hidden)"):format(self.what, units,
            self.settings.hidden), 2)
    end
    local states = self.optimiser:state()
    fill(self.controller:state(), state.controller)
    fill(states, state.optimiser)
    self.optimiser.steps = state.steps
    return self
end

--- @param given { space =, seed = 0, hidden = 32 units, batch = 10 rewards an update, epochs = 5 steps an update,
-- lr = 0.005, clip = 0.2, entropy = 0.1 (weight of the bonus), baseline = 0.95 (decay of the average reward) }
return Strategy.kind("reinforcement",
    { hidden = 32, batch = 10, epochs = 5, lr = 0.005, clip = 0.2, entropy = 0.1, baseline = 0.95 }, Reinforcement)
