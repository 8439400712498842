"""What `sample`, `impute` and `encode` write: which columns, which digits, which numbers, and nothing by halves."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import savemat

import harmonium as hm
from harmonium import units
from harmonium.cli import rows as cli_rows
from harmonium.cli import writing
from harmonium.training import RunFolder, describe
from tests.cli.test_cli_commands import Command

KEY = jax.random.key(0)
NAMES_OF_BITS = list("abcdef")
NAMES = ["yes", "kind", "day", "cm", "balance"]


def table(n: int = 400) -> np.ndarray:
    """Zeros and ones, three categories, dates, a measurement, and whole numbers of both signs."""
    random = np.random.default_rng(0)
    day, balance = 20230101 + random.integers(0, 300, n), random.integers(-90, 90, n)
    return np.column_stack(
        [random.integers(0, 2, n), random.integers(0, 3, n), day, random.normal(170, 10, n), balance]
    )


def text(rows: np.ndarray, names: list[str]) -> str:
    cells = [["" if np.isnan(x) else repr(float(x)).removesuffix(".0") for x in row] for row in rows]
    return "\n".join(",".join(line) for line in ([names] if names else []) + cells) + "\n"


def made(path: Path, data, model) -> None:
    """The folder of a finished run, without the training."""
    folder = RunFolder.create(path)
    folder.write_about(describe(data, recipe="orderless"))
    folder.save_model(hm.at_marginals(model, data.train))


@pytest.fixture(scope="module")
def harmonium(tmp_path_factory):
    """The command in a folder with `run`, a network of the table, and `bits`, a machine of zeros and ones."""
    folder = tmp_path_factory.mktemp("writing")
    (folder / "table.csv").write_text(text(table(), NAMES))
    data = hm.data.load(str(folder / "table.csv"), standardize="real")
    unit = units.Columns([units.Bernoulli(1), units.Categorical(1, states=3), units.Gaussian(3)])
    made(folder / "run", data, hm.OrderlessNADE(unit, [4], key=KEY))
    bits = hm.data.from_arrays((np.random.default_rng(0).random((40, 6)) < 0.5).astype(float))
    made(folder / "bits", bits, hm.RBM(visible=units.Bernoulli(6), hidden=units.Bernoulli(3), key=KEY, scale=1.0))
    labels = units.Categorical(1, states=3)
    made(folder / "classes", bits, hm.DBM(units.Bernoulli(6), [units.Bernoulli(3)], labels, key=KEY))
    return Command(folder)


@contextmanager
def trained_on(path: Path, names: list[str]):
    """The run as if its table had these names."""
    folder = RunFolder.open(path)
    about = folder.about
    folder.write_about(about | {"data": about["data"] | {"columns": names}})
    try:
        yield
    finally:
        folder.write_about(about)


def holed(n: int = 9) -> np.ndarray:
    rows = table(n)
    rows[::3, 2] = rows[1::3, 3] = rows[2::3, 4] = rows[1::3, 1] = np.nan
    return rows


def read(path: Path) -> tuple[list[str], np.ndarray]:
    first, *lines = path.read_text().splitlines()
    return first.split(","), np.array([[float(cell) for cell in line.split(",")] for line in lines])


# ---- columns by their names ----------------------------------------------------------------------------------


def test_columns_in_another_order_are_found_by_their_names(harmonium):
    rows, order = holed(), [3, 0, 4, 2, 1]
    (harmonium.folder / "same.csv").write_text(text(rows, NAMES))
    (harmonium.folder / "other.csv").write_text(text(rows[:, order], [NAMES[i] for i in order]))
    assert "by their names" not in harmonium.done("impute", "run", "--input", "same.csv", "--out", "same_full.csv")
    said = harmonium.done("impute", "run", "--input", "other.csv", "--out", "other_full.csv")
    assert "columns were taken by their names" in said
    names, filled = read(harmonium.folder / "other_full.csv")
    assert names == [NAMES[i] for i in order]
    np.testing.assert_array_equal(filled, read(harmonium.folder / "same_full.csv")[1][:, order])
    np.testing.assert_array_equal(filled[~np.isnan(rows[:, order])], rows[:, order][~np.isnan(rows[:, order])])


WRONG_NAMES = [
    (
        NAMES_OF_BITS,
        ["a", "b", "c", "d", "e", "F"],
        "has no column 'f' but one called 'F', and the run was trained on a",
    ),
    (NAMES_OF_BITS, list("abcde"), "has no column 'f', and the run was trained on a, b, c, d, e, f: give it these"),
    (NAMES_OF_BITS, list("abcdefg"), "has a column 'g' that the run was not trained on: leave it out"),
    (NAMES_OF_BITS, list("aabcde"), "has two columns called 'a': name each column once"),
    (list("aabcde"), list("abacde"), "trained on two columns called 'a', which only their order tells apart"),
]


@pytest.mark.parametrize("command", ["impute", "encode"])
@pytest.mark.parametrize(("trained", "names", "said"), WRONG_NAMES)
def test_names_that_do_not_fit_are_refused_by_name(command, trained, names, said, harmonium):
    (harmonium.folder / "wrong.csv").write_text(text(np.zeros((2, len(names))), names))
    with trained_on(harmonium.folder / "bits", trained):
        assert said in harmonium.refused(command, "bits", "--input", "wrong.csv", "--out", "wrong_full.csv")
    assert not (harmonium.folder / "wrong_full.csv").exists()


def test_without_names_columns_are_taken_by_position(harmonium):
    rows = holed()
    (harmonium.folder / "bare.csv").write_text(text(rows, []))
    np.save(harmonium.folder / "bare.npy", rows)
    np.savez(harmonium.folder / "bare.npz", x=rows)
    savemat(harmonium.folder / "bare.mat", {"x": rows})
    filled = []
    for ending in ("csv", "npy", "npz", "mat"):
        harmonium.done("impute", "run", "--input", f"bare.{ending}", "--out", "bare_full.npy", "--force")
        filled.append(np.load(harmonium.folder / "bare_full.npy"))
        np.testing.assert_array_equal(filled[-1], filled[0])
    np.save(harmonium.folder / "narrow.npy", rows[:, :4])
    said = harmonium.refused("impute", "run", "--input", "narrow.npy", "--out", "no.npy")
    assert "was trained on 5 columns, but 'narrow.npy' has 4 in 9 rows" in said


def test_names_beyond_ascii_come_back_as_they_were(harmonium):
    with trained_on(harmonium.folder / "bits", ["größe", "naïve", "e", 'd "x"', "f, g", "b"]):
        harmonium.done("sample", "bits", "-n", "2", "--steps", "1", "--out", "named.csv")
    assert (harmonium.folder / "named.csv").read_text().splitlines()[0] == 'größe,naïve,e,"d ""x""","f, g",b'


