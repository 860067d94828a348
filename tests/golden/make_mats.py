"""Tiny data sets in the published formats of Oxford Flowers-102 and Stanford Cars, and arrays of every kind; needs SciPy.

The .mat files are written as MATLAB's `save -v7` does it: version 5, each variable compressed.
"""
import pathlib

import numpy as np
from scipy.io import savemat

HERE = pathlib.Path(__file__).parent / "mat"


def save(path, variables, compressed=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=compressed, oned_as="row")
    with open(path, "r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(116)) # without the time, so that the same data make the same file


def flowers():
    """Twelve pictures: 1 to 4 to train, 5 and 6 to validate, 7 to 12 to test; a class for each two."""
    labels = np.repeat(np.array([[1, 77, 102, 5, 9, 50]], dtype=np.uint8), 2, axis=1)
    save(HERE / "flowers/imagelabels.mat", {"labels": labels})
    save(HERE / "flowers/setid.mat", {
        "trnid": np.array([[1, 3, 2, 4]], dtype=np.uint16),
        "valid": np.array([[5, 6]], dtype=np.uint16),
        "tstid": np.array([[12, 11, 10, 9, 8, 7]], dtype=np.uint16),
    })


def annotations(labels, with_class=True):
    boxes = [(name, np.float64) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")]
    kinds = [(name, object) for name, _ in boxes] + ([("class", object)] if with_class else []) + [("fname", object)]
    rows = np.zeros((1, len(labels)), dtype=kinds)
    for i, label in enumerate(labels):
        for k, (name, _) in enumerate(boxes):
            rows[name][0, i] = np.array([[30 + 100 * k]], dtype=np.uint16)
        if with_class:
            rows["class"][0, i] = np.array([[label]], dtype=np.uint8)
        rows["fname"][0, i] = "%05d.jpg" % (i + 1)
    return {"annotations": rows}


def cars():
    names = np.empty((1, 196), dtype=object)
    names[0, :] = ["Model %d Coup\u00e9 2012" % (i + 1) for i in range(196)]
    save(HERE / "cars/devkit/cars_meta.mat", {"class_names": names})
    save(HERE / "cars/devkit/cars_train_annos.mat", annotations([14, 3, 196]))
    save(HERE / "cars/devkit/cars_test_annos.mat", annotations([1, 1], with_class=False))
    save(HERE / "cars/cars_test_annos_withlabels.mat", annotations([181, 1]))


def kinds():
    values = {name: np.array([[1, 0, 100], [2, 3, 4]], dtype=name) for name in (
        "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")}
    values["int16"][0, 0] = -300
    values["int64"][0, 0] = -2**40
    values["float32"][0, 0] = -0.5
    cell = np.empty((1, 3), dtype=object)
    cell[0, :] = ["one", np.array([[7.5]]), np.zeros((0, 0))]
    values |= {"cell": cell, "nested": {"a": {"b": "deep \u20ac"}, "c": np.array([[1, 2]])}, "flag": np.array([[True]]),
               "complex": np.array([[1 + 2j]]), "empty": np.zeros((0, 5)), "text": "a"}
    save(HERE / "kinds.mat", values)
    save(HERE / "kinds_plain.mat", values, compressed=False)


def mistakes():
    """Files that contradict what the data sets are."""
    save(HERE / "flowers_few.mat", {"labels": np.array([[1, 2, 3, 4, 103]], dtype=np.uint8)})
    save(HERE / "flowers_ids.mat", {"trnid": np.array([[1, 13]], dtype=np.uint16), "valid": np.array([[1.5]]),
                                    "tstid": np.zeros((1, 0), dtype=np.uint16)})
    save(HERE / "cars_bad.mat", annotations([197]))
    named = annotations([1])
    named["annotations"]["fname"][0, 0] = "../1.jpg"
    save(HERE / "cars_bad_names.mat", named)
    names = np.empty((1, 2), dtype=object)
    names[0, :] = ["one", "two"]
    save(HERE / "cars_few_names.mat", {"class_names": names})


flowers()
cars()
mistakes()
kinds()
