--- Weights of a model in the names of one library, written in those of another.
local effv2 = require "effv2"

local layouts = effv2.weights.layouts()

local cfg = effv2.config {
    ["in"] = effv2.config.optional "string",
    out = effv2.config.optional "string",
    model = "efficientnetv2-s",
    from = effv2.config.choice("timm", layouts),
    to = effv2.config.choice("effv2", layouts),
    preset = effv2.config.choice("model", { "model", "official", "timm", "timm-tf", "torchvision", "official-v2" }),
    help = {
        "Reads the weights of a model from a safetensors file and writes them under another library's names.",
        ["in"] = "the file to read",
        out = "the file to write",
        model = "a name of effv2.models.list()",
        from = "whose names the file has",
        to = "whose names are written",
        preset = "whose widths the model has, where they differ; by default the official, or torchvision by layout",
    },
}

local function stop(code, message)
    error({ exit_code = code, message = message }, 0)
end

if not cfg["in"] or not cfg.out then
    stop(2, "convert: in=FILE and out=FILE are needed; --help lists the keys")
end

local model, report = effv2.weights.open(cfg.model, cfg["in"], {
    layout = cfg.from, model = { preset = cfg.preset ~= "model" and cfg.preset or nil },
})
if not model then
    stop(1, report)
end
local saved, message = effv2.weights.save(model, cfg.out, { layout = cfg.to })
if not saved then
    stop(1, message)
end
print(("%s: %d tensors of %s, from %s to %s"):format(cfg.out, report.loaded, cfg.model, cfg.from, cfg.to))
