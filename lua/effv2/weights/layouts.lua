--- How other libraries name the tensors of a model. Only names are here; how their axes lie is in weights/names.lua.
--
-- layouts[layout][class of the model] has
--   parts   names of what is outside the blocks; %d stands for one more than the number of stages
--   block   path = a pattern for our path of a block and what is in it, name = theirs, where {i} is the i-th number of our
--           path plus add[i]
--   blocks  names inside a block, by the kind of block: see kinds below
-- A name that ends in "_" is followed by "weight" and "bias" without a dot.
local layouts = {}

--- The kind of a block, from the parts that it has.
layouts.kinds = {
    { has = { "expand", "depthwise" }, kind = "mb" },
    { has = { "depthwise" }, kind = "separable" },  -- an MBConv that does not expand
    { has = { "attention" }, kind = "transformer" },
    { has = { "conv4" }, kind = "norm-free" },
    { has = { "expand" }, kind = "fused" },
    { has = { "middle", "squeeze_excite" }, kind = "gated" },
    { has = { "middle" }, kind = "bottleneck" },
    { has = { "first" }, kind = "basic" },
    { has = { "project" }, kind = "single" },       -- a Fused-MBConv that does not expand
}

--- { depthwise = { "conv_dw", "bn2" } } -> { ["depthwise.conv"] = "conv_dw", ["depthwise.norm"] = "bn2" };
-- of squeeze-excite the two names are those of its two products.
local function named(pairs_by_step)
    local flat = {}
    for step, names in pairs(pairs_by_step) do
        local first, second = "conv", "norm"
        if step == "squeeze_excite" then
            first, second = "reduce", "expand"
        end
        flat[step .. "." .. first], flat[step .. "." .. second] = names[1], names[2]
    end
    return flat
end

local IN_STAGE, IN_ENCODER = "^(stage%d+%.block%d+)%.(.+)$", "^(encoder%.block%d+)%.(.+)$"

local resnet = { -- torchvision's names, which timm kept
    parts = { ["stem.conv"] = "conv1", ["stem.norm"] = "bn1", classifier = "fc" },
    block = { path = IN_STAGE, name = "layer{1}.{2}.", add = { 0, -1 } },
    blocks = {
        basic = named {
            first = { "conv1", "bn1" }, last = { "conv2", "bn2" }, shortcut = { "downsample.0", "downsample.1" },
        },
        bottleneck = named {
            first = { "conv1", "bn1" }, middle = { "conv2", "bn2" }, last = { "conv3", "bn3" },
            shortcut = { "downsample.0", "downsample.1" },
        },
    },
}

local timm_gate = { "se.conv_reduce", "se.conv_expand" }

--- timm's ResNet has the ResNet-RS too: a stem of three convolutions, and a pooling of nothing before every shortcut.
local timm_resnet = {
    parts = {
        ["stem.conv"] = "conv1", ["stem.norm"] = "bn1", classifier = "fc",
        ["stem.conv1.conv"] = "conv1.0", ["stem.conv1.norm"] = "conv1.1", ["stem.conv2.conv"] = "conv1.3",
        ["stem.conv2.norm"] = "conv1.4", ["stem.conv3.conv"] = "conv1.6", ["stem.conv3.norm"] = "bn1",
        ["stem_pool.conv"] = "maxpool.0", ["stem_pool.norm"] = "maxpool.1",
    },
    block = resnet.block,
    blocks = {
        basic = resnet.blocks.basic, bottleneck = resnet.blocks.bottleneck,
        gated = named {
            first = { "conv1", "bn1" }, middle = { "conv2", "bn2" }, last = { "conv3", "bn3" },
            squeeze_excite = { "se.fc1", "se.fc2" }, shortcut = { "downsample.1", "downsample.2" },
            ["shortcut.project"] = { "downsample.1", "downsample.2" },
        },
    },
}

