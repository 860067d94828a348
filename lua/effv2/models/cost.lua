--- What a network costs, computed from its table of stages: nothing is allocated, so a search can ask for thousands.
--
-- Parameters are the trained ones; multiply-adds are those of convolutions and dense layers for one image.
local cost = {}

local function norm(channels)
    return 2 * channels
end

--- Adds a convolution on a map of height x width; returns the size of its output.
local function add_conv(row, height, width, c)
    height, width = math.ceil(height / c.stride), math.ceil(width / c.stride)
    local weights = c.kernel * c.kernel * c.input / c.groups * c.output
    row.parameters = row.parameters + weights + norm(c.output)
    row.macs = row.macs + weights * height * width
    return height, width
end

local function add_squeeze_excite(row, channels, squeezed)
    row.parameters = row.parameters + 2 * channels * squeezed + channels + squeezed
    row.macs = row.macs + 2 * channels * squeezed
end

local function add_block(row, stage, input, stride, height, width)
    local expanded = math.floor(input * stage.expansion)
    local fused = stage.op == "fused"
    local function conv(from, to, kernel, step, groups)
        height, width = add_conv(row, height, width,
            { input = from, output = to, kernel = kernel, stride = step, groups = groups or 1 })
    end
    local function gate()
        if stage.se > 0 then
            add_squeeze_excite(row, expanded, math.max(1, math.floor(input * stage.se)))
        end
    end
    if fused and stage.expansion == 1 then
        gate()
        conv(input, stage.channels, stage.kernel, stride)
        return height, width
    elseif fused then
        conv(input, expanded, stage.kernel, stride)
    else
        if stage.expansion ~= 1 then
            conv(input, expanded, 1, 1)
        end
        conv(expanded, expanded, stage.kernel, stride, expanded)
    end
    gate()
    conv(expanded, stage.channels, 1, 1)
    return height, width
end

--- The rows of a summary: { name =, height =, width =, channels =, parameters =, macs = } for stem, stages, head and
-- classifier, and rows.parameters, rows.macs for the whole.
-- @param config a checked description with in_channels and classes
function cost.rows(config, height, width)
    local rows = { parameters = 0, macs = 0 }
    local function add(row, name, channels)
        row.name, row.height, row.width, row.channels = name, height, width, channels
        rows.parameters, rows.macs = rows.parameters + row.parameters, rows.macs + row.macs
        rows[#rows + 1] = row
    end
    local row = { parameters = 0, macs = 0 }
    local stem = config.stem
    height, width = add_conv(row, height, width,
        { input = config.in_channels, output = stem.channels, kernel = stem.kernel, stride = stem.stride, groups = 1 })
    add(row, "stem", stem.channels)
    local channels = stem.channels
    for i, stage in ipairs(config.stages) do
        row = { parameters = 0, macs = 0 }
        for layer = 1, stage.layers do
            height, width = add_block(row, stage, channels, layer == 1 and stage.stride or 1, height, width)
            channels = stage.channels
        end
        add(row, "stage" .. i, channels)
    end
    row = { parameters = 0, macs = 0 }
    add_conv(row, height, width, { input = channels, output = config.head, kernel = 1, stride = 1, groups = 1 })
    add(row, "head", config.head)
    if config.classes > 0 then
        height, width = 1, 1
        add({ parameters = (config.head + 1) * config.classes, macs = config.head * config.classes }, "classifier",
            config.classes)
    end
    return rows
end

return cost
