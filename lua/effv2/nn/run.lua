--- run(steps, x): applies layers, modules or functions one after another.
--
-- Modules that are `private` (parts of folded models, nn/fold.lua) keep neither what they are given nor what they
-- return: a tensor between two of them is freed when the second has read it, and the next one finds warm memory.
return function(steps, x)
    local between = false
    for _, step in ipairs(steps) do
        local y = step(x)
        local private = type(step) == "table" and step.private and y ~= x
        if between and private then
            x:free()
        end
        x, between = y, private
    end
    return x
end
