--- What the studies of a database hold: a list of them, the trials, the best, the Pareto front of two quantities.
local effv2 = require "effv2"
local names_of = require "effv2.names_of"
local results = require "effv2.search.results"
local store = require "effv2.search.store"
local text = require "effv2.search.text"

local optional = effv2.config.optional

local cfg = effv2.config {
    db = "study.db",
    x = "seconds",
    y = "value",
    more = optional "list",
    out = optional "string",
    host = optional "string",
    help = {
        "Shows what effv2.search.study has recorded:",
        "  study.lua list             the studies of the database\n"
            .. "  study.lua show STUDY       configurations, the best first, and what failed\n"
            .. "  study.lua best STUDY       the best configuration, as JSON\n"
            .. "  study.lua pareto STUDY     configurations that no other beats in both x and y, and a PNG of them\n"
            .. "  study.lua export STUDY     every trial, as CSV or JSON\n"
            .. "  study.lua release STUDY    takes the running trials of a machine (host=) that is gone away from it",
        files = "one of these words, and the name of a study",
        db = "the database",
        x = "pareto: value, seconds, a metric or a parameter that is a number",
        y = "pareto: the same",
        more = "pareto: those of x and y of which more is better; unless given, value as the study says",
        host = "release: the machine, as a waiting study calls it",
        out = "pareto: the PNG, else STUDY-pareto.png; export: a .csv or .json file, else CSV is printed",
    },
}

local function stop(code, format, ...)
    error({ exit_code = code, message = "study: " .. format:format(...) }, 0)
end

-- ---- list, show, best -----------------------------------------------------------------------------------

local actions = {}

