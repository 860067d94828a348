"""The cases of models.safetensors: blocks, and whole networks for one step and ten training steps.

A functional EfficientNet and ResNet in double precision, with effv2's names and layouts. They are checked against
torchvision's EfficientNet-B0, EfficientNetV2-S, ResNet-18 and ResNet-50 here (symmetric padding); the SAME padding is
TensorFlow's.
Weights, images and cotangents follow golden_file.formula, so nothing of a network is stored but results: logits,
losses, and the norm and four random projections of every gradient.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

import op_cases
from golden_file import formula, width_of

PROJECTIONS = 4
IMAGES, COTANGENT, VECTORS = 100001, 100002, 200001  # numbers of formula tensors, beyond those of parameters


class State:
    """Parameters and buffers by name; a parameter comes into being where the first forward pass asks for it."""

    def __init__(self, dtype=torch.float64, eps=1e-3, momentum=0.9, padding="same"):
        self.dtype, self.eps, self.momentum, self.padding = dtype, eps, momentum, padding
        self.parameters, self.buffers, self.records = {}, {}, []

    def parameter(self, name, shape, centre, width, decay):
        if name not in self.parameters:
            self.records.append({"name": name, "shape": list(shape), "centre": centre, "width": width, "decay": decay})
            values = formula(len(self.records), shape, centre, width)
            self.parameters[name] = torch.tensor(values, dtype=self.dtype, requires_grad=True)
        return self.parameters[name]

    def buffer(self, name, channels, value):
        return self.buffers.setdefault(name, torch.full((channels,), value, dtype=self.dtype))


def conv(s, name, x, out, kernel=1, stride=1, groups=1):
    """Convolution of NCHW images by a weight [kh][kw][in / groups][out], spread as for a normal of 2 / fan_out."""
    shape = (kernel, kernel, x.shape[1] // groups, out)
    width = width_of(math.sqrt(2.0 / (kernel * kernel * out / groups)))
    weight = s.parameter(name + ".weight", shape, 0.0, width, True)
    padding = s.padding if s.padding == "same" else (kernel - 1) // 2
    around = op_cases.zeros_around(padding, x.shape[2:], (kernel, kernel), (stride, stride))
    return F.conv2d(F.pad(x, around), weight.permute(3, 2, 0, 1), None, stride, 0, 1, groups)


def norm(s, name, x):
    channels = x.shape[1]
    gamma = s.parameter(name + ".gamma", (channels,), 1.0, 0.4, False)
    beta = s.parameter(name + ".beta", (channels,), 0.0, 0.2, False)
    mean = s.buffer(name + ".running_mean", channels, 0.0)
    variance = s.buffer(name + ".running_variance", channels, 1.0)
    return F.batch_norm(x, mean, variance, gamma, beta, True, 1 - s.momentum, s.eps)


def conv_norm_act(s, name, x, out, kernel=1, stride=1, groups=1, linear=False, act=F.silu):
    y = norm(s, name + ".norm", conv(s, name + ".conv", x, out, kernel, stride, groups))
    return y if linear else act(y)


def dense(s, name, x, out, bound):
    weight = s.parameter(name + "weight", (x.shape[1], out), 0.0, 2 * bound, True)
    return x @ weight + s.parameter(name + "bias", (out,), 0.0, 0.2, False)


def squeeze_excite(s, name, x, squeezed):
    gate = F.silu(dense(s, name + ".reduce_", x.mean((2, 3)), squeezed, math.sqrt(6.0 / squeezed)))
    gate = dense(s, name + ".expand_", gate, x.shape[1], math.sqrt(6.0 / x.shape[1]))
    return x * torch.sigmoid(gate)[:, :, None, None]


def mb_conv(s, name, x, out_channels, kernel_size=3, stride=1, expansion=4, se_ratio=0.25):
    width = x.shape[1] * expansion
    y = x if expansion == 1 else conv_norm_act(s, name + "expand", x, width)
    y = conv_norm_act(s, name + "depthwise", y, width, kernel_size, stride, width)
    if se_ratio:
        y = squeeze_excite(s, name + "squeeze_excite", y, max(1, int(x.shape[1] * se_ratio)))
    y = conv_norm_act(s, name + "project", y, out_channels, linear=True)
    return x + y if stride == 1 and x.shape[1] == out_channels else y


def fused_mb_conv(s, name, x, out_channels, kernel_size=3, stride=1, expansion=4, se_ratio=0):
    assert se_ratio == 0
    if expansion == 1:
        y = conv_norm_act(s, name + "project", x, out_channels, kernel_size, stride)
    else:
        y = conv_norm_act(s, name + "expand", x, x.shape[1] * expansion, kernel_size, stride)
        y = conv_norm_act(s, name + "project", y, out_channels, linear=True)
    return x + y if stride == 1 and x.shape[1] == out_channels else y


# op, expansion, kernel, stride, channels, layers, squeeze-excite
V1_B0 = (32, [("mb", 1, 3, 1, 16, 1, 0.25), ("mb", 6, 3, 2, 24, 2, 0.25), ("mb", 6, 5, 2, 40, 2, 0.25),
              ("mb", 6, 3, 2, 80, 3, 0.25), ("mb", 6, 5, 1, 112, 3, 0.25), ("mb", 6, 5, 2, 192, 4, 0.25),
              ("mb", 6, 3, 1, 320, 1, 0.25)], 1280)
V2_B0 = (32, [("fused", 1, 3, 1, 16, 1, 0), ("fused", 4, 3, 2, 32, 2, 0), ("fused", 4, 3, 2, 48, 2, 0),
              ("mb", 4, 3, 2, 96, 3, 0.25), ("mb", 6, 3, 1, 112, 5, 0.25), ("mb", 6, 3, 2, 192, 8, 0.25)], 1280)
V2_S = (24, [("fused", 1, 3, 1, 24, 2, 0), ("fused", 4, 3, 2, 48, 4, 0), ("fused", 4, 3, 2, 64, 4, 0),
             ("mb", 4, 3, 2, 128, 6, 0.25), ("mb", 6, 3, 1, 160, 9, 0.25), ("mb", 6, 3, 2, 256, 15, 0.25)], 1280)


def network(s, x, table, classes):
    """Logits of NCHW images."""
    stem, stages, head = table
    x = conv_norm_act(s, "stem", x, stem, 3, 2)
    for i, (op, expansion, kernel, stride, channels, layers, se) in enumerate(stages):
        for j in range(layers):
            block = {"mb": mb_conv, "fused": fused_mb_conv}[op]
            x = block(s, f"stage{i + 1}.block{j + 1}.", x, channels, kernel, stride if j == 0 else 1, expansion, se)
    x = conv_norm_act(s, "head", x, head).mean((2, 3))
    return dense(s, "classifier.", x, classes, 1 / math.sqrt(classes))


# block, layers of the stages, width
RESNET_18 = ("basic", (2, 2, 2, 2), 64)
RESNET_50 = ("bottleneck", (3, 4, 6, 3), 64)
RESNET_SMALL = ("bottleneck", (2, 2, 1, 1), 16)


def resnet_block(s, name, x, kind, width, stride):
    out = width * (4 if kind == "bottleneck" else 1)
    if kind == "bottleneck":
        y = conv_norm_act(s, name + "first", x, width, act=F.relu)
        y = conv_norm_act(s, name + "middle", y, width, 3, stride, act=F.relu)
        y = conv_norm_act(s, name + "last", y, out, linear=True)
    else:
        y = conv_norm_act(s, name + "first", x, width, 3, stride, act=F.relu)
        y = conv_norm_act(s, name + "last", y, width, 3, linear=True)
    if stride != 1 or x.shape[1] != out:
        x = conv_norm_act(s, name + "shortcut", x, out, 1, stride, linear=True)
    return F.relu(x + y)


def resnet(s, x, table, classes):
    """Logits of NCHW images."""
    kind, stages, width = table
    x = F.max_pool2d(conv_norm_act(s, "stem", x, width, 7, 2, act=F.relu), 3, 2, 1)
    for i, layers in enumerate(stages):
        for j in range(layers):
            stride = 2 if i > 0 and j == 0 else 1
            x = resnet_block(s, f"stage{i + 1}.block{j + 1}.", x, kind, width << i, stride)
    return dense(s, "classifier.", x.mean((2, 3)), classes, 1 / math.sqrt(classes))


# ---- numbers from the formula ----

def images(shape):
    """NHWC numbers in [-1, 1) as NCHW."""
    return torch.tensor(formula(IMAGES, shape, 0.0, 2.0)).permute(0, 3, 1, 2)


def labels(count, classes):
    return np.arange(count, dtype=np.int64) * 3 % classes


def summary(gradient, number):
    """The norm, and the projections on random vectors, whose errors tell the norm of the gradient's error."""
    g = gradient.double().numpy().ravel()
    rows = [formula(VECTORS + number * PROJECTIONS + k, g.shape, 0.0, width_of(1.0)) for k in range(PROJECTIONS)]
    return [np.sqrt((g * g).sum())] + [(g * r).sum() for r in rows]


