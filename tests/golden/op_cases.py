"""The cases of ops.safetensors: what PyTorch says about each operation, in double precision.

A case is text in the grammar of the op records: "x=2,5,5,3 weight=3,3,3,4 stride=2 padding=same". A tensor is
written as its shape, filled with normal numbers; "+2,3" are numbers in [0.5, 1.5), "20*2,3" normal numbers times
20, "<10>4" labels below 10, "[0,-1,3]" those very numbers. Images are NHWC, weights [kh][kw][cin / groups][cout]
as in effv2; the functions below convert. A function's annotations say which arguments are tensors: T has a
gradient, C is a constant, L a list of tensors.
"""
import inspect
import json

import numpy as np
import torch
import torch.nn.functional as F

from golden_file import random_of, single

T, C, L = "tensor", "constant", "list"


# ---- reference functions, in the layout of effv2 ----

def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def pair(value, missing=1):
    if value is None:
        return missing, missing
    return tuple(value) if isinstance(value, list) else (value, value)


def zeros_around(padding, size, kernel, stride, dilation=(1, 1)):
    """(left, right, top, bottom) as F.pad takes them; TensorFlow's SAME is computed as its documentation says."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        found = []
        for d in (1, 0):
            out = -(-size[d] // stride[d])
            total = max((out - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1 - size[d], 0)
            found += [total // 2, total - total // 2]
        return tuple(found)
    if isinstance(padding, list) and len(padding) == 4:
        return padding[2], padding[3], padding[0], padding[1]
    vertical, horizontal = pair(padding)
    return horizontal, horizontal, vertical, vertical


def conv2d(x: T, weight: T, bias: T = None, stride=None, padding=0, dilation=None, groups=1):
    stride, dilation = pair(stride), pair(dilation)
    around = zeros_around(padding, x.shape[1:3], weight.shape[:2], stride, dilation)
    y = F.conv2d(F.pad(nchw(x), around), weight.permute(3, 2, 0, 1), bias, stride, 0, dilation, groups)
    return nhwc(y)


def avg_pool2d(x: T, kernel_size=None, stride=None, padding=0, count_padding=True):
    kernel = pair(kernel_size)
    stride = pair(stride) if stride is not None else kernel
    around = zeros_around(padding, x.shape[1:3], kernel, stride)
    mean = F.avg_pool2d(F.pad(nchw(x), around), kernel, stride)
    if not count_padding:
        mean = mean / F.avg_pool2d(F.pad(torch.ones_like(nchw(x)), around), kernel, stride)
    return nhwc(mean)


def max_pool2d(x: T, kernel_size=None, stride=None, padding=0):
    kernel = pair(kernel_size)
    stride = pair(stride) if stride is not None else kernel
    around = zeros_around(padding, x.shape[1:3], kernel, stride)
    return nhwc(F.max_pool2d(F.pad(nchw(x), around, value=float("-inf")), kernel, stride))


def expand_depthwise(x: C, expand_weight: C, expand_bias: C, weight: C, bias: C, stride=None, padding=0, activation="none"):
    act = {"none": lambda z: z, "relu": F.relu, "silu": F.silu}[activation]
    return act(conv2d(act(conv2d(x, expand_weight, expand_bias)), weight, bias, stride, padding, groups=bias.shape[0]))


def global_avg_pool(x: T):
    return x.mean((1, 2), keepdim=True)


def squeeze_excite(x: T, reduce_weight: T, reduce_bias: T, expand_weight: T, expand_bias: T, activation="silu"):
    squeezed = activate(x.mean((1, 2)) @ reduce_weight + reduce_bias, activation)
    return x * torch.sigmoid(squeezed @ expand_weight + expand_bias)[:, None, None, :]


def activate(x, activation):
    return {"none": lambda v: v, "relu": F.relu, "silu": F.silu}[activation](x)


def batch_norm(x: T, gamma: T, beta: T, mean: C = None, variance: C = None, eps=1e-3, activation="none"):
    last = x.dim() - 1
    moved = x.movedim(last, 1) if last > 1 else x
    y = F.batch_norm(moved, mean, variance, gamma, beta, training=mean is None, eps=eps)
    return activate(y.movedim(1, last) if last > 1 else y, activation)


def layer_norm(x: T, gamma: T, beta: T, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], gamma, beta, eps)


def cross_entropy(logits: T, targets: C, label_smoothing=0.0):
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


def sigmoid_cross_entropy(logits: T, targets: C, label_smoothing=0.0, classes="mean"):
    smooth = targets * (1 - label_smoothing) + 0.5 * label_smoothing
    loss = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return loss.mean() if classes == "mean" else loss.sum(1).mean()


def matmul(a: T, b: T, transpose_a=False, transpose_b=False):
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


def dense(x: T, weight: T, bias: T = None):
    return F.linear(x, weight.T, bias)


def from_zero(axis):
    return axis if axis < 0 else axis - 1


def axes_of(x, axes):
    if axes is None:
        return list(range(x.dim()))
    return [from_zero(a) for a in (axes if isinstance(axes, list) else [axes])]


def total(x: T, axes=None, keep=False):
    return x.sum(axes_of(x, axes), keepdim=keep)


def mean(x: T, axes=None, keep=False):
    return x.mean(axes_of(x, axes), keepdim=keep)


def maximum(x: T, axis=-1, keep=False):
    return x.max(from_zero(axis), keepdim=keep).values


def argmax(x: C, axis=-1):
    return x.argmax(from_zero(axis))


def concat(tensors: L, axis=1):
    return torch.cat(tensors, from_zero(axis))


def expand(x: T, shape=None):
    return x.expand(shape)


def reshape(x: T, shape=None):
    return x.reshape(shape)


def permute(x: T, axes=None):
    return x.permute([a - 1 for a in axes])


def part(x: T, axis=1, start=1, stop=-1, step=1):
    """effv2 counts from 1 and includes the last element."""
    size = x.shape[from_zero(axis)]
    first, last = (start - 1 if start > 0 else start + size), (stop if stop > 0 else stop + size + 1)
    return x.index_select(from_zero(axis), torch.arange(first, last, step))


def index_select(x: T, index: C):
    return x.index_select(0, index)


def one_hot(labels: C, classes=0):
    return F.one_hot(labels, classes).double()


def in_top_k(logits: C, labels: C, k=1):
    best = logits.topk(k, 1).indices
    return (best == labels[:, None]).any(1).to(torch.uint8)


def cast(x: C, dtype="float32"):
    return x.to(getattr(torch, dtype))


def affine(x: T, scale=1.0, shift=0.0):
    return x * scale + shift


def softmax(x: T):
    return F.softmax(x, -1)


def log_softmax(x: T):
    return F.log_softmax(x, -1)


def unary(f):
    def apply(x: T):
        return f(x)
    return apply


def binary(f):
    def apply(a: T, b: T):
        return f(a, b)
    return apply


# ---- cases ----

UNARY_CASES = ["x=7", "x=3,17", "x=2,3,5,4", "x=10*300", "x=[0,-1,1,0.5,-8,8,-30,30,-80,80]"]
POSITIVE_CASES = ["x=+7", "x=+3,17", "x=+2,3,5,4", "x=[1,0.001,1e-30,2,100,1e30]"]
EXP_CASES = ["x=7", "x=3,17", "x=10*300", "x=[0,-1,1,0.5,-8,8,-30,30,-80,80]"]
BINARY_CASES = ["a=7 b=7", "a=2,3,4 b=4", "a=2,1,4 b=3,1", "a=2,3,2,16 b=2,1,1,16", "a=5 b=2,3,5", "a=1 b=40"]
QUOTIENT_CASES = [c.replace("b=", "b=+") for c in BINARY_CASES]

OPS = {
    "abs": (unary(torch.abs), ["x=7", "x=3,17", "x=[0,-1,2,-1e30]"]),
    "add": (binary(torch.add), BINARY_CASES),
    "affine": (affine, ["x=3,5 scale=2.5 shift=-1", "x=7 shift=3", "x=4,4 scale=-1"]),
    "argmax": (argmax, ["x=3,5", "x=2,3,4 axis=1", "x=2,3,4 axis=2"]),
    "avg_pool2d": (avg_pool2d, [
        "x=2,5,5,3 kernel_size=3 stride=2 padding=1", "x=1,4,6,2 kernel_size=2",
        "x=2,5,4,1 kernel_size=3 stride=2 padding=same count_padding=false",
        "x=2,6,7,4 kernel_size=3 stride=2 padding=same", "x=1,5,6,3 kernel_size=3,2 stride=1,2 padding=0,1,1,0",
        "x=1,5,6,3 kernel_size=3,2 stride=1,2 padding=2,1,1,0 count_padding=false", "x=1,5,5,17 kernel_size=3 stride=1 padding=same"]),
    "batch_norm": (batch_norm, [
        "x=3,2,2,5 gamma=+5 beta=5 activation=silu", "x=7,3 gamma=+3 beta=3", "x=2,3,3,9 gamma=+9 beta=9 activation=relu",
        "x=4,6 gamma=+6 beta=6 mean=6 variance=+6 activation=silu eps=0.1",
        "x=2,5,5,40 gamma=40 beta=40 activation=silu", "x=2,5,5,40 gamma=40 beta=40 eps=1e-5",
        "x=2,3,3,16 gamma=16 beta=16 mean=16 variance=+16", "x=2,3,3,24 gamma=24 beta=24 mean=24 variance=+24 activation=relu"]),
    "cast": (cast, ["x=2,3 dtype=int32", "x=[-1.5,2.5,300] dtype=int64", "x=3 dtype=float64"]),
    "concat": (concat, ["tensors=2,3|4,3 axis=1", "tensors=2,1,3|2,2,3|2,1,3 axis=2", "tensors=2,3,4|2,3,5 axis=-1"]),
    "conv2d": (conv2d, [
        "x=2,5,6,3 weight=3,3,3,4 bias=4 padding=1", "x=2,6,5,3 weight=3,3,3,4 stride=2 padding=same",
        "x=1,7,7,4 weight=5,5,1,4 groups=4 stride=2 padding=same", "x=2,4,5,6 weight=3,2,3,4 groups=2 padding=0,1,1,0",
        "x=1,7,8,2 weight=3,3,2,3 dilation=2 padding=2 stride=1,2", "x=3,4,4,5 weight=1,1,5,7",
        "x=1,1,1,1 weight=1,1,1,1 bias=1", "x=2,6,6,3 weight=3,3,1,6 groups=3 padding=1",
        # the shapes of the models: stem, fused 3x3, 1x1, depthwise; widths on and off the vectors' multiples
        "x=1,12,12,3 weight=3,3,3,24 stride=2 padding=same", "x=1,7,7,24 weight=3,3,24,24 padding=same",
        "x=1,6,6,16 weight=3,3,16,40 stride=2 padding=same", "x=1,7,7,20 weight=3,3,20,36 stride=2 padding=same",
        "x=2,4,4,24 weight=1,1,24,96", "x=2,6,6,20 weight=1,1,20,37 bias=37 stride=2",
        "x=1,5,6,48 weight=3,3,1,48 groups=48 padding=same", "x=1,6,6,40 weight=3,3,1,40 groups=40 stride=2 padding=same",
        "x=1,7,6,20 weight=5,5,1,20 groups=20 padding=same", "x=1,7,7,36 weight=5,5,1,36 groups=36 stride=2 padding=same",
        "x=1,8,7,3 weight=7,7,3,16 stride=2 padding=3", "x=1,6,6,12 weight=3,3,1,12 groups=12 dilation=2 padding=same",
        "x=1,4,5,16 weight=3,3,8,16 groups=2 padding=same", "x=1,5,5,8 weight=3,3,8,16 padding=valid",
        "x=2,3,3,8 weight=3,3,8,8 padding=3,0,0,2", "x=1,8,8,8 weight=2,2,8,16 stride=2", "x=1,3,4,8 weight=5,5,8,16 padding=same"]),
    "cross_entropy": (cross_entropy, [
        "logits=4,5 targets=<5>4", "logits=3,7 targets=<7>3 label_smoothing=0.1", "logits=3,4 targets=+3,4 label_smoothing=0.2",
        "logits=1,1 targets=<1>1", "logits=10*6,10 targets=<10>6", "logits=8,100 targets=<100>8 label_smoothing=0.1",
        "logits=3,6 targets=+3,6"]),
    "dense": (dense, ["x=3,5 weight=5,4 bias=4", "x=2,3,7 weight=7,1", "x=6,48 weight=48,33 bias=33"]),
    "div": (binary(torch.div), QUOTIENT_CASES),
    "exp": (unary(torch.exp), EXP_CASES),
    "expand": (expand, ["x=3,1 shape=2,3,4", "x=5 shape=2,5", "x=2,1,1,3 shape=2,4,4,3"]),
    "expand_depthwise": (expand_depthwise, [
        "x=2,5,6,3 expand_weight=1,1,3,7 expand_bias=7 weight=3,3,1,7 bias=7 padding=1 activation=silu",
        "x=1,9,7,16 expand_weight=1,1,16,96 expand_bias=96 weight=5,5,1,96 bias=96 stride=2 padding=same activation=silu",
        "x=2,3,4,5 expand_weight=1,1,5,33 expand_bias=33 weight=3,3,1,33 bias=33 padding=same activation=relu",
        "x=1,20,18,8 expand_weight=1,1,8,20 expand_bias=20 weight=3,3,1,20 bias=20 stride=2 padding=0,1,0,1"]),
    "gelu": (unary(F.gelu), UNARY_CASES),
    "global_avg_pool": (global_avg_pool, ["x=2,3,4,5", "x=1,1,1,1", "x=3,7,1,17", "x=2,5,5,24"]),
    "in_top_k": (in_top_k, ["logits=6,7 labels=<7>6 k=2", "logits=1,1 labels=<1>1", "logits=20,9 labels=<9>20 k=5"]),
    "index_select": (index_select, ["x=5,3 index=<5>7", "x=2 index=<2>1", "x=4,2,3 index=<4>6"]),
    "layer_norm": (layer_norm, ["x=3,7 gamma=+7 beta=7", "x=2,3,5 gamma=+5 beta=5 eps=0.01", "x=66,20 gamma=20 beta=20"]),
    "log": (unary(torch.log), POSITIVE_CASES),
    "log_softmax": (log_softmax, ["x=3,5", "x=2,1", "x=2,3,17", "x=10*4,10", "x=[1000,0,-1000]"]),
    "matmul": (matmul, [
        "a=3,4 b=4,5", "a=2,3,4 b=4,5", "a=2,3,4 b=2,4,5", "a=2,4,3 b=2,4,5 transpose_a=true",
        "a=2,3,4 b=2,5,4 transpose_b=true", "a=2,4,3 b=5,4 transpose_a=true transpose_b=true", "a=2,3,9,5 b=2,3,5,7",
        "a=17,24 b=24,33", "a=24,17 b=33,24 transpose_a=true transpose_b=true"]),
    "max": (maximum, ["x=3,5", "x=2,3,4 axis=2 keep=true", "x=2,3,4 axis=1"]),
    "max_pool2d": (max_pool2d, [
        "x=2,5,5,3 kernel_size=3 stride=2 padding=1", "x=1,4,6,2 kernel_size=2", "x=2,5,4,1 kernel_size=3,2 stride=1 padding=same",
        "x=1,8,7,17 kernel_size=3 stride=2 padding=same", "x=1,5,6,3 kernel_size=3,2 stride=1,2 padding=0,1,1,0"]),
    "mean": (mean, ["x=3,4", "x=2,3,4,5 axes=2,3 keep=true", "x=2,3,4,5 axes=1,3", "x=2,3,4 axes=-1"]),
    "mul": (binary(torch.mul), BINARY_CASES),
    "neg": (unary(torch.neg), ["x=7"]),
    "one_hot": (one_hot, ["labels=<4>5 classes=4"]),
    "permute": (permute, ["x=2,3,4 axes=3,1,2", "x=2,5 axes=2,1", "x=2,3,4,5 axes=1,4,2,3"]),
    "relu": (unary(F.relu), UNARY_CASES),
    "reshape": (reshape, ["x=2,6 shape=3,-1", "x=2,3,4 shape=24"]),
    "sigmoid": (unary(torch.sigmoid), UNARY_CASES),
    "sigmoid_cross_entropy": (sigmoid_cross_entropy, [
        "logits=3,4 targets=+3,4", "logits=2,5 targets=+2,5 classes=sum label_smoothing=0.1",
        "logits=100*3,6 targets=+3,6 classes=sum", "logits=3,4 targets=+3,4 label_smoothing=0.2"]),
    "silu": (unary(F.silu), UNARY_CASES),
    "slice": (part, ["x=5,3 axis=1 start=2 stop=4", "x=2,7 axis=-1 start=1 stop=-1 step=3", "x=3,9 axis=2 start=-4 stop=-2"]),
    "softmax": (softmax, ["x=3,5", "x=2,2,1", "x=1,17", "x=3*4,10", "x=[1000,0,-1000]"]),
    "sqrt": (unary(torch.sqrt), POSITIVE_CASES),
    "square": (unary(torch.square), ["x=7", "x=3,17", "x=10*300"]),
    "squeeze_excite": (squeeze_excite, [
        "x=2,3,4,5 reduce_weight=5,2 reduce_bias=2 expand_weight=2,5 expand_bias=5",
        "x=3,7,7,48 reduce_weight=48,12 reduce_bias=12 expand_weight=12,48 expand_bias=48 activation=relu",
        "x=2,1,1,17 reduce_weight=17,4 reduce_bias=4 expand_weight=4,17 expand_bias=17"]),
    "sub": (binary(torch.sub), BINARY_CASES),
    "sum": (total, ["x=3,4", "x=2,3,4,5 axes=2,3 keep=true", "x=2,3,4,5 axes=1,3", "x=2,3,4 axes=-1"]),
    "tanh": (unary(torch.tanh), UNARY_CASES),
}


# ---- from text to numbers ----

def read_value(text):
    if text in ("true", "false"):
        return text == "true"
    if "," in text:
        return [int(v) for v in text.split(",")]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def make_tensor(text, random):
    if text.startswith("["):
        return single(json.loads(text))
    if text.startswith("<"):
        below, shape = text[1:].split(">")
        return random.randint(0, int(below), [int(v) for v in shape.split(",")])
    factor, _, shape = text.rpartition("*")
    sizes = [int(v) for v in shape.lstrip("+").split(",")]
    if shape.startswith("+"):
        return single(random.uniform(0.5, 1.5, sizes))
    return single(random.standard_normal(sizes) * float(factor or 1))


def read_case(f, text, random):
    """Inputs {name: array}, lists as name.1, name.2; gradients wanted; other arguments."""
    inputs, wanted, args = {}, [], {}
    kinds = {name: p.annotation for name, p in inspect.signature(f).parameters.items()}
    for word in text.split():
        name, value = word.split("=", 1)
        kind = kinds[name]
        if kind == L:
            parts = {f"{name}.{i + 1}": make_tensor(t, random) for i, t in enumerate(value.split("|"))}
            inputs.update(parts)
            wanted += parts
        elif kind in (T, C):
            inputs[name] = make_tensor(value, random)
            wanted += [name] if kind == T else []
        else:
            args[name] = read_value(value)
    return inputs, wanted, args


def call(f, tensors, args):
    given, lists = dict(args), {}
    for name, t in tensors.items():
        base, dot, _ = name.partition(".")
        if dot:
            lists.setdefault(base, []).append(t)
        else:
            given[name] = t
    return f(**given, **lists)


# The values of these are judged element by element; sums, where terms cancel, and gradients by their largest element.
SINGLE = {"abs", "affine", "exp", "gelu", "log", "neg", "relu", "sigmoid", "silu", "softmax", "sqrt", "square", "tanh"}


def stored(array):
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def run_case(name, op, f, text):
    """The case's record and its tensors."""
    random = random_of(name)
    inputs, wanted, args = read_case(f, text, random)
    tensors = {k: torch.tensor(v, requires_grad=k in wanted) for k, v in inputs.items()}
    y = call(f, tensors, args)
    out = {f"{name}/{k}": stored(v) for k, v in inputs.items()}
    out[f"{name}/y"] = stored(y.detach().numpy()) if op != "cast" else y.detach().numpy()
    if wanted:
        dy = single(random.standard_normal(y.shape))
        gradients = torch.autograd.grad(y, [tensors[k] for k in wanted], torch.tensor(dy))
        out[f"{name}/dy"] = stored(dy)
        out.update({f"{name}/d{k}": stored(g.numpy()) for k, g in zip(wanted, gradients)})
    return {"name": name, "op": op, "text": text, "inputs": list(inputs), "gradients": wanted, "args": args,
            "single": op in SINGLE}, out


def make():
    """All cases: records in order, and tensors."""
    records, tensors = [], {}
    for op, (f, cases) in OPS.items():
        for i, text in enumerate(cases):
            record, found = run_case(f"{op}.{i + 1}", op, f, text)
            records.append(record)
            tensors.update(found)
    return records, tensors
