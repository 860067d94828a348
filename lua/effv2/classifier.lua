--- classifier: a model with its weights, its way to look at a picture, and the names of its classes.
--
--     local classifier = assert(effv2.classifier.open { model = "efficientnetv2-b0", weights = "b0.safetensors" })
--     for _, guess in ipairs(classifier:top(classifier:logits(effv2.read_image "cat.jpg"), 5)) do
--       print(guess.probability, guess.name)
--     end
local augment = require "effv2.augment"
local core = require "effv2.core"
local keys = require "effv2.keys"
local nn = require "effv2.nn"
local weights = require "effv2.weights"

local classifier = {}

local Classifier = {}
Classifier.__index = Classifier

-- ---- what the network sees --------------------------------------------------------------------------

--- The centre of the picture at size x size, or of the whole squashed to a square: the share `crop` of its side.
local function pipeline_of(size, fit, filter, crop, normalise)
    local steps = augment.steps
    local list
    if not crop then
        list = { steps.resize { filter = filter } }
        if fit == "crop" then
            table.insert(list, 1, steps.center_crop { rule = "rule32" })
        end
    else
        local whole = fit == "stretch" and steps.resize { size = math.floor(size / crop), filter = filter }
        list = { whole or steps.resize_shorter { crop = crop, filter = filter }, steps.center_crop { rule = "size" } }
    end
    list[#list + 1] = steps.normalise(normalise)
    list.size = size
    return augment.pipeline(list)
end

--- The pipeline of a model's published evaluation, or of what the options ask for instead.
-- @param config of the model; evaluation = { fit =, crop =, filter = } where it is published, else the official rule
local function view(config, o)
    local size = o.size or (config.sizes or {}).eval
    if not size then
        error(("classifier: %s has no size of its own, give one"):format(config.name), 0)
    end
    local own, normalise = config.evaluation or {}, o.normalise or config.normalise
    local fit, filter = o.fit ~= "model" and o.fit or own.fit or "official", own.filter or "tf_bilinear"
    if fit == "official" then
        return augment.eval { size = size, filter = filter, normalise = normalise }, size
    end
    local crop = fit == own.fit and o.fit ~= "stretch" and own.crop or nil
    return pipeline_of(size, fit, filter, crop, normalise), size
end

-- ---- names of classes -------------------------------------------------------------------------------

local function lines_of(text)
    local lines = {}
    for line in text:gmatch "[^\r\n]+" do
        lines[#lines + 1] = line
    end
    return lines
end

local function folder_names(path)
    local list = {}
    for _, entry in ipairs(core.list_dir(path) or {}) do
        if entry.is_dir then
            list[#list + 1] = entry.name
        end
    end
    return list
end

--- The classes that a folder of pictures has: the names of its folders, or of those in its train or val.
function classifier.folder_classes(path)
    for _, split in ipairs { "train", "val" } do
        if core.dir_exists(path .. "/" .. split) then
            path = path .. "/" .. split
            break
        end
    end
    return folder_names(path)
end

local function names_from(source, classes)
    if source == nil then
        return classes == 1000 and require("effv2.imagenet").names or {}
    elseif source == "imagenet" then
        return require("effv2.imagenet").names
    elseif core.dir_exists(source) then
        return classifier.folder_classes(source)
    end
    local text, message = core.read_file(source)
    return text and lines_of(text), message
end

--- The names of a model's classes: a list; empty when nothing is known of them.
-- @param source "imagenet", a file with a name a line, a folder of class folders, or nil: ImageNet's for 1000 classes
-- @return the list; or nil and a message
function classifier.class_names(source, classes)
    local list, message = names_from(source, classes)
    if not list then
        return nil, message
    elseif #list ~= classes and #list > 0 then
        return nil, ("%s: it names %d classes, the model has %d"):format(source, #list, classes)
    end
    return list
end

-- ---- the classifier ---------------------------------------------------------------------------------

--- A classifier from a file of weights.
-- @param given model = a name of models.list(); weights = a safetensors file; layout = "effv2" | "timm" | "torchvision";
-- size = of the pictures (default: the model's for evaluation); fit = "model" (as published), "crop" (the centre) or
-- "stretch" (the whole, squashed: a picture of the asked size stays as it is); normalise = as in
-- augment.steps.normalise (default: the model's); names = see class_names; options = of models.create, such as padding
-- and bn_eps, where the weights were trained with others
-- @return the classifier: model (folded), classes, names, size, pipeline; or nil, message, code
function classifier.open(given)
    local o = keys.check("classifier.open", given, {
        model = keys.none, weights = keys.none, layout = "effv2", size = keys.none, fit = "model",
        normalise = keys.none, names = keys.none, options = {},
    })
    keys.want_whole("classifier.open", "size", o.size, 1, true)
    local model, message, code = weights.open(o.model, o.weights, { layout = o.layout, model = o.options })
    if not model then
        return nil, message, code
    end
    local names
    names, message = classifier.class_names(o.names, model.config.classes)
    if not names then
        return nil, message, "format"
    end
    local pipeline, size = view(model.config, o)
    return setmetatable({
        model = nn.fold(model), classes = model.config.classes, names = names, pipeline = pipeline, size = size,
    }, Classifier)
end

--- The logits of a picture (uint8, height x width x 3, as effv2.read_image gives it): a list of numbers.
function Classifier:logits(picture)
    return core.step(core.no_grad, function()
        local sample = self.pipeline(picture)
        return self.model(sample:reshape { 1, unpack(sample:shape()) }):totable()[1]
    end)
end

local function probabilities(logits)
    local most, sum, list = -math.huge, 0, {}
    for _, logit in ipairs(logits) do
        most = math.max(most, logit)
    end
    for i, logit in ipairs(logits) do
        list[i] = math.exp(logit - most)
        sum = sum + list[i]
    end
    for i = 1, #list do
        list[i] = list[i] / sum
    end
    return list
end

--- The name of class i (from 0).
function Classifier:name(i)
    return self.names[i + 1] or "class " .. i
end

--- The model's class (from 0) of each of a folder's: by ImageNet's numbers (n01440764), by name, or, where the
-- classes have no names and there are as many folders, in order.
-- @param folders their names, as a source's class_names() gives them
-- @return a list; or nil and a message
function Classifier:classes_of(folders)
    local known, list, unknown = {}, {}, nil
    for i, name in ipairs(self.classes == 1000 and require("effv2.imagenet").wnids or {}) do
        known[name] = i - 1
    end
    for i, name in ipairs(self.names) do
        known[name] = known[name] or i - 1
    end
    for i, folder in ipairs(folders) do
        list[i] = known[folder]
        unknown = unknown or not known[folder] and folder
    end
    if not unknown then
        return list
    elseif #self.names == 0 and #folders == self.classes then
        for i = 1, #folders do
            list[i] = i - 1
        end
        return list
    end
    return nil, ("the folder %s is none of the model's %d classes (%s)"):format(unknown, self.classes,
        self.classes == 1000 and "ImageNet's numbers, n01440764, or names" or "names=FILE names them, one a line")
end

--- The k most probable classes: a list of { class = (from 0), name =, probability = }, the most probable first.
function Classifier:top(logits, k)
    local guesses = {}
    for i, probability in ipairs(probabilities(logits)) do
        guesses[i] = { class = i - 1, name = self:name(i - 1), probability = probability }
    end
    table.sort(guesses, function(a, b)
        if a.probability ~= b.probability then
            return a.probability > b.probability
        end
        return a.class < b.class
    end)
    return { unpack(guesses, 1, math.min(k, #guesses)) }
end

return classifier
