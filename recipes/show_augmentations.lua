--- What augmentation does to a picture: contact sheets.
--
--     effv2 recipes/show_augmentations.lua data=FOLDER out=sheet.png                 operations by magnitudes
--     effv2 recipes/show_augmentations.lua data=FOLDER out=stages.png by=stage       stages of progressive learning
--
-- The second is the paper's Figure 4: image size and regularisation grow together, in pictures at their true sizes.
-- The last line of the output is one JSON object.
local effv2 = require "effv2"

local optional, choice = effv2.config.optional, effv2.config.choice
local shapes = (effv2.config.given "data" or "shapes") == "shapes"

local cfg = effv2.config {
    data = "shapes",
    out = "sheet.png",
    by = choice("operation", { "operation", "stage" }),
    picture = 1,
    seed = 0,
    dialect = choice(shapes and "relative" or "official", effv2.augment.dialects()),
    size = shapes and 96 or 160,
    magnitudes = optional "list",
    operations = optional "list",
    run = optional "string",
    stages = 4,
    rule = choice("paper", { "paper", "official" }),
    image_size = shapes and { 44, 96 } or { 128, 300 },
    randaugment = shapes and { 1, 4 } or { 5, 15 },
    mixup = { 0, 0 },
    crop_area = shapes and 0.35 or 0.05,
    samples = 5,
    help = {
        "Draws what augmentation does to one picture, as a PNG.",
        data = "shapes, a data set as of data.open, or any folder of pictures",
        out = "the PNG file",
        by = "operation: a row an operation, a column a magnitude; stage: a row a stage of progressive learning",
        picture = "which of the training pictures",
        seed = "of signs, places and crops",
        dialect = "meaning of RandAugment's magnitudes",
        size = "by operation: pixels a side",
        magnitudes = "by operation: the columns",
        operations = "by operation: the rows; else all of the dialect",
        run = "by stage: a training's folder, whose schedule is taken where none is given",
        stages = "by stage: their number",
        rule = "by stage: Algorithm 1 of the paper, or the released code's sizes",
        image_size = "by stage: first and last size",
        randaugment = "by stage: first and last magnitude",
        mixup = "by stage: first and last alpha (with the next picture)",
        crop_area = "by stage: least share of the picture that a random crop keeps",
        samples = "by stage: columns, each another draw",
    },
}

local GAP, LABEL = 4, 10 -- pixels between pictures, and of a line of text

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

-- ---- sheets -------------------------------------------------------------------------------------------

local function paste(sheet, picture, y, x)
    sheet:slice(1, y + 1, y + picture:size(1)):slice(2, x + 1, x + picture:size(2)):copy(picture)
end

