-- The pixels of pictures as effv2 decodes them, for odd_table.py: effv2 dump_images.lua FOLDER < PATHS
-- Picture n of the list becomes FOLDER/n.rgb, and a line "height width" is printed, or "refused: why".
local effv2 = require "effv2"

local number = 0
for path in io.lines() do
    number = number + 1
    local picture, message = effv2.read_image(path)
    if picture then
        assert(effv2.write_file(("%s/%d.rgb"):format(arg[1], number), picture:tobytes()))
        print(picture:size(1), picture:size(2))
    else
        print("refused: " .. message:sub(#path + 3))
    end
end
