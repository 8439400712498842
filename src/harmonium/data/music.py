"""Polyphonic music as piano rolls, with the splits of Boulanger-Lewandowski, Bengio & Vincent (2012)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harmonium.data import fetch
from harmonium.data.arrays import Raw, assemble
from harmonium.data.dataset import Dataset
from harmonium.data.sequences import as_sequences, padded
from harmonium.errors import InputError, RunError, shown, whole

FOLDER = "music"
NOTES = 88  # keys of a piano, from A0
SHIFT = 24  # semitones, at most, by which pieces are transposed

MUSIC = {
    "jsb": "piano rolls of Bach's chorales, 229/76/77 sequences of up to 160 frames of 88 notes",
    "nottingham": "piano rolls of folk tunes, 694/173/170 sequences of up to 1793 frames of 88 notes",
    "piano_midi": "piano rolls of classical music, 87/12/25 sequences of up to 3857 frames of 88 notes",
}
_FILES = {"jsb": "JSB_Chorales", "nottingham": "Nottingham", "piano_midi": "Piano_midi"}
_KEYS = {"train": "traindata", "valid": "validdata", "test": "testdata"}


def piano_rolls(
    name: str, binarize: str | None, seed: int = 0, *, frames: int | None = None, transpose: int = 0
) -> Dataset:
    """One of `MUSIC`: a row is a sequence, `[frames * 88]`, whose last frames are absent (-1) where it is shorter.

    It is read from the file `JSB_Chorales.mat`, `Nottingham.mat` or `Piano_midi.mat` in $HARMONIUM_DATA or its folder
    `music`, with cells `traindata`, `validdata` and `testdata` of arrays `[length, 88]` of zeros and ones.

    Args:
        name: "jsb", "nottingham" or "piano_midi".
        binarize: None, for they are binary.
        seed: of nothing; named sets take one.
        frames: longest sequence; what is longer is cut, and each piece counts as a sequence of its own, in which a
            network starts anew (default: sequences are whole, as in published tables).
        transpose: training sequences are repeated in each key up to so many semitones lower and higher; notes beyond
            the ends of the piano are left out.

    Raises:
        InputError: a scheme of binarization, numbers that are none, or a file that holds something else.
        RunError: if the file is not there: these data have no server of their own.
    """
    if binarize is not None:
        raise InputError(f"'{name}' is binary already, so that binarize={binarize!r} does not apply: leave it out.")
    if not (frames is None or whole(frames)) or not whole(transpose, least=0) or transpose > SHIFT:
        raise InputError(
            f"Pieces are cut to frames from 1, and transposed by up to {SHIFT} semitones, not to frames="
            f"{shown(frames)} and by transpose={shown(transpose)}."
        )
    path = fetch.find(FOLDER, f"{_FILES[name]}.mat")
    if path is None:
        raise RunError(
            f"The music '{name}' is not here: set HARMONIUM_DATA to a folder that holds {FOLDER}/{_FILES[name]}.mat, "
            "with the cells traindata, validdata and testdata of piano rolls."
        )
    rolls = {split: [piece for roll in part for piece in _pieces(roll, frames)] for split, part in _read(path).items()}
    rolls["train"] = [moved for shift in range(-transpose, transpose + 1) for moved in _shifted(rolls["train"], shift)]
    rows = padded(rolls, name)
    return as_sequences(assemble(Raw(rows, ragged=True), name))


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """The sequences of each split."""
    from scipy.io import loadmat

    try:
        contents = loadmat(path)
        found = {split: [np.asarray(roll) for roll in contents[key].ravel()] for split, key in _KEYS.items()}
    except Exception as error:  # loadmat raises whatever its parser trips over
        raise InputError(f"'{path}' is no MATLAB file of piano rolls: replace it.") from error
    for roll in (roll for split in found.values() for roll in split):
        if roll.ndim != 2 or roll.shape[1] != NOTES or not len(roll) or not ((roll == 0) | (roll == 1)).all():
            raise InputError(f"'{path}' holds something else than rolls [length, {NOTES}] of 0 and 1: replace it.")
    return found


def _pieces(roll: np.ndarray, frames: int | None) -> list[np.ndarray]:
    return [roll] if frames is None else [roll[first : first + frames] for first in range(0, len(roll), frames)]


def _shifted(rolls: list[np.ndarray], shift: int) -> list[np.ndarray]:
    """The pieces so many semitones higher."""
    return [np.pad(roll, ((0, 0), (max(shift, 0), max(-shift, 0))))[:, max(-shift, 0) :][:, :NOTES] for roll in rolls]
