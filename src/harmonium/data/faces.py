"""Faces of forty people, ten pictures of each (AT&T Laboratories Cambridge, 1992 to 1994), as Roweis cut them out."""

from __future__ import annotations

import numpy as np

from harmonium.data import fetch
from harmonium.data.arrays import Raw, assemble
from harmonium.data.binarize import SPLITS
from harmonium.data.dataset import Dataset
from harmonium.data.matlab import read_matlab
from harmonium.data.randomness import SPLIT, generator
from harmonium.errors import InputError, RunError

NAME = "faces"
ABOUT = "64x64 grey faces (Olivetti), ten pictures of each of 30/5/5 people"
FOLDER, FILE = "faces", "olivettifaces.mat"
PEOPLE, EACH, SIDE = 40, 10, 64


def olivetti(binarize: str | None, seed: int) -> Dataset:
    """Pictures [64, 64] of faces, divided by 255; no person is in two splits, which are the same for everyone.

    The file `olivettifaces.mat` is looked for in $HARMONIUM_DATA or its folder `faces`; its array `faces` `[4096, 400]`
    holds a picture in each column, column by column.

    Raises:
        InputError: a file that holds something else.
        RunError: if the file is not there: it has no server of its own.
    """
    path = fetch.find(FOLDER, FILE)
    if path is None:
        raise RunError(
            f"The faces are not here: set HARMONIUM_DATA to a folder that holds {FOLDER}/{FILE}, with the array faces."
        )
    columns = np.asarray(read_matlab(path).arrays["train"])
    if columns.shape != (SIDE * SIDE, PEOPLE * EACH) or columns.min() < 0 or columns.max() > 255:
        raise InputError(f"{str(path)!r} holds something else than {PEOPLE * EACH} grey faces of 64x64: replace it.")
    pictures = columns.T.reshape(PEOPLE, EACH, SIDE, SIDE).transpose(0, 1, 3, 2)
    order = generator(0, SPLIT).permutation(PEOPLE)
    parts = dict(zip(SPLITS, np.split(order, [PEOPLE - 10, PEOPLE - 5]), strict=True))
    images = {split: pictures[np.sort(people)].reshape(-1, SIDE, SIDE) for split, people in parts.items()}
    return assemble(Raw(images, divisor=255.0), NAME, binarize=binarize, seed=seed)
