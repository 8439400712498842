"""The binary tables on which auto-regressive networks are compared, with the splits of their papers."""

from __future__ import annotations

from harmonium.data import fetch
from harmonium.data.arrays import assemble
from harmonium.data.dataset import Dataset
from harmonium.data.files import read
from harmonium.errors import InputError, RunError

FOLDER = "uci_binary"

TABLES = {
    "adult": "binary census table, 123 columns, 5000/1414/26147",
    "dna": "binary splice-junction table, 180 columns, 1400/600/1186",
    "mushrooms": "binary table of mushrooms, 112 columns, 2000/500/5624",
    "nips": "binary words of the NIPS 0-12 papers, 500 columns, 400/100/1240",
    "nltcs": "binary table of the National Long Term Care Survey, 16 columns, 16181/2157/3236",
}


def binary_table(name: str, binarize: str | None) -> Dataset:
    """One of `TABLES`, from the file `NAME.npz` in $HARMONIUM_DATA or its folder `uci_binary`.

    The file holds `train`, `valid` and `test`, 0 or 1, as rows of numbers or packed eight to a byte
    (`numpy.packbits(rows, axis=1)`, with the number of columns as `n_vars`).

    Raises:
        InputError: a scheme of binarization, or a file that holds something else.
        RunError: if the file is not there: these tables have no server of their own.
    """
    if binarize is not None:
        raise InputError(f"'{name}' is binary already, so that binarize={binarize!r} does not apply: leave it out.")
    path = fetch.find(FOLDER, f"{name}.npz")
    if path is None:
        raise RunError(
            f"The table '{name}' is not here: set HARMONIUM_DATA to a folder that holds {FOLDER}/{name}.npz, with the "
            "arrays train, valid and test of zeros and ones."
        )
    data = assemble(read(path), name)
    if data.space.support != "binary" or data.valid is None or data.test is None:
        raise InputError(f"'{path}' holds no train, valid and test rows of zeros and ones: replace it.")
    return data
