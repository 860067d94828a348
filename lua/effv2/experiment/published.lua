--- What the paper reports of networks on ImageNet (tables 1, 7 and 10, figure 5), beside what this project has of them.
--
-- A network: name = as the paper has it, family = of figure 5, top1 = in percent, parameters = and flops = in millions and
-- billions, latency = ms of a batch of 16 (V100, half precision), hours = of training (32 cores of TPU v3), pretrained =
-- true (on ImageNet-21k); and where this project has the network: model =, options = of models.create, image = the size
-- that it is judged at. Of EfficientNetV2 these are the numbers of the paper's final version.
local config = require "effv2.config"
local models = require "effv2.models"
local suggest = require "effv2.suggest"

local published = {}

local NUMBERS = { "top1", "parameters", "flops", "latency", "hours" }

--- @param numbers in the order of NUMBERS, false where the paper has none
local function row(name, family, numbers, own)
    local entry = { name = name, family = family }
    for i, key in ipairs(NUMBERS) do
        entry[key] = numbers[i] or nil
    end
    for key, value in pairs(own or {}) do
        entry[key] = value
    end
    return entry
end

--- NFNet-F0 with so many times its layers (Brock et al. 2021, table 1).
local function nfnet(times, image)
    return { model = "nfnet-f0", options = { layers = { times, 2 * times, 6 * times, 3 * times } }, image = image }
end

local function vit(model, pretrained)
    return { model = model, options = { image_size = 384 }, image = 384, pretrained = pretrained }
end

local function of(model, pretrained)
    return { model = model, pretrained = pretrained }
end

local V1, V2, V2_21K = "EfficientNet", "EfficientNetV2", "EfficientNetV2 (21k)"

--- In the order of table 7.
published.models = {
    row("EfficientNet-B3", V1, { 81.5, 12, 1.9, 19, 10 }, of "efficientnet-b3"),
    row("EfficientNet-B4", V1, { 82.9, 19, 4.2, 30, 21 }, of "efficientnet-b4"),
    row("EfficientNet-B5", V1, { 83.7, 30, 10, 60, 43 }, of "efficientnet-b5"),
    row("EfficientNet-B6", V1, { 84.3, 43, 19, 97, 75 }, of "efficientnet-b6"),
    row("EfficientNet-B7", V1, { 84.7, 66, 38, 170, 139 }, of "efficientnet-b7"),
    row("RegNetY-8GF", "RegNetY", { 81.7, 39, 8, 21 }, of "regnety-8gf"),
    row("RegNetY-16GF", "RegNetY", { 82.9, 84, 16, 32 }, of "regnety-16gf"),
    row("ResNeSt-101", "ResNeSt", { 83.0, 48, 13, 31 }),
    row("ResNeSt-200", "ResNeSt", { 83.9, 70, 36, 76 }),
    row("ResNeSt-269", "ResNeSt", { 84.5, 111, 78, 160 }),
    row("TResNet-L", "TResNet", { 83.8, 56, false, 45 }),
    row("TResNet-XL", "TResNet", { 84.3, 78, false, 66 }),
    row("EfficientNet-X", "EfficientNet-X", { 84.7, 73, 91 }),
    row("NFNet-F0", "NFNet", { 83.6, 72, 12, 30, 8.9 }, nfnet(1, 256)),
    row("NFNet-F1", "NFNet", { 84.7, 133, 36, 70, 20 }, nfnet(2, 320)),
    row("NFNet-F2", "NFNet", { 85.1, 194, 63, 124, 36 }, nfnet(3, 352)),
    row("NFNet-F3", "NFNet", { 85.7, 255, 115, 203, 65 }, nfnet(4, 416)),
    row("NFNet-F4", "NFNet", { 85.9, 316, 215, 309, 126 }, nfnet(5, 512)),
    row("ResNet-RS-420", "ResNet-RS", { 84.4, 192, 128, false, 61 }, { model = "resnetrs420", image = 320 }),
    row("LambdaResNet-420-hybrid", "LambdaResNet", { 84.9, 125, false, false, 67 }),
    row("BotNet-T7-hybrid", "BotNet", { 84.7, 75, 46, false, 95 }),
    row("BiT-M-R152x2 (21k)", "BiT", { 85.2, 236, 135, 500 }, { pretrained = true }),
    row("ViT-B/32", "ViT", { 73.4, 88, 13, 13 }, vit "vit-b-32"),
    row("ViT-B/16", "ViT", { 74.9, 87, 56, 68 }, vit "vit-b-16"),
    row("DeiT-B", "DeiT", { 81.8, 86, 18, 19 }, of "deit-b-16"),
    row("DeiT-B-384", "DeiT", { 83.1, 86, 56, 68 }, vit "deit-b-16"),
    row("T2T-ViT-19", "T2T-ViT", { 81.4, 39, 8.4 }),
    row("T2T-ViT-24", "T2T-ViT", { 82.2, 64, 13 }),
    row("ViT-B/16 (21k)", "ViT (21k)", { 84.6, 87, 56, 68 }, vit("vit-b-16", true)),
    row("ViT-L/16 (21k)", "ViT (21k)", { 85.3, 304, 192, 195, 172 }, vit("vit-l-16", true)),
    row("EfficientNetV2-S", V2, { 83.9, 22, 8.8, 24, 7.1 }, of "efficientnetv2-s"),
    row("EfficientNetV2-M", V2, { 85.1, 54, 24, 57, 13 }, of "efficientnetv2-m"),
    row("EfficientNetV2-L", V2, { 85.7, 120, 53, 98, 24 }, of "efficientnetv2-l"),
    row("EfficientNetV2-S (21k)", V2_21K, { 84.9, 22, 8.8, 24, 9.0 }, of("efficientnetv2-s", true)),
    row("EfficientNetV2-M (21k)", V2_21K, { 86.2, 54, 24, 57, 15 }, of("efficientnetv2-m", true)),
    row("EfficientNetV2-L (21k)", V2_21K, { 86.8, 120, 53, 98, 26 }, of("efficientnetv2-l", true)),
    row("EfficientNetV2-XL (21k)", V2_21K, { 87.3, 208, 94, false, 45 }, of("efficientnetv2-xl", true)),
}

