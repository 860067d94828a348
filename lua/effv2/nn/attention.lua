--- The blocks of a vision transformer (Dosovitskiy et al. 2021), composed of the core's operations.
-- Tokens are [n][tokens][channels]; an image becomes tokens by x:reshape(n, height * width, channels).
local core = require "effv2.core"
local keys = require "effv2.keys"
local Module = require "effv2.nn.module"

local layers = core.layers
local attention = {}

--- Attention { channels =, heads = 8 }: multi-head self-attention.
local Attention = Module.class "Attention"
attention.Attention = Attention

function Attention:init(args)
    args = keys.check("Attention", args, { channels = 0, heads = 8 }, 3)
    if args.channels < 1 or args.heads < 1 or args.channels % args.heads ~= 0 then
        error(("Attention: %d heads do not divide %d channels"):format(args.heads, args.channels), 3)
    end
    self.heads = args.heads
    self.query_key_value = layers.Dense { in_features = args.channels, out_features = 3 * args.channels }
    self.project = layers.Dense { in_features = args.channels, out_features = args.channels }
end

function Attention:forward(x)
    local n, tokens, channels = unpack(x:shape())
    local width = channels / self.heads
    local parts = self.query_key_value(x):reshape({ n, tokens, 3, self.heads, width }):permute({ 3, 1, 4, 2, 5 })
    local query, key, value = parts[1], parts[2], parts[3] -- each [n][heads][tokens][width]
    local weights = core.softmax(core.matmul(query, key, { transpose_b = true }) * width ^ -0.5)
    local mixed = core.matmul(weights, value):permute({ 1, 3, 2, 4 })
    return self.project(mixed:reshape({ n, tokens, channels }))
end

--- TransformerBlock { channels =, heads = 8, mlp_ratio = 4, drop_path = 0, eps = 1e-6 }: attention, then two dense
-- layers with GELU, each behind a layer norm and added to its input.
local TransformerBlock = Module.class "TransformerBlock"
attention.TransformerBlock = TransformerBlock

function TransformerBlock:init(args)
    local defaults = { channels = 0, heads = 8, mlp_ratio = 4, drop_path = 0, eps = 1e-6 }
    args = keys.check("TransformerBlock", args, defaults, 3)
    local hidden = math.floor(args.channels * args.mlp_ratio)
    self.norm1 = layers.LayerNorm { features = args.channels, eps = args.eps }
    self.attention = Attention { channels = args.channels, heads = args.heads }
    self.norm2 = layers.LayerNorm { features = args.channels, eps = args.eps }
    self.expand = layers.Dense { in_features = args.channels, out_features = hidden }
    self.project = layers.Dense { in_features = hidden, out_features = args.channels }
    self.drop_path = layers.DropPath { p = args.drop_path }
end

function TransformerBlock:forward(x)
    x = x + self.drop_path(self.attention(self.norm1(x)))
    return x + self.drop_path(self.project(core.gelu(self.expand(self.norm2(x)))))
end

return attention
