--- profile: where the time and the memory of a model go, layer by layer.
--
--     print(effv2.profile.run(model, train_step, 10)) -- calls train_step(i) ten times
--     local session = effv2.profile.start(model)      -- or around any code
--     ...
--     local report = session:stop()
--
-- A report is a list of rows { path =, op =, forward =, backward =, kept = }, one for each operation of each layer in the
-- order of their first calls; forward and backward are { calls =, seconds =, flops =, bytes = } for one step, kept the
-- bytes that are held for backward. report.seconds is the time of a step and report.rest what of it was spent outside of
-- operations (optimiser, data, Lua). Printed, it is a table by layer and one by operation.
--
-- Operations and bytes are those of the operations' records: arithmetic that is needed, and arrays read and written once
-- where nothing stays in a cache. Backward counts the forward's once for each gradient of two or more axes that it computes.
local core = require "effv2.core"
local Module = require "effv2.nn.module"
local places = require "effv2.nn.places"
local report_text = require "effv2.profile.text"

local profile = {}

local OUTSIDE = "(outside)" -- of all layers: the loss
local running -- the session, while there is one

local Session = {}
Session.__index = Session

-- ---- sessions ---------------------------------------------------------------------------------------

--- Times everything from now on. One session at a time.
-- @param model whose layers are told apart
function profile.start(model)
    if not Module.is_module(model) then
        error(("profile.start: the model is a %s, wanted a module"):format(type(model)), 2)
    elseif running then
        error("profile.start: a profile is running already", 2)
    end
    local place_of, path_of = places.number(model)
    path_of[place_of[model]] = "(model)"
    running = setmetatable({ path_of = path_of, unwatch = places.watch(place_of) }, Session)
    core.profile_start()
    running.began = core.clock()
    return running
end

local function share(pass, steps)
    for key, value in pairs(pass) do
        pass[key] = value / steps
    end
end

--- Ends it.
-- @param steps that were run: times and counts are divided by it (default 1)
-- @return the report
function Session:stop(steps)
    steps = steps or 1
    local report = { steps = steps, threads = core.threads(), seconds = (core.clock() - self.began) / steps }
    core.profile_stop()
    self.unwatch()
    running = nil
    report.rest = report.seconds
    for i, row in ipairs(core.profile_rows()) do
        row.path, row.place = self.path_of[row.place] or OUTSIDE, nil
        share(row.forward, steps)
        share(row.backward, steps)
        report.rest = report.rest - row.forward.seconds - row.backward.seconds
        report[i] = row
    end
    return setmetatable(report, { __tostring = report_text })
end

--- Calls f(step) for steps 1 .. n within effv2.step, and reports on them. A first call, f(0), is not counted.
-- @param n number of steps (default 1)
function profile.run(model, f, n)
    n = n or 1
    core.step(f, 0)
    local session = profile.start(model)
    local ok, message = pcall(function()
        for step = 1, n do
            core.step(f, step)
        end
    end)
    local report = session:stop(n)
    if not ok then
        error(message, 0)
    end
    return report
end

return profile
