--- What the golden specs share: files of tests/golden, errors, instruction sets.
local effv2 = require "effv2"
local bit = require "bit"
local ffi = require "ffi"

local golden = {}

--- Tensors by name, and the decoded records, of tests/golden/<name>.safetensors.
function golden.load(name)
    local tensors, metadata = assert(effv2.load("tests/golden/" .. name .. ".safetensors"))
    return tensors, assert(effv2.json_decode(metadata.records))
end

local c_types = { float32 = "const float *", float64 = "const double *", int64 = "const int64_t *",
    int32 = "const int32_t *", uint8 = "const uint8_t *" }

--- Pointer to the elements, their number, and the string that owns the memory.
local function elements(t)
    local bytes = t:tobytes()
    return ffi.cast(c_types[t:dtype()], bytes), t:numel(), bytes
end

--- The largest difference over the largest reference value: how a sum's error is judged, where terms cancel.
function golden.error_of_tensor(got, want)
    local a, n, owner_a = elements(got)
    local b, m, owner_b = elements(want)
    assert(n == m and owner_a and owner_b)
    local difference, size = 0, 0
    for i = 0, n - 1 do
        local d = math.abs(tonumber(a[i]) - tonumber(b[i]))
        if d ~= d then
            return 1 / 0
        end
        difference, size = math.max(difference, d), math.max(size, math.abs(tonumber(b[i])))
    end
    return difference == 0 and 0 or difference / size
end

--- The largest difference, each over the larger of its own reference value and 1e-6.
function golden.error_of_elements(got, want)
    local a, n, owner_a = elements(got)
    local b, m, owner_b = elements(want)
    assert(n == m and owner_a and owner_b)
    local worst = 0
    for i = 0, n - 1 do
        local x, y = tonumber(a[i]), tonumber(b[i])
        local e = x == y and 0 or math.abs(x - y) / math.max(math.abs(y), 1e-6)
        if e ~= e then
            return 1 / 0
        end
        worst = math.max(worst, e)
    end
    return worst
end

--- The norm of the difference over the norm of the reference.
function golden.error_of_norm(got, want)
    local a, n, owner_a = elements(got)
    local b, m, owner_b = elements(want)
    assert(n == m and owner_a and owner_b)
    local difference, size = 0, 0
    for i = 0, n - 1 do
        difference, size = difference + (a[i] - b[i]) ^ 2, size + b[i] ^ 2
    end
    if difference ~= difference then
        return 1 / 0
    end
    return difference == 0 and 0 or math.sqrt(difference / size)
end

-- ---- numbers that need no storage: golden_file.py computes the same bits ----

local bxor, lshift, rshift, tobit = bit.bxor, bit.lshift, bit.rshift, bit.tobit

--- A 32-bit mix of shifts, additions and exclusive ors.
local function mix(x)
    x = tobit((x + 0x7ed55d16) + lshift(x, 12))
    x = bxor(bxor(x, 0xc761c23c), rshift(x, 19))
    x = tobit((x + 0x165667b1) + lshift(x, 5))
    x = bxor(x + 0xd3a2646c, lshift(x, 9))
    x = tobit((x + 0xfd7046c5) + lshift(x, 3))
    return bxor(bxor(x, 0xb55a4f09), rshift(x, 16))
end

--- Element i (from 0) of a formula tensor that starts at `start`.
local function element(start, i, centre, width)
    local drawn = mix(tobit(start + i))
    return centre + width * ((drawn < 0 and drawn + 2 ^ 32 or drawn) / 2 ^ 32 - 0.5)
end

--- Formula tensor `number`: uniform numbers around centre.
function golden.formula(number, shape, centre, width)
    local n, start = 1, mix(number)
    for _, size in ipairs(shape) do
        n = n * size
    end
    local values = ffi.new("float[?]", n)
    for i = 0, n - 1 do
        values[i] = element(start, i, centre, width)
    end
    return effv2.from_bytes(ffi.string(values, 4 * n), shape)
end

--- The norm of a tensor, and its products with formula tensors `first`, `first` + 1, ... of variance 1.
function golden.summary(t, first, projections)
    local values, n, owner = elements(t)
    local width, single = math.sqrt(12), ffi.new "float[1]"
    local squares = 0
    for i = 0, n - 1 do
        squares = squares + values[i] * values[i]
    end
    local result = { math.sqrt(squares) }
    for k = 1, projections do
        local start, sum = mix(first + k - 1), 0
        for i = 0, n - 1 do
            single[0] = element(start, i, 0, width)
            sum = sum + values[i] * single[0]
        end
        result[k + 1] = sum
    end
    assert(owner)
    return result
end

-- ---- instruction sets ----

local at_start = effv2.info().isa

--- The instruction sets that this machine has, the plainest first.
function golden.instruction_sets()
    local available = {}
    for _, isa in ipairs { "portable", "avx2", "avx512" } do
        if pcall(effv2.use_isa, isa) then
            available[#available + 1] = isa
        end
    end
    effv2.use_isa(at_start)
    return available
end

--- Calls f with the instruction set in use.
function golden.with_isa(isa, f)
    effv2.use_isa(isa)
    local ok, problem = pcall(f)
    effv2.use_isa(at_start)
    if not ok then
        error(problem, 0)
    end
end

return golden