def test_what_the_reader_leaves_out_or_assumes_is_said(harmonium):
    rows = holed(4)
    lines = text(rows, NAMES).splitlines()
    indexed = "\n".join(f"{i},{line}" for i, line in zip(["", 0, 1, 2, 3], lines, strict=True)) + "\n"
    (harmonium.folder / "indexed.csv").write_text(indexed)
    said = harmonium.done("impute", "run", "--input", "indexed.csv", "--out", "indexed_full.csv")
    assert len(said.splitlines()) == 3, said  # what was filled, what was left out, what was rounded
    names, filled = read(harmonium.folder / "indexed_full.csv")
    assert (names, filled.shape) == (NAMES, (4, 5))


def test_names_in_latin_1_come_back_as_they_were(harmonium):
    names = ["größe", *NAMES_OF_BITS[1:]]
    (harmonium.folder / "latin.csv").write_bytes(text(np.where(np.eye(6), np.nan, 1), names).encode("latin-1"))
    with trained_on(harmonium.folder / "bits", names):
        harmonium.done("impute", "bits", "--input", "latin.csv", "--out", "latin_full.csv", "--steps", "2")
    assert (harmonium.folder / "latin_full.csv").read_text("utf-8").startswith("größe,b,")
    said = harmonium.done("impute", "bits", "--input", "latin.csv", "--out", "latin_full.npy", "--steps", "2")
    assert "6 cells filled" in said  # by position, as the run's own table had no names


def test_numbers_as_names_are_names_where_the_run_has_them(harmonium):
    years = [str(year) for year in range(2014, 2020)]
    (harmonium.folder / "years.csv").write_text(text(np.where(np.eye(6), np.nan, 1)[:2], years[::-1]))
    with trained_on(harmonium.folder / "bits", years):
        said = harmonium.done("impute", "bits", "--input", "years.csv", "--out", "years_full.csv", "--steps", "2")
    assert "columns were taken by their names" in said
    assert len((harmonium.folder / "years_full.csv").read_text().splitlines()) == 3