def worst_error(got, want):
    """The largest norm of a difference over the tensor's norm, or over 1e-3 of the whole gradient's where that is more:
    the shift of a linear norm before another convolution and norm has no gradient but rounding errors."""
    least = 1e-3 * math.sqrt(sum(w.norm().item() ** 2 for w in want))
    return max(((g - w).norm() / max(w.norm().item(), least)).item() for g, w in zip(got, want))


# ---- against torchvision ----

def check_with_torchvision(model, net, table, eps):
    """The functional network and torchvision's of 10 classes agree, with the same weights, in logits and gradients."""
    s = State(eps=eps, padding="symmetric")
    x = images((2, 64, 64, 3))
    y = net(s, x, table, 10)
    model.double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    theirs = list(model.parameters())
    assert len(theirs) == len(s.parameters)
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    with torch.no_grad():
        for p, q in zip(theirs, s.parameters.values()):
            p.copy_(q.permute(order[q.dim()]).reshape(p.shape))
    z = model(x)
    dy = torch.tensor(formula(COTANGENT, tuple(y.shape), 0.0, 2.0))
    ours = torch.autograd.grad(y, list(s.parameters.values()), dy)
    ours = [g.permute(order[g.dim()]).reshape(p.shape) for g, p in zip(ours, theirs)]
    worst = max(((y - z).norm() / z.norm()).item(), worst_error(ours, torch.autograd.grad(z, theirs, dy)))
    print(f"{type(model).__name__}: the largest relative difference to torchvision is {worst:.1e}")
    assert worst < 1e-9


