"""What all golden files share: numbers that both sides can compute, and the safetensors writer."""
import json
import math
import zlib

import numpy as np

DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8", "int32": "I32"}


def write(path, tensors, metadata):
    """Writes {name: array} and {key: text} as safetensors: length of the header, JSON header, one buffer."""
    header, offset = {"__metadata__": metadata}, 0
    tensors = {name: np.array(t, order="C") for name, t in sorted(tensors.items())}
    for name, t in tensors.items():
        header[name] = {"dtype": DTYPES[str(t.dtype)], "shape": list(t.shape), "data_offsets": [offset, offset + t.nbytes]}
        offset += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for t in tensors.values():
            file.write(t.tobytes())


def random_of(name):
    """A generator of its own for each name, so that a new case leaves the others as they were."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def single(array):
    """Rounded to what a float32 can hold, still in double precision."""
    return np.asarray(array, np.float32).astype(np.float64)


def mix(x):
    """Thomas Wang's and Bob Jenkins's 32-bit mix of shifts, additions and exclusive ors; x is uint32."""
    u = np.uint32
    x = (x + u(0x7ED55D16)) + (x << u(12))
    x = (x ^ u(0xC761C23C)) ^ (x >> u(19))
    x = (x + u(0x165667B1)) + (x << u(5))
    x = (x + u(0xD3A2646C)) ^ (x << u(9))
    x = (x + u(0xFD7046C5)) + (x << u(3))
    return (x ^ u(0xB55A4F09)) ^ (x >> u(16))


def formula(number, shape, centre, width):
    """Tensor number `number`: element i is centre + width * (mix(mix(number) + i) / 2^32 - 1/2), as float32.

    Uniform numbers that need no storage: tests/lua/golden_models_spec.lua computes the same bits.
    """
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        start = mix(np.array([number], np.uint32))
        drawn = mix(np.arange(count, dtype=np.uint32) + start).astype(np.float64)
    return single(centre + width * (drawn / 2.0**32 - 0.5)).reshape(shape)


def width_of(std):
    """Width of a uniform distribution with this standard deviation."""
    return math.sqrt(12.0) * std
