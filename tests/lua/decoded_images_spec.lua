-- docs/decoded_images.md is true: every public test image decodes to the pixels of the table, or is refused as there.
local effv2 = require "effv2"
local bit = require "bit"
local ffi = require "ffi"

local folder = (os.getenv "EFFV2_DATA" or (os.getenv "HOME" or "") .. "/.cache/effv2-data") .. "/odd"

local crc_table = ffi.new "uint32_t[256]"
for i = 0, 255 do
    local crc = i
    for _ = 1, 8 do
        crc = bit.bxor(bit.rshift(crc, 1), bit.band(crc, 1) == 1 and 0xEDB88320 or 0)
    end
    crc_table[i] = crc
end

local function crc32(text)
    local bytes, crc = ffi.cast("const uint8_t *", text), -1
    for i = 0, #text - 1 do
        crc = bit.bxor(bit.rshift(crc, 8), crc_table[bit.band(bit.bxor(crc, bytes[i]), 255)])
    end
    return bit.tohex(bit.bnot(crc))
end

local function rows_of(path)
    local rows = {}
    for line in io.lines(path) do
        local row = {}
        for cell in line:gmatch "| ([^|]*) " do
            row[#row + 1] = cell
        end
        if row[1] and row[1]:find("/", 1, true) then
            rows[#rows + 1] = row
        end
    end
    return rows
end

--- A row of the table as it would be now, without what Pillow has to say.
local function row_now(file)
    local picture, message = effv2.read_image(folder .. "/" .. file)
    if not picture then
        return message:sub(#folder + #file + 4)
    end
    return ("%d %d %s"):format(picture:size(1), picture:size(2), crc32(picture:tobytes()))
end

describe("docs/decoded_images.md", function()
    it("says what each file decodes to", function()
        if not effv2.dir_exists(folder) then
            return pending("no public test images in " .. folder)
        end
        local rows, wrong = rows_of "docs/decoded_images.md", {}
        for _, row in ipairs(rows) do
            local stated = #row >= 5 and table.concat(row, " ", 2, 4) or row[2]
            local now = row_now(row[1])
            if now ~= stated then
                wrong[#wrong + 1] = ("%s: %s, the table says %s"):format(row[1], now, stated)
            end
        end
        assert.are.equal("", table.concat(wrong, "\n"))
        assert.is_true(#rows > 400)
    end)
    it("has a checksum that Python's zlib has too", function()
        assert.are.equal("cbf43926", crc32 "123456789")
    end)
end)
