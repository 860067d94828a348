--- Training schedules: what image size and how much regularisation at which point of the training.
--
-- A schedule is a pure function: schedule:at(progress, run) takes the share of the training done (0 <= progress
-- < 1) and { epochs =, seed = }, and gives a plain table: stage, image_size, and of randaugment, mixup, cutmix,
-- dropout and drop_path those that the schedule sets. A new schedule is a Lua function: schedule.custom(f).
local core = require "effv2.core"
local keys = require "effv2.keys"

local schedule = {}

local STRENGTHS = { "randaugment", "mixup", "cutmix", "dropout", "drop_path" }

local Schedule = {}
Schedule.__index = Schedule

function Schedule:at(progress, run)
    return self.settings_at(math.min(math.max(progress, 0), 1), run or {})
end

--- What each number may be: its text, and whether a value is one.
local limits = {
    image_size = { "a whole number of pixels from 1", function(x) return x >= 1 and x == math.floor(x) and x < 65536 end },
    dropout = { "a number in [0, 1)", function(x) return x >= 0 and x < 1 end },
    other = { "a number from 0", function(x) return x >= 0 and x < math.huge end },
}
limits.drop_path = limits.dropout

local function check_number(what, name, value, level)
    local wanted, fits = unpack(limits[name] or limits.other)
    if type(value) ~= "number" or not fits(value) then
        error(("%s: %s is %s, wanted %s"):format(what, name, tostring(value), wanted), level)
    end
end

local function check_range(what, name, value)
    local range = type(value) == "number" and { value, value } or value
    if type(range) ~= "table" or type(range[1]) ~= "number" or type(range[2]) ~= "number" or #range ~= 2 then
        local seen = type(range) == "table" and ("a list of %d"):format(#range) or "a " .. type(range)
        error(("%s: %s is %s, wanted a number or { first, last }"):format(what, name, seen), 4)
    end
    check_number(what, name, range[1], 5)
    check_number(what, name, range[2], 5)
    return range
end

local function read(what, given, extra)
    local defaults = { image_size = keys.none, multiple = 1 }
    for _, name in ipairs(STRENGTHS) do
        defaults[name] = keys.none
    end
    for name, value in pairs(extra) do
        defaults[name] = value
    end
    local s = keys.check(what, given, defaults, 3)
    if s.image_size == nil then
        error(what .. ": image_size is missing (a number of pixels or { first, last })", 3)
    end
    if s.multiple < 1 or s.multiple ~= math.floor(s.multiple) then
        error(("%s: multiple is %g, wanted a whole number from 1"):format(what, s.multiple), 3)
    end
    s.image_size = check_range(what, "image_size", s.image_size)
    for _, name in ipairs(STRENGTHS) do
        s[name] = s[name] ~= nil and check_range(what, name, s[name]) or nil
    end
    return s
end

--- A size as it is used: whole, and a multiple where one is asked for; the last size stays exact.
local function whole_size(size, s, exact)
    if exact then
        return size
    end
    return math.max(s.multiple, math.floor(size / s.multiple + 0.5) * s.multiple)
end

local function stage_of(progress, stages)
    return math.min(math.floor(progress * stages + 1e-9), stages - 1)
end

--- first at share 0, last at share 1, both exactly.
local function between(range, share)
    return share == 1 and range[2] or range[1] + (range[2] - range[1]) * share
end

--- How far size and strengths are at a share of the way from the first stage to the last.
local shapes = {
    linear = function(share) return share end,
    cosine = function(share) return (1 - math.cos(math.pi * share)) / 2 end,
    step = function(share) return share < 0.5 and 0 or 1 end,
    reversed = function(share) return 1 - share end,
}

--- The two rules for stage i of M (0-based): how far size and strengths have grown.
local rules = {
    -- Algorithm 1: both linear (or as s.shape says) from the first to the last stage, end points included.
    paper = function(s, i, stages)
        local share = shapes[s.shape](stages > 1 and i / (stages - 1) or 1)
        local size = between(s.image_size, share)
        return whole_size(size, s, share == 0 or share == 1), share
    end,
    -- The released code: the size at (i + 1) / M of the way, cut off; strengths as in the paper. It leaves dropout
    -- at its last value throughout.
    official = function(s, i, stages)
        local ratio = (i + 1) / stages
        local size = math.floor(between(s.image_size, ratio))
        return whole_size(size, s, ratio == 1), stages > 1 and i / (stages - 1) or 1
    end,
}

--- Algorithm 1: `stages` stages of equal length; image size, RandAugment magnitude, Mixup and CutMix alpha, dropout
-- and drop-path go from { first, last } linearly. Weights, optimiser and average carry over.
-- rule: "paper" (sizes 128, 185, 243, 300 for 128 to 300) or "official" (171, 214, 257, 300; constant dropout).
-- shape, with the paper's rule: "linear", or "cosine" (slow at both ends), "step" (the first values in the first half of the
-- stages, the last in the others), "reversed" (from last to first).
function schedule.progressive(given)
    local s = read("schedule.progressive", given, { stages = 4, rule = "paper", shape = "linear" })
    local rule = rules[s.rule]
    if not rule then
        error(('schedule.progressive: rule is "%s", wanted "paper" or "official"'):format(tostring(s.rule)), 2)
    end
    if not shapes[s.shape] or s.rule ~= "paper" and s.shape ~= "linear" then
        error(('schedule.progressive: shape is "%s", wanted "linear", or with rule = "paper" also "cosine", "step" or '
            .. '"reversed"'):format(s.shape), 2)
    end
    if s.stages < 1 or s.stages ~= math.floor(s.stages) then
        error(("schedule.progressive: stages is %g, wanted a whole number from 1"):format(s.stages), 2)
    end
    local function settings_at(progress)
        local i = stage_of(progress, s.stages)
        local size, share = rule(s, i, s.stages)
        local at = { stage = i + 1, image_size = size }
        for _, name in ipairs(STRENGTHS) do
            at[name] = s[name] and between(s[name], s.rule == "official" and name == "dropout" and 1 or share)
        end
        return at
    end
    local name = ("progressive (%s%s)"):format(s.rule, s.shape ~= "linear" and ", " .. s.shape or "")
    return setmetatable({ name = name, stages = s.stages, settings_at = settings_at }, Schedule)
