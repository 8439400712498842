"""Numbers in text: as short as can be, and the same numbers when they are read again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from harmonium.cli.tables import Table, check_out, texts
from harmonium.errors import InputError


def any_numbers(dtype: type, n: int = 3000) -> np.ndarray:
    """Numbers of every magnitude: random bits, and whole, decimal and small ones among them."""
    random = np.random.default_rng(0)
    bits = random.bytes(n * np.dtype(dtype).itemsize)
    found = [np.frombuffer(bits, dtype), random.normal(size=n), random.integers(-(10**9), 10**9, n)]
    found += [np.round(random.normal(0, 1e4, n), 2), [0.0, 1e-4, 1e16, 20230101, 2**53, 2**53 + 2, 1 / 3]]
    with np.errstate(over="ignore"):
        numbers = np.concatenate([np.asarray(part).astype(dtype) for part in found])
    return numbers[np.isfinite(numbers)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_read_back_as_the_same_number(dtype):
    numbers = any_numbers(dtype)
    for block in (numbers, numbers[numbers == np.rint(numbers)]):
        assert len(block)
        np.testing.assert_array_equal(np.array([dtype(cell) for cell in texts(block)]), block)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.uint64])
def test_whole_numbers_read_back_as_the_same_number(dtype):
    ends = [0, 1] if dtype == np.bool_ else [np.iinfo(dtype).min, np.iinfo(dtype).max, 7]
    numbers = np.array(ends, dtype)
    assert [int(cell) for cell in texts(numbers)] == [int(number) for number in ends]


def test_ordinary_numbers_have_no_exponent_and_no_more_digits_than_needed():
    for dtype in (np.float32, np.float64):
        assert texts(np.array([0.1, 0.25, 1e-4, -3.5], dtype)) == ["0.1", "0.25", "0.0001", "-3.5"]
        assert texts(np.array([1234567, 0.5], dtype)) == ["1234567", "0.5"]
    assert texts(np.array([20230101.25, 20230101.0, 1e15])) == ["20230101.25", "20230101", "1000000000000000"]
    assert texts(np.array([1e15, 123456789012.0])) == ["1000000000000000", "123456789012"]


@pytest.mark.parametrize("ending", ["npy", "csv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, ">f8"])
def test_blocks_make_the_table(ending, dtype, tmp_path):
    rows = np.random.default_rng(0).normal(0, 1e3, (7, 3)).astype(dtype)
    file, names = io.BytesIO(), ["a,b", 'c "d"', "e"]
    write = Table(file, tmp_path / f"x.{ending}", 7, names)
    for block in (rows[:3], rows[3:6], rows[6:]):
        write(block)
    file.seek(0)
    if ending == "npy":
        found = np.load(file)
        assert found.dtype == rows.dtype
    else:
        first, *lines = csv.reader(io.StringIO(file.read().decode()))
        assert first == names
        found = np.array(lines, rows.dtype)
    np.testing.assert_array_equal(found, rows)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "there.csv").touch()
    for name, said in {
        "folder.csv": "is a folder",
        "there.csv": "with --force",
        "x.txt": "or .csv",
        "no/x.npy": "no fo",
    }.items():
        with pytest.raises(InputError, match=said):
            check_out(tmp_path / name, force=False)
    check_out(tmp_path / "there.csv", force=True)
    check_out(Path("x.npy"), force=False)
