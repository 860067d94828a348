--- What a network costs, computed from its description: nothing is allocated, so a search can ask for thousands.
--
-- Parameters are the trained ones; multiply-adds are those of convolutions, dense layers and attention's products for
-- one image; activations are the bytes of what these write for one image, which is what training keeps of them.
local cost = {}

local BYTES = 4 -- of a number

--- The sheet on which a family writes what its layers cost, one after another. It knows the size of the map at hand:
-- height, width, channels.
local Sheet = {}
Sheet.__index = Sheet

--- An empty sheet for an image of height x width with these channels.
function cost.sheet(height, width, channels)
    local rows = { parameters = 0, macs = 0, activations = 0 }
    return setmetatable({ rows = rows, height = height, width = width, channels = channels }, Sheet)
end

--- Begins the row of another part of the network.
function Sheet:row(name)
    self.current = { name = name, parameters = 0, macs = 0, activations = 0 }
    self:set_output(self.height, self.width, self.channels)
    table.insert(self.rows, self.current)
end

function Sheet:set_output(height, width, channels)
    self.height, self.width, self.channels = height, width, channels
    self.current.height, self.current.width, self.current.channels = height, width, channels
end

--- The map at hand, for a path that starts here and is computed later.
function Sheet:here()
    return { height = self.height, width = self.width, channels = self.channels }
end

function Sheet:add(parameters, macs, numbers_written)
    for _, total in ipairs { self.current, self.rows } do
        total.parameters = total.parameters + parameters
        total.macs = total.macs + macs
        total.activations = total.activations + BYTES * numbers_written
    end
end

function Sheet:parameters(count)
    self:add(count, 0, 0)
end

--- A convolution, by default with a batch norm; its output is the map at hand.
-- @param c { output =, kernel = 1, stride = 1, groups = 1, bias = false, norm = true }
-- @param from the map it reads, as here() gave it (default: the one at hand)
function Sheet:conv(c, from)
    from = from or self
    local kernel, stride = c.kernel or 1, c.stride or 1
    local height, width = math.ceil(from.height / stride), math.ceil(from.width / stride)
    local weights = kernel * kernel * from.channels / (c.groups or 1) * c.output
    self:add(weights, weights * height * width, height * width * c.output)
    self:parameters((c.bias and c.output or 0) + (c.norm == false and 0 or 2 * c.output))
    self:set_output(height, width, c.output)
end

--- A pooling or another step without parameters that makes the map smaller.
function Sheet:shrink(stride)
    self:set_output(math.ceil(self.height / stride), math.ceil(self.width / stride), self.channels)
end

--- A dense layer on `rows` vectors.
function Sheet:dense(d)
    local rows = d.rows or 1
    self:add((d.input + 1) * d.output, rows * d.input * d.output, rows * d.output)
end

--- `count` products of matrices, [rows][inner] by [inner][columns], that are both computed.
function Sheet:product(p)
    self:add(0, p.count * p.rows * p.inner * p.columns, p.count * p.rows * p.columns)
end

--- A squeeze-excite of the map at hand.
function Sheet:squeeze_excite(squeezed)
    self:dense { input = self.channels, output = squeezed }
    self:dense { input = squeezed, output = self.channels }
end

--- The last row: the classifier, where there is one.
function Sheet:classifier(features, classes)
    if classes > 0 then
        self:row("classifier")
        self:set_output(1, 1, classes)
        self:dense { input = features, output = classes }
    end
end

-- ---- networks of stages -----------------------------------------------------------------------------

local function add_block(sheet, stage, stride)
    local input = sheet.channels
    local expanded, fused = math.floor(input * stage.expansion), stage.op == "fused"
    local function gate()
        if stage.se > 0 then
            sheet:squeeze_excite(math.max(1, math.floor(input * stage.se)))
        end
    end
    if fused and stage.expansion == 1 then
        gate()
        sheet:conv { output = stage.channels, kernel = stage.kernel, stride = stride }
        return
    elseif fused then
        sheet:conv { output = expanded, kernel = stage.kernel, stride = stride }
    else
        if stage.expansion ~= 1 then
            sheet:conv { output = expanded }
        end
        sheet:conv { output = expanded, kernel = stage.kernel, stride = stride, groups = expanded }
    end
    gate()
    sheet:conv { output = stage.channels }
end

--- Writes the rows of a network of stages.
-- @param config a checked description with in_channels and classes
function cost.stages(sheet, config)
    local stem = config.stem
    sheet:row("stem")
    sheet:conv { output = stem.channels, kernel = stem.kernel, stride = stem.stride }
    for i, stage in ipairs(config.stages) do
        sheet:row("stage" .. i)
        for layer = 1, stage.layers do
            add_block(sheet, stage, layer == 1 and stage.stride or 1)
        end
    end
    sheet:row("head")
    sheet:conv { output = config.head }
    sheet:classifier(config.head, config.classes)
end

return cost
