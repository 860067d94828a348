--- Optimisers and the moving average of weights.
--
-- An optimiser is made with its settings and then attached to a model (or a list of parameters), whose
-- parameters move into one flat tensor, those with weight decay first:
--
--     local optimiser = effv2.optim.sgd { momentum = 0.9 }:attach(model)
--     optimiser:zero_grad()
--     loss:backward()
--     optimiser:step { lr = 0.1 }
local core = require "effv2.core"
local keys = require "effv2.keys"

local optim = {}

local tensor_meta = getmetatable(core.zeros(1))

local Optimiser = {}
Optimiser.__index = Optimiser

--- The rules. `states` names the flat tensors that belong to the parameters, with their first value.
local rules = {
    rmsprop = {
        defaults = { decay = 0.9, momentum = 0.9, eps = 1e-3, weight_decay = 0 },
        states = { { "mean_square", 1 }, { "momentum", 0 } },
        update = function(o, options)
            options.rho, options.momentum, options.eps = o.settings.decay, o.settings.momentum, o.settings.eps
            core.update_rmsprop(o.flat, o.flat_grad, o.states.mean_square, o.states.momentum, options)
        end,
    },
    sgd = {
        defaults = { momentum = 0, nesterov = false, weight_decay = 0 },
        states = { { "velocity", 0 } },
        update = function(o, options)
            options.momentum, options.nesterov = o.settings.momentum, o.settings.nesterov
            core.update_sgd(o.flat, o.flat_grad, o.states.velocity, options)
        end,
    },
    adamw = {
        defaults = { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01 },
        states = { { "mean", 0 }, { "mean_square", 0 } },
        update = function(o, options)
            local s = o.settings
            options.beta1, options.beta2, options.eps, options.step = s.beta1, s.beta2, s.eps, o.steps
            core.update_adamw(o.flat, o.flat_grad, o.states.mean, o.states.mean_square, options)
        end,
    },
}

--- Shares: from 0 to below 1. Every other number is one from 0.
local SHARES = { decay = true, momentum = true, beta1 = true, beta2 = true }

local function want_settings(what, settings)
    for name, value in pairs(settings) do
        if type(value) == "number" and not (value >= 0 and value < (SHARES[name] and 1 or math.huge)) then
            error(("%s: %s is %g, wanted a number %s"):format(what, name, value,
                SHARES[name] and "in [0, 1)" or "from 0"), 3)
        end
    end
    return settings
end

local function make(name)
    return function(given)
        local rule, what = rules[name], "optim." .. name
        if type(given) == "table" and given.lr ~= nil then
            error(what .. ": the rate is no setting of the optimiser: give lr = effv2.lr.constant { peak = ... } to "
                .. "effv2.train, or { lr = ... } to optimiser:step", 2)
        end
        local settings = want_settings(what, keys.check(what, given, rule.defaults))
        return setmetatable({ name = name, rule = rule, settings = settings }, Optimiser)
    end
end

--- RMSProp in TensorFlow's form: eps inside the root, mean square starting at 1, the learning rate folded into
-- the momentum, weight decay added to the gradient (section 5.1 of the paper: decay 0.9, momentum 0.9, 1e-5).
optim.rmsprop = make "rmsprop"
--- Stochastic gradient descent with (Nesterov) momentum; weight decay is added to the gradient.
optim.sgd = make "sgd"
--- Adam with decoupled weight decay (Loshchilov & Hutter 2019).
optim.adamw = make "adamw"

