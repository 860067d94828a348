--- Learning-rate schedules: pure functions of the number of updates done.
--
-- schedule:at(step, steps_per_epoch, total_steps) gives the rate of update `step` (from 0). During the warm-up
-- the rate grows linearly from 0 to the peak; the curve itself counts from step 0, so the exponential one drops
-- at the end of the warm-up, as the official code does.
local keys = require "effv2.keys"

local lr = {}

local Schedule = {}
Schedule.__index = Schedule

function Schedule:at(step, steps_per_epoch, total_steps)
    local warmup = math.floor(self.settings.warmup_epochs * steps_per_epoch)
    if step < warmup then
        return self.settings.peak * step / warmup
    end
    return math.max(self.settings.floor, self.curve(self.settings, step, steps_per_epoch, total_steps))
end

function Schedule:__tostring()
    local s = self.settings
    return ("%s from %g, warm-up %g epochs"):format(self.name, s.peak, s.warmup_epochs)
end

local function make(name, defaults, curve)
    defaults.peak, defaults.warmup_epochs, defaults.floor = keys.none, defaults.warmup_epochs or 0, 0
    return function(given)
        local settings = keys.check("lr." .. name, given, defaults)
        for key in pairs(defaults) do
            local value, positive = settings[key], key == "every_epochs"
            if type(value) ~= "number" or not (value >= 0 and value < math.huge) or (positive and value == 0) then
                error(("lr.%s: %s is %s, wanted a number %s"):format(name, key, value == nil and "missing" or tostring(value),
                    positive and "above 0" or "from 0"), 2)
            end
        end
        return setmetatable({ name = name, settings = settings, curve = curve }, Schedule)
    end
end

--- peak * decay ^ floor(epochs / every_epochs): a staircase (paper: peak 0.256 at batch 4096, 0.97 every 2.4 epochs).
lr.exponential = make("exponential", { decay = 0.97, every_epochs = 2.4, warmup_epochs = 5 },
    function(s, step, steps_per_epoch)
        return s.peak * s.decay ^ math.floor(step / (s.every_epochs * steps_per_epoch))
    end)

--- peak / 2 * (1 + cos(pi * step / total)).
lr.cosine = make("cosine", {}, function(s, step, _, total_steps)
    return 0.5 * s.peak * (1 + math.cos(math.pi * math.min(step / total_steps, 1)))
end)

--- peak * (1 - step / total).
lr.linear = make("linear", {}, function(s, step, _, total_steps)
    return s.peak * (1 - math.min(step / total_steps, 1))
end)

--- peak throughout.
lr.constant = make("constant", {}, function(s)
    return s.peak
end)

--- A schedule of one's own: f(step, steps_per_epoch, total_steps) gives the rate.
function lr.custom(f)
    if type(f) ~= "function" then
        error(("lr.custom: a %s, wanted a function(step, steps_per_epoch, total_steps)"):format(type(f)), 2)
    end
    local function at(_, step, ...)
        local rate = f(step, ...)
        if type(rate) ~= "number" or not (rate >= 0 and rate < math.huge) then
            error(("lr.custom: the function gave %s for update %d, wanted a number from 0"):format(tostring(rate), step), 0)
        end
        return rate
    end
    return setmetatable({}, {
        __index = { at = at },
        __tostring = function() return "custom" end,
    })
end

return lr
