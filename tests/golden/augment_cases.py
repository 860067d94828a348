#!/usr/bin/env python3
"""Makes augment.safetensors: what Pillow makes of a picture in each operation of timm and torchvision, and its resizing.

    python3 tests/golden/augment_cases.py                            # needs Pillow, timm and torchvision from PyPI
    EFFV2=build/release/effv2 python3 tests/golden/augment_cases.py FOLDER [n]     # compares n = 8 photos of FOLDER

The operations are the libraries' own functions, called at every magnitude and with both signs. The file keeps a few
pixels of each result, others in each case: case i of a tensor has the pixels (i * POINTS + k) * STEP modulo their
number, in reading order. Compared with photos, whole pictures go through effv2 (augment_outputs.lua).
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import PIL
import timm
import timm.data.auto_augment as timm_ops
import torchvision
import torchvision.transforms.functional as torchvision_functional
import torchvision.transforms.autoaugment as torchvision_ops
from PIL import Image
from torchvision.transforms import InterpolationMode

sys.dont_write_bytecode = True
import golden_file  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
POINTS, STEP = 32, 7919
HEIGHT, WIDTH = 72, 96

GEOMETRY = ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"]
BLENDS = ["color", "contrast", "brightness", "sharpness"]
FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "pil_bilinear": Image.Resampling.BILINEAR, "pil_bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}

TIMM_NAMES = {"autocontrast": "AutoContrast", "equalize": "Equalize", "invert": "Invert", "rotate": "Rotate",
              "posterize": "Posterize", "solarize": "Solarize", "solarize_add": "SolarizeAdd", "color": "Color",
              "contrast": "Contrast", "brightness": "Brightness", "sharpness": "Sharpness", "shear_x": "ShearX",
              "shear_y": "ShearY", "translate_x": "TranslateXRel", "translate_y": "TranslateYRel"}
TORCHVISION_NAMES = {"identity": "Identity", "shear_x": "ShearX", "shear_y": "ShearY", "translate_x": "TranslateX",
                     "translate_y": "TranslateY", "rotate": "Rotate", "brightness": "Brightness", "color": "Color",
                     "contrast": "Contrast", "sharpness": "Sharpness", "posterize": "Posterize", "solarize": "Solarize",
                     "autocontrast": "AutoContrast", "equalize": "Equalize"}

# What torchvision's ColorJitter calls, and effv2's names.
JITTER = {"brightness": torchvision_functional.adjust_brightness, "contrast": torchvision_functional.adjust_contrast,
          "color": torchvision_functional.adjust_saturation, "hue": torchvision_functional.adjust_hue}


def picture():
    """Colour gradients with waves, hard edges, noise and flat spots, as uint8."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    random = golden_file.random_of("augment picture")
    layers = [90 + 70 * x / WIDTH + 25 * np.sin(y / 5), 60 + 90 * y / HEIGHT + 20 * np.cos((x + y) / 7),
              150 - 80 * x / WIDTH + 30 * np.sin((x - 2 * y) / 9)]
    p = np.stack(layers, -1) + random.normal(0, 6, (HEIGHT, WIDTH, 3))
    p[(x - 30) ** 2 + (y - 25) ** 2 < 150] += [60, -40, 10]
    p[(np.abs(x - 70) < 9) & (np.abs(y - 45) < 14)] = [240, 230, 40]
    p[(x + 2 * y > 190) & (x + 2 * y < 200)] = [12, 20, 30]
    return np.clip(p, 8, 247).astype(np.uint8)


# ---- the libraries' operations, at a magnitude whose sign stands for the drawn one ----

def with_timm(image, operation, filter, magnitude, increasing):
    name = TIMM_NAMES[operation]
    if increasing and operation in BLENDS + ["posterize", "solarize"]:
        name += "Increasing"
    sign = -1 if (magnitude < 0) != operation.startswith("translate") else 1  # a positive one moves to the left
    timm_ops._randomly_negate = lambda value: sign * value
    level = timm_ops.LEVEL_TO_ARG[name]
    arguments = level(abs(magnitude), {"translate_pct": 0.45}) if level else ()
    if operation == "posterize" and arguments == (0,):
        return Image.new("RGB", image.size)  # Pillow 13 refuses to keep no bits; until then it gave black
    return timm_ops.NAME_TO_OP[name](image, *arguments, fillcolor=(128, 128, 128), resample=FILTERS[filter or "nearest"])


def with_torchvision(image, operation, magnitude, wide):
    width, height = image.size
    policy = torchvision_ops.TrivialAugmentWide() if wide else torchvision_ops.RandAugment()
    space = policy._augmentation_space(31) if wide else policy._augmentation_space(31, (height, width))
    levels = space[TORCHVISION_NAMES[operation]][0]
    level = float(levels[abs(magnitude)]) if levels.ndim > 0 else 0.0
    level = -level if magnitude < 0 else level
    return torchvision_ops._apply_op(image, TORCHVISION_NAMES[operation], level, InterpolationMode.NEAREST, None)


def of_part(image, filter, part_height, part_width, height, width):
    """torchvision's center_crop, as far as there is so much, and then a resize."""
    part = min(part_height, image.height), min(part_width, image.width)
    return torchvision_functional.center_crop(image, part).resize((width, height), FILTERS[filter])


