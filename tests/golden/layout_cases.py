#!/usr/bin/env python3
"""Makes layouts.safetensors: what timm and torchvision call their tensors, and the logits of small members of each family.

    python3 tests/golden/layout_cases.py        # needs timm and torchvision from PyPI

A small model's tensors are formula tensors (golden_file.py), numbered by the names' order in the file; of full-size
models the file keeps the number of tensors and a checksum of their names and shapes.
"""
import functools
import json
import os
import sys

import numpy
import timm
import torch
import torchvision
from timm.models.efficientnet import _gen_efficientnet, _gen_efficientnetv2_base
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torchvision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConvConfig

sys.dont_write_bytecode = True
import golden_file  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = 300001
CLASSES = 7
SIZE = 45  # odd, so that the paddings differ

EPS_5 = {"bn_eps": 1e-5}
SYMMETRIC = {"padding": "symmetric"}


def torchvision_v2():
    rows = [FusedMBConvConfig(1, 3, 1, 8, 8, 1), FusedMBConvConfig(4, 3, 2, 8, 16, 2), MBConvConfig(4, 3, 2, 16, 24, 2),
            MBConvConfig(6, 5, 1, 24, 32, 1)]
    return EfficientNet(rows, dropout=0, last_channel=40, num_classes=CLASSES,
                        norm_layer=functools.partial(torch.nn.BatchNorm2d, eps=1e-3))


def torchvision_v1():
    rows = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(6, 5, 2, 8, 16, 2)]
    return EfficientNet(rows, dropout=0, last_channel=40, num_classes=CLASSES)


def resnet_rs():
    gate = functools.partial(timm.layers.get_attn("se"), rd_ratio=0.25)
    return ResNet(Bottleneck, [2, 1, 1, 1], num_classes=CLASSES, stem_width=32, stem_type="deep", replace_stem_pool=True,
                  avg_down=True, block_args={"attn_layer": gate})


def nfnet():
    return timm.create_model("dm_nfnet_f0", depths=(1, 2, 1, 1), channels=(32, 64, 96, 96), stem_chs=32, group_size=16,
                             num_features=192, num_classes=CLASSES)


VIT = {"width": 32, "depth": 2, "heads": 2}
V2_STAGES = [
    {"op": "fused", "expansion": 1, "channels": 8, "layers": 1}, {"op": "fused", "stride": 2, "channels": 16, "layers": 2},
    {"op": "mb", "expansion": 4, "stride": 2, "channels": 24, "layers": 2},
    {"op": "mb", "expansion": 6, "kernel": 5, "channels": 32, "layers": 1},
]
V1_STAGES = [
    {"op": "mb", "expansion": 1, "channels": 8, "layers": 1},
    {"op": "mb", "expansion": 6, "kernel": 5, "stride": 2, "channels": 16, "layers": 2},
]