layouts.timm = {
    EfficientNet = {
        parts = {
            ["stem.conv"] = "conv_stem", ["stem.norm"] = "bn1", ["head.conv"] = "conv_head", ["head.norm"] = "bn2",
            classifier = "classifier",
        },
        block = { path = IN_STAGE, name = "blocks.{1}.{2}.", add = { -1, -1 } },
        blocks = {
            mb = named {
                expand = { "conv_pw", "bn1" }, depthwise = { "conv_dw", "bn2" }, squeeze_excite = timm_gate,
                project = { "conv_pwl", "bn3" },
            },
            separable = named {
                depthwise = { "conv_dw", "bn1" }, squeeze_excite = timm_gate, project = { "conv_pw", "bn2" },
            },
            fused = named {
                expand = { "conv_exp", "bn1" }, squeeze_excite = timm_gate, project = { "conv_pwl", "bn2" },
            },
            single = named { project = { "conv", "bn1" } },
        },
    },
    ResNet = timm_resnet,
    RegNet = {
        parts = { ["stem.conv"] = "stem.conv", ["stem.norm"] = "stem.bn", classifier = "head.fc" },
        block = { path = IN_STAGE, name = "s{1}.b{2}.", add = { 0, 0 } },
        blocks = {
            gated = named {
                first = { "conv1.conv", "conv1.bn" }, middle = { "conv2.conv", "conv2.bn" },
                last = { "conv3.conv", "conv3.bn" }, squeeze_excite = { "se.fc1", "se.fc2" },
                shortcut = { "downsample.conv", "downsample.bn" },
            },
        },
    },
    NFNet = {
        parts = {
            ["stem.conv1"] = "stem.conv1", ["stem.conv2"] = "stem.conv2", ["stem.conv3"] = "stem.conv3",
            ["stem.conv4"] = "stem.conv4", ["head.conv"] = "final_conv", classifier = "head.fc",
        },
        block = { path = IN_STAGE, name = "stages.{1}.{2}.", add = { -1, -1 } },
        blocks = {
            ["norm-free"] = {
                conv1 = "conv1", conv2 = "conv2", conv3 = "conv2b", conv4 = "conv3", skip_gain = "skipinit_gain",
                ["squeeze_excite.reduce"] = "attn_last.fc1", ["squeeze_excite.expand"] = "attn_last.fc2",
                ["shortcut.project"] = "downsample.conv",
            },
        },
    },
    VisionTransformer = {
        parts = {
            class_token = "cls_token", position_embedding = "pos_embed", patch_embed = "patch_embed.proj", norm = "norm",
            classifier = "head",
        },
        block = { path = IN_ENCODER, name = "blocks.{1}.", add = { -1 } },
        blocks = {
            transformer = {
                norm1 = "norm1", ["attention.query_key_value"] = "attn.qkv", ["attention.project"] = "attn.proj",
                norm2 = "norm2", expand = "mlp.fc1", project = "mlp.fc2",
            },
        },
    },
}

layouts.torchvision = {
    EfficientNet = {
        parts = {
            ["stem.conv"] = "features.0.0", ["stem.norm"] = "features.0.1", ["head.conv"] = "features.%d.0",
            ["head.norm"] = "features.%d.1", classifier = "classifier.1",
        },
        block = { path = IN_STAGE, name = "features.{1}.{2}.block.", add = { 0, -1 } },
        blocks = {
            mb = named {
                expand = { "0.0", "0.1" }, depthwise = { "1.0", "1.1" }, squeeze_excite = { "2.fc1", "2.fc2" },
                project = { "3.0", "3.1" },
            },
            separable = named {
                depthwise = { "0.0", "0.1" }, squeeze_excite = { "1.fc1", "1.fc2" }, project = { "2.0", "2.1" },
            },
            fused = named { expand = { "0.0", "0.1" }, project = { "1.0", "1.1" } },
            single = named { project = { "0.0", "0.1" } },
        },
    },
    ResNet = resnet,
    RegNet = {
        parts = { ["stem.conv"] = "stem.0", ["stem.norm"] = "stem.1", classifier = "fc" },
        block = { path = IN_STAGE, name = "trunk_output.block{1}.block{1}-{2}.", add = { 0, -1 } },
        blocks = {
            gated = named {
                first = { "f.a.0", "f.a.1" }, middle = { "f.b.0", "f.b.1" }, last = { "f.c.0", "f.c.1" },
                squeeze_excite = { "f.se.fc1", "f.se.fc2" }, shortcut = { "proj.0", "proj.1" },
            },
        },
    },
    VisionTransformer = {
        parts = {
            class_token = "class_token", position_embedding = "encoder.pos_embedding", patch_embed = "conv_proj",
            norm = "encoder.ln", classifier = "heads.head",
        },
        block = { path = IN_ENCODER, name = "encoder.layers.encoder_layer_{1}.", add = { -1 } },
        blocks = {
            transformer = {
                norm1 = "ln_1", ["attention.query_key_value"] = "self_attention.in_proj_",
                ["attention.project"] = "self_attention.out_proj", norm2 = "ln_2", expand = "mlp.0", project = "mlp.3",
            },
        },
    },
}

return layouts