function actions.list()
    local opened = store.open(cfg.db, true)
    local rows = { { "study", "direction", "trials", "complete", "stopped", "failed", "running", "waiting", "since" } }
    for _, one in ipairs(opened:studies()) do
        local row = { one.name, one.direction }
        for i, name in ipairs { "trials", "complete", "stopped", "failed", "running", "waiting" } do
            row[i + 2] = ("%d"):format(one[name])
        end
        row[9] = os.date("%Y-%m-%d %H:%M", one.created)
        rows[#rows + 1] = row
    end
    print(text.columns(rows, { true, true }))
end

function actions.show(study)
    print(study:summary())
    for _, row in ipairs(study:trials()) do
        if row.status == "failed" then
            print(("\ntrial %d, seed %d failed (%s):\n  %s"):format(row.number, row.seed, row.log,
                ((row.message or "?"):gsub("\n", "\n  "))))
        end
    end
end

function actions.best(study)
    local best = study:best()
    if not best then
        stop(1, "no trial of %s has a result", study.name)
    end
    print(effv2.json_encode({
        study = study.name, trial = best.number, parameters = best.parameters, value = best.mean, deviation = best.deviation,
        values = best.values, seconds = best.seconds, metrics = best.metrics,
    }, true))
end

-- ---- pareto ---------------------------------------------------------------------------------------------

local function wishes_of(list)
    local more = {}
    for _, name in ipairs(list) do
        if name ~= cfg.x and name ~= cfg.y then
            stop(2, "more=%s is neither x=%s nor y=%s", name, cfg.x, cfg.y)
        end
        more[name] = true
    end
    return more
end

local function places(points)
    local list = {}
    for i, point in ipairs(points) do
        list[i] = { point.x, point.y }
    end
    return list
end

function actions.pareto(study)
    local points, front = study:pareto(cfg.x, cfg.y, cfg.more and wishes_of(cfg.more))
    if #points == 0 then
        stop(1, "no trial of %s has both %s and %s", study.name, cfg.x, cfg.y)
    end
    local rows = { { "trial", cfg.x, cfg.y, "parameters" } }
    for _, point in ipairs(front) do
        local one = point.configuration
        rows[#rows + 1] = { tostring(one.number), ("%.6g"):format(point.x), ("%.6g"):format(point.y),
            text.parameters(one.parameters) }
    end
    print(text.columns(rows, { [4] = true }))
    local out = cfg.out or study.name .. "-pareto.png"
    effv2.report.plot(out, {
        title = ("%s: %d of %d configurations are on the Pareto front"):format(study.name, #front, #points),
        x = { label = cfg.x }, y = { label = cfg.y },
        series = {
            { name = "trials", points = places(points), style = "points", colour = "#a0a0a0" },
            { points = places(front), style = "steps", colour = "#c03020" },
            { name = "Pareto front", points = places(front), style = "points", colour = "#c03020" },
        },
    })
    print("\n" .. out)
end

-- ---- export ---------------------------------------------------------------------------------------------

local COLUMNS = { "number", "seed", "status", "value", "started", "seconds", "host", "attempts", "log", "message" }

local function csv_cell(value)
    if value == nil then
        return ""
    elseif type(value) == "number" or type(value) == "table" then
        value = effv2.json_encode(value)
    end
    value = tostring(value)
    return value:find '[",\r\n]' and '"' .. value:gsub('"', '""') .. '"' or value
end

--- The names that any trial has in its table `field`, sorted.
local function names_in(trials, field)
    local names = {}
    for _, row in ipairs(trials) do
        for name in pairs(row[field]) do
            names[name] = true
        end
    end
    return names_of(names)
end

local function csv(trials)
    local parameters, metrics = names_in(trials, "parameters"), names_in(trials, "metrics")
    local head = { unpack(COLUMNS) }
    for _, name in ipairs(parameters) do
        head[#head + 1] = "parameters." .. name
    end
    for _, name in ipairs(metrics) do
        head[#head + 1] = "metrics." .. name
    end
    local lines = { table.concat(head, ",") }
    for _, row in ipairs(trials) do
        local cells = {}
        for _, name in ipairs(COLUMNS) do
            cells[#cells + 1] = csv_cell(row[name])
        end
        for _, name in ipairs(parameters) do
            cells[#cells + 1] = csv_cell(row.parameters[name])
        end
        for _, name in ipairs(metrics) do
            cells[#cells + 1] = csv_cell(row.metrics[name])
        end
        lines[#lines + 1] = table.concat(cells, ",")
    end
    return table.concat(lines, "\n") .. "\n"
end

--- All that is known, with every report by epoch.
local function json(study, trials)
    local list = {}
    for i, row in ipairs(trials) do
        local one = { parameters = row.parameters, metrics = row.metrics, reports = study.store:reports(row.id) }
        for _, name in ipairs(COLUMNS) do
            one[name] = row[name]
        end
        list[i] = one
    end
    return effv2.json_encode({ study = study.name, definition = study.definition, trials = list }, true) .. "\n"
end

function actions.export(study)
    local trials = study:trials()
    local kind = cfg.out and cfg.out:match "%.(%w+)$" or "csv"
    if kind ~= "csv" and kind ~= "json" then
        stop(2, "out=%s: wanted a name that ends with .csv or .json", cfg.out)
    end
    local content = kind == "csv" and csv(trials) or json(study, trials)
    if not cfg.out then
        io.stdout:write(content)
        return
    end
    local written, message = effv2.write_file(cfg.out, content)
    if not written then
        stop(1, "%s", message)
    end
    print(("%s: %d trials"):format(cfg.out, #trials))
end

-- ---- release --------------------------------------------------------------------------------------------

function actions.release(study)
    if not cfg.host then
        stop(2, "release needs host=NAME, the machine whose running trials are given back")
    end
    local opened = store.open(cfg.db)
    print(("%d trials of %s are to be run again"):format(opened:release_host(study.study, cfg.host), cfg.host))
    opened:close()
end

-- ---- the whole ------------------------------------------------------------------------------------------

local action, name = cfg.files[1], cfg.files[2]
if not actions[action or ""] then
    local known = { "list", "show", "best", "pareto", "export", "release" }
    stop(2, "%s, wanted one of %s%s", action and "unknown word '" .. action .. "'" or "no word says what to do",
        table.concat(known, ", "), action and require("effv2.suggest").hint(action, known) or "")
elseif action ~= "list" and not name then
    stop(2, "%s needs the name of a study; `study.lua list` has them", action)
elseif cfg.files[action == "list" and 2 or 3] then
    stop(2, "unexpected argument '%s'", cfg.files[action == "list" and 2 or 3])
end
local fine, problem = pcall(function()
    actions[action](name and results.open(cfg.db, name))
end)
if not fine then
    if type(problem) == "table" then
        error(problem, 0)
    end
    stop(1, "%s", tostring(problem))
end
