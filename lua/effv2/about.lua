--- What `effv2 --version` and `effv2 --info` print.
local effv2 = require "effv2"
local names_of = require "effv2.names_of"

local about = {}

--- One line: name and version.
function about.version()
    print("effv2 " .. effv2._VERSION)
end

--- One "name value" line for each fact of effv2.info(), then the versions and paths.
function about.info(library)
    local facts = { version = effv2._VERSION, lua = jit.version, library = library }
    for name, value in pairs(effv2.info()) do
        facts[name] = tostring(value)
    end
    for _, name in ipairs(names_of(facts)) do
        print(("%-12s %s"):format(name, facts[name]))
    end
end

return about
