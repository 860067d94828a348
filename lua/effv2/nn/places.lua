--- places: which layer of a model an operation belongs to, by number.
--
-- While a model is watched, every call of one of its modules or layers sets the core's place (core.profile_place) to the
-- module's number and sets it back behind it.
local core = require "effv2.core"
local paths = require "effv2.nn.paths"

local places = {}

local layer_meta = getmetatable(core.layers.Dropout {})

--- Numbers the modules and layers of a model from 1, in the order of model:modules().
-- @return { [module] = number }, { path, ... }
function places.number(model)
    local place_of, path_of = {}, {}
    for path, module in model:modules() do
        path_of[#path_of + 1] = path
        place_of[module] = #path_of
    end
    return place_of, path_of
end

local function back_to(place, ...)
    core.profile_place(place)
    return ...
end

--- A caller of f(module, ...) that counts what happens inside at the module's place.
local function at_places(place_of, f)
    return function(module, ...)
        local place = place_of[module]
        if not place then
            return f(module, ...)
        end
        return back_to(core.profile_place(place), f(module, ...))
    end
end

--- Sets places from now on, by the numbers in place_of; returns a function that ends it.
function places.watch(place_of)
    local call = layer_meta.__call
    layer_meta.__call = at_places(place_of, call)
    paths.set_watch(at_places(place_of, function(module, ...)
        return module:forward(...)
    end))
    return function()
        layer_meta.__call = call
        paths.set_watch(nil)
    end
end

return places
