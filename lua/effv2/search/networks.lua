--- Spaces of networks: which values each field of each stage may have (section 3.3 of the paper).
--
--     local space = effv2.search.networks.stages {
--       stem = { channels = 24 }, head = 256,
--       stages = {
--         { channels = 24, layers = { 1, 2 } },               -- op, kernel and expansion as in the paper
--         { channels = 48, stride = 2, layers = { 2, 3, 4 }, op = "fused", kernel = 3, expansion = { 4, 6 } },
--       },
--     }
--     local architecture = space:random(effv2.search.random(0))
--     local model = effv2.models.create(space:stages(architecture))
--
-- An architecture is plain data, what was chosen by stage: { { op = "mb", kernel = 3, expansion = 4, layers = 2 }, ... }.
-- Its code is a list of whole numbers: which of its values each of space.choices takes.
local keys = require "effv2.keys"
local models = require "effv2.models"
local stage_tables = require "effv2.models.stages"

local networks = {}

local Space = {}
Space.__index = Space

--- The fields of a stage, in the order in which they are chosen.
local FIELDS = { "op", "kernel", "expansion", "layers", "channels", "stride", "se" }

--- What section 3.3 lets a stage choose, beside its number of layers.
local PAPER = { op = { "mb", "fused" }, kernel = { 3, 5 }, expansion = { 1, 4, 6 } }

-- ---- making a space ---------------------------------------------------------------------------------

local function check_values(what, values)
    local seen = {}
    for _, value in ipairs(values) do
        if seen[value] then
            error(("%s: %s is there twice"):format(what, keys.show(value)), 0)
        end
        seen[value] = true
    end
    if #values == 0 then
        error(what .. ": an empty list, wanted at least one value", 0)
    end
end

--- Fills the defaults in, and adds a choice for each field that is a list.
local function read_stage(what, i, given, choices)
    local allowed = {}
    for _, field in ipairs(FIELDS) do
        allowed[field] = keys.none
    end
    local stage = keys.check(what, given, allowed, 0)
    for _, field in ipairs(FIELDS) do
        if stage[field] == nil then
            stage[field] = PAPER[field]
        end
        if type(stage[field]) == "table" then
            check_values(("%s: %s"):format(what, field), stage[field])
            table.insert(choices, {
                name = ("stage%d.%s"):format(i, field), stage = i, field = field, values = stage[field],
            })
        end
    end
    if stage.layers == nil then
        error(what .. ": layers is missing, wanted a number or a list of numbers", 0)
    end
    return stage
end

--- Every value of every choice, in a network that else takes the first ones: an error names the one that is wrong.
local function check_networks(self)
    local code = {}
    for i = 1, #self.choices do
        code[i] = 1
    end
    for i, choice in ipairs(self.choices) do
        for value = 1, #choice.values do
            code[i] = value
            self:stages(self:decode(code))
        end
        code[i] = 1
    end
end

