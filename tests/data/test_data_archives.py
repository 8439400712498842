"""Files of several arrays: known by the usual names, and none dropped without a word."""

import contextlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from harmonium.data import load
from harmonium.data.files import read, read_array
from harmonium.errors import InputError, RunError
from harmonium.training import describe
from harmonium.units import Bernoulli, Frames, Gaussian

RANDOM = np.random.default_rng(0)
ROWS = {"train": RANDOM.normal(size=(9, 4)), "valid": RANDOM.normal(size=(5, 4)), "test": RANDOM.normal(size=(6, 4))}
LABELS = {split: np.arange(len(rows)) % 3 for split, rows in ROWS.items()}
NAMES = [  # of rows and of labels
    ({"train": "train", "valid": "valid", "test": "test"}, "{}_labels"),
    ({"train": "train", "valid": "val", "test": "test"}, "{}_y"),
    ({"train": "train", "valid": "validation", "test": "test"}, "y_{}"),
    ({"train": "x_train", "valid": "x_val", "test": "x_test"}, "y_{}"),  # Keras
    ({"train": "X_train", "valid": "X_valid", "test": "X_test"}, "Y_{}"),
    ({"train": "train_data", "valid": "val_data", "test": "test_data"}, "{}_labels"),  # Caltech silhouettes
    ({"train": "traindata", "valid": "validdata", "test": "testdata"}, "{}labels"),
    ({"train": "trainX", "valid": "valX", "test": "testX"}, "{}Y"),
    ({"train": "train_images", "valid": "val_images", "test": "test_images"}, "{}_labels"),  # MedMNIST
    ({"train": "data", "valid": "dev", "test": "test_x"}, "{}_targets"),
]


def npz(path, contents):
    np.savez(path, **contents)
    return path


def mat(path, contents):
    scipy.io.savemat(path, contents)
    return path


SAVED = {"a.npz": npz, "a.mat": mat}


def cells(parts):
    found = np.empty((1, len(parts)), object)
    found[0, :] = parts
    return found


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize(("rows", "labels"), NAMES)
def test_the_usual_names(tmp_path, rows, labels, name):
    short = {"valid": rows["valid"].lower().removeprefix("x_").split("_")[0].removesuffix("x").removesuffix("data")}
    marks = {labels.format(short.get(split, split)): values for split, values in LABELS.items()}
    data = load(SAVED[name](tmp_path / name, {rows[split]: values for split, values in ROWS.items()} | marks))
    for split, values in ROWS.items():
        np.testing.assert_array_equal(getattr(data, split), values.astype(np.float32))
        np.testing.assert_array_equal(getattr(data, f"{split}_labels"), LABELS[split])


@pytest.mark.parametrize("rows", ["x", "X", "data", "images", "train", "features"])
@pytest.mark.parametrize("labels", ["y", "Y", "labels", "target", "train_labels"])
def test_one_table_and_its_labels(tmp_path, rows, labels):
    x = np.arange(40.0)[:, None]
    data = load(npz(tmp_path / "a.npz", {rows: x, labels: x[:, 0].astype(int)}))
    for split in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(data, split)[:, 0], getattr(data, f"{split}_labels"))


def test_training_rows_of_one_name_and_test_rows_of_another(tmp_path):
    data = load(npz(tmp_path / "a.npz", {"x": ROWS["train"], "x_test": ROWS["test"]}))
    assert (len(data.train), data.valid, len(data.test)) == (9, None, 6)


