--- What residual networks share: their convolutions, the path around a block, and the sum at its end.
local keys = require "effv2.keys"
local nn = require "effv2.nn"
local pass = require "effv2.nn.pass"

local residual = {}

-- A number that a 1x1 convolution writes costs as many multiply-adds as there are input channels: where these are more,
-- its output is kept and not computed again.
local WIDEST_RECOMPUTED = 256

--- A ConvNormAct with zeros on every side and the network's activation and norms.
function residual.conv(config, own)
    own.recompute = own.recompute and own.in_channels <= WIDEST_RECOMPUTED
    own.padding, own.activation = "symmetric", own.activation or config.activation
    own.bn_eps, own.bn_momentum = config.bn_eps, config.bn_momentum
    return nn.ConvNormAct(own)
end

--- The mean of each square of stride x stride pixels, of what is left of it at the border.
function residual.average(stride)
    return nn.AvgPool2d { kernel_size = stride, stride = stride, padding = "same", count_padding = false }
end

--- The path around a block: a linear 1x1 convolution where the shape changes, of averages with
-- config.average_shortcut.
function residual.shortcut(config, in_channels, out_channels, stride)
    if stride == 1 and in_channels == out_channels then
        return nil
    end
    local average = config.average_shortcut and stride > 1
    local project = residual.conv(config, {
        in_channels = in_channels, out_channels = out_channels, stride = average and 1 or stride, activation = "none",
        recompute = config.recompute,
    })
    if not average then
        return project
    end
    return nn.Sequential { { "pool", residual.average(stride) }, { "project", project } }
end

--- Gives a block what its end needs.
function residual.add_end(block, config, in_channels, out_channels, stride)
    block.drop_path = nn.DropPath { p = 0 }
    block.shortcut = residual.shortcut(config, in_channels, out_channels, stride)
    block.activation = nn.Activation { kind = config.activation }
end

--- activation(y + the path around the block), where the block made y of x.
function residual.finish(block, x, y)
    y = pass(block.drop_path, y, x)
    local path = block.shortcut and block.shortcut(x) or x
    local sum = pass(function(branch)
        return branch + path
    end, y, x)
    if path ~= x then
        path:release()
    end
    return pass(block.activation, sum, x)
end

--- Drop-path grows evenly: the last block drops its branch with the whole probability, the first never.
function residual.drop_path_steps(count)
    return math.max(1, count - 1)
end

--- An error unless config.layers and config.widths have a number for every stage, the widths multiples of `multiple`.
function residual.want_stages(config, multiple)
    if #config.layers == 0 or #config.layers ~= #config.widths then
        error(("%s: %d layers and %d widths, wanted one of each for every stage"):format(config.name, #config.layers,
            #config.widths), 0)
    end
    for i, width in ipairs(config.widths) do
        keys.want_whole(config.name, ("layers[%d]"):format(i), config.layers[i], 1, false, 0)
        keys.want_whole(config.name, ("widths[%d]"):format(i), width, 1, false, 0)
        if width % multiple ~= 0 then
            error(("%s: widths[%d] is %d, wanted a multiple of %d"):format(config.name, i, width, multiple), 0)
        end
    end
end

return residual