# ---- digits and whole numbers --------------------------------------------------------------------------------


def test_text_says_what_the_binary_file_says(harmonium):
    for ending in ("csv", "npy"):
        harmonium.done("sample", "run", "-n", "300", "--out", f"drawn.{ending}")
        harmonium.done("sample", "bits", "-n", "5", "--steps", "1", "--out", f"drawn_bits.{ending}")
    names, drawn = read(harmonium.folder / "drawn.csv")
    assert names == NAMES
    np.testing.assert_array_equal(drawn, np.load(harmonium.folder / "drawn.npy"))
    cells = (harmonium.folder / "drawn.csv").read_text()
    assert "e" not in cells.split("\n", 1)[1]
    assert len(np.unique(drawn[:, 2])) > 150
    bits = np.loadtxt(harmonium.folder / "drawn_bits.csv", delimiter=",")  # without names, as the data had none
    np.testing.assert_array_equal(bits, np.load(harmonium.folder / "drawn_bits.npy"))


def test_known_cells_come_back_with_all_their_digits(harmonium):
    rows = holed()
    rows[0, 3], rows[2, 3], rows[3, 2] = 170.123456789012, 171 + 1 / 3, np.nan
    (harmonium.folder / "long.csv").write_text(text(rows, NAMES))
    harmonium.done("impute", "run", "--input", "long.csv", "--out", "long_full.csv")
    before = [line.split(",") for line in (harmonium.folder / "long.csv").read_text().splitlines()]
    after = [line.split(",") for line in (harmonium.folder / "long_full.csv").read_text().splitlines()]
    assert all(a in ("", b) for a, b in zip(itertools.chain(*before), itertools.chain(*after), strict=True))


def test_columns_of_whole_numbers_are_drawn_and_filled_whole(harmonium):
    said = harmonium.done("sample", "run", "-n", "500", "--out", "whole.npy")
    assert "rounded to whole numbers, as in training (not below 0 where training never is): 'day', 'balance'\n" in said
    drawn = np.load(harmonium.folder / "whole.npy")
    for column in (0, 1, 2, 4):
        np.testing.assert_array_equal(drawn[:, column], np.rint(drawn[:, column]))
    assert (drawn[:, 3] != np.rint(drawn[:, 3])).all()
    assert (drawn[:, 4] < 0).any()
    rows = np.full((200, 5), np.nan)
    np.save(harmonium.folder / "empty.npy", rows)
    harmonium.done("impute", "run", "--input", "empty.npy", "--out", "whole_full.npy")
    filled = np.load(harmonium.folder / "whole_full.npy")
    np.testing.assert_array_equal(filled[:, [2, 4]], np.rint(filled[:, [2, 4]]))


def test_counts_are_never_negative(tmp_path):
    rows = np.column_stack(
        [np.random.default_rng(0).geometric(0.02, 500) - 1, np.random.default_rng(1).normal(size=500)]
    )
    data = hm.data.from_arrays(rows, standardize="real")
    made(tmp_path / "counts", data, hm.FVBN(units.Gaussian(2)))
    said = Command(tmp_path).done("sample", "counts", "-n", "500", "--out", "x.npy")
    assert "(not below 0 where training never is): column 0" in said
    drawn = np.load(tmp_path / "x.npy")
    assert drawn[:, 0].min() == 0  # a normal law of this mean and deviation is negative for a sixth of the draws
    assert (drawn[:, 1] < 0).any()


# ---- blocks --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(cli_rows, "BLOCK_ROWS", 4)


def outputs(harmonium, tag: str) -> list[np.ndarray]:
    np.save(harmonium.folder / "rows.npy", holed(10))
    np.save(harmonium.folder / "bits.npy", np.tile([0.0, 1.0], (10, 3)))
    harmonium.done("sample", "run", "-n", "10", "--out", f"s{tag}.npy")
    harmonium.done("sample", "bits", "-n", "10", "--steps", "3", "--out", f"b{tag}.npy")
    harmonium.done("impute", "run", "--input", "rows.npy", "--out", f"i{tag}.npy")
    harmonium.done("encode", "bits", "--input", "bits.npy", "--out", f"e{tag}.npy")
    return [np.load(harmonium.folder / f"{name}{tag}.npy") for name in "sbie"]


