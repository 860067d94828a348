--- The configuration of a recipe: a table of defaults, each of which can be set as key=value on the command line.
--
--     local cfg = effv2.config {
--       model = "efficientnetv2-s", epochs = 350, sizes = { 128, 160 },
--       optimizer = { lr = 0.016 },                        -- optimizer.lr=0.02
--       weights = effv2.config.optional "string",          -- nil unless given
--       mode = effv2.config.choice("fast", { "fast", "exact" }),
--       help = { "Trains a model.", epochs = "passes over the data", ["optimizer.lr"] = "peak learning rate" },
--     }
--
-- A value takes the type of the default: number, boolean, string, or list ("128,160"). A default of another type
-- (a function, say) cannot be set. `recipe.lua --help` prints the keys, `recipe.lua --print-config` their values and
-- where each comes from. Arguments without "=" are files: a recipe that takes some says so with help.files and
-- finds them in cfg.files.
--
-- Whatever is wrong on the command line raises { exit_code = 2, message = ... }, before anything was done.
local names_of = require "effv2.names_of"
local suggest = require "effv2.suggest"

local config = {}

local marks = setmetatable({}, { __mode = "k" })    -- the tables made by optional() and choice()
local origins = setmetatable({}, { __mode = "k" })  -- configuration -> { key = "default" or "command line" }

local error_meta = {
    __tostring = function(problem)
        return problem.message or ""
    end,
}

local function stop(exit_code, message)
    error(setmetatable({ exit_code = exit_code, message = message }, error_meta), 0)
end

local function refuse(format, ...)
    stop(2, format:format(...))
end

local function check(condition, format, ...)
    if not condition then
        error("effv2.config: " .. format:format(...), 0)
    end
end

local types = { number = "a number", string = "a text", boolean = "true or false", list = "a list such as 1,2,3" }

--- A key that is nil unless it is set; of type "number", "string", "boolean" or "list".
function config.optional(kind)
    if not types[kind or "string"] then
        error(("effv2.config.optional: unknown type '%s' (number, string, boolean or list)"):format(tostring(kind)), 2)
    end
    local mark = {}
    marks[mark] = { kind = kind or "string", optional = true }
    return mark
end

--- A key that takes one of the choices, a list of texts or of numbers.
function config.choice(default, choices)
    local known = false
    for _, choice in ipairs(choices) do
        known = known or choice == default
    end
    if not known then
        error(("effv2.config.choice: the default %s is not among the choices"):format(tostring(default)), 2)
    end
    local mark = {}
    marks[mark] = { kind = type(default), default = default, choices = choices }
    return mark
end

-- ---- the keys ---------------------------------------------------------------------------------------

