"""MATLAB files up to version 7: arrays by their names, cells of sequences, labels that count from 1."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from harmonium.data.archives import dense, from_names
from harmonium.data.arrays import Raw
from harmonium.errors import InputError, RunError

PARSER = Path(__file__).with_name("matlab_parser.py")


def read_matlab(path: Path) -> Raw:
    """The arrays of a MATLAB file; cells of arrays are sequences, cells of text words.

    Labels that count from 1, as they do there, are counted from 0, and keep their numbers as names.

    Raises:
        InputError: a damaged file, other contents, or names that say nothing.
    """
    raw = _counted_from_0(from_names(_contents(path), path))
    return replace(raw, notes=(*raw.notes, *_lying(raw)))


def _contents(path: Path) -> dict[str, object]:
    """The arrays of a file by name, from a process of the parser's own: on a damaged file it may crash."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "arrays.npz")
        # Without this folder and the working one on its path, whose modules would hide those of other packages.
        command = [sys.executable, "-P", str(PARSER), str(path.absolute()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            raise RunError(
                f"No process could be started to read {str(path)!r} ({error.strerror}): try again."
            ) from error
        if done.returncode == -signal.SIGKILL or b"MemoryError" in done.stderr or b"No space left" in done.stderr:
            raise RunError(
                f"{str(path)!r} could not be read, for there was too little memory or space for its arrays: free some, "
                "or save fewer rows in a file."
            )
        if done.returncode:
            raise InputError(
                f"{str(path)!r} is not a MATLAB v5 file, or is damaged: save it with -v7 or as .npy."
            ) from (ValueError(done.stderr.decode(errors="replace")) if done.stderr else None)
        with np.load(out, allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
    listed = json.loads(str(parts["json"]))
    return {name: _whole(value, parts, path) for name, value in listed.items()}


def _whole(value: Mapping, parts: Mapping[str, np.ndarray], path: Path) -> object:
    """A value that the parser took apart: an array, a sparse matrix written out, cells as a list or as words."""
    from scipy.sparse import csc_array

    if value["form"] == "cells":
        cells = [np.asarray(_whole(cell, parts, path)) for cell in value["cells"]]
        if all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
            return np.array(["".join(cell.ravel()) for cell in cells])
        return cells
    if value["form"] == "object":
        return np.empty((1, 1), object)
    own = [parts[name] for name in value["parts"]]
    if value["form"] == "array":
        return own[0]
    try:
        return dense(csc_array(tuple(own), shape=tuple(value["shape"])), path)
    except InputError:  # it is too large to write out
        raise
    except ValueError as error:
        raise InputError(f"{str(path)!r} holds a damaged sparse matrix ({error}): save it again.") from error


def _counted_from_0(raw: Raw) -> Raw:
    """Labels of a language that counts from 1."""
    if any(isinstance(values, list) and any(np.size(cell) != 1 for cell in values) for values in raw.labels.values()):
        return raw  # cells of several numbers, which are refused as labels
    marks = {split: np.asarray(values).ravel() for split, values in raw.labels.items()}
    numbers = [values for values in marks.values() if values.dtype.kind in "iuf" and values.size]
    if not marks or len(numbers) < len(marks):
        return raw
    highest, rows = max(values.max() for values in numbers), sum(values.size for values in numbers)
    whole = all((values == np.floor(values)).all() and values.min() >= 1 for values in numbers)
    if not whole or highest > max(rows, 1000):  # which is refused, with its cure, where classes are made of it
        return raw
    names = raw.class_names or tuple(str(label) for label in range(1, int(highest) + 1))
    labels = {split: values.astype(np.int64) - 1 for split, values in marks.items()}
    note = f"labels count from 1 to {highest:.0f} in the file, and from 0 here"
    return replace(raw, labels=labels, class_names=names, notes=(*raw.notes, note))


def _lying(raw: Raw) -> list[str]:
    """What is said of an array whose last axis is the longest: there, examples often are columns."""
    shape = np.shape(raw.arrays["train"])
    if raw.ragged or len(shape) < 2 or shape[-1] <= shape[0]:
        return []
    each = f"{shape[1]} columns" if len(shape) == 2 else "x".join(map(str, shape[1:]))
    return [f"taken as {shape[0]} rows of {each}: move the last axis to the front if it counts the examples"]
