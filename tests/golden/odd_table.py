"""Compares effv2's decoders with Pillow on the odd public test images, and writes docs/decoded_images.md.

    /usr/bin/python3 tests/golden/odd_table.py [--effv2 build/release/effv2] [--data ~/.cache/effv2-data] [--check]

Needs Pillow (13 or later, for its reading of 16-bit gray) and numpy. A picture is Pillow's when it is what
ImageOps.exif_transpose(Image.open(file)).convert("RGB") gives. --check writes nothing and only compares. Ends with 1 if
a file differs by more than 1 (2 where colours are converted: CMYK and YCCK).
"""
import argparse
import io
import os
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "decoded_images.md"

HEAD = """# The odd test images

How effv2 decodes the public test images that are odd: PngSuite, the EXIF orientation examples and Pillow's own test
pictures. Made by `tests/golden/odd_table.py` (with Pillow {pillow}), checked by `tests/lua/decoded_images_spec.lua`; what
the decoders do in general is in [decoding.md](decoding.md).

"Difference" is the largest one to Pillow in a value of 0 to 255, of
`ImageOps.exif_transpose(Image.open(file)).convert("RGB")`; the checksum is the CRC-32 of the pixels. Of {files} files
{decoded} are decoded, {equal} of them without a difference, and the largest difference is {worst}; {refused} are refused,
{both} of these by Pillow too.

## Decoded

| file | height | width | checksum | difference | |
|---|---|---|---|---|---|
"""

REFUSED = """
## Refused

| file | why | Pillow |
|---|---|---|
"""


def pixels_alone(data):
    """A PNG with the chunks that its pixels come from."""
    out, at = data[:8], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            out += data[at : at + 12 + length]
        at += 12 + length
    return out


def pillow_pixels(source):
    return np.asarray(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))


def pillow_reads(path):
    """Pillow's pixels and "", or None and why it refuses."""
    try:
        return pillow_pixels(path), ""
    except Exception as error:
        return None, str(error).replace(str(path), path.name).replace("'", "").strip()


def pillow_reads_stripped(path, remark):
    """The pixels of a PNG that Pillow refuses for what has nothing to do with them."""
    try:
        return pillow_pixels(io.BytesIO(pixels_alone(path.read_bytes()))), f"Pillow: {remark}; compared without such chunks"
    except Exception:
        return None, remark


def effv2_reads(program, paths):
    """For each file its pixels, or why it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        script = ROOT / "tests" / "golden" / "dump_images.lua"
        text = subprocess.run([program, script, folder], input="".join(f"{p}\n" for p in paths), text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("refused: "):
                yield line[len("refused: "):]
            else:
                height, width = map(int, line.split())
                yield np.fromfile(f"{folder}/{number}.rgb", np.uint8).reshape(height, width, 3)


def allowed(path):
    with Image.open(path) as image:
        return 2 if image.mode == "CMYK" else 1


def compare(root, program):
    decoded, refused, bad = [], [], []
    paths = sorted(p for p in root.rglob("*") if p.suffix in (".png", ".jpg", ".jpeg"))
    for path, ours in zip(paths, effv2_reads(program, paths)):
        name = path.relative_to(root).as_posix()
        theirs, remark = pillow_reads(path)
        if theirs is None and not isinstance(ours, str):
            theirs, remark = pillow_reads_stripped(path, remark)
        if isinstance(ours, str):
            refused.append((name, ours, "refuses it too: " + remark if theirs is None else "decodes it"))
        elif theirs is None:
            bad.append(f"{name}: decoded, and Pillow refuses it: {remark}")
        elif ours.shape != theirs.shape:
            bad.append(f"{name}: {ours.shape}, not {theirs.shape}")
        else:
            difference = int(np.abs(ours.astype(int) - theirs).max())
            decoded.append((name, *ours.shape[:2], f"{zlib.crc32(ours.tobytes()):08x}", difference, remark))
            if difference > 1 and difference > allowed(path):
                bad.append(f"{name}: differs by {difference}")
    return decoded, refused, bad


def page(decoded, refused):
    worst = max(row[4] for row in decoded)
    both = sum(row[2] != "decodes it" for row in refused)
    text = HEAD.format(pillow=PIL.__version__, files=len(decoded) + len(refused), decoded=len(decoded), worst=worst,
                       equal=sum(row[4] == 0 for row in decoded), refused=len(refused), both=both)
    text += "".join("| " + " | ".join(map(str, row)) + " |\n" for row in decoded)
    return text + REFUSED + "".join("| " + " | ".join(row) + " |\n" for row in refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--effv2", default=str(ROOT / "build" / "release" / "effv2"))
    parser.add_argument("--data", default=os.environ.get("EFFV2_DATA") or str(Path.home() / ".cache" / "effv2-data"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    decoded, refused, bad = compare(Path(options.data) / "odd", options.effv2)
    if not options.check:
        PAGE.write_text(page(decoded, refused))
    print(f"{len(decoded)} decoded, {len(refused)} refused, {len(bad)} wrong")
    print("".join(line + "\n" for line in bad), end="")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
