--- Printing of any Lua value the way one wants to read it at the prompt.
--
-- Tables are sorted and cut: depth 3, 60 entries a table, and a limit on the whole, so that printing stays quick
-- whatever it is given. Cycles are marked. Objects print as their own tostring says.
local pretty = {}

local defaults = { depth = 3, entries = 60, total = 600, width = 80 }

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch "%a+" do
    keywords[word] = true
end

local max_key_scan = 10000 -- of a larger table only this many keys are sorted

local max_string = 1000
local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function format_number(n)
    if n == math.floor(n) and math.abs(n) < 2 ^ 53 then
        return ("%.0f"):format(n)
    end
    return tostring(n)
end

local function format_string(text)
    local cut = #text > max_string
    local quoted = '"' .. (cut and text:sub(1, max_string) or text):gsub('[%z\1-\31\127"\\]', function(char)
        return escapes[char] or ("\\%03d"):format(char:byte())
    end) .. '"'
    return cut and ("%s... (%d bytes)"):format(quoted, #text) or quoted
end

local function format_function(f)
    local info = debug.getinfo(f, "S")
    if info.what == "C" then
        return "<function>"
    end
    return ("<function %s:%d>"):format(info.short_src, info.linedefined)
end

local function format_key(key)
    if type(key) == "string" and key:match "^[%a_][%w_]*$" and not keywords[key] then
        return key
    end
    return "[" .. (type(key) == "string" and format_string(key) or type(key) == "number" and format_number(key)
        or tostring(key)) .. "]"
end

--- tostring, or what went wrong in it.
local function safe_tostring(value)
    local ok, text = pcall(tostring, value)
    return ok and text or ("<%s: tostring failed: %s>"):format(type(value), tostring(text))
end

local kind_order = { number = 1, string = 2, boolean = 3 }

local function key_before(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a ~= kind_b then
        return (kind_order[kind_a] or 4) < (kind_order[kind_b] or 4)
    elseif kind_a == "number" or kind_a == "string" then
        return a < b
    end
    return tostring(a) < tostring(b)
end

--- Keys outside 1 .. length, sorted, and how many there are in all.
local function other_keys(value, length)
    local keys, count = {}, 0
    for key in next, value do
        if not (type(key) == "number" and key >= 1 and key <= length and key == math.floor(key)) then
            count = count + 1
            if count <= max_key_scan then
                keys[count] = key
            end
        end
    end
    table.sort(keys, key_before)
    return keys, count
end

--- An object inside a table gets one line: of a long text the summary in brackets that ends it, or its first line.
local function one_line(text)
    if not text:find("\n", 1, true) then
        return text
    end
    return text:match "\n(%[[^\n]*%])%s*$" or text:match "^[^\n]*" .. " ..."
end

local format

--- Joins the items on one line if they fit, else one a line.
local function join(items, indent, width)
    local length = #indent + 2
    for _, item in ipairs(items) do
        length = length + #item + 2
        if length > width or item:find("\n", 1, true) then
            local inner = indent .. "  "
            return "{\n" .. inner .. table.concat(items, ",\n" .. inner) .. "\n" .. indent .. "}"
        end
    end
    return "{ " .. table.concat(items, ", ") .. " }"
end

local function format_table(value, state, depth, indent)
    if state.open[value] then
        return "<cycle>"
    elseif next(value) == nil then
        return "{}"
    elseif depth > state.depth then
        return "{...}"
    end
    state.open[value] = true
    local items, inner = {}, indent .. "  "
    local length = #value
    local keys, key_count = other_keys(value, length)
    local function room()
        return #items < state.entries and state.left > 0
    end
    local shown = 0
    while shown < length and room() do
        shown = shown + 1
        state.left = state.left - 1
        items[shown] = format(rawget(value, shown), state, depth + 1, inner)
    end
    for _, key in ipairs(keys) do
        if not room() then
            break
        end
        shown = shown + 1
        state.left = state.left - 1
        items[shown] = format_key(key) .. " = " .. format(rawget(value, key), state, depth + 1, inner)
    end
    local hidden = length + key_count - shown
    if hidden > 0 then
        items[#items + 1] = ("... %d more"):format(hidden)
    end
    state.open[value] = nil
    return join(items, indent, state.width)
end

function format(value, state, depth, indent)
    local kind = type(value)
    if kind == "number" then
        return format_number(value)
    elseif kind == "string" then
        return format_string(value)
    elseif kind == "function" then
        return format_function(value)
    elseif kind == "table" then
        local meta = debug.getmetatable(value)
        if not (meta and rawget(meta, "__tostring")) then
            return format_table(value, state, depth, indent)
        end
    end
    local text = safe_tostring(value)
    return depth > 1 and one_line(text) or text
end

--- The text for a value.
-- @param options depth, entries (of one table), total (of all tables), width
function pretty.format(value, options)
    local state = { open = {} }
    for name, default in pairs(defaults) do
        state[name] = options and options[name] or default
    end
    state.left = state.total
    return format(value, state, 1, "")
end

return pretty
