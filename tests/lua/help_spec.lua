--- help(): every operation, layer and documented function explains itself.
local core = require "effv2.core"
local help = require "effv2.help"

local function explains(topic, ...)
    local text = help(topic)
    for _, part in ipairs { ... } do
        assert.is_truthy(text:find(part, 1, true), ("%q is not in:\n%s"):format(part, text))
    end
end

describe("help", function()
    it("explains each operation and layer by its name", function()
        for _, record in ipairs(core.op_records()) do
            explains(record.name, "effv2." .. record.name .. "(", record.doc)
        end
        for _, record in ipairs(core.layer_records()) do
            explains("nn." .. record.name, "effv2.nn." .. record.name, record.doc)
        end
    end)

    it("explains functions by name and by value", function()
        explains("config.optional", "effv2.config.optional(kind)", "A key that is nil unless it is set")
        explains("effv2.config.optional", "A key that is nil unless it is set")
        explains(require("effv2.config").optional, "A key that is nil unless it is set")
        explains(core.silu, "effv2.silu(x)")
        explains("x:silu", "effv2.silu(x)")
    end)

    it("explains modules by their heads and lists what is in them", function()
        explains("config", "The configuration of a recipe", "\n\n  choice, ", "optional, origins")
        explains(require "effv2.config", "The configuration of a recipe")
        explains("search.study", "effv2.search.study\n  A study: many trials of an objective")
        explains("search.space.log", "effv2.search.space.log(low, high, points)", "whose logarithm is uniform")
    end)

    it("explains what lies deeper, and functions that a module has from another file", function()
        explains("search.networks.around", "effv2.search.networks.around(base, given)", "The space around a network")
        explains("effv2.search.strategies.evolution", "Regularised evolution", "@param given { space =")
        explains("search.step_time", "timed in a process of its own", "@return seconds of a step")
        explains(require("effv2.search").step_time, "@return seconds of a step")
        explains("search.reward", "The paper names neither reference", "w = -0.07")
    end)

    it("has an overview, and a hint for what it does not know", function()
        explains(nil, "effv2 trains")
        explains("", "effv2 trains")
        explains("cnv2d", "no help for 'cnv2d' (did you mean conv2d?)")
        explains("no.such.thing", "no help for 'no.such.thing'")
        explains("50%s", "no help for '50%s'")
        explains(42, "no help for 42")
        explains(print, "no help for function")
    end)
end)
