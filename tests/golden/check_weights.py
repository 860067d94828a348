#!/usr/bin/env python3
"""Models of timm and torchvision against effv2: the same weights must give the same logits, both ways.

Each model is made at random with perturbed batch-norm statistics, saved as safetensors, and run here by effv2 on a
picture at two sizes; effv2 then writes the weights in the same layout, and they must load strictly and give the logits
back. Needs timm, torchvision and safetensors from PyPI, so it is no part of ./check:

    python3 tests/golden/check_weights.py [--effv2 build/release/effv2] [--picture FILE] [NAME ...]
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

LIMIT = 1e-4  # the largest difference over the largest logit

# library, its name, effv2's name and preset, two sizes
MODELS = [
    ("timm", "efficientnetv2_s", "efficientnetv2-s", "timm", (224, 161)),
    ("timm", "tf_efficientnetv2_s", "efficientnetv2-s", "timm-tf", (224, 161)),
    ("timm", "tf_efficientnetv2_b0", "efficientnetv2-b0", "timm-tf", (224, 161)),
    ("timm", "efficientnetv2_m", "efficientnetv2-m", "timm", (192, 131)),
    ("timm", "tf_efficientnetv2_m", "efficientnetv2-m", "timm-tf", (192, 131)),
    ("timm", "efficientnet_b0", "efficientnet-b0", "timm", (224, 161)),
    ("timm", "tf_efficientnet_b0", "efficientnet-b0", "timm-tf", (224, 161)),
    ("timm", "efficientnet_b4", "efficientnet-b4", "timm", (224, 161)),
    ("timm", "tf_efficientnet_b4", "efficientnet-b4", "timm-tf", (224, 161)),
    ("timm", "resnet50", "resnet50", "timm", (224, 161)),
    ("timm", "resnetrs50", "resnetrs50", "timm", (160, 161)),
    ("timm", "regnety_080", "regnety-8gf", "timm", (160, 161)),
    ("timm", "dm_nfnet_f0", "nfnet-f0", "timm", (160, 161)),
    ("timm", "vit_base_patch16_224", "vit-b-16", "timm", (224, 161)),
    ("timm", "vit_base_patch16_384", "vit-b-16", "timm", (384, 201)),
    ("torchvision", "efficientnet_v2_s", "efficientnetv2-s", None, (224, 161)),
    ("torchvision", "efficientnet_v2_m", "efficientnetv2-m", None, (192, 131)),
    ("torchvision", "efficientnet_b0", "efficientnet-b0", None, (224, 161)),
    ("torchvision", "efficientnet_b4", "efficientnet-b4", None, (224, 161)),
    ("torchvision", "resnet50", "resnet50", None, (224, 161)),
    ("torchvision", "regnet_y_8gf", "regnety-8gf", None, (160, 161)),
    ("torchvision", "vit_b_16", "vit-b-16", None, (224,)),  # it takes no other size
]


def create(library, name):
    if library == "torchvision":
        return torchvision.models.get_model(name)
    any_size = {"dynamic_img_size": True, "dynamic_img_pad": True} if name.startswith("vit_") else {}
    return timm.create_model(name, **any_size)


def perturb(model, picture, seed):
    """Factors, biases and statistics as training leaves them.

    Statistics start from those of the picture: with arbitrary ones the 40 residual blocks of V2-S add up to values of
    1e5, which squeeze-excite's sigmoids turn into switches, and PyTorch's own float32 is off by 60 % of a logit.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        return low + (high - low) * torch.rand(tensor.shape, generator=generator)

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
                module.weight.copy_(uniform(module.weight, 0.8, 1.2))
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm, torch.nn.Linear, torch.nn.Conv2d)):
                if module.bias is not None:
                    module.bias.copy_(uniform(module.bias, -0.1, 0.1))
            if isinstance(module, torch.nn.Linear) and not module.weight.any():  # torchvision's ViT starts with logits of 0
                module.weight.copy_(uniform(module.weight, -0.05, 0.05))
        model.eval()
        for module in norms:
            module.train()
            module.momentum = 1  # the statistics of what follows, and of that alone
        x = squared(picture, 224).float()
        model(torch.cat([x, x.flip(3), x.flip(2), x.transpose(2, 3)]))
        for module in norms:
            module.running_mean += module.running_var.sqrt() * uniform(module.running_mean, -0.1, 0.1)
            module.running_var *= uniform(module.running_var, 0.8, 1.25)
    return model.eval()


def squared(picture, size, path=None):
    """The picture as the network's input, with ImageNet's normalisation, and as a size x size PNG at `path`."""
    image = Image.open(picture).convert("RGB").resize((size, size), Image.BICUBIC)
    if path:
        image.save(path)
    pixels = torch.from_numpy(numpy.asarray(image).astype(numpy.float64))
    mean = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64)
    std = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64)
    return ((pixels - mean) / std).permute(2, 0, 1)[None]


def run(effv2, script, *arguments):
    done = subprocess.run([effv2, "--threads", "1", script, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{script} {' '.join(arguments)}:\n{done.stderr}")
    return done.stdout


def relative(got, want):
    return float((got - want).abs().max() / want.abs().max())


def predicted(effv2, file, library, ours, preset, size, picture):
    settings = [f"preset={preset}"] if preset else []
    text = run(effv2, "recipes/predict.lua", f"model={ours}", f"weights={file}", f"layout={library}", f"size={size}",
               "fit=stretch", "normalise=imagenet", "format=json", *settings, str(picture))
    return torch.tensor(json.loads(text)["logits"], dtype=torch.float64)[None]


def check(effv2, picture, folder, row, seed):
    library, name, ours, preset, sizes = row
    theirs, ours_back = folder / "theirs.safetensors", folder / "back.safetensors"
    model = perturb(create(library, name), picture, seed)
    save_file(model.state_dict(), theirs)
    kept = folder / "effv2.safetensors"
    run(effv2, "recipes/convert.lua", f"in={theirs}", f"out={kept}", f"model={ours}", f"from={library}", "to=effv2")
    run(effv2, "recipes/convert.lua", f"in={kept}", f"out={ours_back}", f"model={ours}", "from=effv2", f"to={library}",
        *(["preset=torchvision"] if library == "torchvision" else []))
    back = create(library, name).eval()
    back.load_state_dict(load_file(ours_back), strict=True)
    worst = 0
    for size in sizes:
        png = folder / f"{size}.png"
        x = squared(picture, size, png)
        with torch.no_grad():
            single = model(x.float())
            exact = model.double()(x)
            model.float()
            again = back(x.float())
        assert torch.equal(single, again), f"{name}: the weights that came back give other logits"
        got = predicted(effv2, theirs, library, ours, preset, size, png)
        error = relative(got, single.double())
        print(f"{library:12} {name:22} {size:4}  effv2 to PyTorch {error:.1e}   to float64: effv2 "
              f"{relative(got, exact):.1e}, PyTorch {relative(single.double(), exact):.1e}", flush=True)
        worst = max(worst, error)
    return worst


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--effv2", default="build/release/effv2")
    arguments.add_argument("--picture", required=True, help="a photo, JPEG or PNG")
    arguments.add_argument("names", nargs="*", help="names in timm or torchvision; all by default")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for seed, row in enumerate(MODELS):
            if not given.names or row[1] in given.names:
                torch.manual_seed(seed)
                if not check(given.effv2, given.picture, Path(folder), row, seed) <= LIMIT:
                    failed.append(f"{row[0]} {row[1]}")
    print("above the limit: " + ", ".join(failed) if failed else "all within the limit")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
