#!/usr/bin/env python3
"""A PyTorch checkpoint (.pth) as a safetensors file, which effv2 reads: names and numbers, no code.

    python3 examples/pth_to_safetensors.py resnet50.pth resnet50.safetensors
    effv2 recipes/predict.lua model=resnet50 weights=resnet50.safetensors layout=torchvision cat.jpg

Needs torch and safetensors (pip install torch safetensors). Checkpoints of trainings hold the weights under a key of
their own: state_dict, model or, averaged, state_dict_ema or model_ema; the averaged ones are taken.
"""
import sys

import torch
from safetensors.torch import save_file


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
            break
    tensors = {name.removeprefix("module."): tensor.clone().contiguous()
               for name, tensor in checkpoint.items() if isinstance(tensor, torch.Tensor)}
    if not tensors:
        sys.exit(f"{sys.argv[1]}: no tensors in it")
    save_file(tensors, sys.argv[2], metadata={"format": "pt"})
    print(f"{sys.argv[2]}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
