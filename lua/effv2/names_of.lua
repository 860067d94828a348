--- names_of(t): the keys of a table that are texts, sorted.
return function(t)
    local names = {}
    for name in pairs(t) do
        if type(name) == "string" then
            names[#names + 1] = name
        end
    end
    table.sort(names)
    return names
end