# ---- training ----

SETTINGS = {"decay": 0.9, "momentum": 0.9, "eps": 1e-3, "weight_decay": 1e-5}
SMOOTHING = 0.1
BLOCK_RATE = 5e-3
RATE = 5e-4  # so small, and images of networks so large, that rounding errors hardly grow in ten steps
STEPS = 10
TRAINING = {"settings": SETTINGS, "label_smoothing": SMOOTHING}


def rmsprop(s, slots, gradients, rate):
    for record, (name, p), g in zip(s.records, list(s.parameters.items()), gradients):
        ms, mom = slots.setdefault(name, (torch.ones_like(p), torch.zeros_like(p)))
        with torch.no_grad():
            g = g + SETTINGS["weight_decay"] * p if record["decay"] else g
            ms += (1 - SETTINGS["decay"]) * (g * g - ms)
            mom.mul_(SETTINGS["momentum"]).add_(rate * g / torch.sqrt(ms + SETTINGS["eps"]))
            p -= mom


def train(s, net, classes, shape, steps, rate):
    """Losses of steps on one batch, and logits, gradients and buffers of the first."""
    slots, losses, first = {}, [], None
    x, target = images(shape).to(s.dtype), torch.tensor(labels(shape[0], classes))
    for _ in range(steps):
        y = net(s, x)
        loss = F.cross_entropy(y, target, label_smoothing=SMOOTHING)
        gradients = torch.autograd.grad(loss, list(s.parameters.values()))
        first = first or (y.detach(), gradients, {k: b.clone() for k, b in s.buffers.items()})
        rmsprop(s, slots, gradients, rate)
        losses.append(loss.item())
    return losses, first


# ---- blocks ----

BLOCKS = [
    ("MBConv", mb_conv, 12, 8, {"out_channels": 12, "expansion": 4}),
    ("MBConv", mb_conv, 8, 9, {"out_channels": 16, "expansion": 6, "kernel_size": 5, "stride": 2}),
    ("MBConv", mb_conv, 16, 7, {"out_channels": 8, "expansion": 1}),
    ("MBConv", mb_conv, 8, 8, {"out_channels": 8, "expansion": 4, "stride": 2, "se_ratio": 0}),
    ("MBConv", mb_conv, 8, 8, {"out_channels": 16, "expansion": 4, "stride": 2, "padding": "symmetric"}),
    ("FusedMBConv", fused_mb_conv, 16, 7, {"out_channels": 16, "expansion": 1}),
    ("FusedMBConv", fused_mb_conv, 8, 8, {"out_channels": 16, "expansion": 4, "stride": 2}),
    ("FusedMBConv", fused_mb_conv, 12, 7, {"out_channels": 12, "expansion": 4}),
]


def pooled_block(f, options):
    """A network of one block, whose channels, averaged over the pixels, are logits."""
    return lambda s, x: f(s, "", x, **options).mean((2, 3))