X, Y = ROWS["train"], LABELS["train"]
REFUSED = {
    "an unknown name": ({"train": X, "weights": X}, "holds train, weights, of which weights says nothing: name the"),
    "unknown names": ({"x": X, "a": X, "b": X}, "of which a, b say nothing"),
    "two of a kind": ({"x": X, "X": X}, "holds x and X, which mean the same"),
    "no training rows": ({"test": X, "valid": X}, "holds test, valid and no training rows"),
    "labels of nothing": ({"train": X, "test_labels": Y}, "holds test_labels and no test rows"),
    "lengths of nothing": ({"train": X, "test_lengths": Y}, "holds test_lengths and no test rows"),
    "nothing": ({}, "holds nothing"),
    "packed bits that are none": ({"train": X, "n_vars": 3}, "n_vars, but no rows of packed bits"),
    "too few packed bits": ({"train": np.zeros((2, 1), np.uint8), "n_vars": 9}, "holds 8 bits a row, and n_vars is 9"),
    "lengths that do not fit": ({"x": X, "lengths": [4, 4]}, "2 lengths from 4 to 4, together 8, do not fit"),
    "lengths of no frame": ({"x": X, "lengths": [9, 0]}, "from 0 to 9"),
    "lengths of a share": ({"x": X, "lengths": [4.5, 4.5]}, "no whole numbers"),
    "no lengths at all": ({"x": X[:0], "lengths": np.zeros(0, int)}, "no whole numbers"),
    "lengths of some splits": ({"x": X, "lengths": [4, 5], "test": X}, "test rows of 'a.npz' have no lengths"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, case):
    contents, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        load(npz(tmp_path / "a.npz", contents))
    assert "\n" not in str(caught.value)


def test_python_objects_are_refused_with_a_cure_that_cures(tmp_path):
    np.savez(tmp_path / "a.npz", x=cells([np.ones((2, 3)), np.zeros((1, 3))])[0])
    with pytest.raises(InputError, match=r"end to end as x \[frames, width\], with their lengths \[n\] as lengths"):
        load(tmp_path / "a.npz")
    data = load(npz(tmp_path / "a.npz", {"x": np.concatenate([np.ones((2, 3)), np.zeros((1, 3))]), "lengths": [2, 1]}))
    assert data.train.tolist() == [[1] * 6, [0] * 3 + [-1] * 3]


# --- sparse matrices, words


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_matrices(tmp_path, form):
    x = RANDOM.integers(0, 2, (50, 6))
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.coo_array(x).asformat(form))
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz"), x)