--- Rows { label =, pictures = {...} } below column titles, each row as high as its first picture.
local function draw(titles, rows)
    local left, height, width, cell = 0, 2 * GAP + LABEL, 0, 0
    for _, title in ipairs(titles) do
        cell = math.max(cell, effv2.data.caption(title):size(2))
    end
    for _, row in ipairs(rows) do
        left = math.max(left, effv2.data.caption(row.label):size(2) + 2 * GAP)
        height = height + math.max(row.pictures[1]:size(1), LABEL) + GAP
        cell = math.max(cell, row.pictures[1]:size(2))
        width = math.max(width, #row.pictures)
    end
    local sheet = effv2.full(255, height, left + width * (cell + GAP), 3, { dtype = "uint8" })
    for i, title in ipairs(titles) do
        paste(sheet, effv2.data.caption(title), GAP, left + (i - 1) * (cell + GAP))
    end
    local y = 2 * GAP + LABEL
    for _, row in ipairs(rows) do
        paste(sheet, effv2.data.caption(row.label), y, GAP)
        for i, picture in ipairs(row.pictures) do
            paste(sheet, picture, y, left + (i - 1) * (cell + GAP))
        end
        y = y + math.max(row.pictures[1]:size(1), LABEL) + GAP
    end
    return sheet
end

local function to_bytes(floats)
    local bytes = effv2.zeros(floats:size(1), floats:size(2), 3, { dtype = "uint8" })
    return bytes:copy(255 - (255 - floats:relu()):relu())
end

-- ---- by operation -------------------------------------------------------------------------------------

local usual_magnitudes = { torchvision = { 0, 6, 12, 18, 24, 30 }, official = { 0, 2, 5, 8, 10, 15, 20 } }

local function operation_rows(source)
    local magnitudes = cfg.magnitudes or usual_magnitudes[cfg.dialect] or { 0, 2, 4, 6, 8, 10 }
    local whole = effv2.augment.eval { rule = "crop", normalise = "none", size = cfg.size }
    local picture = to_bytes(whole(assert(source:image(cfg.picture))))
    local names, titles, rows = cfg.operations or {}, { "original" }, {}
    for i, entry in ipairs(cfg.operations and {} or effv2.augment.dialect(cfg.dialect)) do
        names[i] = entry.name
    end
    for i, magnitude in ipairs(magnitudes) do
        titles[i + 1] = ("%g"):format(magnitude)
    end
    for i, name in ipairs(names) do
        rows[i] = { label = name, pictures = { picture } }
        for k, magnitude in ipairs(magnitudes) do
            rows[i].pictures[k + 1] = effv2.augment.apply(picture, name, magnitude, { dialect = cfg.dialect, seed = cfg.seed })
        end
    end
    return titles, rows
end

-- ---- by stage -----------------------------------------------------------------------------------------

--- What a training was started with, for the keys that are not given here.
local function take_schedule_of(run)
    local text, message = effv2.read_file(run .. "/config.json")
    local settings
    if text then
        settings, message = effv2.json_decode(text, run .. "/config.json")
    end
    if type(settings) ~= "table" then
        stop(1, message or ("%s/config.json: it holds no settings"):format(run))
    end
    for _, key in ipairs { "stages", "rule", "image_size", "randaugment", "mixup", "crop_area", "dialect" } do
        if effv2.config.given(key) == nil and settings[key] ~= nil then
            cfg[key] = settings[key]
        end
    end
end

--- The picture at a stage of the schedule, drawn anew for each sample; Mixup is with the next picture.
local function at_stage(pair, settings, sample)
    local loader = effv2.data.loader {
        source = pair, batch_size = 2, shuffle = false, workers = 0, seed = cfg.seed, epoch = sample, mixup = settings.mixup,
        pipeline = effv2.augment.train {
            size = settings.image_size, area = { cfg.crop_area, 1 }, normalise = "none",
            randaugment = settings.randaugment > 0 and { magnitude = settings.randaugment, dialect = cfg.dialect } or nil,
        },
    }
    local batch = loader:next()
    loader:close()
    return to_bytes(batch.images[1])
end

local function stage_rows(source)
    if cfg.run then
        take_schedule_of(cfg.run)
    end
    local schedule = effv2.schedule.progressive {
        stages = cfg.stages, rule = cfg.rule, image_size = cfg.image_size, randaugment = cfg.randaugment, mixup = cfg.mixup,
    }
    print(schedule)
    local pair, rows = source:subset { cfg.picture, cfg.picture % #source + 1 }, {}
    for i, part in ipairs(schedule:plan()) do
        local at = part.settings
        rows[i] = { label = ("%d: %d px"):format(at.stage, at.image_size), pictures = {} }
        for sample = 1, cfg.samples do
            rows[i].pictures[sample] = at_stage(pair, at, sample)
        end
    end
    return {}, rows
end

-- ---- the whole ----------------------------------------------------------------------------------------

local source = effv2.data.training(cfg.data)
if cfg.picture < 1 or cfg.picture > #source or cfg.picture ~= math.floor(cfg.picture) then
    stop(2, ("show_augmentations: picture=%g, there are 1 to %d"):format(cfg.picture, #source))
elseif cfg.samples < 1 or cfg.samples ~= math.floor(cfg.samples) then
    stop(2, ("show_augmentations: samples=%g, wanted a whole number from 1"):format(cfg.samples))
end

local titles, rows = (cfg.by == "stage" and stage_rows or operation_rows)(source)
local sheet = draw(titles, rows)
local written, message = effv2.write_png(cfg.out, sheet)
if not written then
    stop(1, message)
end
for _, row in ipairs(rows) do
    print(("%-16s %d pictures of %d x %d"):format(row.label, #row.pictures, row.pictures[1]:size(2), row.pictures[1]:size(1)))
end
print(effv2.json_encode { out = cfg.out, rows = #rows, height = sheet:size(1), width = sheet:size(2) })
