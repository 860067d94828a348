--- Figure 4 (section 4.2): one picture at the stages of progressive learning.
--
--     effv2 experiments/figure04_stages.lua scale=paper data=FOLDER picture=7
--
-- The size grows from stage to stage, and with it RandAugment and Mixup: a row of pictures at their true sizes. FOLDER may be
-- any folder of pictures. recipes/show_augmentations.lua by=stage draws more of the kind.
local effv2 = require "effv2"
local experiment = effv2.experiment

local x = experiment {
    name = "figure04_stages", title = "Figure 4: a picture at the stages of training", section = "4.2",
    scales = { "smoke", "flowers", "paper" }, asks = "What do training pictures look like as size and strengths grow?",
    settings = { picture = 1, other = 2, seed = 0 },
    help = { picture = "which of the training pictures", other = "the one that Mixup mixes in", seed = "of what is drawn" },
}
local cfg, scale = x.cfg, x.scale

local GAP, TEXT = 6, 10 -- pixels around a picture, and of a line of text

--- The picture as a batch of the training with the settings of a stage has it, in bytes.
local function picture_at(pair, at)
    local training = scale.training.augment
    local loader = effv2.data.loader {
        source = pair, batch_size = 2, shuffle = false, workers = 0, seed = cfg.seed, epoch = at.stage, mixup = at.mixup,
        pipeline = effv2.augment.train {
            size = at.image_size, crop = training.crop, area = training.area, normalise = "none",
            randaugment = { n = training.operations, magnitude = at.randaugment, dialect = training.dialect },
        },
    }
    local batch = loader:next()
    loader:close()
    local bytes = effv2.zeros(at.image_size, at.image_size, 3, { dtype = "uint8" })
    return bytes:copy(255 - (255 - batch.images[1]:relu()):relu())
end

local function paste(sheet, picture, y, left)
    sheet:slice(1, y + 1, y + picture:size(1)):slice(2, left + 1, left + picture:size(2)):copy(picture)
end

--- Pictures { picture =, text = } side by side, the text above each.
local function row_of(list)
    local height, width = 0, GAP
    for _, one in ipairs(list) do
        one.caption = effv2.data.caption(one.text)
        one.width = math.max(one.picture:size(2), one.caption:size(2))
        height, width = math.max(height, one.picture:size(1)), width + one.width + GAP
    end
    local sheet, left = effv2.full(255, height + TEXT + 3 * GAP, width, 3, { dtype = "uint8" }), GAP
    for _, one in ipairs(list) do
        paste(sheet, one.caption, GAP, left)
        paste(sheet, one.picture, TEXT + 2 * GAP, left)
        left = left + one.width + GAP
    end
    return sheet
end

local path = x:data_path()
local source = effv2.data.training(path or "shapes")
for _, key in ipairs { "picture", "other" } do
    if cfg[key] < 1 or cfg[key] > #source or cfg[key] ~= math.floor(cfg[key]) then
        error({ exit_code = 2, message = ("%s=%g: there are pictures 1 to %d"):format(key, cfg[key], #source) }, 0)
    end
end

local settings = x:schedule("progressive").schedule
settings.kind = nil
local schedule = effv2.schedule.progressive(settings)
local rows, pictures, pair = {}, {}, source:subset { cfg.picture, cfg.other }
for i, part in ipairs(schedule:plan()) do
    local at, epoch = part.settings, math.floor(part.from * scale.training.epochs) + 1
    pictures[i] = { picture = picture_at(pair, at), text = ("epoch %d"):format(epoch) }
    rows[i] = { at.stage, epoch, at.image_size, at.randaugment, at.mixup, at.dropout }
end

x:report {
    columns = { "stage", "from epoch", "image size (px)", { name = "RandAugment", digits = 1 },
        { name = "Mixup alpha", digits = 3 }, { name = "dropout rate", digits = 2 } },
    rows = rows,
    notes = {
        "The paper shows a panda at epochs 1, 100 and 300; these are drawn as a training draws them, each in its first epoch, so "
            .. "how far a picture is rotated or mixed differs by chance from stage to stage. Dropout is not to be seen.",
    },
    plot = function(file) assert(effv2.write_png(file, row_of(pictures))) end,
    picture = "png",
}
