--- The network that a table of stages describes: stem, stages of blocks, head, pooling, classifier.
-- EfficientNet and EfficientNetV2 differ in their tables alone (arXiv 1905.11946 and 2104.00298).
local nn = require "effv2.nn"

local blocks = { fused = nn.FusedMBConv, mb = nn.MBConv }

local Network = nn.class "EfficientNet"

local function conv(config, own)
    own.padding, own.activation = config.padding, config.activation
    own.bn_eps, own.bn_momentum = config.bn_eps, config.bn_momentum
    return nn.ConvNormAct(own)
end

--- Stage i as a Sequential of block1, block2, ...; only the first block changes the size and the channels.
local function build_stage(config, stage, in_channels)
    local sequence = nn.Sequential {}
    for i = 1, stage.layers do
        sequence:add(blocks[stage.op] {
            in_channels = i == 1 and in_channels or stage.channels,
            out_channels = stage.channels,
            kernel_size = stage.kernel,
            stride = i == 1 and stage.stride or 1,
            expansion = stage.expansion,
            se_ratio = stage.se,
            activation = config.activation,
            padding = config.padding,
            bn_eps = config.bn_eps,
            bn_momentum = config.bn_momentum,
        }, "block" .. i)
    end
    return sequence
end

--- @param config the resolved options, as models.create makes them
function Network:init(config)
    rawset(self, "config", config)
    rawset(self, "stages", {}) -- the stages by number; they are children by name
    self.stem = conv(config, {
        in_channels = config.in_channels, out_channels = config.stem.channels, kernel_size = config.stem.kernel,
        stride = config.stem.stride,
    })
    local channels = config.stem.channels
    for i, stage in ipairs(config.stages) do
        self.stages[i] = build_stage(config, stage, channels)
        self["stage" .. i] = self.stages[i]
        channels = stage.channels
    end
    self.head = conv(config, { in_channels = channels, out_channels = config.head })
    self.pool = nn.GlobalAvgPool {}
    if config.classes > 0 then
        self.dropout = nn.Dropout { p = config.dropout }
        self.classifier = nn.Dense { in_features = config.head, out_features = config.classes }
    end
    self:set_drop_path(config.drop_path)
end

--- What comes before the first stage, as a list of steps.
function Network:first_steps()
    return { self.stem }
end

--- The output of every stage: a list, with what the first of them reads as features[0] and, where the network has a
-- head, the head's as features.head.
function Network:features(x)
    local features = { [0] = nn.run(self:first_steps(), x) }
    for i, stage in ipairs(self.stages) do
        features[i] = stage(features[i - 1])
    end
    if self.head then
        features.head = self.head(features[#self.stages])
    end
    return features
end

--- What the classifier sees: [n][channels], the mean over the pixels after the last stage or the head.
function Network:embed(x)
    local steps = self:first_steps()
    for _, stage in ipairs(self.stages) do
        steps[#steps + 1] = stage
    end
    local y = nn.run(steps, x)
    return self.pool(self.head and self.head(y) or y)
end

--- Logits [n][classes] of images [n][h][w][in_channels]; without classes, the embedding.
function Network:forward(x)
    local embedding = self:embed(x)
    if not self.classifier then
        return embedding
    end
    return self.classifier(self.dropout(embedding))
end

--- All blocks of all stages, first to last.
function Network:blocks()
    local list = {}
    for _, stage in ipairs(self.stages) do
        for _, block in stage:children() do
            list[#list + 1] = block
        end
    end
    return list
end

--- The probability that a feature is dropped before the classifier, from now on.
function Network:set_dropout(p)
    if self.dropout then
        self.dropout.p = p
    end
    return self
end

--- In how many steps the probability of drop-path grows to the whole one, given the number of blocks.
function Network.drop_path_steps(count)
    return count
end

--- Stochastic depth, from now on: block i (from 0) drops its branch with probability p i / drop_path_steps.
function Network:set_drop_path(p)
    if type(p) ~= "number" or not (p >= 0 and p < 1) then
        error(("set_drop_path: %s, wanted a number in [0, 1)"):format(tostring(p)), 2)
    end
    local list = self:blocks()
    local steps = self.drop_path_steps(#list)
    for i, block in ipairs(list) do
        if block.drop_path then
            block.drop_path.p = p * (i - 1) / steps
        end
    end
    return self
end

--- Replaces the classifier by a new one, for fine-tuning on other classes.
function Network:set_classes(classes)
    self.dropout = self.dropout or nn.Dropout { p = self.config.dropout }
    self.classifier = nn.Dense { in_features = self.config.head, out_features = classes }
    self.config.classes = classes
    return self
end

return Network
