--- search.random(seed): random numbers for choosing, whose whole state is two numbers.
--
-- Number i of a seed is a hash of both (SplitMix64, Steele et al. 2014), so nothing else is drawn from, and a generator
-- goes on from its state anywhere. Tensors have generators of their own (effv2.randn).
local bit = require "bit"
local keys = require "effv2.keys"

local Random = {}
Random.__index = Random

local GAMMA = 0x9E3779B97F4A7C15ULL

local function mix(z)
    z = bit.bxor(z, bit.rshift(z, 30)) * 0xBF58476D1CE4E5B9ULL
    z = bit.bxor(z, bit.rshift(z, 27)) * 0x94D049BB133111EBULL
    return bit.bxor(z, bit.rshift(z, 31))
end

--- The next number in [0, 1).
function Random:uniform()
    self.drawn = self.drawn + 1
    local hash = mix(mix(self.seed + GAMMA) + self.drawn * GAMMA)
    return tonumber(bit.rshift(hash, 11)) * 2 ^ -53
end

--- A whole number from 1 to n.
function Random:below(n)
    return 1 + math.floor(self:uniform() * n)
end

--- The index of one of the shares, which add up to 1: each as often as it is large.
function Random:pick(shares)
    local rest = self:uniform()
    for i = 1, #shares - 1 do
        rest = rest - shares[i]
        if rest < 0 then
            return i
        end
    end
    return #shares
end

--- { seed =, drawn = }: what restore goes on from.
function Random:state()
    return { seed = self.seed, drawn = self.drawn }
end

--- Goes on from a state; returns the generator.
function Random:restore(state)
    self.seed, self.drawn = state.seed, state.drawn
    return self
end

--- @param seed a whole number from 0
return function(seed)
    keys.want_whole("search.random", "the seed", seed, 0)
    return setmetatable({ seed = seed, drawn = 0 }, Random)
end
