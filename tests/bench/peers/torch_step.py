"""Images per second of whole training steps in PyTorch (eager), as tests/bench/train_step.lua measures effv2.

usage: /usr/bin/python3 tests/bench/peers/torch_step.py [model=efficientnet_v2_s] [image=128] [batch=16] [steps=20]
                                                        [threads=2] [layout=channels_last|contiguous]
"""
import json
import resource
import statistics
import sys
import time

import torch
import torchvision

given = dict(word.split("=", 1) for word in sys.argv[1:])
name, layout = given.get("model", "efficientnet_v2_s"), given.get("layout", "channels_last")
image, batch, steps = (int(given.get(k, d)) for k, d in (("image", 128), ("batch", 16), ("steps", 20)))
torch.set_num_threads(int(given.get("threads", 2)))
torch.manual_seed(0)

form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
model = getattr(torchvision.models, name)().to(memory_format=form).train()
optimiser = torch.optim.RMSprop(model.parameters(), lr=1e-4, alpha=0.9, momentum=0.9, eps=0.0316, weight_decay=1e-5)
images = torch.randn(batch, 3, image, image).contiguous(memory_format=form)
labels = torch.zeros(batch, dtype=torch.long)
loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)

times = []
for step in range(3 + steps):
    began = time.perf_counter()
    optimiser.zero_grad(set_to_none=True)
    loss_of(model(images), labels).backward()
    optimiser.step()
    if step >= 3:
        times.append(time.perf_counter() - began)

print(json.dumps({
    "model": name, "image": image, "batch": batch, "layout": layout, "torch": torch.__version__,
    "images_per_s": batch / statistics.median(times),
    "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
}))
