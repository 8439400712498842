"""Data by name or path."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harmonium.data import faces, fetch, patches
from harmonium.data.arrays import Raw, assemble, check_scale
from harmonium.data.binarize import SPLITS, check_scheme
from harmonium.data.dataset import Dataset
from harmonium.data.files import read, read_array, read_labels, read_splits
from harmonium.data.idx import read_idx
from harmonium.data.music import MUSIC, piano_rolls
from harmonium.data.official import begun_with, siblings
from harmonium.data.randomness import SPLIT, generator
from harmonium.data.sequences import as_sequences
from harmonium.data.summary import summary
from harmonium.data.tables import TABLES, binary_table
from harmonium.errors import InputError

DEFAULT_FRACTION = 0.1  # of a person's file, for validation and again for test

_NAMES = {
    "digits": "8x8 grey digits of scikit-learn, 1197/300/300, labels; installed with the library",
    "mnist": "28x28 grey handwritten digits, 50000/10000/10000, labels",
    "binarized_mnist": "28x28 binary digits, the fixed sample of Larochelle & Murray (2011), 50000/10000/10000",
    **TABLES,
    **MUSIC,
    patches.NAME: patches.ABOUT,
    faces.NAME: faces.ABOUT,
}


def available() -> dict[str, str]:
    """The data sets that have a name, each with a line about it.

    >>> sorted(available())
    ['adult', 'binarized_mnist', 'digits', 'dna', 'faces', 'jsb', 'mnist', 'mushrooms', 'nips', 'nltcs', 'nottingham',
     'patches', 'piano_midi']
    """
    return dict(_NAMES)


def load(
    name_or_path: str | os.PathLike,
    *,
    binarize: str | None = None,
    seed: int = 0,
    labels: object = None,
    scale: float | None = None,
    standardize: bool | Literal["real"] = False,
    valid_fraction: float | None = None,
    test_fraction: float | None = None,
    groups: object = "auto",
    header: bool | None = None,
    **options: Any,
) -> Dataset:
    """A named data set, or a person's own file or folder of pictures.

    A file of training rows (`x.train.data`) comes with those beside it that are named as its validation and test rows
    (`x.valid.data`, `x.test.data`), unless fractions are given. Any other file without splits of its own is shuffled
    and split, by default 10 % for validation and 10 % for test. What was read, left out and assumed is in `notes`.

    Args:
        name_or_path: a name of `available()`, or the path of a .npy, .npz, .csv, .tsv, .txt, .amat, .mat or
            IDX file, or a folder of pictures or of such files.
        binarize: "fixed", "dynamic", "threshold" or "probabilities" for grey values.
        seed: of the binarization, and of the shuffle of a file.
        labels: of a file's training rows: whole numbers [n] or words, or the path of a file that holds them.
        scale: divide all values by this first; 8-bit pictures are divided by 255 without it.
        standardize: bring each column of a file to mean 0 and variance 1 by its training rows; with "real" only
            columns that hold measurements, and neither zeros and ones nor codes.
        valid_fraction, test_fraction: of a file's rows, in [0, 1).
        groups: of a file's rows that a split keeps together, as in `from_arrays`.
        header: whether the first row of a text table holds names; found out without it.
        options: of a name: of "patches" side, whiten, contrast, count and source
            (`harmonium.data.patches.natural_patches`); of music frames and transpose
            (`harmonium.data.music.piano_rolls`).

    Raises:
        InputError: an unknown name, a file that is not what its ending says, or data that cannot be used as
            asked.
        RunError: if a named set has to be fetched and cannot be.

    >>> load("digits", binarize="fixed").train.shape
    (1197, 64)
    """
    check_scheme(binarize)
    own = {
        "labels": labels,
        "scale": scale,
        "standardize": standardize or None,
        "valid_fraction": valid_fraction,
        "test_fraction": test_fraction,
        "groups": None if isinstance(groups, str) and groups == "auto" else groups,
        "header": header,
    }
    if not isinstance(name_or_path, str | os.PathLike):
        raise InputError(f"load takes a name or a path, not {type(name_or_path).__name__}: use from_arrays for arrays.")
    _refuse_unknown(options, name_or_path)
    if name_or_path in _LOADERS:
        for option in (option for option, value in own.items() if value is not None):
            raise InputError(f"{name_or_path!r} comes with its own splits, labels and scale: leave out {option}.")
        return _LOADERS[name_or_path](binarize, seed, **options)
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise InputError(_unknown(str(name_or_path)))
    return _load_path(path, binarize, seed, **own | {"groups": groups})


def _refuse_unknown(options: Iterable[str], name_or_path: str | os.PathLike) -> None:
    """Refuse options that neither `load` nor the named data set has."""
    own = _OPTIONS.get(name_or_path, ())
    for option in (option for option in options if option not in own):
        known = [name for name in signature(load).parameters if name not in ("name_or_path", "options")]
        near = difflib.get_close_matches(option, [*known, *own], n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"choose of {', '.join(own)}." if own else "leave it out."
        raise InputError(f"{str(name_or_path)!r} is loaded with no option {option}: {hint}")


def _unknown(name: str) -> str:
    if file := begun_with(Path(name).expanduser()):
        return f"{name!r} is neither a data set nor a file: did you mean {str(file)!r}?"
    if Path(name).suffix or Path(name).name != name:
        return f"{name!r} is neither a data set nor a file: check the path."
    near = difflib.get_close_matches(name.lower(), _NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(_NAMES)}, or give the path of a file."
    return f"{name!r} is neither a data set nor a file: {hint}"


def _load_path(
    path: Path,
    binarize: str | None,
    seed: int,
    *,
    labels,
    scale,
    standardize,
    valid_fraction,
    test_fraction,
    groups,
    header,
) -> Dataset:
    check_scale(scale)
    cut = valid_fraction is not None or test_fraction is not None
    raw = read(path, header=header) if cut else read_splits(path, header=header)
    if labels is not None:
        raw = replace(raw, labels=raw.labels | _labels(labels, set(raw.arrays)))
    if scale is not None:
        raw = replace(raw, divisor=scale)
    data = assemble(
        raw,
        path.resolve().name,
        binarize=binarize,
        standardize=standardize or False,
        seed=seed,
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        default_fraction=DEFAULT_FRACTION,
        groups=groups,
    )
    data = replace(data, notes=(summary(raw), *data.notes))
    return as_sequences(data) if raw.ragged else data


def _labels(given: object, splits: set[str]) -> dict[str, object]:
    """Labels of the training rows, from a file with those of other splits where they lie beside it."""
    if not isinstance(given, str | os.PathLike):
        return {"train": given}
    path = Path(given)
    files = {"train": path} | (siblings(path) if len(splits) > 1 else {})
    return {split: read_labels(file) for split, file in files.items() if split in splits}


def _digits(binarize: str | None, seed: int) -> Dataset:
    installed = Path(find_spec("sklearn").origin).parent  # importing scikit-learn would take two seconds
    table = np.loadtxt(installed / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    order = generator(0, SPLIT).permutation(len(table))  # one split for everyone, whatever the seed
    parts = dict(zip(SPLITS, np.split(order, [1197, 1497]), strict=True))
    images = {split: table[rows, :-1].reshape(-1, 8, 8) for split, rows in parts.items()}
    labels = {split: table[rows, -1].astype(int) for split, rows in parts.items()}
    return assemble(Raw(images, labels, divisor=16.0), "digits", binarize=binarize, seed=seed)


def _mnist(binarize: str | None, seed: int) -> Dataset:
    images, labels = _mnist_file("train-images-idx3-ubyte"), _mnist_file("train-labels-idx1-ubyte")
    cut = len(images) - len(images) // 6  # the last 10000 of 60000 validate
    arrays = {"train": images[:cut], "valid": images[cut:], "test": _mnist_file("t10k-images-idx3-ubyte")}
    marks = {"train": labels[:cut], "valid": labels[cut:], "test": _mnist_file("t10k-labels-idx1-ubyte")}
    return assemble(Raw(arrays, marks, divisor=255.0), "mnist", binarize=binarize, seed=seed)


def _mnist_file(name: str) -> np.ndarray:
    found = fetch.find(fetch.MNIST, f"{name}.gz", name)
    return read_idx(found or fetch.download(fetch.MNIST, f"{name}.gz"))


def _binarized_mnist(binarize: str | None, seed: int) -> Dataset:
    if binarize not in (None, "fixed"):
        raise InputError(
            f"'binarized_mnist' is binary already, so that binarize={binarize!r} does not apply: leave it "
            "out, or use 'mnist'."
        )
    packed = fetch.find(fetch.BINARIZED, "binarized_mnist_packed.npz")
    raw = read(packed) if packed else Raw({split: _binarized_file(split) for split in SPLITS})
    if packed:
        raw = replace(raw, arrays={k: np.unpackbits(v, axis=1, count=784) for k, v in raw.arrays.items()})
    data = assemble(replace(raw, image_shape=(28, 28)), "binarized_mnist")
    if data.space.support != "binary":
        raise InputError("The files of 'binarized_mnist' hold values other than 0 and 1: fetch them again.")
    return replace(data, binarization="fixed").declared(binarization="fixed(Larochelle & Murray 2011)")


def _binarized_file(split: str) -> np.ndarray:
    name = f"binarized_mnist_{split}"
    found = fetch.find(fetch.BINARIZED, f"{name}.amat", f"{name}.mat")
    return read_array(found or fetch.download(fetch.BINARIZED, f"{name}.amat"))


def _table(name: str, binarize: str | None, seed: int) -> Dataset:
    return binary_table(name, binarize)


_OF_ALL = ("binarize", "seed")
_LOADERS = {"digits": _digits, "mnist": _mnist, "binarized_mnist": _binarized_mnist}
_LOADERS |= {name: partial(_table, name) for name in TABLES}
_LOADERS |= {name: partial(piano_rolls, name) for name in MUSIC}
_LOADERS |= {patches.NAME: patches.natural_patches, faces.NAME: faces.olivetti}
_OPTIONS = {patches.NAME: [name for name in signature(patches.natural_patches).parameters if name not in _OF_ALL]}
_OPTIONS |= {name: ["frames", "transpose"] for name in MUSIC}
