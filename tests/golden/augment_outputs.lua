--- Writes to stdout what effv2 makes of a picture in the cases of a file: for augment_cases.py.
--
--     effv2 tests/golden/augment_outputs.lua picture.png records.json
local effv2 = require "effv2"
local cases = dofile "tests/lua/augment_cases.lua"

local picture = assert(effv2.read_image(arg[1]))
for _, record in ipairs(assert(effv2.json_decode(assert(effv2.read_file(arg[2]))))) do
    for _, case in ipairs(record.cases) do
        io.stdout:write(cases.run(picture, record, case):tobytes())
    end
end