def test_what_is_written_does_not_depend_on_the_blocks(harmonium, monkeypatch):
    whole = outputs(harmonium, "whole")
    monkeypatch.setattr(cli_rows, "BLOCK_ROWS", 4)
    for found, known in zip(outputs(harmonium, "cut"), whole, strict=True):
        assert found.shape == known.shape
        np.testing.assert_allclose(found, known, rtol=1e-5)
    model = RunFolder.open(harmonium.folder / "bits").load_model()
    np.testing.assert_array_equal(whole[1], hm.sample(model, KEY, 10, steps=3))


def test_large_outputs_do_not_pass_through_memory(tmp_path):
    data = hm.data.from_arrays((np.random.default_rng(0).random((10, 500)) < 0.5).astype(np.uint8))
    made(tmp_path / "wide", data, hm.RBM(visible=units.Bernoulli(500), hidden=units.Bernoulli(1), key=KEY))
    words = ("sample", "wide", "--steps", "1", "--force", "--out", "large.npy", "-n")
    Command(tmp_path).done(*words, 1001)  # what is imported and compiled on the way
    tracemalloc.start()
    Command(tmp_path).done(*words, 20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "large.npy").stat().st_size == 20_000 * 500 * 4 + 128
    assert peak < 20_000 * 500  # a quarter of it
    assert set(np.unique(np.load(tmp_path / "large.npy"))) == {0, 1}


@pytest.mark.parametrize(("ending", "force"), [("npy", False), ("csv", True)])
def test_ctrl_c_leaves_what_was_there_and_nothing_else(ending, force, harmonium, small_blocks, monkeypatch):
    out = harmonium.folder / f"stopped.{ending}"
    if force:
        out.write_text("mine")
    before = {path.name for path in harmonium.folder.iterdir()}
    real, blocks = writing.draw, []

    def stopped(*words, **named):
        blocks.append(len(list(harmonium.folder.glob(".stopped*"))))
        if len(blocks) == 3:
            raise KeyboardInterrupt
        return real(*words, **named)

    monkeypatch.setattr(writing, "draw", stopped)
    words = ("sample", "bits", "-n", "20", "--steps", "1", "--out", out.name, *["--force"] * force)
    code, said, err = harmonium(*words)
    assert (code, said) == (130, "")
    assert "stopped by Ctrl-C" in err
    assert blocks == [1, 1, 1]  # a file aside was being written
    assert {path.name for path in harmonium.folder.iterdir()} == before
    assert not force or out.read_text() == "mine"


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_what_the_disk_cannot_hold_is_refused_with_its_size(ending, harmonium, monkeypatch):
    words = ("sample", "bits", "--out", f"huge.{ending}", "-n")
    assert "GiB free: write fewer rows, or choose an --out on a larger disk" in harmonium.refused(*words, 10**15)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 12000})())
    said = harmonium.refused("sample", "run", "--out", f"huge.{ending}", "-n", 600)  # text: known after a block
    assert f"'huge.{ending}' would take 0.0 GiB" in said
    assert not list(harmonium.folder.glob("*huge*"))


# ---- what is refused on the way ------------------------------------------------------------------------------


def test_what_is_refused_in_a_later_block_says_where_rows_are_counted_from(harmonium, small_blocks):
    rows = table(10)
    rows[9, 1] = 7  # a category that there is not
    (harmonium.folder / "late.csv").write_text(text(rows, NAMES))
    (harmonium.folder / "moved.csv").write_text(text(rows[:, ::-1], NAMES[::-1]))
    words = ("--out", "late_full.csv")
    said = harmonium.refused("impute", "run", "--input", "late.csv", *words)
    assert "7 in row 1, column 1" in said
    assert said.endswith("(Counted are rows from row 8 of the file.)\n")
    said = harmonium.refused("impute", "run", "--input", "moved.csv", *words)
    assert said.endswith("(Counted are rows from row 8 of the file and columns in the order of training.)\n")
    assert not [path for path in harmonium.folder.iterdir() if "late_full" in path.name]


