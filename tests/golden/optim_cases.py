"""The cases of optim.safetensors: five updates of two small parameters by each rule, and moving averages.

`kernel` has weight decay, `bias` has none. SGD and AdamW are PyTorch's. RMSProp is written out as TensorFlow defines
its ApplyRMSProp operation, because PyTorch's has epsilon outside the root and the learning rate outside the momentum.
"""
import numpy as np
import torch

from golden_file import random_of, single

SHAPES = {"bias": (7,), "kernel": (3, 5)}
STEPS = 5
RATES = [0.2, 0.3, 0.05, 0.4, 0.1]


class RMSProp:
    """ms += (1 - decay) (g^2 - ms); mom = momentum mom + lr g / sqrt(ms + eps); w -= mom; ms starts at 1."""

    def __init__(self, parameters, decay=0.9, momentum=0.9, eps=1e-3, weight_decay=0.0):
        self.settings = decay, momentum, eps
        self.decays = {"kernel": weight_decay, "bias": 0.0}
        self.slots = {k: (torch.ones_like(p), torch.zeros_like(p)) for k, p in parameters.items()}

    def step(self, parameters, gradients, lr):
        decay, momentum, eps = self.settings
        for k, p in parameters.items():
            ms, mom = self.slots[k]
            g = gradients[k] + self.decays[k] * p
            ms += (1 - decay) * (g * g - ms)
            mom.mul_(momentum).add_(lr * g / torch.sqrt(ms + eps))
            p -= mom


class FromTorch:
    def __init__(self, make, parameters, weight_decay=0.0, **settings):
        groups = [{"params": [parameters["kernel"]], "weight_decay": weight_decay},
                  {"params": [parameters["bias"]], "weight_decay": 0.0}]
        self.optimiser = make(groups, lr=1.0, **settings)

    def step(self, parameters, gradients, lr):
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        for k, p in parameters.items():
            p.grad = gradients[k]
        self.optimiser.step()


def sgd(parameters, **settings):
    return FromTorch(torch.optim.SGD, parameters, **settings)


def adamw(parameters, beta1=0.9, beta2=0.999, **settings):
    return FromTorch(torch.optim.AdamW, parameters, betas=(beta1, beta2), **settings)


# rule, its settings as effv2 names them, options of every step
CASES = [
    ("rmsprop", RMSProp, {}, {}),
    ("rmsprop", RMSProp, {"decay": 0.9, "momentum": 0.9, "eps": 1e-3, "weight_decay": 0.1}, {}),
    ("rmsprop", RMSProp, {"decay": 0.8, "momentum": 0, "eps": 0.1, "weight_decay": 0.01}, {"scale": 0.25}),
    ("sgd", sgd, {}, {}),
    ("sgd", sgd, {"momentum": 0.9, "weight_decay": 0.1}, {}),
    ("sgd", sgd, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"clip_norm": 2}),
    ("adamw", adamw, {"weight_decay": 0.1}, {}),
    ("adamw", adamw, {"beta1": 0.8, "beta2": 0.9, "eps": 1e-2, "weight_decay": 0.2}, {"scale": 0.5, "clip_norm": 1.5}),
]


def factor(gradients, scale=1.0, clip_norm=None):
    """What the gradients are multiplied by: the scale, and less where their norm would pass clip_norm."""
    norm = scale * np.sqrt(sum((g**2).sum().item() for g in gradients.values()))
    return scale * min(1.0, clip_norm / norm) if clip_norm else scale


def draw(random):
    return {k: torch.tensor(single(random.standard_normal(shape))) for k, shape in SHAPES.items()}


def run_case(name, rule, make, settings, options):
    random = random_of(name)
    parameters = draw(random)
    out = {f"{name}/start.{k}": p.numpy().astype(np.float32) for k, p in parameters.items()}
    optimiser = make(parameters, **settings)
    for step in range(STEPS):
        gradients = draw(random)
        out.update({f"{name}/gradient.{step + 1}.{k}": g.numpy().astype(np.float32) for k, g in gradients.items()})
        by = factor(gradients, **options)
        with torch.no_grad():
            optimiser.step(parameters, {k: g * by for k, g in gradients.items()}, RATES[step])
        out.update({f"{name}/after.{step + 1}.{k}": p.detach().numpy().astype(np.float32) for k, p in parameters.items()})
    return {"name": name, "rule": rule, "settings": settings, "options": options, "rates": RATES}, out


def average_case(name, decay, warmup):
    """Averages of a sequence of values; TensorFlow's decay at update t is min(decay, (1 + t) / (10 + t))."""
    random = random_of(name)
    value = single(random.standard_normal(6))
    out, average = {f"{name}/value.0": value.astype(np.float32)}, value
    for t in range(STEPS):
        value = single(random.standard_normal(6))
        share = min(decay, (1 + t) / (10 + t)) if warmup else decay
        average = share * average + (1 - share) * value
        out.update({f"{name}/value.{t + 1}": value.astype(np.float32), f"{name}/average.{t + 1}": average.astype(np.float32)})
    late = {str(t): min(decay, (1 + t) / (10 + t)) if warmup else decay for t in (0, 100, 10000, 89989, 89991, 1000000)}
    return {"name": name, "decay": decay, "warmup": warmup, "decays": late}, out


def make():
    """All cases: records in order, and tensors."""
    records, tensors = [], {}
    for i, case in enumerate(CASES):
        record, found = run_case(f"{case[0]}.{i + 1}", *case)
        records.append(record)
        tensors.update(found)
    for i, case in enumerate([(0.9999, True), (0.15, True), (0.9, False)]):
        record, found = average_case(f"average.{i + 1}", *case)
        records.append(record)
        tensors.update(found)
    return records, tensors