def block_case(name, kind, f, channels, size, args):
    options = dict(args)
    padding, x_shape = options.pop("padding", "same"), (3, size, size, channels)
    s = State(padding=padding)
    x = images(x_shape).requires_grad_(True)
    y = f(s, "", x, **options)
    shape = [y.shape[i] for i in (0, 2, 3, 1)]
    dy = torch.tensor(formula(COTANGENT, shape, 0.0, 2.0)).permute(0, 3, 1, 2)
    gradients = torch.autograd.grad(y, [x] + list(s.parameters.values()), dy)
    gradients = [gradients[0].permute(0, 2, 3, 1)] + list(gradients[1:])
    out = {f"{name}/y": op_cases.stored(y.detach().permute(0, 2, 3, 1).numpy())}
    out.update({f"{name}/d{k}": op_cases.stored(g.numpy()) for k, g in zip(["x"] + list(s.parameters), gradients)})
    out.update({f"{name}/after.{k}": op_cases.stored(b.numpy()) for k, b in s.buffers.items()})
    net, classes = pooled_block(f, options), options["out_channels"]
    losses, _ = train(State(padding=padding), net, classes, x_shape, STEPS, BLOCK_RATE)
    rounded, _ = train(State(torch.float32, padding=padding), net, classes, x_shape, STEPS, BLOCK_RATE)
    print(f"{name}: losses {losses[0]:.4f} to {losses[-1]:.4f}; PyTorch's own float32 differs by "
          f"{max(abs(a - b) / a for a, b in zip(losses, rounded)):.1e}")
    out.update({f"{name}/losses": np.array(losses), f"{name}/labels": labels(x_shape[0], classes)})
    return {"name": name, "block": kind, "args": dict(args, in_channels=channels, bn_momentum=s.momentum),
            "x": list(x_shape), "parameters": s.records, "lr": BLOCK_RATE, **TRAINING}, out


# ---- networks ----

def model_case(name, build, table, options, eps, padding, steps, size=96, batch=4, classes=10):
    shape = (batch, size, size, 3)
    s, rough_state = State(eps=eps, padding=padding), State(torch.float32, eps=eps, padding=padding)
    net = lambda state, x: build(state, x, table, classes)
    losses, (y, gradients, buffers) = train(s, net, classes, shape, steps, RATE)
    rounded, (z, rough, _) = train(rough_state, net, classes, shape, steps, RATE)
    worst = worst_error(rough, gradients)
    print(f"{name}: PyTorch's own float32 differs by {((y - z).norm() / y.norm()).item():.1e} in logits, {worst:.1e} in the "
          f"worst gradient, and in losses by {', '.join(f'{abs(a - b) / a:.1e}' for a, b in zip(losses, rounded))}")
    out = {f"{name}/logits": op_cases.stored(y.numpy()), f"{name}/losses": np.array(losses),
           f"{name}/gradients": np.array([summary(g, i) for i, g in enumerate(gradients)]),
           f"{name}/buffers": np.array([summary(b, i) for i, b in enumerate(buffers.values())]),
           f"{name}/labels": labels(batch, classes)}
    record = {"name": name, "options": dict(options, classes=classes, dropout=0, bn_momentum=s.momentum),
              "x": list(shape), "parameters": s.records, "buffers": list(buffers), "lr": RATE, **TRAINING}
    return record, out


def make():
    """All cases: records in order, and tensors."""
    records, tensors = [], {}
    theirs, still = torchvision.models, {"num_classes": 10, "stochastic_depth_prob": 0.0}
    check_with_torchvision(theirs.efficientnet_b0(**still), network, V1_B0, 1e-5)
    check_with_torchvision(theirs.efficientnet_v2_s(**still), network, V2_S, 1e-3)
    check_with_torchvision(theirs.resnet18(num_classes=10), resnet, RESNET_18, 1e-5)
    check_with_torchvision(theirs.resnet50(num_classes=10), resnet, RESNET_50, 1e-5)
    for i, case in enumerate(BLOCKS):
        record, found = block_case(f"{case[0]}.{i + 1}", *case)
        records.append(record)
        tensors.update(found)
    symmetric = {"padding": "symmetric", "bn_eps": 1e-5, "drop_path": 0}
    small = {"layers": RESNET_SMALL[1], "width": RESNET_SMALL[2]}
    for case in [("efficientnetv2-b0", network, V2_B0, {"drop_path": 0}, 1e-3, "same", STEPS),
                 ("efficientnet-b0", network, V1_B0, symmetric, 1e-5, "symmetric", 1),
                 ("resnet50", resnet, RESNET_SMALL, small, 1e-5, "symmetric", 1)]:
        record, found = model_case(*case)
        records.append(record)
        tensors.update(found)
    return records, tensors