@pytest.mark.parametrize("command", ["sample", "impute"])
def test_nan_is_never_written(command, tmp_path):
    data = hm.data.from_arrays(np.random.default_rng(0).normal(size=(20, 3)))
    model = hm.OrderlessNADE(units.Gaussian(3), [2], key=KEY)
    made(tmp_path / "m", data, eqx.tree_at(lambda m: m.V, model, jnp.full_like(model.V, jnp.nan)))
    np.save(tmp_path / "x.npy", np.full((2, 3), np.nan))
    words = ("--input", "x.npy") if command == "impute" else ("-n", 2)
    code, said, err = Command(tmp_path)(command, "m", *words, "--out", "y.npy")
    assert code in (1, 2)
    assert (said, err.count("\n")) == ("", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "x.npy"]


def test_a_full_memory_is_said_in_a_sentence(harmonium, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4000000000000 bytes.")

    monkeypatch.setattr(writing, "draw", full)
    said = harmonium.refused("sample", "bits", "--out", "full.npy", code=1)
    assert "the memory is full: ask for fewer units, chains or rows at a time" in said
    assert not [path for path in harmonium.folder.iterdir() if path.name.lstrip(".").startswith("full.npy")]


# ---- features ------------------------------------------------------------------------------------------------

MACHINES = {
    "rbm": lambda v: hm.RBM(visible=v, hidden=units.Categorical(2, states=3), key=KEY),
    "dbm": lambda v: hm.DBM(v, [units.Bernoulli(3), units.Bernoulli(2)], units.Categorical(1, states=2), key=KEY),
    "dbn": lambda v: hm.DBN(v, [units.Bernoulli(3), units.Bernoulli(2)], key=KEY),
    "vae": lambda v: hm.VAE(v, units.Gaussian(2), hidden=[3], key=KEY),
}


@pytest.mark.parametrize("name", MACHINES)
def test_features_are_those_of_encode(name, tmp_path):
    rows = (np.random.default_rng(0).random((5, 6)) < 0.5).astype(float)
    model = MACHINES[name](units.Bernoulli(6))
    folder = RunFolder.create(tmp_path / "m")
    folder.write_about(describe(hm.data.from_arrays(rows), recipe=name))
    folder.save_model(model)
    np.save(tmp_path / "rows.npy", rows)
    harmonium = Command(tmp_path)
    said = harmonium.done("encode", "m", "--input", "rows.npy", "--out", "f.csv")
    names, found = read(tmp_path / "f.csv")
    known = hm.encode(model, rows)
    known = known if isinstance(known, dict) else {next(n for n in model.layers if n != "v"): known}
    flat = np.concatenate([np.asarray(part).reshape(5, -1) for part in known.values()], axis=1)
    np.testing.assert_allclose(found, flat, rtol=1e-6)
    assert f"5 rows of {flat.shape[1]} features (" in said
    last = list(known)[-1]
    assert names[-1].rsplit("_", 1)[0] == last
    harmonium.done("encode", "m", "--input", "rows.npy", "--out", "f.npy", "--layer", last)
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), np.asarray(known[last]).reshape(5, -1), rtol=1e-6)
    assert "no hidden layer 'x'" in harmonium.refused("encode", "m", "--input", "rows.npy", "--layer", "x")


def test_what_has_no_features_is_refused(harmonium):
    np.save(harmonium.folder / "gap.npy", np.where(np.eye(6), np.nan, 0.0)[:, ::-1][2:])
    said = harmonium.refused("encode", "bits", "--input", "gap.npy")
    assert "Row 0 of 'gap.npy' (counted from 0) has a missing cell" in said
    assert "not an OrderlessNADE" in harmonium.refused("encode", "run", "--input", "gap.npy")
    assert not (harmonium.folder / "features.npy").exists()


def test_rows_of_a_class(harmonium):
    harmonium.done("sample", "classes", "-n", "3", "--label", "1", "--steps", "2", "--out", "ones.npy")
    assert np.load(harmonium.folder / "ones.npy").shape == (3, 6)
    assert "from 0 to 2" in harmonium.refused("sample", "classes", "-n", "3", "--label", "7", "--out", "more.npy")
    assert "no layer 'y'" in harmonium.refused("sample", "bits", "-n", "3", "--label", "1", "--out", "more.npy")
    assert not (harmonium.folder / "more.npy").exists()
