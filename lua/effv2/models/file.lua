--- Networks of stages as Lua files: `return { stem = ..., head = ..., stages = { ... } }`.
--
-- A file holds data in Lua's notation. It is parsed here and never run: numbers, texts, true, false, and tables of them.
local core = require "effv2.core"
local names_of = require "effv2.names_of"
local stages = require "effv2.models.stages"

local file = {}

-- ---- writing ----------------------------------------------------------------------------------------

--- The order in which fields are written; others follow by name.
local ORDER = { "op", "expansion", "kernel", "stride", "channels", "layers", "se", "stem", "head", "sizes", "stages" }
local rank = {}
for i, name in ipairs(ORDER) do
    rank[name] = i
end

local function sorted_fields(t)
    local names = names_of(t)
    table.sort(names, function(a, b)
        local first, second = rank[a] or #ORDER + 1, rank[b] or #ORDER + 1
        if first ~= second then
            return first < second
        end
        return a < b
    end)
    return names
end

local function number_text(value)
    local short = ("%.14g"):format(value)
    return tonumber(short) == value and short or ("%.17g"):format(value)
end

local function write_value(value, indent)
    if type(value) == "number" and value - value == 0 then
        return number_text(value)
    elseif type(value) == "boolean" then
        return tostring(value)
    elseif type(value) == "string" then
        return ("%q"):format(value):gsub("\\\n", "\\n")
    elseif type(value) ~= "table" then
        error(("models.write: %s is no data that a file can hold"):format(tostring(value)), 0)
    end
    local parts = {}
    for _, name in ipairs(sorted_fields(value)) do
        if not name:match "^[%a_][%w_]*$" then
            error(("models.write: '%s' is not a name of a field"):format(name), 0)
        end
        parts[#parts + 1] = name .. " = " .. write_value(value[name], indent .. "    ")
    end
    local lines = false
    for _, item in ipairs(value) do
        parts[#parts + 1] = write_value(item, indent .. "    ")
        lines = lines or type(item) == "table"
    end
    if lines or indent == "" then
        local between = ",\n" .. indent .. "    "
        return "{\n" .. indent .. "    " .. table.concat(parts, between) .. ",\n" .. indent .. "}"
    end
    return #parts > 0 and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

--- The text of a file.
-- @param description { stem =, stages =, head =, ... }, as models.create takes it
-- @param comment lines that go above
function file.text(description, comment)
    local plain = {}
    for key, value in pairs(description) do
        plain[key] = value
    end
    for key, value in pairs(stages.check("models.write", description)) do
        plain[key] = value
    end
    local head = comment and "-- " .. comment:gsub("\n", "\n-- ") .. "\n" or ""
    return head .. "return " .. write_value(plain, "") .. "\n"
end

-- ---- reading ----------------------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

local DEPTH = 16

function Reader:fail(wanted)
    local line = select(2, self.text:sub(1, self.at - 1):gsub("\n", "")) + 1
    local seen = self.text:match("^[%w_]+", self.at) or self.text:match("^.", self.at)
    error(("%s:%d: %s, wanted %s (the file holds data and is not run)"):format(self.source, line,
        seen and ("'%s'"):format(seen) or "the file ends", wanted), 0)
end

--- Goes past white space and comments.
function Reader:skip()
    local before
    repeat
        before = self.at
        self.at = self.text:match("^%s*()", self.at)
        self.at = self.text:match("^%-%-[^\n]*()", self.at) or self.at
    until self.at == before
end

--- Takes the text that a pattern with one capture matches here; nil when none does.
function Reader:take(pattern)
    local found, after = self.text:match("^" .. pattern .. "()", self.at)
    if found then
        self.at = after
        self:skip()
    end
    return found
end

local ESCAPES = { n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ['"'] = '"', ["'"] = "'" }

function Reader:string(quote)
    local parts = {}
    self.at = self.at + 1
    while self.text:sub(self.at, self.at) ~= quote do
        local plain, after = self.text:match("^([^\\\n\"']+)()", self.at)
        local escape = self.text:match("^\\(.)", self.at)
        local other = self.text:match("^[\"']", self.at)
        if not plain and not ESCAPES[escape] and not other then
            self:fail "the end of the text in quotes"
        end
        parts[#parts + 1] = plain or ESCAPES[escape] or other
        self.at = after or self.at + (escape and 2 or 1)
    end
    self.at = self.at + 1
    self:skip()
    return table.concat(parts)
end

function Reader:table(depth)
    local result = {}
    if depth > DEPTH then
        self:fail(("tables within at most %d others"):format(DEPTH))
    end
    self:take "({)"
    while not self:take "(})" do
        local name = self.text:match("^([%a_][%w_]*)%s*=[^=]", self.at)
        if name then
            self:take "([%a_][%w_]*)"
            self:take "(=)"
            if result[name] ~= nil then
                self:fail(("another name: %s is there twice"):format(name))
            end
            result[name] = self:value(depth)
        else
            result[#result + 1] = self:value(depth)
        end
        if not self:take "([,;])" and self.text:sub(self.at, self.at) ~= "}" then
            self:fail "a comma or }"
        end
    end
    return result
end

function Reader:number()
    for _, form in ipairs { "[+-]?[%d%.]+[eE][+-]?%d+", "[+-]?[%d%.]+" } do
        local digits = self.text:match("^" .. form .. "%f[^%w_%.]", self.at)
        local number = tonumber(digits or "")
        if number and number - number == 0 then
            self.at = self.at + #digits
            self:skip()
            return number
        end
    end
end

local WORDS = { ["true"] = true, ["false"] = false }

function Reader:value(depth)
    local first = self.text:sub(self.at, self.at)
    if first == "{" then
        return self:table(depth + 1)
    elseif first == '"' or first == "'" then
        return self:string(first)
    end
    local word = self.text:match("^[%a_][%w_]*", self.at)
    if WORDS[word] ~= nil then
        self:take "([%a_][%w_]*)"
        return WORDS[word]
    end
    return self:number() or self:fail "a number, a text in quotes, true, false or a table"
end

--- The table that a text holds; raises with the line where it does not.
function file.parse(text, source)
    local reader = setmetatable({ text = text, source = source, at = 1 }, Reader)
    reader:skip()
    if not reader:take "(return)%f[^%w_]" then
        reader:fail "return { ... }"
    elseif reader.text:sub(reader.at, reader.at) ~= "{" then
        reader:fail "a table"
    end
    local value = reader:table(1)
    if reader.at <= #text then
        reader:fail "nothing after the table"
    end
    return value
end

-- ---- files ------------------------------------------------------------------------------------------

--- Writes a description; the file appears whole or not at all. Returns true; or nil, message, code.
function file.write(path, description, comment)
    return core.write_file(path, file.text(description, comment))
end

--- Reads a file: the description, checked, with what else is in it; nil and a message when it cannot be used.
function file.read(path)
    local text, message, code = core.read_file(path)
    if not text then
        return nil, message, code
    end
    local ok, description = pcall(file.parse, text, path)
    if not ok then
        return nil, description
    end
    local checked
    ok, checked = pcall(stages.check, path, description)
    if not ok then
        return nil, checked
    end
    for key, value in pairs(checked) do
        description[key] = value
    end
    return description
end

return file