def test_sparse_matrices_that_are_too_large_or_damaged(tmp_path):
    scipy.sparse.save_npz(tmp_path / "a.npz", scipy.sparse.csr_array((10**6, 10**6)))
    with pytest.raises(InputError, match=r"shape \(1000000, 1000000\), which takes 7451 GiB with its zeros"):
        load(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no sparse matrix that can be read"):
        load(npz(tmp_path / "b.npz", {"format": b"csr", "shape": [2, 2], "data": [1.0]}))


def test_labels_that_are_words(tmp_path):
    words = ["bee", "ant", "bee"]
    for path in (npz(tmp_path / "a.npz", {"x": X[:3], "y": words}), mat(tmp_path / "a.mat", {"x": X[:3], "y": words}),
                 mat(tmp_path / "b.mat", {"x": X[:3], "y": cells(words)})):  # fmt: skip
        data = load(path, valid_fraction=0, test_fraction=0)
        assert data.class_names == ("ant", "bee")
        order = [X[:, 0].astype(np.float32).tolist().index(value) for value in data.train[:, 0]]
        assert data.train_labels.tolist() == [[1, 0, 1][row] for row in order]


def test_names_of_classes_beside_numbers(tmp_path):
    contents = {"train_data": X, "train_labels": Y[None] + 1, "classnames": cells(["ant", "bee", "cat"])}
    data = load(mat(tmp_path / "a.mat", contents), valid_fraction=0, test_fraction=0.3)
    assert data.class_names == ("ant", "bee", "cat")
    assert {*data.train_labels, *data.test_labels} == {0, 1, 2}
    assert describe(data)["data"]["classes"] == ["ant", "bee", "cat"]


def test_names_of_classes_are_words(tmp_path):
    for names in (cells([np.ones(2), "b"]), np.array([0.5])):
        with pytest.raises(InputError, match="names of classes that are no words"):
            load(mat(tmp_path / "a.mat", {"x": X, "y": Y, "class_names": names}))
    with pytest.raises(InputError, match="has a label 2, counted from 0, and names of 1 classes"):
        load(mat(tmp_path / "a.mat", {"x": X, "y": Y, "class_names": ["ant"]}))


def test_labels_that_count_from_1(tmp_path):
    data = load(mat(tmp_path / "a.mat", {"train": X, "train_labels": Y + 1, "test": X, "test_labels": Y + 1}))
    np.testing.assert_array_equal(data.train_labels, Y)
    assert data.class_names == ("1", "2", "3")
    assert "labels count from 1 to 3 in the file, and from 0 here" in data.notes
    data = load(mat(tmp_path / "a.mat", {"train": X, "train_labels": Y, "test": X[:2], "test_labels": [1, 2]}))
    np.testing.assert_array_equal(data.test_labels, [1, 2])  # since another split has a class 0
    assert data.class_names is None


def test_an_array_that_may_lie_on_its_side_is_told_of(tmp_path):
    assert load(mat(tmp_path / "a.mat", {"X": np.ones((3, 3, 30))})).notes[1:] == (
        "taken as 3 rows of 3x30: move the last axis to the front if it counts the examples",
    )
    assert (
        load(mat(tmp_path / "a.mat", {"faces": np.ones((8, 30))})).notes[1].startswith("taken as 8 rows of 30 columns")
    )
    assert load(mat(tmp_path / "a.mat", {"faces": np.ones((30, 8))})).notes[1:] == ()


# --- sequences


def rolls(split, n, width=5):
    return [RANDOM.integers(0, 2, (length, width)) for length in RANDOM.integers(1, 7, n)] + [np.ones((3, width), int)]


SEQUENCES = {split: rolls(split, n) for split, n in {"train": 9, "valid": 2, "test": 3}.items()}
LONGEST = max(len(roll) for part in SEQUENCES.values() for roll in part)


@pytest.mark.parametrize("form", ["cells", "sparse cells", "end to end", "padded"])
def test_sequences_of_unlike_length(tmp_path, form):
    """All forms hold the same; the rows are those of units.Frames."""
    contents = {}
    for split, part in SEQUENCES.items():
        if form == "cells":
            contents[f"{split}data"] = cells(part)
        elif form == "sparse cells":
            contents[f"{split}data"] = cells([scipy.sparse.csc_array(roll.astype(float)) for roll in part])
        elif form == "end to end":
            contents |= {split: np.concatenate(part), f"{split}_lengths": [len(roll) for roll in part]}
        else:
            rows = np.zeros((len(part), LONGEST, 5), int)
            for row, roll in zip(rows, part, strict=True):
                row[: len(roll)] = roll
            contents |= {split: rows, f"{split}_lengths": [len(roll) for roll in part]}
    data = load(mat(tmp_path / "a.mat", contents) if "cells" in form else npz(tmp_path / "a.npz", contents))
    frames = Frames(Bernoulli(5), LONGEST)
    for split, part in SEQUENCES.items():
        np.testing.assert_array_equal(getattr(data, split), frames.rows(part))
    assert (data.image_shape, data.space.support) == ((LONGEST, 5), "sequences of 0 and 1")
    assert data.test.space.support == "sequences of 0 and 1"
    shortest = min(len(roll) for part in SEQUENCES.values() for roll in part)
    assert data.notes[1] == f"sequences of {shortest} to {LONGEST} frames, absent ones -1 throughout"


def test_sequences_of_measurements(tmp_path):
    parts = [RANDOM.normal(size=(length, 2)) for length in (3, 5, 4)]
    raw = read(mat(tmp_path / "a.mat", {"x": cells(parts)}))
    rows = raw.arrays["train"].reshape(3, -1).astype(np.float32)
    np.testing.assert_array_equal(rows, Frames(Gaussian(2), 5).rows(parts))
    assert raw.notes == ("sequences of 3 to 5 frames, absent ones -2^100 throughout",)


BAD_CELLS = {
    "lying": ([np.ones((2, 3)), np.ones((2, 4))], "frames of 4 entries, and the first one of 3: transpose each"),
    "unlike": ([np.ones((2, 3)), np.ones((5, 4))], "give every frame of all of them one width"),
    "empty": ([np.ones((2, 3)), np.zeros((0, 3))], r"Sequence 1 \(counted from 0\) of the train sequences .* \(0, 3\)"),
    "mixed": ([np.ones((2, 3)), "text"], "Sequence 1 .* dtype <U4"),
    "cells in cells": ([np.ones((2, 3)), cells([np.ones(2)])], "Sequence 1 .* dtype object"),
    "NaN": ([np.ones((2, 3)), np.full((2, 3), np.nan)], "hold NaN 6 times"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_cells_that_are_no_sequences(tmp_path, case):
    parts, words = BAD_CELLS[case]
    with pytest.raises(InputError, match=words) as caught:
        load(mat(tmp_path / "a.mat", {"train": cells(parts)}))
    assert "\n" not in str(caught.value)


def test_a_struct_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a number"):
        load(mat(tmp_path / "a.mat", {"x": {"a": 1}}))


# --- damage


WHOLE = {
    "array": {"x": np.eye(5)},
    "cells": {"x": cells([np.eye(2), np.eye(2)])},
    "sparse": {"x": scipy.sparse.csc_array(np.eye(5))},
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_type_that_does_not_exist_is_refused(tmp_path, kind):
    path = mat(tmp_path / "a.mat", WHOLE[kind])
    whole = path.read_bytes()
    double = whole.index(b"\x09\x00\x00\x00", 160)  # the tag of its numbers
    path.write_bytes(whole[:double] + b"\x19" + whole[double + 1 :])
    with pytest.raises(InputError, match="is not a MATLAB v5 file, or is damaged"):
        load(path)
    scipy.io.savemat(path, WHOLE[kind], do_compression=True)
    assert read(path).arrays["train"].size


def test_a_crash_of_the_parser_is_an_error_message(tmp_path, monkeypatch):
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os; os.abort()")
    monkeypatch.setattr("harmonium.data.matlab.PARSER", crashing)
    with pytest.raises(InputError, match="is not a MATLAB v5 file, or is damaged"):
        load(mat(tmp_path / "a.mat", {"x": X}))


def test_a_sparse_matrix_with_places_outside_of_it_is_refused(tmp_path):
    matrix = scipy.sparse.csr_array(np.eye(5))
    matrix.indices = matrix.indices + 10**6
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix)
    with pytest.raises(InputError, match="holds a damaged sparse matrix"):
        load(tmp_path / "a.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", SAVED)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    """A byte, a bit or the end of it lost: some of these crash SciPy's parser."""
    random = np.random.default_rng(1)
    contents = {"train": cells(rolls("train", 2)), "y": ["a", "b", "c"]} if name == "a.mat" else {"x": X, "y": Y}
    whole = SAVED[name](tmp_path / name, contents).read_bytes()
    for _ in range(24 if name == "a.mat" else 150):  # which has a process each
        content, place = bytearray(whole), random.integers(len(whole))
        how = random.integers(3)
        if how == 0:
            content[place] = random.integers(256)
        elif how == 1:
            content[place] ^= 1 << int(random.integers(8))
        (tmp_path / name).write_bytes(content[:place] if how == 2 else content)
        with contextlib.suppress(InputError):
            assert len(load(tmp_path / name).train)


@pytest.mark.parametrize("name", ["labels", "lengths", "n_vars"])
def test_cells_that_are_no_rows_are_refused(tmp_path, name):
    path = mat(tmp_path / "x.mat", {"train": ROWS["train"], name: cells([np.eye(3), np.ones((2, 3))])})
    with pytest.raises(InputError, match=r"labels|cells as"):
        load(path)


def test_labels_in_a_cell_of_numbers_count_from_0_too(tmp_path):
    cells = np.empty((40, 1), object)
    cells[:, 0] = [np.array([[i % 3 + 1]]) for i in range(40)]
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.eye(40), "y": cells})
    data = load(tmp_path / "a.mat")
    assert (data.train_labels.min(), data.train_labels.max(), data.class_names) == (0, 2, ("1", "2", "3"))


def test_a_sparse_matrix_of_matlab_that_is_too_large_is_not_called_damaged(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": scipy.sparse.csc_matrix((10**6, 10**6))})
    with pytest.raises(InputError, match="GiB with its zeros: keep fewer rows"):
        load(tmp_path / "a.mat")


@pytest.mark.parametrize(
    ("program", "said"),
    [("raise MemoryError", "too little memory"), ("import os; os.kill(os.getpid(), 9)", "too little memory")],
)
def test_a_whole_file_that_could_not_be_read_is_not_called_damaged(tmp_path, monkeypatch, program, said):
    (tmp_path / "parser.py").write_text(program)
    monkeypatch.setattr("harmonium.data.matlab.PARSER", tmp_path / "parser.py")
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.eye(40)})
    with pytest.raises(RunError, match=said):
        load(tmp_path / "a.mat")
