"""A program of its own: `matlab_parser.py FILE OUT` writes the arrays of a MATLAB file as a .npz file.

SciPy's parser checks little and crashes, with its process, on some damaged files. So it has a process of its own, which
knows nothing of the library, and a crash there is an error message here.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from scipy.io import loadmat
from scipy.sparse import issparse


def flattened(value: object, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """What a value is, in words that JSON has, with its arrays added to `arrays` by number."""
    if issparse(value):
        rest = value.tocsc()
        parts = [_numbered(part, arrays) for part in (rest.data, rest.indices, rest.indptr)]
        return {"form": "sparse", "shape": list(map(int, rest.shape)), "parts": parts}
    value = np.asarray(value)
    if value.dtype.kind == "O" and all(isinstance(cell, np.ndarray) or issparse(cell) for cell in value.ravel()):
        cells = [flattened(cell, arrays) for cell in value.ravel()]
        return {"form": "cells", "cells": [{"form": "object"} if cell["form"] == "cells" else cell for cell in cells]}
    if value.dtype.kind not in "biufcSU":
        return {"form": "object"}  # a struct, a function, ...
    return {"form": "array", "parts": [_numbered(value, arrays)]}


def _numbered(part: np.ndarray, arrays: dict[str, np.ndarray]) -> str:
    arrays[str(len(arrays))] = part
    return str(len(arrays) - 1)


if __name__ == "__main__":
    arrays: dict[str, np.ndarray] = {}
    contents = {name: value for name, value in loadmat(sys.argv[1]).items() if not name.startswith("__")}
    listed = {name: flattened(value, arrays) for name, value in contents.items()}
    with open(sys.argv[2], "wb") as out:
        np.savez(out, json=np.array(json.dumps(listed)), **arrays)
