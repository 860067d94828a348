--- effv2.help(topic): what the core's records say of operations and layers, and the comments above Lua functions.
--
-- The topic is a name ("conv2d", "nn.Conv2d", "lr.exponential", "schedule"), a function, or a module of the library.
local core = require "effv2.core"
local suggest = require "effv2.suggest"

local overview = [[
effv2 trains and studies image models. help "NAME" or ? NAME explains:
  an operation   ? conv2d            also a method of tensors: x:relu()
  a layer        ? nn.Conv2d
  a module       ? schedule          its purpose and its functions
  a function     ? lr.exponential]]

-- ---- records of the core ----------------------------------------------------------------------------

local function find_record(records, name)
    for _, record in ipairs(records) do
        if record.name == name then
            return record
        end
    end
end

local function argument_line(argument)
    local default = argument.default ~= nil and (" [%s]"):format(tostring(argument.default)) or ""
    return (("  %-14s %s%s"):format(argument.name, argument.doc or "", default):gsub("%s+$", ""))
end

local function record_text(title, record)
    local lines = { title, "  " .. (record.doc or "") }
    if #record.args > 0 then
        lines[#lines + 1] = ""
    end
    for _, argument in ipairs(record.args) do
        lines[#lines + 1] = argument_line(argument)
    end
    if record.differentiable == false then
        lines[#lines + 1] = "\n  without a gradient"
    end
    return table.concat(lines, "\n")
end

local function operation_text(record)
    local names = {}
    for i, argument in ipairs(record.args) do
        names[i] = argument.name
    end
    return record_text(("effv2.%s(%s)"):format(record.name, table.concat(names, ", ")), record)
end

local function layer_text(record)
    return record_text(("effv2.nn.%s { ... }"):format(record.name), record)
end

-- ---- comments of the sources ------------------------------------------------------------------------

local function read_lines(path)
    local lines = {}
    local file = io.open(path)
    if file then
        for line in file:lines() do
            lines[#lines + 1] = line
        end
        file:close()
    end
    return lines
end

--- The comment that ends above line `at`, as plain text; nil when there is none.
local function comment_above(lines, at)
    local first = at
    while first > 1 and lines[first - 1]:match "^%s*%-%-" do
        first = first - 1
    end
    if first == at then
        return nil
    end
    local text = {}
    for i = first, at - 1 do
        text[#text + 1] = ("  " .. lines[i]:gsub("^%s*%-+ ?", "")):gsub("%s+$", "")
    end
    return table.concat(text, "\n")
end

local function function_text(f)
    local info = debug.getinfo(f, "S")
    if info.source:sub(1, 1) ~= "@" then
        return nil
    end
    local lines = read_lines(info.source:sub(2))
    local definition = lines[info.linedefined]
    local comment = definition and comment_above(lines, info.linedefined)
    return comment and definition:gsub("^%s*", "") .. "\n" .. comment
end

local function module_lines(module)
    local path = package.searchpath("effv2." .. module, package.path)
    return path and read_lines(path)
end

--- What the comment of a module's field leaves to the function behind it, defined in another file; "" where nothing.
local function function_elsewhere(module, name)
    local loaded, value = pcall(require, "effv2." .. module)
    local member = loaded and type(value) == "table" and rawget(value, name)
    local own = package.searchpath("effv2." .. module, package.path)
    if type(member) ~= "function" or debug.getinfo(member, "S").source == "@" .. own then
        return ""
    end
    local text = function_text(member)
    return text and "\n\n" .. text or ""
end

--- The comment above the definition of a module's function or field.
local function member_text(module, name)
    local lines = module_lines(module) or {}
    for i, line in ipairs(lines) do
        local parameters = line:match("^function [%w_]+[.:]" .. name .. "(%(.*)$")
        if parameters or line:match("^[%a_][%w_]*%." .. name .. "%s*=") then
            local comment = comment_above(lines, i)
            if comment then
                return ("effv2.%s.%s%s\n%s%s"):format(module, name, parameters or "", comment,
                    parameters and "" or function_elsewhere(module, name))
            end
        end
    end
end

--- The comment at the head of a module, and the names in it.
local function module_text(module)
    local lines = module_lines(module)
    if not lines or not lines[1] then
        return nil
    end
    local last = 1
    while lines[last] and lines[last]:match "^%-%-" do
        last = last + 1
    end
    local text = ("effv2.%s\n%s"):format(module, comment_above(lines, last) or "")
    local loaded, value = pcall(require, "effv2." .. module)
    local names = {}
    for name in pairs(loaded and type(value) == "table" and value or {}) do
        if type(name) == "string" and not name:match "^_" then
            names[#names + 1] = name
        end
    end
    table.sort(names)
    return #names > 0 and text .. "\n\n  " .. table.concat(names, ", ") or text
end

-- ---- finding the topic ------------------------------------------------------------------------------

local function name_text(topic)
    local path = topic:gsub("^effv2%.", ""):gsub(":", ".")
    local last = path:match "[^.]*$"
    local operation, layer = find_record(core.op_records(), last), find_record(core.layer_records(), last)
    local module, name = path:match "^([%w_.]+)%.([%w_]+)$"
    if operation and path == last then
        return operation_text(operation)
    elseif layer then
        return layer_text(layer)
    elseif module then
        return member_text(module, name) or module_text(path) or (operation and operation_text(operation))
    end
    return path:match "^[%w_]+$" and module_text(path)
end

local function unknown_text(topic)
    local names = {}
    for _, records in ipairs { core.op_records(), core.layer_records() } do
        for _, record in ipairs(records) do
            names[#names + 1] = record.name
        end
    end
    return ("no help for '%s'%s"):format(topic, suggest.hint(topic, names))
end

local function find_name(value)
    for name, loaded in pairs(package.loaded) do
        if loaded == value and name:match "^effv2%." and name ~= "effv2.core" then
            return name
        end
    end
    for name, member in pairs(core) do
        if member == value then
            return name
        end
    end
end

--- The text that explains a topic; an overview without one.
return function(topic)
    if topic == nil or topic == "" then
        return overview
    elseif type(topic) == "string" then
        return name_text(topic) or unknown_text(topic)
    end
    local name = find_name(topic)
    return name and name_text(name) or (type(topic) == "function" and function_text(topic))
        or ("no help for %s"):format(tostring(topic))
end
