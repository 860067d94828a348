"""The cases of layers.safetensors: layers with their state, what is not already said about operations.

Each runs once in training (output, gradients, and the buffers afterwards) and then in evaluation. Parameters have
effv2's names; a dense squeeze-excite weight is [in][out].
"""
import torch
import torch.nn.functional as F

import op_cases
from golden_file import random_of, single
from op_cases import make_tensor, stored


def batch_norm2d(x, state, training, momentum=0.99, eps=1e-3, activation="none", frozen=False, **_):
    """effv2 counts the share of the running statistics that stays, as TensorFlow does; PyTorch the share that goes."""
    y = F.batch_norm(op_cases.nchw(x), state["running_mean"], state["running_variance"], state["gamma"], state["beta"],
                     training=training and not frozen, momentum=1 - momentum, eps=eps)
    return op_cases.activate(op_cases.nhwc(y), activation)


def squeeze_excite(x, state, _training, activation="silu", **_):
    gate = x.mean((1, 2)) @ state["reduce_weight"] + state["reduce_bias"]
    gate = op_cases.activate(gate, activation) @ state["expand_weight"] + state["expand_bias"]
    return x * torch.sigmoid(gate)[:, None, None, :]


def conv2d(x, state, _training, stride=None, padding=0, dilation=None, groups=1, **_):
    return op_cases.conv2d(x, state["weight"], state.get("bias"), stride, padding, dilation, groups)


def dense(x, state, _training, **_):
    return op_cases.dense(x, state["weight"], state.get("bias"))


def layer_norm(x, state, _training, eps=1e-6, **_):
    return op_cases.layer_norm(x, state["gamma"], state["beta"], eps)


def stateless(f):
    return lambda x, _state, _training, **args: f(x, **args)


def activation(x, kind="silu"):
    return {"silu": F.silu, "relu": F.relu, "gelu": F.gelu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}[kind](x)


BN = "gamma=+9 beta=9 running_mean=9 running_variance=+9"
SE = "reduce_weight=12,3 reduce_bias=3 expand_weight=3,12 expand_bias=12"

# layer, reference, x, parameters and buffers, arguments
CASES = [
    ("BatchNorm2d", batch_norm2d, "3,4,4,9", BN, {"channels": 9}),
    ("BatchNorm2d", batch_norm2d, "3,4,4,9", BN, {"channels": 9, "momentum": 0.9, "activation": "silu", "eps": 1e-5}),
    ("BatchNorm2d", batch_norm2d, "3,1,2,9", BN, {"channels": 9, "momentum": 0.5, "activation": "relu"}),
    ("BatchNorm2d", batch_norm2d, "3,4,4,9", BN, {"channels": 9, "frozen": True, "activation": "silu"}),
    ("SqueezeExcite", squeeze_excite, "2,4,5,12", SE, {"channels": 12, "squeezed": 3}),
    ("SqueezeExcite", squeeze_excite, "2,4,5,12", SE, {"channels": 12, "squeezed": 3, "activation": "relu"}),
    ("Conv2d", conv2d, "2,7,6,4", "weight=3,3,4,6 bias=6",
     {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": "same"}),
    ("Conv2d", conv2d, "2,7,6,8", "weight=3,5,1,8",
     {"in_channels": 8, "out_channels": 8, "kernel_size": [3, 5], "padding": "same", "groups": 8, "bias": False}),
    ("Conv2d", conv2d, "1,8,8,6", "weight=3,3,2,9",
     {"in_channels": 6, "out_channels": 9, "kernel_size": 3, "padding": [1, 0, 2, 1], "dilation": 2, "groups": 3, "bias": False}),
    ("Dense", dense, "4,10", "weight=10,6 bias=6", {"in_features": 10, "out_features": 6}),
    ("Dense", dense, "2,3,10", "weight=10,6", {"in_features": 10, "out_features": 6, "bias": False}),
    ("LayerNorm", layer_norm, "2,3,8", "gamma=+8 beta=8", {"features": 8}),
    ("LayerNorm", layer_norm, "2,3,8", "gamma=+8 beta=8", {"features": 8, "eps": 0.01}),
    ("MaxPool2d", stateless(op_cases.max_pool2d), "2,7,6,3", "", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("AvgPool2d", stateless(op_cases.avg_pool2d), "2,7,6,3", "",
     {"kernel_size": 3, "stride": 2, "padding": "same", "count_padding": False}),
    ("GlobalAvgPool", stateless(lambda x: x.mean((1, 2))), "2,5,4,3", "", {}),
] + [("Activation", stateless(activation), "3,7", "", {"kind": kind}) for kind in ("silu", "relu", "gelu", "sigmoid", "tanh")]


def run_case(name, layer, f, shape, state_text, args):
    random = random_of(name)
    x = torch.tensor(make_tensor(shape, random), requires_grad=True)
    given = dict(word.split("=") for word in state_text.split())
    state = {k: torch.tensor(make_tensor(v, random)) for k, v in given.items()}
    buffers = [k for k in state if k.startswith("running")]
    parameters = [k for k in state if k not in buffers]
    for k in parameters:
        state[k].requires_grad_(True)
    out = {f"{name}/{k}": stored(v.detach().numpy().copy()) for k, v in state.items()}
    y = f(x, state, True, **args)
    dy = single(random.standard_normal(y.shape))
    gradients = torch.autograd.grad(y, [x] + [state[k] for k in parameters], torch.tensor(dy))
    out.update({f"{name}/x": stored(x.detach().numpy()), f"{name}/y": stored(y.detach().numpy()), f"{name}/dy": stored(dy)})
    out.update({f"{name}/d{k}": stored(g.numpy()) for k, g in zip(["x"] + parameters, gradients)})
    out.update({f"{name}/after.{k}": stored(state[k].numpy()) for k in buffers})
    out[f"{name}/eval"] = stored(f(x, state, False, **args).detach().numpy())
    return {"name": name, "layer": layer, "args": args}, out


def make():
    """All cases: records in order, and tensors."""
    records, tensors = [], {}
    for i, (layer, *rest) in enumerate(CASES):
        record, found = run_case(f"{layer}.{i + 1}", layer, *rest)
        records.append(record)
        tensors.update(found)
    return records, tensors
