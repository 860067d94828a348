--- nn: layers, modules and containers, by one name.
--
--     local nn = require "effv2.nn"
--     local Block = nn.class "Block"
--     function Block:init(args)
--       self.conv = nn.Conv2d {
--         in_channels = args.channels, out_channels = args.channels, kernel_size = 3, padding = "same",
--       }
--     end
--     function Block:forward(x) return x + self.conv(x) end
--     local b = Block { channels = 8 }
--     local y = b(x)
--
-- nn holds the layers of the core (Conv2d, BatchNorm2d, Dense, ...: userdata), what is composed of them in Lua
-- (Sequential, Residual, ConvNormAct, MBConv, FusedMBConv, Attention, ...), nn.class for one's own, and nn.fold, which
-- makes a model for inference. nn/module.lua has what every module can do.
local core = require "effv2.core"
local Module = require "effv2.nn.module"

local nn = {
    Module = Module,
    class = Module.class,
    is_module = Module.is_module,
    is_layer = Module.is_layer,
    run = require "effv2.nn.run",
}

local parts = {
    core.layers, require "effv2.nn.containers", require "effv2.nn.blocks", require "effv2.nn.attention",
    require "effv2.nn.scaled_conv", require "effv2.nn.fold",
}
for _, part in ipairs(parts) do
    for name, constructor in pairs(part) do
        nn[name] = constructor
    end
end

return nn