# layout, case, effv2's name (nil: stages of one's own) and options, the model
SMALL = [
    ("timm", "tf_v2", "efficientnetv2-b0", {"width": 0.25, "depth": 0.3},
     lambda: _gen_efficientnetv2_base("tf_efficientnetv2_b0", channel_multiplier=0.25, depth_multiplier=0.3,
                                      num_classes=CLASSES, bn_eps=1e-3, pad_type="same")),
    ("timm", "v1", "efficientnet-b0", {"width": 0.25, "depth": 0.3, "round_limit": 0.9, **SYMMETRIC, **EPS_5},
     lambda: _gen_efficientnet("efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.3, num_classes=CLASSES)),
    ("torchvision", "v2", None, {"stem": {"channels": 8}, "head": 40, "stages": V2_STAGES, **SYMMETRIC}, torchvision_v2),
    ("torchvision", "v1", None, {"stem": {"channels": 8}, "head": 40, "stages": V1_STAGES, **SYMMETRIC, **EPS_5},
     torchvision_v1),
    ("timm", "basic", "resnet18", {"layers": [1, 1, 1, 1]},
     lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=CLASSES)),
    ("torchvision", "bottleneck", "resnet50", {"layers": [1, 2, 1, 1]},
     lambda: torchvision.models.ResNet(torchvision.models.resnet.Bottleneck, [1, 2, 1, 1], num_classes=CLASSES)),
    ("timm", "rs", "resnetrs50", {"layers": [2, 1, 1, 1]}, resnet_rs),
    ("timm", "regnet", "regnety-8gf", {"layers": [1, 1, 4, 7], "widths": [24, 56, 152, 368], "group": 8},
     lambda: timm.create_model("regnety_002", num_classes=CLASSES)),
    ("timm", "nfnet", "nfnet-f0", {"layers": [1, 2, 1, 1], "widths": [32, 64, 96, 96], "stem_width": 32, "group": 16},
     nfnet),
    ("timm", "vit", "vit-ti-16", {"image_size": 48, "patch": 16, **VIT},
     lambda: VisionTransformer(img_size=48, patch_size=16, embed_dim=32, depth=2, num_heads=2, num_classes=CLASSES,
                               dynamic_img_size=True, dynamic_img_pad=True)),
    ("torchvision", "vit", "vit-b-16", {"image_size": SIZE, "patch": 15, **VIT},
     lambda: torchvision.models.VisionTransformer(SIZE, 15, 2, 2, 32, 128, num_classes=CLASSES)),
]

FULL = [
    ("timm", "tf_efficientnetv2_s", "efficientnetv2-s"), ("timm", "efficientnetv2_s", "efficientnetv2-s"),
    ("timm", "tf_efficientnetv2_m", "efficientnetv2-m"), ("timm", "tf_efficientnetv2_b0", "efficientnetv2-b0"),
    ("timm", "tf_efficientnetv2_b3", "efficientnetv2-b3"), ("timm", "efficientnet_b0", "efficientnet-b0"),
    ("timm", "tf_efficientnet_b4", "efficientnet-b4"), ("timm", "resnet18", "resnet18"), ("timm", "resnet50", "resnet50"),
    ("torchvision", "efficientnet_v2_s", "efficientnetv2-s"), ("torchvision", "efficientnet_v2_m", "efficientnetv2-m"),
    ("torchvision", "efficientnet_b0", "efficientnet-b0"), ("torchvision", "efficientnet_b4", "efficientnet-b4"),
    ("torchvision", "resnet18", "resnet18"), ("torchvision", "resnet50", "resnet50"),
    ("timm", "resnetrs50", "resnetrs50"), ("timm", "regnety_080", "regnety-8gf"), ("timm", "regnety_160", "regnety-16gf"),
    ("torchvision", "regnet_y_16gf", "regnety-16gf"), ("timm", "dm_nfnet_f0", "nfnet-f0"),
    ("timm", "vit_base_patch16_224", "vit-b-16"), ("timm", "vit_small_patch32_224", "vit-s-32"),
    ("timm", "deit_small_patch16_224", "deit-s-16"), ("torchvision", "vit_b_16", "vit-b-16"),
    ("torchvision", "vit_l_32", "vit-l-32"),
]


def floating(model):
    return {name: t for name, t in sorted(model.state_dict().items()) if t.is_floating_point()}


def interval(name, tensor):
    """Centre and width of a tensor's numbers, so that activations stay of size one."""
    if name.endswith(("running_var", ".gain")) or tensor.ndim == 1 and name.endswith("weight"):
        return 1.0, 0.6
    if tensor.ndim < 2:
        return 0.0, 0.4
    return 0.0, golden_file.width_of((1.0 / (tensor.numel() / tensor.shape[0])) ** 0.5)


def fill(model):
    rows = []
    for number, (name, tensor) in enumerate(floating(model).items(), 1):
        centre, width = interval(name, tensor)
        tensor.copy_(torch.from_numpy(golden_file.formula(number, tuple(tensor.shape), centre, width)))
        rows.append({"name": name, "shape": list(tensor.shape), "centre": centre, "width": width})
    return rows


def checksum(model):
    """FNV-1a, 32 bits, of the lines "name 1x2x3"."""
    value = 2166136261
    for name, tensor in floating(model).items():
        for byte in f"{name} {'x'.join(map(str, tensor.shape))}\n".encode():
            value = (value ^ byte) * 16777619 % 2**32
    return value


def make():
    tensors, small, full = {}, [], []
    images = golden_file.formula(IMAGES, (2, SIZE, SIZE, 3), 0.0, golden_file.width_of(1.0))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    for layout, case, name, options, build in SMALL:
        model = build().double().eval()
        with torch.no_grad():
            rows = fill(model)
            logits = model(x)
        record = {"layout": layout, "case": f"{layout}/{case}", "options": {"classes": CLASSES, **options}, "tensors": rows}
        small.append({**record, "name": name} if name else record)
        tensors[record["case"]] = logits.numpy().astype(numpy.float32)
    for layout, theirs, ours in FULL:
        model = timm.create_model(theirs) if layout == "timm" else torchvision.models.get_model(theirs)
        full.append({"layout": layout, "theirs": theirs, "name": ours, "count": len(floating(model)),
                     "checksum": checksum(model)})
    return {"images": IMAGES, "size": SIZE, "small": small, "full": full}, tensors


def main():
    torch.set_num_threads(1)
    records, tensors = make()
    made_with = f"timm {timm.__version__}, torchvision {torchvision.__version__}, PyTorch {torch.__version__}"
    path = os.path.join(HERE, "layouts.safetensors")
    golden_file.write(path, tensors, {"records": json.dumps(records), "made_with": made_with})
    print(f"{path}: {len(tensors)} models, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
