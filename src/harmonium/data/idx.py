"""The IDX format of the MNIST files: two zero bytes, a type, the number of axes, their lengths, values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from harmonium.errors import InputError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file, gzipped or not.

    Raises:
        InputError: if the file is damaged, cut short, or no IDX file.
    """
    content = _unzipped(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        raise InputError(f"{str(path)!r} is not an IDX file: give the file as it was published.")
    dtype, axes = np.dtype(_DTYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    shape = tuple(int(length) for length in np.frombuffer(content[4:start].ljust(4 * axes, b"\0"), ">u4"))
    wanted = start + math.prod(shape) * dtype.itemsize
    if len(content) != wanted:
        raise InputError(
            f"{str(path)!r} has {len(content)} bytes where shape {shape} needs {wanted}: fetch the file again."
        )
    try:
        array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    except ValueError as error:  # of no value, but longer along other axes than an array can be
        raise InputError(f"{str(path)!r} says that its shape is {shape}: fetch the file again.") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _unzipped(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{str(path)!r} is cut short or damaged: fetch the file again.") from error
