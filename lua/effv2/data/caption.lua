--- Small text as a picture, to label sheets of pictures.
local core = require "effv2.core"

-- Glyphs of 3 x 5 pixels: a digit a row, whose bits are the pixels from left (4) to right (1).
local glyphs = {
    a = "25755", b = "65656", c = "34443", d = "65556", e = "74647", f = "74644", g = "34553", h = "55755", i = "72227",
    j = "11152", k = "55655", l = "44447", m = "57755", n = "65555", o = "25552", p = "65644", q = "25563", r = "65655",
    s = "34216", t = "72222", u = "55557", v = "55552", w = "55775", x = "55255", y = "55222", z = "71247",
    ["0"] = "75557", ["1"] = "26227", ["2"] = "71747", ["3"] = "71317", ["4"] = "55711", ["5"] = "74717", ["6"] = "74757",
    ["7"] = "71122", ["8"] = "75757", ["9"] = "75717", [" "] = "00000", ["."] = "00002", [","] = "00024", [":"] = "02020",
    ["-"] = "00700", ["_"] = "00007", ["+"] = "02720", ["="] = "07070", ["/"] = "11244", ["%"] = "51245",
    ["("] = "24442", [")"] = "21112",
}
local UNKNOWN = "77777"
local BLACK, WHITE = ("\0"):rep(3), ("\255"):rep(3)

--- One row of pixels of the text, `scale` times as wide.
local function row_of(text, row, scale)
    local pixels = {}
    for letter in text:gmatch "." do
        local bits = tonumber((glyphs[letter] or UNKNOWN):sub(row, row))
        for _, bit in ipairs { 4, 2, 1 } do
            pixels[#pixels + 1] = (bits % (2 * bit) >= bit and BLACK or WHITE):rep(scale)
        end
        pixels[#pixels + 1] = WHITE:rep(scale)
    end
    return table.concat(pixels)
end

--- Black text on white: a uint8 picture of 5 * scale rows and 4 * scale columns a letter. Capitals are small.
-- @param scale = 2
local function caption(text, scale)
    scale = scale or 2
    local rows = {}
    for row = 1, 5 do
        rows[row] = row_of(text:lower(), row, scale):rep(scale)
    end
    return core.from_bytes(table.concat(rows), 5 * scale, 4 * scale * #text, 3, { dtype = "uint8" })
end

return caption
