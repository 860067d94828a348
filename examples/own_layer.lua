--- A layer of one's own: LayerScale (Touvron et al. 2021), a learned factor for each channel of a residual branch.
--
-- A module is a class with init and forward. What is assigned to a field in init becomes a child, so parameters have
-- their path and their place without further ado; gradients come from the operations that forward uses.
local effv2 = require "effv2"
local nn = effv2.nn

local ScaledBlock = nn.class "ScaledBlock"

function ScaledBlock:init(args)
    self.conv1 = nn.ConvNormAct { in_channels = args.channels, out_channels = args.channels, kernel_size = 3 }
    self.conv2 = nn.ConvNormAct { in_channels = args.channels, out_channels = args.channels, kernel_size = 3 }
    self:add_parameter("scale", effv2.full(args.initial or 0.1, args.channels), { decay = false })
end

function ScaledBlock:forward(x)
    return x + self.conv2(self.conv1(x)) * self.scale
end

effv2.manual_seed(1)
local model = nn.Sequential {
    { "stem", nn.ConvNormAct { in_channels = 3, out_channels = 8, kernel_size = 3, stride = 2 } },
    { "block", ScaledBlock { channels = 8 } },
    { "pool", nn.GlobalAvgPool {} },
    { "classifier", nn.Dense { in_features = 8, out_features = 2 } },
}
print(model)
for _, parameter in ipairs(model:named_parameters()) do
    print(("%-28s %6d"):format(parameter.name, parameter.tensor:numel()))
end

-- It trains like any other: tell images that are brighter on the right from those that are brighter on the left.
local side = effv2.randn(32, 1, 1, 1)
local ramp = effv2.arange(16):cast "float32":reshape { 1, 1, 16, 1 } / 7.5 - 1
local images = side * ramp + effv2.randn(32, 16, 16, 3) * 0.3
local labels = {}
for i, value in ipairs(side:reshape(32):totable()) do
    labels[i] = value > 0 and 1 or 0
end
labels = effv2.tensor(labels, "int64")

local optimiser = effv2.optim.sgd { momentum = 0.9 }:attach(model)
for step = 1, 40 do
    effv2.step(function()
        optimiser:zero_grad()
        local loss = effv2.cross_entropy(model(images), labels)
        loss:backward()
        optimiser:step { lr = 0.1 }
        if step % 10 == 0 then
            print(("step %d: loss %.4f"):format(step, loss:item()))
        end
    end)
end

-- An error says where in the model it arose.
local _, message = pcall(model, effv2.zeros(1, 16, 16, 1))
print(message)
