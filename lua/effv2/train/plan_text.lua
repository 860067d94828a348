--- The text of a training's plan.
local STRENGTHS = { "randaugment", "mixup", "cutmix", "dropout", "drop_path" }

local function duration(seconds)
    local minutes = seconds / 60
    if minutes < 1 then
        return ("%.0f s"):format(seconds)
    elseif minutes < 100 then
        return ("%.0f min"):format(minutes)
    elseif minutes < 100 * 60 then
        return ("%.1f h"):format(minutes / 60)
    end
    return ("%.0f days"):format(minutes / 60 / 24)
end

local function memory(bytes)
    return bytes < 1e9 and ("%.0f MB"):format(bytes / 1e6) or ("%.1f GB"):format(bytes / 1e9)
end

local function range(format, pair)
    return (format .. "-" .. format):format(pair[1], pair[2])
end

--- The columns: heading, width, and the text of a stage.
local function columns_of(plan)
    local columns = {
        { "stage", 7, function(s) return tostring(s.settings.stage or "-") end },
        { "epochs", 12, function(s) return range("%.4g", s.epochs) end },
        { "updates", 10, function(s) return tostring(s.updates) end },
        { "pixels", 8, function(s) return tostring(s.settings.image_size) end },
    }
    for _, name in ipairs(STRENGTHS) do
        if plan.stages[1].settings[name] then
            columns[#columns + 1] = { name, 12, function(s) return ("%.3g"):format(s.settings[name] or 0) end }
        end
    end
    columns[#columns + 1] = { "learning rate", 20, function(s) return range("%.3g", s.lr) end }
    columns[#columns + 1] = { "images/s", 10, function(s) return ("%.3g"):format(s.images_per_second) end }
    columns[#columns + 1] = { "memory", 9, function(s) return memory(s.bytes) end }
    columns[#columns + 1] = { "time", 10, function(s) return duration(s.seconds) end }
    return columns
end

--- One line of a table; text(column) is what stands in each.
local function row(columns, text)
    local cells = {}
    for i, column in ipairs(columns) do
        cells[i] = ("%" .. column[2] .. "s"):format(text(column))
    end
    return table.concat(cells)
end

--- What was measured, and what follows from it.
local function measured(plan)
    local sizes, counts = {}, {}
    for i, m in ipairs(plan.measures) do
        sizes[i], counts[i] = tostring(m.size), tostring(m.pictures)
    end
    return ("Measured, with %d threads: a forward and a backward pass of %s pictures at %s pixels, their making, an update,\n"
        .. "and an evaluation of a few. In proportion to these: all updates and evaluations, and the memory (that of tensors)\n"
        .. "of a part of %d pictures."):format(plan.threads, table.concat(counts, ", "), table.concat(sizes, ", "),
        plan.batch_size / plan.parts)
end

local function describe(plan)
    local columns = columns_of(plan)
    local lines = {
        ("plan: %s, %d parameters, %d + %d images, %d classes"):format(plan.model, plan.parameters, plan.images,
            plan.val_images, plan.classes or 0),
        ("%d epochs of %d updates at batch %d (%d part%s of %d); %s; learning rate: %s"):format(plan.epochs,
            plan.updates_per_epoch, plan.batch_size, plan.parts, plan.parts == 1 and "" or "s",
            plan.batch_size / plan.parts, plan.optimizer, plan.lr),
        row(columns, function(column) return column[1] end),
    }
    for _, stage in ipairs(plan.stages) do
        lines[#lines + 1] = row(columns, function(column) return column[3](stage) end)
    end
    lines[#lines + 1] = ("%d evaluations at %d pixels: %s"):format(plan.evaluations, plan.eval_size,
        duration(plan.evaluation_seconds))
    lines[#lines + 1] = ("in all, on this machine: about %s, %s of memory"):format(duration(plan.seconds),
        memory(plan.bytes))
    lines[#lines + 1] = measured(plan)
    if plan.load and plan.load > plan.threads / 2 then
        lines[#lines + 1] = ("The machine was busy (load %.1f): when it has nothing else to do, this takes less time."):format(
            plan.load)
    end
    return table.concat(lines, "\n")
end

return describe
