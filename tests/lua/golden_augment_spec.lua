--- Operations at all magnitudes and resizing against Pillow's, as timm and torchvision call it.
local effv2 = require "effv2"
local ffi = require "ffi"
local golden = dofile "tests/lua/golden.lua"
local cases = dofile "tests/lua/augment_cases.lua"

local tensors, records = golden.load "augment"

local function bytes_of(picture)
    local owner = picture:contiguous():tobytes()
    return ffi.cast("const uint8_t *", owner), owner
end

--- The largest difference at the pixels that the file keeps of a case (from 0).
local function difference(got, want, case)
    local pixels = got:size(1) * got:size(2)
    local a, owner_a = bytes_of(got)
    local b, owner_b = bytes_of(want)
    local largest = 0
    for k = 0, records.points - 1 do
        local at = (case * records.points + k) * records.step % pixels
        for c = 0, 2 do
            largest = math.max(largest, math.abs(a[3 * at + c] - b[(case * records.points + k) * 3 + c]))
        end
    end
    assert(owner_a and owner_b)
    return largest
end

local function check(record)
    for i, case in ipairs(record.cases) do
        local off = difference(cases.run(tensors.picture, record, case), tensors[record.name], i - 1)
        if off > 1 then
            error(("case %s is off by %d"):format(effv2.json_encode(case), off), 0)
        end
    end
end

for _, isa in ipairs(golden.instruction_sets()) do
    describe(("Pillow's pixels within 1 (%s):"):format(isa), function()
        for _, record in ipairs(records.list) do
            it(record.name, function()
                golden.with_isa(isa, function() check(record) end)
            end)
        end
    end)
end
