--- Table 6 of the paper (section 5.1): image size and regularisation of the first and the last stage, by size of model;
-- and what the released code has instead (effnetv2_configs.py), whose dropout is the same in all stages and which mixes
-- half of a batch by CutMix. XL is not in the table; the code gives it L's.
local paper = {
    s = { image_size = { 128, 300 }, randaugment = { 5, 15 }, mixup = { 0, 0 }, dropout = { 0.1, 0.3 } },
    m = { image_size = { 128, 380 }, randaugment = { 5, 20 }, mixup = { 0, 0.2 }, dropout = { 0.1, 0.4 } },
    l = { image_size = { 128, 380 }, randaugment = { 5, 25 }, mixup = { 0, 0.5 }, dropout = { 0.1, 0.5 } },
}
local official = {
    s = { image_size = { 128, 300 }, randaugment = { 5, 10 }, mixup = { 0, 0 }, dropout = { 0.2, 0.2 } },
    m = { image_size = { 128, 384 }, randaugment = { 5, 15 }, mixup = { 0, 0.2 }, dropout = { 0.3, 0.3 } },
    l = { image_size = { 128, 384 }, randaugment = { 5, 20 }, mixup = { 0, 0.5 }, dropout = { 0.4, 0.4 } },
}

for _, row in pairs(paper) do
    row.cutmix = { 0, 0 }
end
for _, row in pairs(official) do
    row.cutmix = row.mixup
end
paper.xl, official.xl = paper.l, official.l

local rules = { paper = paper, official = official }

--- The row of a model: image_size, randaugment, mixup, cutmix, dropout, each { first, last }. Models that are not of the
-- table get the row of S, at their own training size.
local function table6(model, rule)
    local models = require "effv2.models"
    local row = rules[rule][model:match "^efficientnetv2%-(%l+)$"]
    if row then
        return row
    end
    local own = {}
    for key, value in pairs(rules[rule].s) do
        own[key] = value
    end
    local sizes = models.describe(model).sizes
    own.image_size = sizes and { math.min(128, sizes.train), sizes.train } or own.image_size
    return own
end

return table6
