--- A model as an ONNX file, for other runtimes: batch norm folded, the batch left open.
--
--     effv2 recipes/export_onnx.lua model=efficientnetv2-b0 weights=b0.safetensors out=b0.onnx
--
-- The input `image` is float32 [batch][3][height][width], normalised as the file's metadata says (mean and std of pixels
-- from 0 to 255); height and width are fixed, since SAME padding depends on them. The output is `logits`.
local effv2 = require "effv2"

local optional, choice = effv2.config.optional, effv2.config.choice

local cfg = effv2.config {
    model = "efficientnetv2-s",
    weights = optional "string",
    layout = choice("effv2", effv2.weights.layouts()),
    init = choice("weights", { "weights", "random" }),
    size = {},
    preset = choice("model", { "model", "official", "timm", "timm-tf", "torchvision" }),
    padding = choice("model", { "model", "same", "symmetric" }),
    bn_eps = optional "number",
    out = optional "string",
    help = {
        "Writes a model as an ONNX file.",
        model = "a name of effv2.models.list()",
        weights = "a safetensors file",
        layout = "whose names the file has",
        init = "random: no weights, for measuring speed",
        size = "of the images: pixels a side, or height,width; the model's for evaluation by default",
        preset = "whose padding, norms and pixels (timm-tf: its tf_ models); else the official, or torchvision by layout",
        padding = "of the network, where its weights need another than the model's",
        bn_eps = "of its batch norms, likewise",
        out = "the file to write; <model>.onnx by default",
    },
}

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

local function of_model(value)
    return value ~= "model" and value or nil
end

local function open_model()
    local options = { preset = of_model(cfg.preset), padding = of_model(cfg.padding), bn_eps = cfg.bn_eps }
    if cfg.weights then
        return effv2.weights.open(cfg.model, cfg.weights, { layout = cfg.layout, model = options })
    end
    return effv2.models.create(cfg.model, options):eval()
end

local function shape_text(shape)
    return (table.concat(shape, "x"):gsub("^%-1", "batch"))
end

if not cfg.weights and cfg.init ~= "random" then
    stop(2, "export_onnx: weights=FILE is needed (or init=random); --help lists the keys")
end

local model, reason = open_model()
if not model then
    stop(1, reason)
end
local path = cfg.out or cfg.model .. ".onnx"
local written, message = effv2.onnx.export(model, { path = path, size = cfg.size[1] and cfg.size or nil })
if not written then
    stop(1, message)
end
print(("%s: opset %d, %d nodes, image %s, logits %s"):format(path, written.opset, written.nodes, shape_text(written.input),
    shape_text(written.output)))
