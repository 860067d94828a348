--- search.reward { accuracy =, step_time =, parameters = }: what section 3.3 of the paper maximises.
local keys = require "effv2.keys"

local function want_positive(name, value)
    if type(value) ~= "number" or not (value > 0 and value < math.huge) then
        error(("search.reward: %s is %s, wanted a number above 0"):format(name, keys.show(value)), 3)
    end
end

--- accuracy * S ^ w * P ^ v.
--
-- S is the time of a training step and P the number of parameters, each as a share of a reference's, for example of the
-- network that the space was made around. The paper names neither reference; another one multiplies every reward by the
-- same number, so the order of networks does not depend on it. With w = -0.07 and v = -0.05 a step that takes twice as long
-- is worth 4.7 % of the accuracy, twice as many parameters 3.4 %.
-- @param given { accuracy = from 0 to 1, step_time =, parameters =, reference = { step_time = 1, parameters = 1 },
-- w = -0.07, v = -0.05 }; times in one unit, whichever
return function(given)
    local o = keys.check("search.reward", given, {
        accuracy = keys.none, step_time = keys.none, parameters = keys.none, reference = {}, w = -0.07, v = -0.05,
    })
    local reference = keys.check("search.reward: reference", o.reference, { step_time = 1, parameters = 1 })
    if type(o.accuracy) ~= "number" or not (o.accuracy >= 0 and o.accuracy <= 1) then
        error(("search.reward: accuracy is %s, wanted a share from 0 to 1"):format(keys.show(o.accuracy)), 2)
    end
    for _, name in ipairs { "step_time", "parameters" } do
        want_positive(name, o[name])
        want_positive("reference." .. name, reference[name])
    end
    return o.accuracy * (o.step_time / reference.step_time) ^ o.w * (o.parameters / reference.parameters) ^ o.v
end
