--- search.scale(description, { width =, depth =, ... }): the winner of a search, made larger as section 3.4 does.
local keys = require "effv2.keys"
local models = require "effv2.models"

--- Compound scaling with the paper's two changes: images stop growing at 480 pixels, "very large images often lead to
-- expensive memory and training speed overhead", and the later stages get more layers, "to increase the network capacity
-- without adding much runtime overhead".
-- @param description { stem =, stages =, head =, sizes = } as space:stages gives it, a name, or the path of a file
-- @param given { width = 1, depth = 1, image = 1 (factors of channels, layers, sizes), max_image = 480 pixels,
-- late_layers = 1 (how many times more layers the last stage has beside that; evenly less down to the middle) }
-- @return a description, as space:stages gives it
return function(description, given)
    local o = keys.check("search.scale", given, { width = 1, depth = 1, image = 1, max_image = 480, late_layers = 1 })
    return models.scale {
        base = description, width = o.width, depth = o.depth, size = o.image, largest = o.max_image, late = o.late_layers,
    }
end