--- Parameters with weight decay first, then the others; each in the model's order.
local function decayed_first(named)
    local ordered, tensors, decayed = {}, {}, 0
    for _, wanted in ipairs { true, false } do
        for _, parameter in ipairs(named) do
            if parameter.decay == wanted and parameter.tensor:requires_grad() then
                ordered[#ordered + 1] = parameter
                tensors[#tensors + 1] = parameter.tensor
                decayed = decayed + (wanted and parameter.tensor:numel() or 0)
            end
        end
    end
    return ordered, tensors, decayed
end

local function is_tensor(value)
    return type(value) == "userdata" and getmetatable(value) == tensor_meta
end

local function named_parameters(what, target)
    if type(target) ~= "table" and type(target) ~= "userdata" or is_tensor(target) then
        error(("%s: attach got a %s, wanted a model, a layer or a list of tensors"):format(what,
            is_tensor(target) and "tensor" or type(target)), 3)
    end
    if type(target) == "table" and not target.named_parameters then
        local named = {}
        for i, tensor in ipairs(target) do
            if not is_tensor(tensor) then
                error(("%s: item %d of the list is a %s, wanted a tensor"):format(what, i, type(tensor)), 3)
            end
            named[i] = { name = tostring(i), tensor = tensor, decay = true }
        end
        return named
    end
    return target:named_parameters()
end

--- Takes over the parameters of a model, a layer or a list of tensors. Frozen ones (requires_grad false) stay out.
function Optimiser:attach(target)
    local o = setmetatable({ name = self.name, rule = self.rule, settings = self.settings, steps = 0, states = {} }, Optimiser)
    local what = "optim." .. self.name
    o.parameters, o.tensors, o.decayed = decayed_first(named_parameters(what, target))
    if #o.tensors == 0 then
        error(what .. ": nothing to train: no parameter requires a gradient (parameter:requires_grad(true) makes one do)", 2)
    end
    o.flat, o.flat_grad = core.flatten(o.tensors, true)
    o.flat:keep()
    o.flat_grad:keep()
    for _, state in ipairs(self.rule.states) do
        o.states[state[1]] = core.full(state[2], o.flat:numel()):keep()
    end
    return o
end

--- Forgets the gradients, without touching their memory.
function Optimiser:zero_grad()
    core.zero_gradients(self.tensors)
end

--- Updates an average's buffers; returns its flat parameters and their decay, for the optimiser to go on with.
local function follow(average, optimiser)
    if average == nil then
        return nil
    elseif type(average) ~= "table" or not average.live or average.live.parameters ~= optimiser.flat then
        error("optimiser:step: average is not one of optim.ema { ... }:attach(model, optimiser) with this optimiser", 3)
    end
    return average:update { parameters = false }
end

--- One update. options: lr; scale (the gradient is multiplied by it, e.g. 1 / accumulated batches);
-- clip_norm (largest global norm of the scaled gradient); average (of optim.ema, attached to this optimiser: it is
-- updated in the same pass). Returns the norm when clip_norm is given.
function Optimiser:step(options)
    options = keys.check("optimiser:step", options,
        { lr = keys.none, scale = 1, clip_norm = keys.none, average = keys.none })
    if type(options.lr) ~= "number" or not (options.lr >= 0 and options.lr < math.huge) then
        error(("optimiser:step: lr is %s, wanted a number from 0"):format(tostring(options.lr)), 2)
    elseif not self.flat then
        error(("optimiser:step: optim.%s has no parameters yet: use what :attach(model) returns"):format(self.name), 2)
    end
    local average, decay = follow(options.average, self)
    core.settle_gradients(self.tensors)
    self.steps = self.steps + 1
    local scale, norm = options.scale, nil
    if options.clip_norm then
        norm = core.flat_norm(self.flat_grad) * scale
        if norm > options.clip_norm then
            scale = scale * options.clip_norm / norm
        end
    end
    self.rule.update(self, {
        lr = options.lr, weight_decay = self.settings.weight_decay, decayed = self.decayed, gradient_scale = scale,
        average = average, average_decay = decay,
    })
    return norm
end

--- {name = flat tensor}: what must be saved beside the parameters, and the number of steps.
function Optimiser:state()
    return self.states, self.steps
end

--- Takes back what state() gave.
function Optimiser:load_state(states, steps)
    for name, tensor in pairs(self.states) do
        if not states[name] then
            error(("the saved optimiser has no '%s': it was another one than %s, which cannot go on from it"):format(name,
                self.name), 2)
        end
        tensor:copy(states[name])
    end
    self.steps = steps
end

local Average = {}
Average.__index = Average

--- An exponential moving average of parameters and batch-norm statistics:
-- decay_t = min(decay, (1 + t) / (10 + t)) at update t, as TensorFlow has it; evaluation uses the average.
function optim.ema(given)
    if type(given) == "number" then
        given = { decay = given }
    end
    local settings = keys.check("optim.ema", given, { decay = 0.9999, warmup = true })
    return setmetatable({ settings = want_settings("optim.ema", settings) }, Average)
end

--- Starts the average at the model's present values; call it after the optimiser was attached.
function Average:attach(model, optimiser)
    local a = setmetatable({ settings = self.settings, updates = 0 }, Average)
    local buffers = {}
    for _, buffer in ipairs(model:named_buffers()) do
        buffers[#buffers + 1] = buffer.tensor
    end
    a.live = { parameters = optimiser.flat }
    if #buffers > 0 then
        a.live.buffers = core.flatten(buffers):keep()
    end
    a.average = {}
    for name, tensor in pairs(a.live) do
        a.average[name] = tensor:clone():keep()
    end
    return a
end

--- The decay used at update t (0-based).
function Average:decay_at(t)
    return self.settings.warmup and math.min(self.settings.decay, (1 + t) / (10 + t)) or self.settings.decay
end

--- One update of the average; optimiser:step { average = ... } does it with its own. Returns the parameters' average
-- and the decay.
-- @param options { parameters = false }: leaves the parameters' average to the caller
function Average:update(options)
    local decay = self:decay_at(self.updates)
    for name, tensor in pairs(self.live) do
        if name ~= "parameters" or not options or options.parameters ~= false then
            core.update_average(self.average[name], tensor, decay)
        end
    end
    self.updates = self.updates + 1
    return self.average.parameters, decay
end

--- Calls f with the averages in the model's place; the model has its own values again afterwards.
function Average:apply(f, ...)
    local held = {}
    for name, tensor in pairs(self.live) do
        held[name] = tensor:clone():keep()
        tensor:copy(self.average[name])
    end
    local results = { pcall(f, ...) }
    for name, tensor in pairs(self.live) do
        tensor:copy(held[name])
    end
    if not results[1] then
        error(results[2], 0)
    end
    return unpack(results, 2)
end

function Average:state()
    return self.average, self.updates
end

function Average:load_state(averages, updates)
    for name, tensor in pairs(self.average) do
        if not averages[name] then
            error(("the saved average has no '%s': it was made without one, or of another model"):format(name), 2)
        end
        tensor:copy(averages[name])
    end
    self.updates = updates
end

return optim
