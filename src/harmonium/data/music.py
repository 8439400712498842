"""Polyphonic music as piano rolls, with the splits of Boulanger-Lewandowski, Bengio & Vincent (2012)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harmonium.data import fetch
from harmonium.data.arrays import Raw, assemble
from harmonium.data.dataset import Dataset
from harmonium.data.sequences import as_sequences, padded
from harmonium.errors import InputError, RunError

FOLDER = "music"
NOTES = 88  # keys of a piano, from A0
FRAMES = 160  # of the longest chorale; longer pieces of other collections are cut

MUSIC = {
    "jsb": "piano rolls of Bach's chorales, 229/76/77 sequences of up to 160 frames of 88 notes",
    "nottingham": "piano rolls of folk tunes, cut into 1469/371/366 sequences of up to 160 frames of 88 notes",
    "piano_midi": "piano rolls of classical music, cut into 521/60/129 sequences of up to 160 frames of 88 notes",
}
_FILES = {"jsb": "JSB_Chorales", "nottingham": "Nottingham", "piano_midi": "Piano_midi"}
_KEYS = {"train": "traindata", "valid": "validdata", "test": "testdata"}


def piano_rolls(name: str, binarize: str | None) -> Dataset:
    """One of `MUSIC`: a row is a sequence, `[frames * 88]`, whose last frames are absent (-1) where it is shorter.

    It is read from the file `JSB_Chorales.mat`, `Nottingham.mat` or `Piano_midi.mat` in $HARMONIUM_DATA or its folder
    `music`, with cells `traindata`, `validdata` and `testdata` of arrays `[length, 88]` of zeros and ones. What is
    longer than 160 frames is cut, and each piece counts as a sequence of its own: the network starts anew in it.

    Raises:
        InputError: a scheme of binarization, or a file that holds something else.
        RunError: if the file is not there: these data have no server of their own.
    """
    if binarize is not None:
        raise InputError(f"'{name}' is binary already, so that binarize={binarize!r} does not apply: leave it out.")
    path = fetch.find(FOLDER, f"{_FILES[name]}.mat")
    if path is None:
        raise RunError(
            f"The music '{name}' is not here: set HARMONIUM_DATA to a folder that holds {FOLDER}/{_FILES[name]}.mat, "
            "with the cells traindata, validdata and testdata of piano rolls."
        )
    rows = padded(_read(path), name)
    return as_sequences(assemble(Raw(rows, ragged=True), name))


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """The sequences of each split, in pieces of at most `FRAMES` frames."""
    from scipy.io import loadmat

    try:
        contents = loadmat(path)
        found = {split: [np.asarray(roll) for roll in contents[key].ravel()] for split, key in _KEYS.items()}
    except Exception as error:  # loadmat raises whatever its parser trips over
        raise InputError(f"'{path}' is no MATLAB file of piano rolls: replace it.") from error
    for roll in (roll for split in found.values() for roll in split):
        if roll.ndim != 2 or roll.shape[1] != NOTES or not len(roll) or not ((roll == 0) | (roll == 1)).all():
            raise InputError(f"'{path}' holds something else than rolls [length, {NOTES}] of 0 and 1: replace it.")
    return {split: [piece for roll in rolls for piece in _pieces(roll)] for split, rolls in found.items()}


def _pieces(roll: np.ndarray) -> list[np.ndarray]:
    return [roll[first : first + FRAMES] for first in range(0, len(roll), FRAMES)]
