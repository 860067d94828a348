--- The results of an experiment as files: NAME/SCALE.md, .csv and .svg (or .png) in the folder of the results.
local config = require "effv2.config"
local core = require "effv2.core"
local names_of = require "effv2.names_of"
local report = require "effv2.report"
local text = require "effv2.search.text"

local page = {}

local function append(lines, ...)
    for _, line in ipairs { ... } do
        lines[#lines + 1] = line
    end
end

--- Keys that do not change results.
local OF_MACHINE = { scale = true, data = true, jobs = true, workers = true, out = true, dry_run = true }

local function word_of(name, value)
    return ("%s=%s"):format(name, type(value) == "table" and table.concat(value, ",") or text.value(value))
end

--- The command that makes these results again.
local function command_of(x)
    local script = arg and arg[0] or x.name .. ".lua"
    local words, given = { "effv2", script:match "experiments/[^/]*$" or script, word_of("scale", x.cfg.scale) }, {}
    for name, origin in pairs(config.origins(x.cfg)) do
        if origin == "command line" and not OF_MACHINE[name] then
            given[#given + 1] = word_of(name, x.cfg[name])
        end
    end
    table.sort(given)
    append(words, unpack(given))
    return table.concat(words, " ")
end

local function claim_line(claim)
    local by = ("%+.2f %s"):format(claim.difference, claim.unit)
    if claim.interval then
        by = ("%+.2f ± %.2f %s"):format(claim.difference, claim.interval, claim.unit)
    end
    return ("- %s: **%s** (%s)."):format(claim.text, claim.verdict, by)
end

--- How many trainings there were, how long, and where.
local function training_line(trained)
    return ("%d trainings, %.2f hours of a core in all, on %s, with effv2 %s."):format(trained.count, trained.seconds / 3600,
        table.concat(names_of(trained.machines), ", "), core.version)
end

--- The Markdown of a page.
function page.text(x, r, shown, has_plot)
    local lines = { "# " .. x.title, "", ("Section %s of the paper. %s"):format(x.section, x.asks), "", "```sh", command_of(x),
        "```", "" }
    if x.trained.count > 0 then
        append(lines, training_line(x.trained), "")
    end
    append(lines, shown:markdown())
    if #r.claims > 0 then
        append(lines, "", "What holds at this scale (differences with their 95 % intervals over the seeds):", "")
        for _, claim in ipairs(r.claims) do
            append(lines, claim_line(claim))
        end
    end
    for _, extra in ipairs(r.more) do
        append(lines, "", extra.title .. ":", "", extra.shown:markdown())
    end
    for _, note in ipairs(r.notes) do
        append(lines, "", note)
    end
    if has_plot then
        append(lines, "", ("![%s](%s.%s)"):format(x.title, x.cfg.scale, r.picture))
    end
    return table.concat(lines, "\n") .. "\n"
end

local function draw(plot, path)
    if not plot then
        return false
    elseif type(plot) == "function" then
        plot(path)
        return true
    elseif not report.can_plot() then
        io.stderr:write("no plot: gnuplot is not installed; on Debian: apt install gnuplot-nox\n")
        return false
    end
    report.plot(path, plot)
    return true
end

--- Writes the files and prints the table.
-- @return what the last line of the experiment's output says
function page.write(x, r)
    local shown = report.table { columns = r.columns, rows = r.rows }
    local path = ("%s/%s"):format(x.folder, x.cfg.scale)
    assert(core.make_dir(x.folder))
    local picture = ("%s.%s"):format(path, r.picture)
    local has_plot = draw(r.plot, picture)
    assert(core.write_file(path .. ".csv", shown:csv()))
    for _, extra in ipairs(r.more) do
        extra.shown = report.table { columns = extra.columns, rows = extra.rows }
        assert(core.write_file(("%s-%s.csv"):format(path, extra.name), extra.shown:csv()))
    end
    assert(core.write_file(path .. ".md", page.text(x, r, shown, has_plot)))
    print(shown)
    for _, claim in ipairs(r.claims) do
        print(claim_line(claim))
    end
    for _, extra in ipairs(r.more) do
        print("\n" .. extra.title .. ":\n" .. tostring(extra.shown))
    end
    return { experiment = x.name, scale = x.cfg.scale, seeds = x.cfg.seeds, page = path .. ".md", csv = path .. ".csv",
        plot = has_plot and picture or nil }
end

return page
