--- Module: what layers written in Lua have in common.
--
-- A module is a table whose class is its metatable. Layers of the core, modules, and lists of either become its
-- children when they are assigned to a field, in the order of the assignments: that order and the names of the fields
-- give every parameter its place and its path ("stage2.block1.expand.conv.weight"). Nothing else is recorded, so a
-- child may be replaced, or removed by assigning nil, at any time.
local core = require "effv2.core"
local keys = require "effv2.keys"
local fitting = require "effv2.nn.fitting"
local paths = require "effv2.nn.paths"

local Module = { class_name = "Module" }

local FIELDS = {} -- key of the list of a module's field names, in order of their first assignment
local OWN = {}    -- key of the list of a module's own parameters and buffers

local classes = setmetatable({}, { __mode = "k" })
local layer_meta = getmetatable(core.layers.Dropout {})
local tensor_meta = getmetatable(core.zeros(1))

--- Whether a value is a module: an instance of a class made by nn.class.
function Module.is_module(value)
    return type(value) == "table" and classes[getmetatable(value)] == true
end

--- Whether a value is a layer of the core (Conv2d, Dense, ...).
function Module.is_layer(value)
    return type(value) == "userdata" and getmetatable(value) == layer_meta
end

local is_module, is_layer = Module.is_module, Module.is_layer

local function is_tensor(value)
    return type(value) == "userdata" and getmetatable(value) == tensor_meta
end

-- ---- classes and instances --------------------------------------------------------------------------

