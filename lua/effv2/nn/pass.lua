--- pass(layer, y, x): layer(y), where y was made by a block from its input x.
--
-- The tape keeps what it needs of y and the block needs it no more, so it is handed back: backward then frees activations
-- as it passes them. Whoever wants to see a y later keeps it: y:keep().
return function(layer, y, x)
    local z = layer(y)
    if y ~= x and y ~= z then
        y:release()
    end
    return z
end