local function is_list(value)
    return type(value) == "table" and getmetatable(value) == nil and (#value > 0 or next(value) == nil)
end

local function copy_list(list)
    local copy = {}
    for i, value in ipairs(list) do
        copy[i] = value
    end
    return copy
end

--- Describes a default: { kind =, default =, optional =, choices =, element = } (element: the type in a list).
local function describe(value)
    if marks[value] then
        return marks[value]
    elseif is_list(value) then
        local element = value[1] == nil and "any" or type(value[1])
        return { kind = "list", default = value, element = element }
    end
    return { kind = type(value), default = value }
end

--- Collects key -> description in keys, with dotted names for nested tables.
local function collect(defaults, prefix, keys)
    for name, value in pairs(defaults) do
        if not (prefix == "" and name == "help") then
            check(type(name) == "string" and name:match "^[%a_][%w_]*$", "%s is not a name for a key", tostring(name))
            local key = prefix .. name
            local nested = type(value) == "table" and not marks[value] and not is_list(value)
                and getmetatable(value) == nil
            if nested then
                collect(value, key .. ".", keys)
            else
                keys[key] = describe(value)
            end
        end
    end
    return keys
end

-- ---- values from text -------------------------------------------------------------------------------

local booleans = { ["true"] = true, ["false"] = false, yes = true, no = false, ["1"] = true, ["0"] = false }

local parse = {}

function parse.number(text)
    local number = tonumber(text)
    if number and number == number and math.abs(number) ~= math.huge then
        return number
    end
end

function parse.string(text)
    return text
end

function parse.boolean(text)
    return booleans[text:lower()]
end

function parse.any(text)
    local number = parse.number(text)
    return number == nil and text or number
end

function parse.list(text, key)
    local inner = text:match "^%s*{(.*)}%s*$" or text
    local list = {}
    if inner:match "%S" then
        for item in (inner .. ","):gmatch "%s*(.-)%s*," do
            local value = parse[key.element or "any"](item)
            if value == nil then
                return nil
            end
            list[#list + 1] = value
        end
    end
    return list
end

local function wanted(key)
    if key.kind == "list" and key.element and key.element ~= "any" then
        return key.element == "number" and "a list of numbers such as 1,2,3" or "a list of " .. key.element .. "s"
    end
    return types[key.kind]
end

--- The value that a text stands for; raises when it is none.
local function read_value(name, text, key)
    if key.optional and text == "nil" then
        return nil
    elseif not types[key.kind] then
        refuse("%s: cannot be set on the command line (it is a %s)", name, key.kind)
    end
    local value = parse[key.kind](text, key)
    if value == nil then
        refuse("%s: %s wanted, not '%s'", name, wanted(key), text)
    end
    if key.choices then
        local known, texts = false, {}
        for i, choice in ipairs(key.choices) do
            texts[i] = tostring(choice)
            known = known or choice == value
        end
        if not known then
            refuse("%s: '%s' is none of %s%s", name, text, table.concat(texts, ", "), suggest.hint(text, texts))
        end
    end
    return value
end

-- ---- the command line -------------------------------------------------------------------------------

local function unknown_key(name, keys)
    refuse("%s: unknown key%s; --help lists the keys", name, suggest.hint(name, names_of(keys)))
end

--- An argument like --epochs=5: other programs write it so.
local function unknown_option(argument, keys)
    local name, value = argument:match "^%-+([^=]*)=?(.*)$"
    local key = name:gsub("%-", "_")
    if keys[key] then
        refuse("%s: unknown option (keys are given as %s=%s)", argument, key, value ~= "" and value or "VALUE")
    end
    refuse("%s: unknown option%s", argument, suggest.hint(name, { "help", "print-config" }, "--"))
end

--- Sorts the arguments: returns { key = text } and the files, and sets wishes.help, wishes.print_config.
local function read_arguments(arguments, keys, wishes)
    local given, files, only_files = {}, {}, false
    for _, argument in ipairs(arguments) do
        local name, text = argument:match "^([%a_][%w_.%-]*)=(.*)$"
        if only_files then
            files[#files + 1] = argument
        elseif argument == "--" then
            only_files = true
        elseif argument == "--help" or argument == "-h" then
            wishes.help = true
        elseif argument == "--print-config" then
            wishes.print_config = true
        elseif name then
            if not keys[name] then
                unknown_key(name, keys)
            end
            given[name] = text
        elseif argument:match "^%-." then
            unknown_option(argument, keys)
        else
            files[#files + 1] = argument
        end
    end
    return given, files
end

-- ---- what is printed --------------------------------------------------------------------------------

local function value_text(value)
    if is_list(value) then
        local texts = {}
        for i, item in ipairs(value) do
            texts[i] = tostring(item)
        end
        return table.concat(texts, ",")
    elseif type(value) == "number" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then
        return ("%.0f"):format(value)
    end
    return value == nil and "(none)" or tostring(value)
end

local function print_help(keys, help, script)
    print(("Usage: effv2 %s [key=value ...]%s"):format(script or "SCRIPT", help.files and " [FILE ...]" or ""))
    for _, paragraph in ipairs(help) do
        print("\n" .. paragraph)
    end
    print ""
    for _, name in ipairs(names_of(keys)) do
        local key = keys[name]
        local meaning = help[name] or ""
        if key.choices then
            meaning = meaning .. (meaning ~= "" and "; " or "") .. "one of " .. value_text(key.choices)
        elseif key.optional then
            meaning = meaning .. (meaning ~= "" and " " or "") .. "(" .. key.kind .. ")"
        end
        local line = ("  %-24s %-20s %s"):format(name, value_text(key.default), meaning):gsub("%s+$", "")
        print(line)
    end
    if help.files then
        print(("  %-24s %-20s %s"):format("FILE ...", "", help.files))
    end
end

local function print_values(values, origin)
    for _, name in ipairs(names_of(origin)) do
        print(("  %-24s %-20s %s"):format(name, value_text(values[name]), origin[name]))
    end
end

-- ---- the result -------------------------------------------------------------------------------------

--- Makes reading or writing a field that is no key an error.
local function guard(result, names, prefix)
    local function unknown(_, name)
        if not names[name] then
            error(("configuration: no key '%s%s'%s"):format(prefix, tostring(name),
                suggest.hint(tostring(name), names_of(names))), 2)
        end
    end
    return setmetatable(result, {
        __index = unknown,
        __newindex = function(_, name, value)
            unknown(_, name)
            rawset(result, name, value)
        end,
    })
end

--- Builds the nested table of values.
local function build(defaults, prefix, values)
    local result, names = {}, {}
    for name, default in pairs(defaults) do
        if not (prefix == "" and name == "help") then
            local key = prefix .. name
            names[name] = true
            if type(default) == "table" and not marks[default] and not is_list(default)
                and getmetatable(default) == nil then
                result[name] = build(default, key .. ".", values)
            else
                result[name] = values[key]
            end
        end
    end
    return guard(result, names, prefix)
end

-- ---- going on with a run ----------------------------------------------------------------------------

--- Keys that may differ from what a resumed run was started with: they do not change its results.
local FREE_ON_RESUME = { resume = true, run = true, workers = true, checkpoint_every = true, stop_after = true }

--- The settings that the run in `folder` was started with, flat: { ["optimizer.lr"] = 0.1 }.
local function stored_settings(folder)
    local settings, message = require("effv2.train.run").settings(folder)
    if not settings then
        if require("effv2.core").file_exists(folder .. "/config.json") then
            refuse("resume=%s: the run's settings cannot be read (%s); mend that file, or start a new run", folder, message)
        end
        refuse("resume=%s: no run to go on with there (%s); start it with run=%s", folder, message, folder)
    end
    local flat = {}
    local function walk(values, prefix)
        for name, value in pairs(values) do
            if type(value) == "table" and not is_list(value) then
                walk(value, prefix .. name .. ".")
            else
                flat[prefix .. name] = value
            end
        end
    end
    walk(settings, "")
    return flat
end

local function same_value(a, b)
    if not (is_list(a) and is_list(b)) then
        return a == b
    end
    return value_text(a) == value_text(b)
end

--- Lets a resumed run's own settings stand for the defaults; the command line may repeat them, not change them.
local function follow_run(folder, keys, values, origin)
    for name, value in pairs(stored_settings(folder)) do
        if keys[name] and not FREE_ON_RESUME[name] then
            if origin[name] == "default" then
                values[name], origin[name] = value, "the run"
            elseif not same_value(values[name], value) then
                refuse("%s=%s: the run in %s was started with %s=%s; leave it out, or start a new run", name,
                    value_text(values[name]), folder, name, value_text(value))
            end
        end
    end
end

--- The text given for a key on the command line, or the value of the run that resume= names; nil for neither.
-- For recipes whose other defaults depend on it, before they call effv2.config { ... }.
function config.given(name, arguments)
    local folder
    for _, argument in ipairs(arguments or rawget(_G, "arg") or {}) do
        local key, text = argument:match "^([%a_][%w_.%-]*)=(.*)$"
        if key == name then
            return text
        end
        folder = key == "resume" and text or folder
    end
    return folder and stored_settings(folder)[name] or nil
end

local function check_help(help, keys)
    for name in pairs(help) do
        check(type(name) == "number" or keys[name] or name == "files", "help for '%s', which is no key%s",
            tostring(name), suggest.hint(tostring(name), names_of(keys)))
    end
end

--- Reads the configuration.
-- @param defaults the keys with their defaults, and `help`
-- @param arguments the command line; the global `arg` unless given
function config.read(defaults, arguments)
    check(type(defaults) == "table", "a table of defaults is wanted, not a %s", type(defaults))
    local help = defaults.help or {}
    check(type(help) == "table", "help must be a table of key = meaning")
    arguments = arguments or rawget(_G, "arg") or {}
    local keys = collect(defaults, "", {})
    check(not keys.files, "'files' holds the files of the command line and cannot be a key")
    check_help(help, keys)
    local wishes = {}
    local given, files = read_arguments(arguments, keys, wishes)
    if wishes.help then
        print_help(keys, help, arguments[0])
        stop(0)
    elseif #files > 0 and not help.files then
        refuse("%s: unexpected argument (keys are given as key=value)", files[1])
    end
    local values, origin = {}, {}
    for name, key in pairs(keys) do
        values[name] = is_list(key.default) and copy_list(key.default) or key.default
        origin[name] = "default"
        if given[name] then
            values[name] = read_value(name, given[name], key)
            origin[name] = "command line"
        end
    end
    if values.resume then
        follow_run(values.resume, keys, values, origin)
    end
    if wishes.print_config then
        print_values(values, origin)
        stop(0)
    end
    local result = build(defaults, "", values)
    if help.files then
        rawset(result, "files", files)
    end
    origins[result] = origin
    return result
end

--- Where each value of a configuration comes from: { key = "default" or "command line" }, dotted keys for nested ones.
function config.origins(cfg)
    return origins[cfg] or error("effv2.config.origins: not a configuration made by effv2.config", 2)
end

return setmetatable(config, {
    __call = function(_, defaults, arguments)
        return config.read(defaults, arguments)
    end,
})
