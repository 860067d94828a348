--- Calling modules, and saying where in a model an error arose.
--
-- Only the outermost call is protected. When something raises below it, the stack is still there: the innermost
-- frame whose first argument is a layer of the model names the place. So calls cost nothing while all is well.
local paths = {}

local library = debug.getinfo(1, "S").source:match "^(.*)nn[/\\]paths%.lua$"
local outermost -- the module whose call is protected, while one is
local watch     -- calls forward in its own way, while somebody watches

--- The message without the place in this library that Lua put before it.
local function without_library_place(message, level)
    local info = debug.getinfo(level, "Sl")
    while info do
        local place = ("%s:%d: "):format(info.short_src, info.currentline)
        if message:sub(1, #place) == place then
            local rest = message:sub(#place + 1)
            local from_library = library and info.source:sub(1, #library) == library
            return from_library and rest:sub(1, 11) ~= "attempt to " and rest or message
        end
        level = level + 1
        info = debug.getinfo(level, "Sl")
    end
    return message
end

local function paths_below(module)
    local path_of = {}
    for path, child in module:modules() do
        path_of[child] = path
    end
    return path_of
end

--- The path of the innermost running layer of the outermost module.
local function running_path(level)
    local path_of = paths_below(outermost)
    while debug.getinfo(level, "f") do
        local _, first = debug.getlocal(level, 1)
        if first ~= nil and path_of[first] then
            return path_of[first]
        end
        level = level + 1
    end
    return ""
end

local function locate(message)
    if type(message) ~= "string" or message:match "interrupted$" then
        return message
    end
    local path = running_path(3)
    if path == "" then
        path = outermost:type()
    end
    return ("in %s: %s"):format(path, without_library_place(message, 3))
end

local function pass(...)
    return ...
end

local function leave(ok, ...)
    outermost = nil
    if not ok then
        error((...), 0)
    end
    return ...
end

--- module(...): its forward. The frame of a nested call stays on the stack, so that an error finds it.
function paths.call(module, ...)
    local forward = watch or module.forward
    if outermost then
        return pass(forward(module, ...))
    end
    outermost = module
    return leave(xpcall(forward, locate, module, ...))
end

--- Calls f(module, ...) in place of module:forward(...) for every module from now on; nil: no longer.
function paths.set_watch(f)
    watch = f
end

return paths
