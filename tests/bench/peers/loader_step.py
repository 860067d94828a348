"""Pictures per second of other libraries' loaders on one thread: random resized crop, flip, normalise, RandAugment.

    loader_step.py pipeline=pillow data=FOLDER image=128 randaugment=0

Pipelines: pillow (torchvision's transforms on Pillow images), pillow-v2 (its v2 transforms), pillow-draft (the same, with
Pillow's draft mode, which decodes at a fraction of the size), torchvision (its own JPEG decoder, transforms on tensors),
opencv (area interpolation; no RandAugment) and dali (its CPU backend; no RandAugment).
"""
import io
import json
import os
import random
import statistics
import sys
import time

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


def arguments():
    values = dict(pipeline="pillow", data="", image=128, randaugment=0, epochs=7)
    for word in sys.argv[1:]:
        key, equals, text = word.partition("=")
        if not equals or key not in values:
            sys.exit(f"{sys.argv[0]}: unknown argument {word}; known are {', '.join(values)}")
        values[key] = type(values[key])(text)
    return type("Arguments", (), values)


def files_of(folder):
    found = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names
             if name.lower().endswith((".jpg", ".jpeg", ".png"))]
    if not found:
        sys.exit(f"{sys.argv[0]}: no pictures in {folder}")
    return sorted(found)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def pillow_steps(a, transforms):
    steps = [transforms.RandomResizedCrop(a.image, AREA, ASPECT), transforms.RandomHorizontalFlip()]
    if a.randaugment:
        steps.append(transforms.RandAugment(2, a.randaugment))
    return steps


def pillow(a):
    from PIL import Image
    from torchvision import transforms
    steps = transforms.Compose(pillow_steps(a, transforms) + [transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    return lambda data: steps(Image.open(io.BytesIO(data)).convert("RGB"))


def pillow_v2(a, draft=False):
    import torch
    from PIL import Image
    from torchvision.transforms import v2
    steps = v2.Compose(pillow_steps(a, v2) + [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])

    def run(data):
        image = Image.open(io.BytesIO(data))
        if draft:
            image.draft("RGB", (a.image, a.image))
        return steps(image.convert("RGB"))
    return run


def pillow_draft(a):
    return pillow_v2(a, draft=True)


def torchvision(a):
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms import v2
    torch.set_num_threads(1)
    steps = v2.Compose(pillow_steps(a, v2) + [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    return lambda data: steps(decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB))


def random_part(height, width):
    """torchvision's RandomResizedCrop: top, left, height, width."""
    for _ in range(10):
        area = height * width * random.uniform(*AREA)
        aspect = random.uniform(*ASPECT)
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, height - h), random.randint(0, width - w), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def opencv(a):
    import cv2
    import numpy
    cv2.setNumThreads(1)
    mean, std = numpy.array(MEAN, numpy.float32) * 255, numpy.array(STD, numpy.float32) * 255

    def run(data):
        image = cv2.cvtColor(cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        y, x, h, w = random_part(*image.shape[:2])
        image = cv2.resize(image[y:y + h, x:x + w], (a.image, a.image), interpolation=cv2.INTER_AREA)
        if random.random() < 0.5:
            image = cv2.flip(image, 1)
        return (image - mean) / std
    return run


def times_of_function(a, files):
    """Seconds of each epoch, the first not counted."""
    makers = {"pillow": pillow, "pillow-v2": pillow_v2, "pillow-draft": pillow_draft, "torchvision": torchvision,
              "opencv": opencv}
    if a.pipeline not in makers:
        sys.exit(f"{sys.argv[0]}: no pipeline {a.pipeline}; there are {', '.join(makers)} and dali")
    run, times = makers[a.pipeline](a), []
    for _ in range(a.epochs + 1):
        began = time.perf_counter()
        for path in files:
            run(read(path))
        times.append(time.perf_counter() - began)
    return times[1:]


def times_of_dali(a, files):
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=len(files), num_threads=1, device_id=None)
    def graph():
        data, _ = fn.readers.file(files=files)
        image = fn.decoders.image_random_crop(data, device="cpu", random_area=AREA, random_aspect_ratio=ASPECT)
        image = fn.resize(image, resize_x=a.image, resize_y=a.image)
        return fn.crop_mirror_normalize(image, mean=[255 * m for m in MEAN], std=[255 * s for s in STD],
                                        mirror=fn.random.coin_flip())
    made, times = graph(), []
    made.build()
    for _ in range(a.epochs + 3): # the first ones fill its queue
        began = time.perf_counter()
        made.run()
        times.append(time.perf_counter() - began)
    return times[3:]


def main():
    a = arguments()
    files = files_of(a.data)
    if a.randaugment and a.pipeline in ("opencv", "dali"):
        sys.exit(f"{sys.argv[0]}: {a.pipeline} has no RandAugment")
    times = times_of_dali(a, files) if a.pipeline == "dali" else times_of_function(a, files)
    print(json.dumps({
        "peer": a.pipeline, "images_per_s": len(files) / statistics.median(times), "fastest": len(files) / min(times),
        "pictures": len(files), "image": a.image, "randaugment": a.randaugment, "workers": 1,
    }))


if __name__ == "__main__":
    main()