--- A space in which each stage's fields are fixed (a value) or chosen (a list of values).
-- @param given { stem = { channels =, ... }, head = channels, sizes = of images, stages = { { channels =, layers =,
-- op = { "mb", "fused" }, kernel = { 3, 5 }, expansion = { 1, 4, 6 }, stride = 1, se = the op's own }, ... } }
-- @return a space with choices = { { name = "stage1.op", stage = 1, field = "op", values = }, ... } and size, the number
-- of architectures; prints as a table
function networks.stages(given)
    local what = "search.networks.stages"
    local o = keys.check(what, given, { stem = keys.none, head = keys.none, sizes = keys.none, stages = {} })
    local self = setmetatable({ stem = o.stem, head = o.head, sizes = o.sizes, choices = {}, fields = {}, size = 1 }, Space)
    if #o.stages == 0 then
        error(what .. ": stages is an empty list, wanted at least one stage", 2)
    end
    for i, stage in ipairs(o.stages) do
        self.fields[i] = read_stage(("%s: stage %d"):format(what, i), i, stage, self.choices)
    end
    for _, choice in ipairs(self.choices) do
        self.size = self.size * #choice.values
    end
    check_networks(self)
    return self
end

local function layers_around(layers, differences)
    local list, seen = {}, {}
    for _, difference in ipairs(differences) do
        local n = math.max(1, layers + difference)
        if not seen[n] then
            seen[n] = true
            list[#list + 1] = n
        end
    end
    return list
end

--- The space around a network, as in the paper: channels, strides, stem and head are the network's, squeeze-excite is what
-- is usual for an operator, the rest is searched.
-- @param base a name of models.list() or a description
-- @param given { op = { "mb", "fused" }, kernel = { 3, 5 }, expansion = { 1, 4, 6 }, layers = { -1, 0, 1 } }: the layers
-- are differences from the network's, of which at least one stays
function networks.around(base, given)
    local o = keys.check("search.networks.around", given,
        { op = PAPER.op, kernel = PAPER.kernel, expansion = PAPER.expansion, layers = { -1, 0, 1 } })
    local description = models.scale { base = base }
    local list = {}
    for i, stage in ipairs(description.stages) do
        list[i] = {
            channels = stage.channels, stride = stage.stride, op = o.op, kernel = o.kernel, expansion = o.expansion,
            layers = layers_around(stage.layers or 1, o.layers),
        }
    end
    return networks.stages {
        stem = description.stem, head = description.head, sizes = description.sizes, stages = list,
    }
end

-- ---- architectures ----------------------------------------------------------------------------------

--- The architecture that a code stands for.
function Space:decode(code)
    if type(code) ~= "table" or #code ~= #self.choices then
        error(("space:decode: a code of %s numbers, wanted %d"):format(type(code) == "table" and #code or "no",
            #self.choices), 2)
    end
    local architecture = {}
    for i = 1, #self.fields do
        architecture[i] = {}
    end
    for i, choice in ipairs(self.choices) do
        local value = choice.values[code[i]]
        if value == nil then
            error(("space:decode: %s has no value %s, it has %d"):format(choice.name, keys.show(code[i]),
                #choice.values), 2)
        end
        architecture[choice.stage][choice.field] = value
    end
    return architecture
end

local function index_of(values, wanted)
    for i, value in ipairs(values) do
        if value == wanted then
            return i
        end
    end
end

local function joined(values)
    local texts = {}
    for i, value in ipairs(values) do
        texts[i] = tostring(value)
    end
    return table.concat(texts, ", ")
end

--- The code of an architecture.
function Space:encode(architecture)
    if type(architecture) ~= "table" or #architecture ~= #self.fields then
        error(("space:encode: an architecture of %s stages, wanted %d"):format(
            type(architecture) == "table" and #architecture or "no", #self.fields), 2)
    end
    local code = {}
    for i, choice in ipairs(self.choices) do
        local stage = architecture[choice.stage]
        local value = type(stage) == "table" and stage[choice.field] or nil
        code[i] = index_of(choice.values, value)
        if not code[i] then
            error(("space:encode: %s is %s, wanted one of %s"):format(choice.name, keys.show(value),
                joined(choice.values)), 2)
        end
    end
    return code
end

--- An architecture drawn with equal chances from all.
-- @param rng of search.random
function Space:random(rng)
    local code = {}
    for i, choice in ipairs(self.choices) do
        code[i] = rng:below(#choice.values)
    end
    return self:decode(code)
end

--- A copy in which one choice, drawn among those of several values, takes another value.
function Space:mutate(architecture, rng)
    local code, open = self:encode(architecture), {}
    for i, choice in ipairs(self.choices) do
        if #choice.values > 1 then
            open[#open + 1] = i
        end
    end
    if #open > 0 then
        local at = open[rng:below(#open)]
        local count = #self.choices[at].values
        code[at] = (code[at] - 1 + rng:below(count - 1)) % count + 1
    end
    return self:decode(code)
end

--- The network of an architecture: a checked description, { stem =, stages =, head =, sizes = }, for models.create,
-- models.summary and models.scale.
function Space:stages(architecture)
    local list = {}
    for i, fields in ipairs(self.fields) do
        list[i] = {}
        for field, value in pairs(fields) do
            list[i][field] = value
        end
    end
    for i, value in ipairs(self:encode(architecture)) do
        local choice = self.choices[i]
        list[choice.stage][choice.field] = choice.values[value]
    end
    local description = stage_tables.check("space:stages", { stem = self.stem, head = self.head, stages = list })
    description.sizes = self.sizes
    return description
end

local LETTERS = { fused = "F", mb = "M" }

--- An architecture in one line, "F1k3x2 M4k5x3": operator, expansion, kernel and layers of each stage.
function Space:name(architecture)
    local parts = {}
    for i, stage in ipairs(self:stages(architecture).stages) do
        parts[i] = ("%s%gk%dx%d"):format(LETTERS[stage.op], stage.expansion, stage.kernel, stage.layers)
    end
    return table.concat(parts, " ")
end

function Space:__tostring()
    local lines = { ("%d choices, %.6g architectures"):format(#self.choices, self.size) }
    for i, stage in ipairs(self.fields) do
        local parts = {}
        for _, field in ipairs(FIELDS) do
            local value = stage[field]
            if value ~= nil then
                parts[#parts + 1] = ("%s %s"):format(field, type(value) == "table" and "{ " .. joined(value) .. " }"
                    or tostring(value))
            end
        end
        lines[#lines + 1] = ("stage%d  %s"):format(i, table.concat(parts, "  "))
    end
    return table.concat(lines, "\n")
end

return networks
