--- What the specs of recipes that use weights share: a model of 3 classes in a file, pictures, and a way to run.
local effv2 = require "effv2"
local support = dofile "tests/lua/support_training.lua"

local recipes = { clean = support.clean }

--- The options that make the model in the file: the registry's smallest.
recipes.MODEL = "model=efficientnetv2-tiny size=48"

--- A folder with w.safetensors, t.safetensors (timm's names), names.txt, and data/<class>/*.png of three classes.
function recipes.folder()
    local folder, source = support.new_name(), support.data().train
    effv2.manual_seed(4)
    local model = effv2.models.create("efficientnetv2-tiny", { classes = 3 })
    model.classifier.weight:copy(effv2.randn(unpack(model.classifier.weight:shape())))
    assert(effv2.make_dir(folder))
    assert(effv2.weights.save(model, folder .. "/w.safetensors"))
    assert(effv2.weights.save(model, folder .. "/t.safetensors", { layout = "timm" }))
    assert(effv2.write_file(folder .. "/names.txt", "an owl\na fox, red\na yak\n"))
    for i = 1, 12 do
        local class = ("%s/data/class%d"):format(folder, i % 3)
        assert(effv2.make_dir(folder .. "/data"))
        assert(effv2.make_dir(class))
        local square = source:image(i):slice(1, 1, 48):slice(2, 1, 48):contiguous()
        assert(effv2.write_png(("%s/%d.png"):format(class, i), square))
    end
    return folder, model:eval()
end

--- Runs a recipe in the folder of the project. Returns exit code, output, errors.
function recipes.run(name, arguments)
    return support.run("%s", ("--threads 1 recipes/%s.lua %s"):format(name, arguments))
end

--- The JSON object at the end of a recipe's output.
function recipes.result(output)
    return assert(effv2.json_decode(assert(output:match "([^\n]*)\n$")))
end

return recipes