def expected(image, record, case):
    if record["kind"] == "resize":
        height, width = case
        return image.resize((width, height), FILTERS[record["filter"]])
    if record["kind"] == "part":
        return of_part(image, record["filter"], *case)
    if record["kind"] == "primitive":
        return JITTER[record["primitive"]](image, case)
    if record["dialect"].startswith("timm"):
        return with_timm(image, record["operation"], record.get("filter"), case, record["dialect"] == "timm_inc")
    return with_torchvision(image, record["operation"], case, record["dialect"] == "trivialaugment")


# ---- the cases ----

def magnitudes(operation, strongest, signed):
    if operation in ["identity", "autocontrast", "equalize", "invert"]:
        return [0]
    return list(range(-strongest if operation in signed else 0, strongest + 1))


def record_of(dialect, operation, cases, filter=None):
    record = {"kind": "operation", "name": f"{dialect}/{operation}", "dialect": dialect, "operation": operation,
              "cases": cases}
    return {**record, "name": record["name"] + "/" + filter, "filter": filter} if filter else record


def records():
    made = []
    for operation in TIMM_NAMES:
        for filter in ["bilinear", "bicubic"] if operation in GEOMETRY else [None]:
            made.append(record_of("timm", operation, magnitudes(operation, 10, GEOMETRY), filter))
    for operation in BLENDS + ["posterize", "solarize"]:
        made.append(record_of("timm_inc", operation, magnitudes(operation, 10, BLENDS)))
    for dialect in ["torchvision", "trivialaugment"]:
        for operation in TORCHVISION_NAMES:
            made.append(record_of(dialect, operation, magnitudes(operation, 30, GEOMETRY + BLENDS)))
    for primitive in JITTER:
        amounts = np.linspace(-0.5, 0.5, 41) if primitive == "hue" else np.linspace(0, 2.5, 21)
        made.append({"kind": "primitive", "name": "jitter/" + primitive, "primitive": primitive, "cases": amounts.tolist()})
    for filter in ["pil_bilinear", "pil_bicubic", "area"]:
        sizes = [[HEIGHT, WIDTH], [36, 48], [24, 32], [35, 50], [71, 95], [9, 96], [72, 7], [1, 1], [5, 3], [80, 100], [144, 192],
                 [101, 40], [50, 211], [HEIGHT * 3, 5], [60, 93], [67, 94], [40, 81]]
        made.append({"kind": "resize", "name": "resize/" + filter, "filter": filter, "cases": sizes})
        parts = [[40, 40, 16, 16], [71, 30, 24, 24], [33, 90, 20, 20], [11, 13, 48, 48], [1, 5, 3, 4], [70, 50, 32, 64]]
        made.append({"kind": "part", "name": "part/" + filter, "filter": filter, "cases": parts})
    return made


def pixels_of(image, case_number):
    flat = np.asarray(image).reshape(-1, 3)
    return flat[(case_number * POINTS + np.arange(POINTS)) * STEP % len(flat)]


def make():
    image = Image.fromarray(picture())
    tensors, made = {"picture": picture()}, records()
    for record in made:
        tensors[record["name"]] = np.stack(
            [pixels_of(expected(image, record, case), i) for i, case in enumerate(record["cases"])])
    versions = f"Pillow {PIL.__version__}, timm {timm.__version__}, torchvision {torchvision.__version__}"
    path = os.path.join(HERE, "augment.safetensors")
    metadata = {"records": json.dumps({"points": POINTS, "step": STEP, "list": made}), "made_with": versions}
    golden_file.write(path, tensors, metadata)
    print(f"{path}: {sum(len(r['cases']) for r in made)} cases, {os.path.getsize(path)} bytes")


# ---- whole photos ----

def compare(folder, count):
    """Prints, by tensor of the file, the largest difference and the share of values that differ at all."""
    made, worst = records(), {}
    for path in sorted(glob.glob(os.path.join(folder, "*")))[:count]:
        image = Image.open(path).convert("RGB")
        with tempfile.TemporaryDirectory() as work:
            image.save(work + "/picture.png")
            with open(work + "/records.json", "w") as file:
                json.dump(made, file)
            command = [os.environ["EFFV2"], "tests/golden/augment_outputs.lua", work + "/picture.png", work + "/records.json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.path.join(HERE, "../..")) as effv2:
                for record in made:
                    for case in record["cases"]:
                        want = np.asarray(expected(image, record, case)).astype(np.int16)
                        got = np.frombuffer(effv2.stdout.read(want.size), np.uint8).reshape(want.shape)
                        difference = np.abs(got - want)
                        largest, differing, values = worst.get(record["name"], (0, 0, 0))
                        worst[record["name"]] = (max(largest, int(difference.max())), differing + int((difference > 0).sum()),
                                                 values + want.size)
    for name, (largest, differing, values) in worst.items():
        print(f"{name:32} {largest:3} {differing / values:.2e}")
    return max(largest for largest, _, _ in worst.values())


if __name__ == "__main__":
    if len(sys.argv) == 1:
        make()
    else:
        sys.exit(0 if compare(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8) <= 1 else 1)
