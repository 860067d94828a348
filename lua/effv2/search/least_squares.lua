--- Linear least squares by orthogonalisation.

local DEPENDENT = 1e-9 -- a column of which no larger share is left beside the ones before it adds nothing

local function dot(a, b)
    local sum = 0
    for i = 1, #a do
        sum = sum + a[i] * b[i]
    end
    return sum
end

--- Takes what a has of the unit vector q off it; returns how much that was.
local function remove(a, q)
    local share = dot(a, q)
    for i = 1, #a do
        a[i] = a[i] - share * q[i]
    end
    return share
end

--- The coefficients c for which the sum of (rows[i] . c - targets[i])^2 is least: Gram-Schmidt, twice, which is as exact as
-- reflections. A column that depends on those before it gets 0.
-- @param rows a list of at least as many rows as columns
return function(rows, targets)
    local columns, bases, triangle, shares = #rows[1], {}, {}, {}
    local rest = { unpack(targets) }
    for j = 1, columns do
        local column = {}
        for i, row in ipairs(rows) do
            column[i] = row[j]
        end
        local whole = math.sqrt(dot(column, column))
        triangle[j] = {}
        for _ = 1, 2 do
            for k = 1, j - 1 do
                triangle[j][k] = (triangle[j][k] or 0) + (bases[k] and remove(column, bases[k]) or 0)
            end
        end
        local left = math.sqrt(dot(column, column))
        if left > DEPENDENT * whole then
            for i = 1, #column do
                column[i] = column[i] / left
            end
            bases[j], triangle[j][j] = column, left
            shares[j] = remove(rest, column)
        else
            bases[j] = false
        end
    end
    local coefficients = {}
    for j = columns, 1, -1 do
        local value = bases[j] and shares[j] or 0
        for k = j + 1, columns do
            value = value - coefficients[k] * triangle[k][j]
        end
        coefficients[j] = bases[j] and value / triangle[j][j] or 0
    end
    return coefficients
end
