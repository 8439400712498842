"""Splits that lie side by side in files of their own."""

import numpy as np
import pytest

from harmonium.data import load
from harmonium.data.official import siblings
from harmonium.errors import InputError
from harmonium.recipes.layers import column_units

RNG = np.random.default_rng(0)
SIZES = {"train": 20, "valid": 5, "test": 6}
BITS = {split: RNG.integers(0, 2, (n, 4)) for split, n in SIZES.items()}


def save(folder, name, rows, header=None):
    text = ("" if header is None else header + "\n") + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / name).write_text(text)
    return folder / name


def family(folder, names, header=None):
    paths = {split: save(folder, name, BITS[split], header) for split, name in names.items()}
    return paths["train"]


@pytest.mark.parametrize(
    "names",
    [
        {"train": "x.train.data", "valid": "x.valid.data", "test": "x.test.data"},
        {"train": "x.ts.data", "valid": "x.valid.data", "test": "x.test.data"},
        {"train": "x_train.csv", "valid": "x_val.csv", "test": "x_test.csv"},
        {"train": "train.csv", "valid": "validation.csv", "test": "test.csv"},
        {"train": "X-TRAIN.txt", "valid": "X-DEV.txt", "test": "X-TEST.txt"},
        {"train": "x.train.csv", "test": "x.test.csv"},
    ],
)
def test_rows_of_the_files_beside_it_are_held_out(tmp_path, names):
    path = family(tmp_path, names)
    for data in (load(path), load(tmp_path)):
        for split in SIZES:
            if split in names:
                np.testing.assert_array_equal(getattr(data, split), BITS[split])
            else:
                assert getattr(data, split) is None
        assert all(name in " ".join(data.notes) for split, name in names.items() if split != "train")
    assert data.notes[0] == f"{sum(SIZES[split] for split in names)} rows of 4 columns: zeros and ones"


def test_arrays_and_their_labels_too(tmp_path):
    for split, rows in BITS.items():
        np.save(tmp_path / f"x_{split}.npy", rows)
        np.save(tmp_path / f"y_{split}.npy", rows[:, 0])
    data = load(tmp_path / "x_train.npy", labels=tmp_path / "y_train.npy")
    for split, rows in BITS.items():
        np.testing.assert_array_equal(getattr(data, f"{split}_labels"), rows[:, 0])
    assert "2 classes" in data.notes[0]
    with pytest.raises(InputError, match=r"'x_train\.npy' and 'y_train\.npy': give the one"):
        load(tmp_path)


def test_a_name_that_the_files_begin_with_leads_to_them(tmp_path):
    path = family(tmp_path, {"train": "x.train.data", "valid": "x.valid.data", "test": "x.test.data"})
    with pytest.raises(InputError, match=r"did you mean '.*x\.train\.data'") as caught:
        load(tmp_path / "x")
    assert str(path) in str(caught.value)


def test_fractions_ask_for_other_splits(tmp_path):
    path = family(tmp_path, {"train": "x.train.data", "valid": "x.valid.data", "test": "x.test.data"})
    data = load(path, valid_fraction=0, test_fraction=0.25)
    assert (len(data.train), data.valid, len(data.test)) == (15, None, 5)


def test_columns_are_matched_by_name(tmp_path):
    path = save(tmp_path, "train.csv", BITS["train"], "a,b,c,d")
    save(tmp_path, "test.csv", BITS["test"][:, [3, 0, 1, 2]], "d,a,b,c")
    data = load(path)
    np.testing.assert_array_equal(data.test, BITS["test"])
    assert (data.columns, "another order" in data.notes[-1]) == (("a", "b", "c", "d"), True)
    save(tmp_path, "test.csv", BITS["test"][:, :3], "a,b,c")
    with pytest.raises(InputError, match=r"beside 'train\.csv' have other names \(not in it: d\)"):
        load(path)
    save(tmp_path, "test.csv", BITS["test"])
    with pytest.raises(InputError, match=r"have other names \(not in it: a, b, c\)"):
        load(path)


def test_names_that_are_numbers_are_those_of_the_training_rows(tmp_path):
    path = save(tmp_path, "train.csv", BITS["train"], "0,1,2,3")
    save(tmp_path, "test.csv", BITS["test"][:1], "0,1,2,3")
    assert len(load(path).test) == 1


def test_what_is_no_split(tmp_path):
    for name in ("training day.csv", "strain.csv", "x.csv", "constraint_x.csv", "x.test.csv"):
        assert siblings(save(tmp_path, name, BITS["train"])) == {}
    assert load(tmp_path / "strain.csv").valid is not None
    save(tmp_path, "a_train.csv", BITS["train"])
    save(tmp_path, "a_val.csv", BITS["valid"])
    save(tmp_path, "a_dev.csv", BITS["valid"])
    with pytest.raises(InputError, match=r"'a_val\.csv' and 'a_dev\.csv' lie beside"):
        load(tmp_path / "a_train.csv")


def test_a_split_within_a_split_is_refused(tmp_path):
    for split in ("train", "test"):
        np.savez(tmp_path / f"x_{split}.npz", **BITS)
    with pytest.raises(InputError, match="splits of its own"):
        load(tmp_path / "x_train.npz")


def test_a_code_that_only_held_out_rows_have_is_a_state(tmp_path):
    codes = np.column_stack([RNG.integers(0, 3, 100), RNG.integers(0, 2, 100)])
    path = save(tmp_path, "train.csv", codes)
    save(tmp_path, "test.csv", [[3, 0]])
    assert column_units(load(path)).parts[0].states == 4
    assert "codes in 1 (column 1 0 to 3)" in load(path).notes[0]
    rare = save(tmp_path, "rare.csv", [*codes, [3, 0]])
    assert {column_units(load(rare, seed=seed)).parts[0].states for seed in range(10)} == {4}
