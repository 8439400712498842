"""Names that are numbers: told from a row of data where they can be, and doubted where they cannot."""

import warnings

import numpy as np
import pytest

from harmonium.data import load
from harmonium.data.header import numeric_names
from harmonium.data.text import read_text

RNG = np.random.default_rng(0)


def lines(rows, fmt="%d"):
    return "".join(",".join(fmt % value for value in row) + "\n" for row in np.atleast_2d(rows))


def names(d, first=0):
    return lines([range(first, first + d)])


def bits(n, d):
    return lines(RNG.integers(0, 2, (n, d)))


def reals(n, d, mean=5.0, sd=0.1):
    return lines(RNG.normal(mean, sd, (n, d)), "%.3f")


def decay():
    """A process over time, of which the first row is 0, 1 by nature."""
    time = np.arange(50) / 10
    return lines(np.column_stack([time, np.exp(-time)]), "%g")


NAMES = {
    "pandas, zeros and ones": (names(8) + bits(400, 8), 400),
    "pandas, few columns": (names(3) + bits(100, 3), 100),
    "pandas, measurements": (names(3) + reals(30, 3), 30),
    "pandas, bytes": (names(64) + lines(RNG.integers(0, 256, (20, 64))), 20),
    "pandas, codes": (names(5) + lines(RNG.integers(0, 10, (400, 5))), 400),
    "pandas, gaps": (names(3) + "5.1,,4.9\n,5.2,5.1\n4.8,5.3,\n" * 10, 30),
    "R": (names(3, first=1) + reals(30, 3), 30),
    "years above constants": ("2019,2020,2021\n" + "0.5,0.1,0.2\n" * 30, 30),
    "years above counts": ("2019,2020,2021\n" + lines(RNG.integers(0, 50, (30, 3))), 30),
    "wavelengths": ("400,410,425,433,470\n" + reals(30, 5), 30),
    "one among words": ("age,2020\n" + "1.5,2\n" * 20, 20),
    "a word before many": ("label," + names(20) + lines(RNG.integers(0, 99, (30, 21))), 30),
    "beside pandas' index": (",0,1,2\n" + "".join(f"{i},{i % 2},{i // 2 % 2},0\n" for i in range(40)), 40),
}
NUMBERS = {
    "zeros and ones": ("0,1\n" + bits(50, 2), 51),
    "two rows": ("0,1\n1,1\n", 2),
    "a toy": ("1,2\n3.5,4.2\n", 2),
    "whole numbers in order": (lines(np.arange(12).reshape(3, 4)), 3),
    "counts": (lines(RNG.poisson(30, (50, 3))), 50),
    "sorted downwards": (lines(500 - np.arange(40)[:, None] * [1, 2, 3]), 40),
    "cumulative": (lines(np.cumsum(RNG.integers(1, 9, (50, 4)), axis=1)), 50),
    "edges of a graph": ("0,1\n5,6\n5,7\n6,7\n", 4),
    "labels": ("0\n1\n2\n0\n", 4),
    "a grid": (lines(np.linspace(0, 3, 31)[:, None], "%g"), 31),
}
DOUBTED = {
    "pandas, three codes": (names(3) + lines(RNG.integers(3, 10, (40, 3)) % 7), True),
    "pandas, few rows": (names(3) + bits(10, 3), True),
    "two years": ("2019,2020\n" + reals(30, 2), True),
    "three wavelengths": ("400,410,425\n" + reals(30, 3), False),
    "rankings": (names(4, first=1) * 2 + lines([RNG.permutation(4) + 1 for _ in range(100)]), False),
    "a start at 0 and 1": (decay(), False),
    "heights and weights": ("170,70\n" + lines(np.round(RNG.normal([170, 70], 5, (40, 2)), 1), "%g"), False),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_are_numbers(tmp_path, case):
    text, n = NAMES[case]
    (tmp_path / "x.csv").write_text(text)
    table = read_text(tmp_path / "x.csv")
    assert len(table.rows) == n
    assert list(table.columns) == [name for name in text.partition("\n")[0].split(",") if name]


@pytest.mark.parametrize("case", NUMBERS)
def test_rows_of_numbers(tmp_path, case):
    text, n = NUMBERS[case]
    (tmp_path / "x.csv").write_text(text)
    table = read_text(tmp_path / "x.csv")
    assert (len(table.rows), table.columns) == (n, None)
    counted = text.partition("\n")[0] in ("0", "0,1", "0,1,2,3")  # as pandas writes names, which is said
    assert (
        table.notes
        == (f"the first row ({text.partition(chr(10))[0].replace(',', ', ')}) is taken for numbers",) * counted
    )


@pytest.mark.parametrize("case", DOUBTED)
def test_what_is_in_doubt_is_said_and_settled_by_header(tmp_path, case):
    text, named = DOUBTED[case]
    (tmp_path / "x.csv").write_text(text)
    with pytest.warns(UserWarning, match=f"taken for {'names' if named else 'numbers'}.*header={not named}"):
        table = read_text(tmp_path / "x.csv")
    assert (table.columns is not None) == named
    for header in (True, False):
        table = read_text(tmp_path / "x.csv", header=header)
        assert (len(table.rows), table.columns is not None) == (text.count("\n") - header, header)


def test_names_that_are_known_are_found_whatever_they_are(tmp_path):
    (tmp_path / "x.csv").write_text("0,1\n0,1\n1,\n")
    assert read_text(tmp_path / "x.csv").columns is None
    assert read_text(tmp_path / "x.csv", like=["0", "1"]).columns == ("0", "1")


def test_header_goes_through_load(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(names(2) + bits(50, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path).columns is None
        data = load(path, header=True)
    assert (data.columns, data.space.support) == (("0", "1"), "binary")


def test_no_row_of_a_random_table_is_taken_for_names_without_a_word():
    """1600 tables of eight kinds, 3 to 300 rows, 1 to 8 columns (seeded; none of 20,000 others was)."""
    rng = np.random.default_rng(1)
    kinds = {
        "codes": lambda size: rng.integers(0, rng.integers(2, 12), size),
        "bytes": lambda size: rng.integers(0, 256, size),
        "counts": lambda size: rng.poisson(rng.integers(1, 50), size),
        "tenths": lambda size: rng.normal(50, 9, size).round(1),
        "halves": lambda size: rng.integers(0, 20, size) / 2,
        "sums": lambda size: np.cumsum(rng.integers(0, 9, size), axis=0),
        "sorted": lambda size: np.sort(rng.integers(0, 100, size), axis=0),
        "mixed": lambda size: np.where(
            np.arange(size[1]) % 2, rng.normal(5, 1, size).round(1), rng.integers(0, 3, size)
        ),
    }
    for kind, draw in kinds.items():
        for _ in range(200):
            rows = draw((int(3 * 100 ** rng.random()) + 1, rng.integers(1, 9)))
            named, doubtful = numeric_names([f"{value:g}" for value in rows[0]], rows[1:].astype(float))
            assert doubtful or not named, (kind, rows[:3])
