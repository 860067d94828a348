--- Searching: many trials of one objective over a space of parameters, each in a process of its own.
--
-- effv2.search.study runs and records the trials, effv2.search.space says what their parameters may be, and
-- effv2.search.stopper ends trials early that do worse than others.
local suggest = require "effv2.suggest"

local search = {
    space = require "effv2.search.space",
    stopper = require "effv2.search.stopper",
    study = require "effv2.search.study",
}

suggest.guard(search.space, "effv2.search.space")
suggest.guard(search.stopper, "effv2.search.stopper")

return search
