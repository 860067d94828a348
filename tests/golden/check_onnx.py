#!/usr/bin/env python3
"""Checks ONNX files written by effv2 with the onnx checker, onnxruntime and OpenVINO.

    pip install onnx onnxruntime openvino numpy
    python tests/golden/check_onnx.py [model[:size] ...]

For each model a file is exported with random weights, random norms and the statistics of one batch (others would let
activations grow until rounding decides), and effv2's own logits, of the model as it is and not folded, for images at
batch 1 and 5 are compared with those of both runtimes, relative to the largest logit. Not part of the tests, which need
no Python; tests/lua/onnx_spec.lua runs the graphs on effv2's own operations.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import openvino

ALLOWED = 1e-4
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("EFFV2", os.path.join(ROOT, "build/release/effv2"))
MODELS = ["efficientnetv2-b0", "efficientnetv2-s", "resnet50", "vit-b-16"]

EXPORT = """
local effv2 = require "effv2"
local name, size, folder = arg[1], tonumber(arg[2]), arg[3]
effv2.manual_seed(1)
local model = effv2.models.create(name)
for _, layer in model:modules() do
    if layer:type() == "BatchNorm2d" then
        layer.gamma:copy(effv2.rand(layer.channels) * 0.4 + 0.8)
        layer.beta:copy(effv2.randn(layer.channels) * 0.1)
        layer.momentum = 0 -- the running statistics become those of the next batch
    end
end
size = size or model.config.sizes.eval
effv2.no_grad(model, effv2.randn(4, 128, 128, 3))
model:eval()
assert(effv2.onnx.export(model, { path = folder .. "/model.onnx", size = size }))
for _, n in ipairs { 1, 5 } do
    local images = effv2.randn(n, size, size, 3)
    local logits = effv2.no_grad(model, images)
    assert(effv2.save(folder .. "/batch" .. n, { images = images, logits = logits }))
end
"""


def read_tensors(path):
    """The float32 tensors of a safetensors file."""
    import json
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def runtimes(path):
    """{ name: function of images [n][c][h][w] }"""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"})
    return {"onnxruntime": lambda x: session.run(None, {"image": x})[0],
            "openvino": lambda x: compiled(x)[0]}


def check(model, folder):
    name, _, size = model.partition(":")
    script = os.path.join(folder, "export.lua")
    with open(script, "w") as file:
        file.write(EXPORT)
    subprocess.run([PROGRAM, "--threads", "1", script, name, size, folder], check=True)
    path = os.path.join(folder, "model.onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    worst = 0
    for runtime, run in runtimes(path).items():
        for n in (1, 5):
            tensors = read_tensors(os.path.join(folder, f"batch{n}"))
            got = run(np.ascontiguousarray(tensors["images"].transpose(0, 3, 1, 2)))
            error = np.abs(got - tensors["logits"]).max() / np.abs(tensors["logits"]).max()
            worst = max(worst, error)
            print(f"{model:24} {runtime:12} batch {n}  {error:.1e}", flush=True)
    return worst


def main():
    worst = 0
    for model in sys.argv[1:] or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            worst = max(worst, check(model, folder))
    print(f"worst {worst:.1e}, allowed {ALLOWED:.0e}")
    return 0 if worst <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
