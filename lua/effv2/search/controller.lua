--- The recurrent controller: writes a code one choice after another, each given those before (Zoph & Le 2017).
--
-- A choice is read as the embedding of the value taken before it, passes a gated recurrent unit (Cho et al. 2014), and is
-- drawn from the softmax of a dense layer of its own. All of it is effv2's operations, so the tape has the gradients.
local core = require "effv2.core"
local nn = require "effv2.nn"

local Controller = nn.class "Controller"

--- A tensor of numbers between -width and width.
local function uniform(rng, width, rows, columns)
    local list = {}
    for i = 1, rows do
        list[i] = {}
        for j = 1, columns do
            list[i][j] = (2 * rng:uniform() - 1) * width
        end
    end
    return core.tensor(list)
end

--- @param args { sizes = how many values each choice has, hidden =, rng = for the first parameters }
function Controller:init(args)
    rawset(self, "sizes", args.sizes)
    rawset(self, "hidden", args.hidden)
    local hidden, width, rows = args.hidden, 0.1, 1 -- row 0 of the embedding: nothing was chosen yet
    local first_rows = {}
    for i, size in ipairs(args.sizes) do
        first_rows[i], rows = rows, rows + size
    end
    rawset(self, "first_rows", first_rows) -- of each choice's values in the embedding
    self:add_parameter("embedding", uniform(args.rng, width, rows, hidden))
    self:add_parameter("gates", uniform(args.rng, width, 2 * hidden, 2 * hidden))
    self:add_parameter("gates_bias", core.zeros(2 * hidden))
    self:add_parameter("candidate", uniform(args.rng, width, 2 * hidden, hidden))
    self:add_parameter("candidate_bias", core.zeros(hidden))
    for i, size in ipairs(args.sizes) do
        self:add_parameter("weight" .. i, uniform(args.rng, width, hidden, size))
        self:add_parameter("bias" .. i, core.zeros(size))
    end
end

--- One step of the gated recurrent unit: x and h are [n][hidden].
function Controller:cell(x, h)
    local gates = core.dense(core.concat({ x, h }, 2), self.gates, self.gates_bias):sigmoid()
    local reset, keep = gates:slice(2, 1, self.hidden), gates:slice(2, self.hidden + 1, 2 * self.hidden)
    local candidate = core.dense(core.concat({ x, reset * h }, 2), self.candidate, self.candidate_bias):tanh()
    return candidate + keep * (h - candidate)
end

--- Walks through the choices of n codes at once. next_values(i, log_probabilities) gives the 1-based values of choice i, a
-- list of n, once their log probabilities [n][values] are known.
-- @return the list of log probabilities
function Controller:forward(n, next_values)
    local h = core.zeros(n, self.hidden)
    local rows, all = {}, {}
    for k = 1, n do
        rows[k] = 0
    end
    for i in ipairs(self.sizes) do
        h = self:cell(core.index_select(self.embedding, core.tensor(rows, "int64")), h)
        all[i] = core.log_softmax(core.dense(h, self["weight" .. i], self["bias" .. i]))
        for k, value in ipairs(next_values(i, all[i])) do
            rows[k] = self.first_rows[i] + value - 1
        end
    end
    return all
end

--- Draws a code. Returns it and the log probability of each of its values.
function Controller:sample(rng)
    local code, chances = {}, {}
    core.step(core.no_grad, function()
        self:forward(1, function(i, log_probabilities)
            local list, shares = log_probabilities[1]:totable(), {}
            for value, log in ipairs(list) do
                shares[value] = math.exp(log)
            end
            code[i] = rng:pick(shares)
            chances[i] = list[code[i]]
            return { code[i] }
        end)
    end)
    return code, chances
end

return Controller
