"""Makes the golden files of this folder with PyTorch; README.md says how and when.

    /usr/bin/python3 tests/golden/make_golden.py [ops|layers|optim|models ...]
"""
import json
import os
import sys

import numpy
import torch

sys.dont_write_bytecode = True
import golden_file  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def save(name, records, tensors):
    metadata = {"records": json.dumps(records), "made_with": f"PyTorch {torch.__version__}, NumPy {numpy.__version__}"}
    path = os.path.join(HERE, name + ".safetensors")
    golden_file.write(path, tensors, metadata)
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[1:] or ["ops", "layers", "optim", "models"]:
        module = __import__({"ops": "op_cases", "layers": "layer_cases", "optim": "optim_cases", "models": "model_cases"}[name])
        save(name, *module.make())


if __name__ == "__main__":
    main()
