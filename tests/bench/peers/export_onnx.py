"""Writes a model of torch_models.py as ONNX: python export_onnx.py model=NAME image=SIZE batch=N; prints the path."""
import os

import common

a = common.arguments()

import torch  # noqa: E402

from torch_models import MODELS  # noqa: E402

path = os.path.join(common.CACHE, "models", f"{a.model}-{a.image}-{a.batch}.onnx")
if not os.path.exists(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.manual_seed(0)
    model = common.known(MODELS, a.model)().eval()
    torch.onnx.export(model, (torch.randn(a.batch, 3, a.image, a.image),), path + ".new", external_data=False,
                      verbose=False)
    os.rename(path + ".new", path)
print(path)
