"""Images per second of whole training steps (or of inference) in PyTorch, as tests/bench/train_step.lua measures effv2.

usage: python torch_step.py [model=efficientnetv2-s] [image=128] [batch=16] [threads=2] [mode=train|infer]
                            [layout=channels_last|contiguous] [compile=0|1|2] [steps=20] [warmup=3]
compile=1: torch.compile of model and loss, 2: of the optimiser's step too (which takes minutes to compile).
Runs under Debian's PyTorch 1.13 too, without compile and models of timm.
"""
import common

a = common.arguments(layout="channels_last", compile=0)
common.limit_threads(a.threads)

import torch  # noqa: E402

from torch_models import MODELS  # noqa: E402

torch.set_num_threads(a.threads)
torch.manual_seed(0)
form = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[a.layout]
make = common.known(MODELS, a.model)
start_rss_mb = common.rss_mb()
model = make().to(memory_format=form)
images = torch.randn(a.batch, 3, a.image, a.image).contiguous(memory_format=form)


def compiled(f, level=1):
    return torch.compile(f) if a.compile >= level else f


def training():
    model.train()
    optimiser = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.9, momentum=0.9, eps=0.0316, weight_decay=1e-5)
    labels = torch.zeros(a.batch, dtype=torch.long)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    forward, update = compiled(lambda x: loss_of(model(x), labels)), compiled(optimiser.step, 2)

    def step():
        optimiser.zero_grad(set_to_none=True)
        forward(images).backward()
        update()
    return step


def inference():
    model.eval().requires_grad_(False)
    if a.compile:
        from torch._inductor import config
        config.freezing = True  # folds batch norm and lays weights out for the kernels
    forward = compiled(model)

    def step():
        with torch.no_grad():
            forward(images)
    return step


step = training() if a.mode == "train" else inference()
common.run("torch-compile" if a.compile else "torch", torch.__version__, a.layout, a, start_rss_mb, step)
