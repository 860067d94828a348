--- How good weights are: top-1 and top-5 of a model on a folder of pictures, and images a second.
-- The last line of the output is one JSON object.
local effv2 = require "effv2"

local optional, choice = effv2.config.optional, effv2.config.choice

local cfg = effv2.config {
    model = "efficientnetv2-s",
    weights = optional "string",
    layout = choice("effv2", effv2.weights.layouts()),
    data = optional "string",
    size = optional "number",
    fit = choice("model", { "model", "crop", "stretch" }),
    normalise = choice("model", { "model", "official", "imagenet", "half", "none" }),
    preset = choice("model", { "model", "official", "timm", "timm-tf", "torchvision" }),
    padding = choice("model", { "model", "same", "symmetric" }),
    bn_eps = optional "number",
    names = optional "string",
    batch_size = 16,
    workers = 1,
    on_bad = choice("raise", { "raise", "skip" }),
    help = {
        "Judges a model with the weights of a file by the pictures of a folder.",
        model = "a name of effv2.models.list()",
        weights = "a safetensors file",
        layout = "whose names the file has",
        data = "a folder: val/<class>/* or <class>/*; the classes are ImageNet's numbers, names, or all there are, in order",
        size = "pixels a side; the model's for evaluation by default",
        fit = "the model's own way, the centre, or the whole squashed (a picture of that size stays as it is)",
        normalise = "(x - mean) / std of the pixels",
        preset = "whose padding, norms, pixels and crop (timm-tf: its tf_ models); else the official, or torchvision by layout",
        padding = "of the network, where its weights need another than the model's",
        bn_eps = "of its batch norms, likewise",
        names = "of the classes: imagenet, a file with one a line, or a folder of class folders",
        workers = "threads that prepare images",
        on_bad = "what a picture that cannot be read does: end the evaluation, or be skipped (up to 0.1 %)",
    },
}

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

local function must(value, message)
    return value or stop(1, message)
end

local function of_model(value)
    return value ~= "model" and value or nil
end

if not cfg.weights or not cfg.data then
    stop(2, "evaluate: weights=FILE and data=FOLDER are needed; --help lists the keys")
end

local source = must(effv2.data.judging(cfg.data))
local classifier = must(effv2.classifier.open {
    model = cfg.model, weights = cfg.weights, layout = cfg.layout, size = cfg.size, fit = cfg.fit,
    normalise = of_model(cfg.normalise), names = cfg.names,
    options = { preset = of_model(cfg.preset), padding = of_model(cfg.padding), bn_eps = cfg.bn_eps },
})
local result = effv2.evaluate {
    model = classifier.model, source = source, pipeline = classifier.pipeline, size = classifier.size,
    batch_size = cfg.batch_size, workers = cfg.workers, on_bad = cfg.on_bad,
    classes = must(classifier:classes_of(source:class_names())),
}
local rate = result.images / result.seconds
print(("%s on %d pictures of %s at %d pixels: top-1 %.2f %%, top-5 %.2f %%, %.1f images/s"):format(cfg.model, result.images,
    cfg.data, classifier.size, 100 * result.top1, 100 * result.top5, rate))
print(effv2.json_encode {
    top1 = result.top1, top5 = result.top5, loss = result.loss, images = result.images, seconds = result.seconds,
    images_per_second = rate, skipped = #result.skipped,
})
