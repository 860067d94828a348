--- What is on a photo: the five most probable classes of each picture.
local effv2 = require "effv2"

local optional, choice = effv2.config.optional, effv2.config.choice

local cfg = effv2.config {
    model = "efficientnetv2-s",
    weights = optional "string",
    layout = choice("effv2", effv2.weights.layouts()),
    size = optional "number",
    fit = choice("model", { "model", "crop", "stretch" }),
    normalise = choice("model", { "model", "official", "imagenet", "half", "none" }),
    preset = choice("model", { "model", "official", "timm", "timm-tf", "torchvision" }),
    padding = choice("model", { "model", "same", "symmetric" }),
    bn_eps = optional "number",
    names = optional "string",
    format = choice("text", { "text", "json", "csv" }),
    help = {
        "Names what is on pictures, by a model with the weights of a file.",
        "The last line of the example: effv2 recipes/predict.lua model=efficientnetv2-b0 weights=b0.safetensors cat.jpg",
        model = "a name of effv2.models.list()",
        weights = "a safetensors file",
        layout = "whose names the file has",
        size = "pixels a side; the model's for evaluation by default",
        fit = "the model's own way, the centre, or the whole squashed (a picture of that size stays as it is)",
        normalise = "(x - mean) / std of the pixels",
        preset = "whose padding, norms, pixels and crop (timm-tf: its tf_ models); else the official, or torchvision by layout",
        padding = "of the network, where its weights need another than the model's",
        bn_eps = "of its batch norms, likewise",
        names = "of the classes: imagenet, a file with one a line, or a folder of class folders",
        format = "text; json: an object a picture, with all logits; csv: a line a picture",
        files = "pictures, JPEG or PNG",
    },
}

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

local function of_model(value)
    return value ~= "model" and value or nil
end

--- "a,b" -> "\"a,b\"", as CSV has it
local function quoted(text)
    return text:find '[,"\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

local writers = {}

function writers.text(path, top)
    print(path)
    for _, guess in ipairs(top) do
        print(("  %5.1f %%  %s"):format(100 * guess.probability, guess.name))
    end
end

function writers.json(path, top, logits)
    print(effv2.json_encode { image = path, top = top, logits = logits })
end

function writers.csv(path, top)
    local cells = { quoted(path) }
    for _, guess in ipairs(top) do
        cells[#cells + 1] = quoted(guess.name)
        cells[#cells + 1] = ("%.6f"):format(guess.probability)
    end
    print(table.concat(cells, ","))
end

if not cfg.weights or #cfg.files == 0 then
    stop(2, "predict: weights=FILE and at least one picture are needed; --help lists the keys")
end

local classifier, message = effv2.classifier.open {
    model = cfg.model, weights = cfg.weights, layout = cfg.layout, size = cfg.size, fit = cfg.fit,
    normalise = of_model(cfg.normalise), names = cfg.names,
    options = { preset = of_model(cfg.preset), padding = of_model(cfg.padding), bn_eps = cfg.bn_eps },
}
if not classifier then
    stop(1, message)
end

local unreadable = 0
for _, path in ipairs(cfg.files) do
    local picture, reason = effv2.read_image(path)
    if picture then
        local logits = classifier:logits(picture)
        writers[cfg.format](path, classifier:top(logits, 5), logits)
    else
        io.stderr:write(reason, "\n")
        unreadable = unreadable + 1
    end
end
if unreadable > 0 then
    stop(1, ("%d of %d pictures could not be read"):format(unreadable, #cfg.files))
end
