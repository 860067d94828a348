"""What the peers share: arguments, timing, and the line that train_step.lua prints too."""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

CACHE = os.environ.get("EFFV2_PEERS", os.path.expanduser("~/.cache/effv2-peers"))


def arguments(**own):
    """The key=value arguments of the command line over the defaults; a key without a default is an error."""
    values = dict(model="efficientnetv2-s", image=128, batch=16, steps=20, warmup=3, threads=2, mode="train", **own)
    for word in sys.argv[1:]:
        key, equals, text = word.partition("=")
        if not equals or key not in values:
            sys.exit(f"{sys.argv[0]}: unknown argument {word}; known are {', '.join(values)}")
        values[key] = type(values[key])(text)
    if values["mode"] not in ("train", "infer"):
        sys.exit(f"{sys.argv[0]}: mode={values['mode']}, wanted train or infer")
    return type("Arguments", (), values)


def limit_threads(count):
    """To be called before a library is imported that reads these."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(count)


def known(models, name):
    """The peer's model of this name, or an end with exit code 3: it has none."""
    if name not in models:
        print(f"{sys.argv[0]}: has no {name}, only {', '.join(models)}", file=sys.stderr)
        sys.exit(3)
    return models[name]


def onnx_model(a):
    """The path of the model as ONNX. Another process writes it, so that PyTorch's memory is not counted here."""
    if a.mode != "infer":
        sys.exit(f"{sys.argv[0]}: infers only; add mode=infer")
    exporter = os.path.join(os.path.dirname(os.path.abspath(__file__)), "export_onnx.py")
    words = [f"{key}={getattr(a, key)}" for key in ("model", "image", "batch")]
    exported = subprocess.run([sys.executable, exporter] + words, stdout=subprocess.PIPE, check=True, text=True)
    return exported.stdout.strip().splitlines()[-1]


def rss_mb():
    """Resident memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def run(peer, version, layout, a, start_rss_mb, step):
    """Times step() and prints the line. start_rss_mb: with libraries loaded, before the model was made."""
    for _ in range(a.warmup):
        step()
    times = []
    for _ in range(a.steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    print(json.dumps({
        "peer": peer, "version": version, "layout": layout, "dtype": "float32",
        "model": a.model, "image": a.image, "batch": a.batch, "mode": a.mode, "threads": a.threads,
        "images_per_s": a.batch / statistics.median(times), "fastest": a.batch / min(times),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, "start_rss_mb": start_rss_mb,
    }))