for _, entry in ipairs(published.models) do
    if entry.model then
        entry.image = entry.image or models.describe(entry.model).sizes.eval
    end
end

--- The networks of a list of names, or all.
function published.find(names)
    local by_name, list = {}, {}
    for _, entry in ipairs(published.models) do
        by_name[entry.name] = entry
    end
    for i, name in ipairs(names) do
        list[i] = by_name[name] or error(("published: there is no network %s"):format(name), 2)
    end
    return list
end

--- The networks of a family.
function published.family(name)
    local list = {}
    for _, entry in ipairs(published.models) do
        list[#list + 1] = entry.family == name and entry or nil
    end
    return list
end

--- The names of the families, in the order of the table.
function published.families()
    local names, seen = {}, {}
    for _, entry in ipairs(published.models) do
        if not seen[entry.family] then
            names[#names + 1], seen[entry.family] = entry.family, true
        end
    end
    return names
end

--- What this project counts of a network with 1000 classes at its image size: { parameters =, macs =, activations = };
-- nil where it has no such network.
function published.cost(entry)
    return entry.model and models.summary(entry.model, entry.image, entry.options)
end

--- Keys of the command line with which experiments time these networks: settings and help, as experiment takes them.
-- @param smoke whether two small pictures are enough
function published.timing(smoke)
    return {
        settings = {
            batch = smoke and 1 or 16, steps = 3, rounds = 3, image = smoke and 32 or 0,
            networks = smoke and { "efficientnet-b3", "efficientnetv2-s" } or config.optional "list",
        },
        help = {
            batch = "pictures at a time", steps = "timed batches of each network in a round",
            rounds = "how often each network has its turn",
            image = "pixels a side of the pictures that are timed; 0: what each network is judged at",
            networks = "names of effv2.models.list() that are timed; all when not given",
        },
    }
end

--- Models that this project has of the paper's, by name.
local function known()
    local names, seen = {}, {}
    for _, entry in ipairs(published.models) do
        if entry.model and not seen[entry.model] then
            names[#names + 1], seen[entry.model] = entry.model, true
        end
    end
    return names, seen
end

--- The wanted names as a set; of all when nil.
local function set_of(wanted)
    local names, all = known()
    local set = wanted and {} or all
    for _, name in ipairs(wanted or {}) do
        if not all[name] then
            error({ exit_code = 2, message = ("networks: the paper has no %s%s"):format(name, suggest.cure(name, names)) }, 0)
        end
        set[name] = true
    end
    return set
end

--- The networks that are timed, those that differ in their weights only once.
local function timed(wanted)
    local list, seen, set = {}, {}, set_of(wanted)
    for _, entry in ipairs(published.models) do
        local key = entry.model and ("%s at %d"):format(entry.model, entry.image)
        if key and not seen[key] and set[entry.model] then
            list[#list + 1], seen[key] = entry, true
        end
    end
    return list
end

--- How long a batch of the networks takes on this machine to infer (x:time), measured once for all experiments.
-- @param x an experiment with the keys of timing()
-- @return entry -> seconds, for those that were timed
function published.latencies(x)
    local cfg, list, jobs, found = x.cfg, timed(x.cfg.networks), {}, {}
    for i, entry in ipairs(list) do
        jobs[i] = { model = entry.model, options = entry.options, image = cfg.image > 0 and cfg.image or entry.image,
            batch = cfg.batch, steps = cfg.steps, warmup = 1, mode = "infer" }
    end
    x:plan_times("latency", jobs)
    local times = x:time("latency", jobs, cfg.rounds, "table07_imagenet")
    for _, entry in ipairs(published.models) do
        for i, other in ipairs(list) do
            if entry.model == other.model and entry.image == other.image then
                found[entry] = times[i].seconds
            end
        end
    end
    return found
end

return published