end

local function last_of(s, at)
    for _, name in ipairs(STRENGTHS) do
        at[name] = s[name] and s[name][2]
    end
    return at
end

--- One size and the same regularisation throughout.
function schedule.fixed(given)
    local s = read("schedule.fixed", given, {})
    return setmetatable({
        name = "fixed", stages = 1,
        settings_at = function() return last_of(s, { stage = 1, image_size = s.image_size[2] }) end,
    }, Schedule)
end

--- The size grows by stage, the regularisation stays at its last value ("vanilla" in Table 13).
function schedule.size_only(given)
    local s = read("schedule.size_only", given, { stages = 4, rule = "paper" })
    local growing = schedule.progressive { stages = s.stages, rule = s.rule, image_size = s.image_size, multiple = s.multiple }
    return setmetatable({
        name = "size only (" .. s.rule .. ")", stages = s.stages,
        settings_at = function(progress)
            local at = growing:at(progress)
            return last_of(s, { stage = at.stage, image_size = at.image_size })
        end,
    }, Schedule)
end

--- A new size, drawn from the whole range, every `every_epochs` epochs (8 in Table 13). With adaptive = true the
-- regularisation follows the size, else it stays at its last value.
function schedule.random_resize(given)
    local s = read("schedule.random_resize", given, { every_epochs = 8, adaptive = false })
    if s.every_epochs <= 0 then
        error(("schedule.random_resize: every_epochs is %g, wanted a number above 0"):format(s.every_epochs), 2)
    end
    local low, high = s.image_size[1], s.image_size[2]
    local function settings_at(progress, run)
        local i = math.floor(progress * (run.epochs or 1) / s.every_epochs + 1e-9)
        local share = core.random_share(run.seed or 0, i)
        local size = whole_size(low + share * (high - low), s, false)
        local at = last_of(s, { stage = i + 1, image_size = math.min(math.max(size, low), high) })
        for _, name in ipairs(STRENGTHS) do
            at[name] = s[name] and s.adaptive and between(s[name], share) or at[name]
        end
        return at
    end
    return setmetatable({ name = "random resize", every_epochs = s.every_epochs, settings_at = settings_at }, Schedule)
end

--- A schedule of one's own: f(progress, run) gives the table.
function schedule.custom(f)
    if type(f) ~= "function" then
        error(("schedule.custom: a %s, wanted a function(progress, run) that gives a table"):format(type(f)), 2)
    end
    local function settings_at(progress, run)
        local at, what = f(progress, run), ("schedule.custom, at %g %% of the training"):format(100 * progress)
        if type(at) ~= "table" then
            error(("%s: the function gave a %s, wanted a table with image_size"):format(what, type(at)), 0)
        end
        check_number(what, "image_size", at.image_size, 0)
        for _, name in ipairs(STRENGTHS) do
            if at[name] ~= nil then
                check_number(what, name, at[name], 0)
            end
        end
        return at
    end
    return setmetatable({ name = "custom", settings_at = settings_at }, Schedule)
end

local function same(a, b)
    for _, name in ipairs { "image_size", unpack(STRENGTHS) } do
        if a[name] ~= b[name] then
            return false
        end
    end
    return a.stage == b.stage
end

--- The stages as a list: { from =, to = (shares of the training), and the settings }.
function Schedule:plan(run)
    local parts, plan = 1000, {}
    if self.stages then
        parts = self.stages
    elseif self.every_epochs and run and run.epochs then
        parts = math.ceil(run.epochs / self.every_epochs)
    end
    for i = 0, parts - 1 do
        local from = self.every_epochs and run and run.epochs and i * self.every_epochs / run.epochs or i / parts
        local at = self:at(from, run)
        if #plan == 0 or not same(plan[#plan].settings, at) then
            plan[#plan + 1] = { from = from, settings = at }
        end
    end
    for i, part in ipairs(plan) do
        part.to = plan[i + 1] and plan[i + 1].from or 1
    end
    return plan
end

local MOST_LINES = 40

local function value_text(value)
    return type(value) == "number" and ("%.4g"):format(value) or tostring(value == nil and "-" or value)
end

--- A table for people: one line a stage; of very many, the first ones and the last.
function Schedule:describe(run)
    local columns = { "stage", "part", "image_size" }
    local plan = self:plan(run)
    for _, name in ipairs(STRENGTHS) do
        if plan[1] and plan[1].settings[name] then
            columns[#columns + 1] = name
        end
    end
    local lines = { self.name, "" }
    for _, column in ipairs(columns) do
        lines[2] = lines[2] .. ("%12s"):format(column)
    end
    for k, part in ipairs(plan) do
        local line = ("%12s%12s"):format(tostring(part.settings.stage or "-"),
            ("%.0f-%.0f %%"):format(part.from * 100, part.to * 100))
        for i = 3, #columns do
            line = line .. ("%12s"):format(value_text(part.settings[columns[i]]))
        end
        if k < MOST_LINES or k == #plan then
            lines[#lines + 1] = line
        elseif k == MOST_LINES then
            lines[#lines + 1] = ("%12s"):format "..."
        end
    end
    return table.concat(lines, "\n")
end

function Schedule:__tostring()
    return self:describe()
end

return schedule
