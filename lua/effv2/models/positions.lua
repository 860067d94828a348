--- Position embeddings of transformers for another grid of patches: the antialiased bicubic interpolation with which
-- timm resizes them (torch's interpolate(mode = "bicubic", antialias = True)).
local core = require "effv2.core"

local positions = {}

local A, REACH = -0.5, 2 -- the cubic's slope at 1, and where it ends

local function cubic(x)
    x = math.abs(x)
    if x < 1 then
        return ((A + 2) * x - (A + 3)) * x * x + 1
    elseif x < 2 then
        return (((x - 5) * x + 8) * x - 4) * A
    end
    return 0
end

--- The weights of `to` samples in `from` ones, [to][from]; every row adds up to 1.
local function weights(from, to)
    local scale = from / to
    local stretch, rows = math.max(scale, 1), {}
    for i = 1, to do
        local centre, row, sum = scale * (i - 0.5), {}, 0
        local first = math.max(math.floor(centre - REACH * stretch + 0.5), 0)
        local last = math.min(math.floor(centre + REACH * stretch + 0.5), from)
        for j = 1, from do
            local inside = j > first and j <= last
            row[j] = inside and cubic((j - 0.5 - centre) / stretch) or 0
            sum = sum + row[j]
        end
        for j = 1, from do
            row[j] = row[j] / sum
        end
        rows[i] = row
    end
    return core.tensor(rows)
end

--- An embedding [1][1 + h w][channels] for a class token and h x w patches, for another grid. Differentiable.
-- @param old, new { h, w }
function positions.resize(embedding, old, new)
    if old[1] == new[1] and old[2] == new[2] then
        return embedding
    end
    local channels = embedding:size(3)
    local class = embedding:slice(2, 1, 1)
    local rows = embedding:slice(2, 2, 1 + old[1] * old[2]):reshape { old[1], old[2] * channels }
    rows = core.matmul(weights(old[1], new[1]), rows):reshape { new[1], old[2], channels }
    local columns = rows:permute({ 2, 1, 3 }):reshape { old[2], new[1] * channels }
    columns = core.matmul(weights(old[2], new[2]), columns):reshape { new[2], new[1], channels }
    return core.concat({ class, columns:permute({ 2, 1, 3 }):reshape { 1, new[1] * new[2], channels } }, 2)
end

return positions
