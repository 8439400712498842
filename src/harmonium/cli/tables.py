"""Tables that commands write: rows block by block into a .npy or .csv file, which is there when it is whole."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from harmonium.errors import InputError
from harmonium.memory import gib
from harmonium.models import written_aside

SMALLEST_CELL = 2  # bytes of text: a digit and what follows it
PLAIN = (1e-4, 1e16)  # numbers in between are written without an exponent, as Python does
WHOLE = 2.0**53  # beyond which float64 skips whole numbers


def check_out(out: Path, force: bool) -> None:
    """Refuse a file that cannot be written, or is there already, before any work is done."""
    if out.suffix not in (".npy", ".csv"):
        raise InputError(f"'{out}' is no name of a table: choose an --out that ends in .npy or .csv.")
    if out.is_dir():
        raise InputError(f"'{out}' is a folder: choose another --out.")
    if out.exists() and not force:
        raise InputError(f"'{out}' is there already: choose another --out, or replace it with --force.")
    if not out.parent.is_dir():
        raise InputError(
            f"There is no folder '{out.parent}' to write '{out.name}' into: make it, or choose another --out."
        )


def check_room(out: Path, size: float) -> None:
    """Refuse a table of so many bytes where the disk has no room for it beside what is there."""
    free = shutil.disk_usage(out.parent).free
    if size > free:
        raise InputError(
            f"'{out}' would take {gib(size)}, and there are {gib(free)} free: write fewer rows, or choose an --out on "
            "a larger disk."
        )


class Table:
    """An open table of `n` rows, under `names` of its columns in text; call it with block after block `[m, d]`.

    All blocks have the columns and the dtype of the first one.

    >>> file = io.BytesIO(); write = Table(file, Path("x.csv"), 2, ["day", "cm"])
    >>> write(np.array([[20230101.0, 1.5]])); write(np.array([[20230102.0, 0.1]])); file.getvalue()
    b'day,cm\\n20230101,1.5\\n20230102,0.1\\n'
    """

    def __init__(self, file: BinaryIO, out: Path, n: int, names: Sequence[str] = ()) -> None:
        self._file, self._out, self._n, self._names = file, out, n, names
        self._dtype: np.dtype | None = None

    def __call__(self, rows: np.ndarray) -> None:
        """Write a block of rows."""
        text = self._out.suffix == ".csv"
        data = _lines(rows).encode() if text else None
        if self._dtype is None:
            self._dtype = rows.dtype
            check_room(self._out, self._n * (rows[:1].nbytes if data is None else len(data) / len(rows)))
            self._file.write(_names(self._names) if text else _head(rows, self._n))
        if data is None:
            data = np.ascontiguousarray(rows, self._dtype).tobytes()
        self._file.write(data)


@contextmanager
def table(out: Path, n: int, names: Sequence[str] = ()) -> Iterator[Table]:
    """A `Table` whose file takes its name when the block ends well; otherwise nothing of it is left."""
    with written_aside(out) as (file,):
        yield Table(file, out, n, names)


def _head(rows: np.ndarray, n: int) -> bytes:
    """The header of a .npy file of `n` rows like these."""
    head = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(head, described | {"shape": (n, *rows.shape[1:])})
    return head.getvalue()


def _names(names: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerows([names] * bool(names))
    return line.getvalue().encode()


def _lines(rows: np.ndarray) -> str:
    columns = [texts(column) for column in rows.T]
    return "".join(",".join(cells) + "\n" for cells in zip(*columns, strict=True))


def texts(numbers: np.ndarray) -> list[str]:
    """Numbers as the shortest text that reads back as the same number of their dtype; dates stay whole.

    >>> texts(np.array([20230101.0, 0.1, 1e-7])), texts(np.float32([0.1, 123456.79])), texts(np.array([True]))
    (['20230101', '0.1', '1e-07'], ['0.1', '123456.79'], ['1'])
    """
    if numbers.dtype == np.float16:
        numbers = numbers.astype(np.float32)
    if numbers.dtype.kind in "bu" or ((np.abs(numbers) < WHOLE).all() and (numbers == np.rint(numbers)).all()):
        numbers = numbers.astype(np.uint64 if numbers.dtype.kind in "bu" else np.int64)
    if numbers.dtype.kind in "iu":
        return list(map(str, numbers.tolist()))
    if numbers.dtype == np.float64:
        return [repr(number).removesuffix(".0") for number in numbers.tolist()]
    return [_short(number) for number in numbers]


def _short(number: Any) -> str:
    """The shortest text of a number of single precision: of those, NumPy would write 20230100 with an exponent."""
    if number == 0 or PLAIN[0] <= abs(number) < PLAIN[1]:
        return np.format_float_positional(number, trim="-")
    return np.format_float_scientific(number, trim="-")
