"""Text tables: what is a name, what is a number, and what is said of the rest."""

import codecs
import warnings

import numpy as np
import pytest

from harmonium.data import from_arrays, load
from harmonium.data.text import column_names, read_text
from harmonium.errors import InputError
from harmonium.training import describe


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_names_of_columns_go_with_the_data_into_the_record(tmp_path):
    data = load(written(tmp_path / "body.csv", "height,weight\n1.5,2\n3,4\n"))
    assert data.columns == ("height", "weight")
    assert describe(data)["data"]["columns"] == ["height", "weight"]
    assert describe(data)["data"]["notes"] == [
        "2 rows of 2 columns (height, weight): whole numbers in 1, measurements in 1"
    ]
    assert load(written(tmp_path / "body.csv", "1.5,2\n3,4\n")).columns is None
    assert from_arrays([[1.5, 2]]).columns is None


# --- names

NAMES = {
    "a semicolon in quotes": ('"length; cm",b\n0,0\n1,1\n', ["length; cm", "b"]),
    "a semicolon without": ("length; cm,b\n0,0\n1,1\n", ["length; cm", "b"]),
    "a comma in quotes": ('"length, cm",b\n0,0\n1,1\n', ["length, cm", "b"]),
    "a line break": ('"a\nin kg",b\n0,0\n1,1\n', ["a\nin kg", "b"]),
    "Windows' line ends": ('"a\r\nin kg",b\r\n0,0\r\n1,1\r\n', ["a\nin kg", "b"]),
    "old line ends": ("a,b\r0,0\r1,1\r", ["a", "b"]),
    "quotes": ('"say ""hi""",b\n0,0\n1,1\n', ['say "hi"', "b"]),
    "inches": ('width 5",b\n0,0\n1,1\n', ['width 5"', "b"]),
    "spaces around": (" a , b \n0,0\n1,1\n", ["a", "b"]),
    "spaces within": ("body height\n0\n1\n", ["body height"]),
    "quoted, between spaces": ('"a b" c\n0 0\n1 1\n', ["a b", "c"]),
    "sodium": ("Na,Cl\n0,0\n1,1\n", ["Na", "Cl"]),
    "marks of missing cells among words": ("EU,NA,null\n0,0,0\n1,1,1\n", ["EU", "NA", "null"]),
    "numpy.savetxt": ("# a,b\n0,0\n1,1\n", ["a", "b"]),
    "numpy.savetxt, spaces": ("# a b\n0 0\n1 1\n", ["a", "b"]),
    "R": ('"a" "b"\n"1" 0 0\n"2" 1 1\n', ["a", "b"]),
    "an index": (",a,b\n7,0,0\n3,1,1\n", ["a", "b"]),
    "an index read by pandas": ("Unnamed: 0,a,b\n0,0,0\n1,1,1\n", ["a", "b"]),
    "a separator at each end": ("a,b,\n0,0,\n1,1,\n", ["a", "b"]),
    "at the end of rows": ("a,b\n0,0,\n1,1,\n", ["a", "b"]),
    "at the end of names": ("a,b,\n0,0\n1,1\n", ["a", "b"]),
    "two at each end": ("a;b;;\n0;0;;\n1;1;;\n", ["a", "b"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(tmp_path, case):
    text, names = NAMES[case]
    path = written(tmp_path / "x.csv", text)
    table = read_text(path)
    assert list(table.columns) == names == column_names(path)
    np.testing.assert_array_equal(table.rows, np.arange(2)[:, None].repeat(len(names), axis=1))
    assert (table.rows.dtype, load(path).space.support) == (np.int64, "binary")


@pytest.mark.parametrize(
    "encoded",
    [
        "größe,b\n1,2\n".encode("cp1252"),
        codecs.BOM_UTF8 + "größe,b\n1,2\n".encode(),
        "größe,b\n1,2\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "größe,b\n1,2\n".encode("utf-16-be"),
        "größe,b\n1,2\n".encode(),
    ],
)
def test_letters_come_back_as_they_were(tmp_path, encoded):
    table = read_text(written(tmp_path / "x.csv", encoded))
    assert table.columns == ("größe", "b")
    assert bool(table.notes) == (b"\xf6\xdfe" in encoded)  # Windows-1252 is an assumption, and said


def test_undefined_bytes_are_letters_too(tmp_path):
    assert read_text(written(tmp_path / "x.csv", b"a\x81,b\n1,2\n")).columns == ("a\x81", "b")


# --- numbers


def test_commas_between_thousands(tmp_path):
    text = "price,sold\n" + "".join(f'"1,{100 + i}",{i % 3}\n' for i in range(0, 30, 2)) + '"-1,234,567",1\n999,2\n'
    table = read_text(written(tmp_path / "x.csv", text))
    np.testing.assert_array_equal(table.rows[-3:, 0], [1128, -1234567, 999])
    assert (table.rows.dtype, table.notes) == (np.int64, ("commas in column 1 part thousands",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('x,y\n"1,100",1\n2000,1\n', r"'1,100' in line 2, column 1 .*without commas between thousands \(1100\)"),
        ('x,y\n"1,100",1\n"1,5",1\n', r"'1,100'.*decimal comma as a point \(1\.100\)"),
        ("x;y\n1,100;1\n2,200;3\n", r"write 1100 if the comma parts thousands, and 1\.100 if it is a decimal"),
        ("x;y\n1,100;1\n2,25;3\n", r"decimal comma as a point \(1\.100\)"),
        ("x\ty\n1,5\t1\n", r"point \(1\.5\)"),
        ('x,y\n"0,125",1\n', r"point \(0\.125\)"),
        ("x,y\n10_11,3\n", "'10_11' in line 2, column 1"),
        ("x,y\n0x10,3\n", "'0x10' in line 2"),
        ("x,y\n٣,3\n", "'٣' in line 2"),
        ("x,y\n5kg,1\n", "plain number"),
        ("x,y\nred,1\n", "codes 0, 1, 2"),
        ("1,b\n1,2\n", "'b' in line 1, column 2.*name that is a word, or none"),
        ('"a,b\n1,2\n', "quote in line 1 that is not closed"),
        ("a,b\n1,2\n1,2,3\n", "3 columns in line 3 and 2 in line 2"),
        ("age\n34,1\n51,0\n", "2 columns in line 2 and 1 in line 1"),  # a name is missing: no index
        ("a,b\n1,1e400\n", "infinity in line 2, column 2"),
        ("#\n#\n", "no row of numbers"),
        (codecs.BOM_UTF16_LE + b"a", "save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a text table"),
        ('"' + "x" * 200_000 + '",b\n1,2\n', "cannot be read"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        load(written(tmp_path / "x.csv", text))
    assert "\n" not in str(caught.value)


def test_a_wrong_cell_is_not_shown_at_any_length(tmp_path):
    with pytest.raises(InputError, match=r"xxx\.\.\.'") as caught:
        load(written(tmp_path / "x.csv", "a\n" + "x" * 9999 + "\n"))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "None", "?", "<NA>"])
def test_missing_cells(tmp_path, mark):
    """They are read for `impute`; training refuses them, and both count lines and columns alike."""
    path = written(tmp_path / "x.csv", f"a,b\n\n1,2\n3,{mark}\n")
    np.testing.assert_array_equal(read_text(path).rows, [[1, 2], [3, np.nan]])
    with pytest.raises(InputError, match=r"no value in line 4, column 2 \('b'\): .*leave out the lines"):
        load(path)
    with pytest.raises(InputError, match=r"'tall' in line 4, column 2 .*leave cells empty where a value is missing"):
        read_text(written(path, "a,b\n\n1,2\n3,tall\n"))


def test_quotes_in_the_middle_of_a_cell(tmp_path):
    assert read_text(written(tmp_path / "x.txt", '""271 147 288\n270 483 436\n')).rows.shape == (2, 3)


def test_a_row_whose_cells_are_all_missing_is_one(tmp_path):
    for text in ("a\tb\n1\t2\n\t\n\n3\t4\n", "a,b\n1,2\n,\n\n3,4\n", "a b\n1 2\nNA NA\n \t \n3 4\n"):
        np.testing.assert_array_equal(read_text(written(tmp_path / "x.csv", text)).rows, [[1, 2], [np.nan] * 2, [3, 4]])


def test_values_at_the_ends_of_the_floats(tmp_path):
    table = read_text(
        written(tmp_path / "x.csv", "0,1,2\n" + "1e308,-1e308,1e-308\n-1e308,1e308,0\n" * 9), missing=False
    )
    assert (table.rows.max(), len(table.rows)) == (1e308, 18)


def test_a_column_to_be_filled_in_is_none_that_is_left_out(tmp_path):
    path = written(tmp_path / "x.csv", "1,0,\n0,1,\n")
    assert read_text(path).rows.shape == (2, 3)
    assert load(path).train.shape == (2, 2)


# --- what is left out, and what is said


def test_columns_that_number_rows_are_said(tmp_path):
    path = tmp_path / "x.csv"
    rows = np.random.default_rng(0).permutation(40)
    written(path, "id,b\n" + "".join(f"{i + 100},{i % 2}\n" for i in rows))
    with pytest.warns(UserWarning, match=r"column 1 \('id'\) may only number the rows and is taken for data"):
        assert load(path).columns == ("id", "b")
    written(path, "".join(f"{i % 2},{i}\n" for i in range(5, 45)))
    with pytest.warns(UserWarning, match="column 2 may only number the rows"):
        load(path)


def test_left_out_columns_are_said_in_one_line(tmp_path):
    path = written(tmp_path / "x.csv", ",a,b,\n" + "".join(f"{i},{i % 2},{i // 2 % 2},\n" for i in range(40)))
    data = load(path)
    assert data.columns == ("a", "b")
    assert data.notes == (
        "40 rows of 2 columns (a, b): zeros and ones",
        "column 4, which is empty, was left out",
        "the first column, which has no name and numbers the rows, was left out",
    )
    assert "40 rows of 2 columns" in repr(data)
    assert "\n" not in repr(data)


def test_other_notes(tmp_path):
    assert load(written(tmp_path / "x.csv", "# by hand\n# on Monday\n1 2\n3 4\n")).notes[1:] == (
        "2 lines that begin with # were left out",
    )
    assert "'a' stands over several" in load(written(tmp_path / "x.csv", "a,a\n1,2\n3,4\n")).notes[1]


# --- whatever is in a file

PIECES = [
    *'\t;,  "\n\r\0#0123456789.-_e%', "\n", "1,2\n", "0.5", "NA", "nan", "inf", "1,000", '"1,000"', "10_11", "a", "ß",
    "id", ",", ",,", '""', "'", "\ufeff", "\x85", "\u2028", "1e999", "9" * 30, "-0", "--1", "x" * 200, "٣", "\x1a",
]  # fmt: skip


def test_no_file_ends_in_anything_but_a_sentence(tmp_path):
    rng, path, read, refused = np.random.default_rng(0), tmp_path / "x.csv", 0, []
    for trial in range(300):
        text = "".join(rng.choice(PIECES, rng.integers(1, 30)))
        if trial % 2:  # a good table with a few wrong letters in it
            table = "\n".join(",".join(map(str, row)) for row in rng.integers(0, 3, (6, 3))) + "\n"
            at = rng.integers(0, len(table))
            text = table[:at] + text[:3] + table[at:]
        content = text.encode(rng.choice(["utf-8", "utf-16"]))
        content = content if rng.random() < 0.8 else content + bytes(rng.integers(0, 256, 5, dtype=np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                data = load(written(path, content), header=rng.choice([None, None, True, False]))
            except InputError as error:
                refused.append(str(error))
                continue
        assert np.isfinite(data.train).all()
        read += 1
    assert read > 10
    assert len(refused) > 100
    assert not any("\n" in sentence for sentence in refused)