local function record_field(self, key, value)
    local fields = rawget(self, FIELDS)
    if not fields.seen[key] then
        fields.seen[key] = true
        fields[#fields + 1] = key
    end
    rawset(self, key, value)
end

local function instantiate(class, ...)
    local self = setmetatable({ [FIELDS] = { seen = {} }, [OWN] = {}, training = true }, class)
    if self.init then
        self:init(...)
    end
    return self
end

--- A new class of modules: define init(self, args) and forward(self, x), then make instances with Class { ... }.
-- @param name of the class, for printing and errors
-- @param parent the class to inherit from (default: the plain module)
function Module.class(name, parent)
    if type(name) ~= "string" then
        error(("nn.class: the name is a %s, wanted a string"):format(type(name)), 2)
    end
    parent = parent or Module
    local class = { class_name = name, __newindex = record_field }
    class.__index, class.__call, class.__tostring = class, parent.__call, parent.__tostring
    classes[class] = true
    return setmetatable(class, {
        __index = parent,
        __call = instantiate,
        __tostring = function()
            return "class " .. name
        end,
    })
end

--- The class's name, as layers of the core have it.
function Module:type()
    return self.class_name
end

--- module(x): forward(x). An error inside is prefixed with the path of the layer that raised it.
Module.__call = paths.call

function Module:forward()
    error(("%s has no forward: define %s:forward(x)"):format(self.class_name, self.class_name), 0)
end

-- ---- children ---------------------------------------------------------------------------------------

local function add_children(list, name, value)
    if is_layer(value) or is_module(value) then
        list[#list + 1] = { name = name, module = value }
    elseif type(value) == "table" and getmetatable(value) == nil then
        for i, item in ipairs(value) do
            add_children(list, name .. "." .. i, item)
        end
    end
    return list
end

local function list_children(self)
    local list = {}
    for _, key in ipairs(self[FIELDS]) do
        add_children(list, tostring(key), rawget(self, key))
    end
    return list
end

--- Iterates over the direct children: for name, child in m:children() do ... end
function Module:children()
    local list, i = list_children(self), 0
    return function()
        i = i + 1
        if list[i] then
            return list[i].name, list[i].module
        end
    end
end

local function walk(list, seen, path, module)
    if seen[module] then
        return list
    end
    seen[module] = true
    list[#list + 1] = { path = path, module = module }
    if is_module(module) then
        for _, child in ipairs(list_children(module)) do
            walk(list, seen, path == "" and child.name or path .. "." .. child.name, child.module)
        end
    end
    return list
end

--- Iterates over the module itself (path "") and all below it, parents first; what is shared comes once.
--     for path, module in model:modules() do print(path, module:type()) end
function Module:modules()
    local list, i = walk({}, {}, "", self), 0
    return function()
        i = i + 1
        if list[i] then
            return list[i].path, list[i].module
        end
    end
end

--- Calls f(module, path) for the module itself and all below it; returns the module.
function Module:apply(f)
    for path, module in self:modules() do
        f(module, path)
    end
    return self
end

local function copy_value(value, replace, copies)
    if is_layer(value) or is_module(value) then
        return replace(value)
    elseif type(value) ~= "table" or getmetatable(value) ~= nil then
        return value
    elseif not copies[value] then
        copies[value] = {}
        for key, item in pairs(value) do
            copies[value][key] = copy_value(item, replace, copies)
        end
    end
    return copies[value]
end

--- A copy with tensors of its own, in which replace(child) stands for every child, also in lists and tables.
function Module:copy(replace)
    local copy, copies = { [OWN] = {} }, {}
    for key, value in next, self do
        if key ~= OWN then
            copy[key] = copy_value(value, replace, copies)
        end
    end
    for i, entry in ipairs(self[OWN]) do
        local tensor = entry.tensor:detach():clone():keep()
        copy[OWN][i] = { name = entry.name, kind = entry.kind, tensor = tensor, decay = entry.decay }
        copy[entry.name] = tensor
    end
    return setmetatable(copy, getmetatable(self))
end

-- ---- parameters and buffers -------------------------------------------------------------------------

local function add_own(self, kind, name, tensor, decay)
    if type(name) ~= "string" or name == "" or name:find(".", 1, true) then
        error(("%s: '%s' is not a name for a %s"):format(self.class_name, tostring(name), kind), 3)
    end
    if not is_tensor(tensor) then
        error(("%s: %s '%s' is a %s, wanted a tensor"):format(self.class_name, kind, name, type(tensor)), 3)
    end
    tensor:keep()
    rawset(self, name, tensor)
    table.insert(self[OWN], { name = name, kind = kind, tensor = tensor, decay = decay })
    return tensor
end

--- Makes a tensor a parameter of this module, m[name]: it is trained, saved and listed with the others.
-- @param options decay: whether weight decay applies (default: to tensors of two or more axes)
function Module:add_parameter(name, tensor, options)
    options = keys.check("add_parameter", options, { decay = keys.none })
    local decay = options.decay
    if decay == nil then
        decay = tensor:dim() > 1
    end
    add_own(self, "parameter", name, tensor, decay)
    return tensor:requires_grad(true)
end

--- Makes a tensor a buffer, m[name]: saved with the module and averaged with it, but not trained.
function Module:add_buffer(name, tensor)
    return add_own(self, "buffer", name, tensor, false)
end

local function own_tensors(module, kind)
    local list = {}
    for _, entry in ipairs(module[OWN]) do
        if entry.kind == kind then
            list[#list + 1] = entry
        end
    end
    return list
end

local function collect(self, kind)
    local list = {}
    for path, module in self:modules() do
        local tensors
        if is_module(module) then
            tensors = own_tensors(module, kind)
        elseif kind == "parameter" then
            tensors = module:named_parameters()
        else
            tensors = module:named_buffers()
        end
        for _, entry in ipairs(tensors) do
            local name = path == "" and entry.name or path .. "." .. entry.name
            list[#list + 1] = { name = name, tensor = entry.tensor, decay = entry.decay }
        end
    end
    return list
end

local function tensors_of(entries)
    local list = {}
    for i, entry in ipairs(entries) do
        list[i] = entry.tensor
    end
    return list
end

--- A list of { name = path, tensor =, decay = }, in the order in which the layers were assigned.
function Module:named_parameters()
    return collect(self, "parameter")
end

--- The parameters alone, in the same order.
function Module:parameters()
    return tensors_of(self:named_parameters())
end

--- A list of { name = path, tensor = } of what is saved but not trained (running statistics).
function Module:named_buffers()
    return collect(self, "buffer")
end

--- The buffers alone, in the same order.
function Module:buffers()
    return tensors_of(self:named_buffers())
end

--- The number of trained numbers.
function Module:num_parameters()
    local n = 0
    for _, tensor in ipairs(self:parameters()) do
        n = n + tensor:numel()
    end
    return n
end

-- ---- modes ------------------------------------------------------------------------------------------

--- Switches the module and all below it to training (default) or, with false, to evaluation; returns the module.
function Module:train(on)
    on = on == nil or on
    return self:apply(function(module)
        if is_layer(module) then
            module:train(on)
        else
            module.training = on
        end
    end)
end

--- Switches to evaluation: batch norm uses running statistics, nothing is dropped. Returns the module.
function Module:eval()
    return self:train(false)
end

function Module:is_training()
    return self.training
end

-- ---- state ------------------------------------------------------------------------------------------

local function named_state(self)
    local list = self:named_parameters()
    for _, entry in ipairs(self:named_buffers()) do
        list[#list + 1] = entry
    end
    return list
end

--- { [path] = tensor } of all parameters and buffers, for effv2.save. The tensors are the module's own, not copies.
function Module:state()
    local state = {}
    for _, entry in ipairs(named_state(self)) do
        state[entry.name] = entry.tensor
    end
    return state
end

local function shape_text(tensor)
    local shape = tensor:shape()
    return #shape == 0 and "scalar" or table.concat(shape, "x")
end

--- Copies tensors into the parameters and buffers of the same name and shape.
-- @param state { [path] = tensor }, as state() or effv2.load gives it
-- @param options strict (default true): an error, before anything is copied, when names or shapes differ
-- @return a report: { missing = names, unexpected = names, misshaped = { {name=, given=, wanted=} }, loaded = count }
function Module:load_state(state, options)
    options = keys.check("load_state", options, { strict = true })
    if type(state) ~= "table" then
        error(("load_state: a %s, wanted a table { name = tensor } as effv2.load(path) gives it"):format(type(state)), 2)
    end
    for name, tensor in pairs(state) do
        if not is_tensor(tensor) then
            error(("load_state: '%s' is a %s, wanted a tensor"):format(tostring(name), type(tensor)), 2)
        end
    end
    local report, matching = fitting.compare(named_state(self), state)
    local mismatch = fitting.describe(report)
    if options.strict and mismatch ~= "" then
        error(("%s: the state does not fit: %s (strict = false loads what does)"):format(self.class_name, mismatch), 2)
    end
    fitting.copy(matching)
    return report
end

-- ---- printing ---------------------------------------------------------------------------------------

local function render(module)
    if is_layer(module) then
        return tostring(module)
    end
    local lines = {}
    for _, entry in ipairs(module[OWN]) do
        lines[#lines + 1] = { first = entry.name, text = ("%s %s"):format(entry.kind, shape_text(entry.tensor)) }
    end
    for name, child in module:children() do
        local text, last = render(child), lines[#lines]
        if last and last.text == text then
            last.last = name
        else
            lines[#lines + 1] = { first = name, text = text }
        end
    end
    if #lines == 0 then
        return module.class_name .. " {}"
    end
    for i, line in ipairs(lines) do
        local names = line.last and line.first .. " .. " .. line.last or line.first
        lines[i] = ("  %s: %s"):format(names, (line.text:gsub("\n", "\n  ")))
    end
    return ("%s {\n%s\n}"):format(module.class_name, table.concat(lines, "\n"))
end

--- The module as an indented tree; neighbours that look alike share a line ("block2 .. block4: ...").
Module.__tostring = render

return Module
