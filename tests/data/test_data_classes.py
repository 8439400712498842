"""Classes with names: numbered alike everywhere, and carried to the record of a run."""

import numpy as np
import pytest

from harmonium.data import from_arrays, load
from harmonium.data.classes import in_order, numbered, words_of
from harmonium.errors import InputError
from harmonium.training import describe

X = np.eye(6)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (map(str, range(11, -1, -1)), tuple(map(str, range(12)))),
        (["1.5", "-2", "+1"], ("-2", "+1", "1.5")),
        (["b", "B", "a"], ("B", "a", "b")),
        (["run 10b", "run 10a", "run 9"], ("run 9", "run 10a", "run 10b")),
        (["01", "1"], ("01", "1")),
        (["7", "seven"], ("7", "seven")),
    ],
)
def test_names_are_sorted_as_a_person_sorts_them(given, wanted):
    assert in_order(given) == wanted


@pytest.mark.parametrize(
    "labels",
    [list("ababac"), np.array(list("ababac")), np.array(list("ababac"), "S1"), np.array(list("ababac"), object),
     [f" {c} " for c in "ababac"], np.array(list("ababac"))[:, None]],
)  # fmt: skip
def test_words_are_labels(labels):
    data = from_arrays(X, test=X, labels=labels, test_labels=list("bbbbbb"))
    assert data.class_names == ("a", "b", "c")
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 1, 0, 1, 0, 2], [1] * 6)
    assert describe(data)["data"]["classes"] == ["a", "b", "c"]


def test_words_stay_with_their_rows_when_they_are_split():
    rows, words = np.arange(40.0)[:, None], [f"class {i}" for i in range(40)]
    data = from_arrays(rows, labels=words, test_fraction=0.25)
    for part, labels in ((data.train, data.train_labels), (data.test, data.test_labels)):
        assert [data.class_names[k] for k in labels] == [f"class {int(v)}" for v in part[:, 0]]


def test_numbers_have_no_names():
    assert from_arrays(X, labels=[0, 1] * 3).class_names is None
    assert from_arrays(X).class_names is None


def test_a_word_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="'pets' has a label 'c', which is no name of its classes"):
        numbered({"train": ["a", "c"]}, "pets", ("a", "b"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("y.csv", "bee\nant\nbee\nant\n"), ("y.txt", "label\r\n\r\n'bee'\r\n ant\r\nbee\r\nant"),
     ("y.csv", '\ufeffclass\n"bee"\n"ant"\n"bee"\n"ant"\n')],
)  # fmt: skip
def test_a_file_of_words(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    np.save(tmp_path / "x.npy", np.arange(4.0)[:, None])
    data = load(tmp_path / "x.npy", labels=tmp_path / name, valid_fraction=0, test_fraction=0.25)
    assert data.class_names == ("ant", "bee")
    assert [data.class_names[k] for k in data.train_labels] == [("bee", "ant")[int(v) % 2] for v in data.train[:, 0]]


def test_a_file_of_numbers_is_none_of_words(tmp_path):
    (tmp_path / "y.npy").write_bytes(b"x")
    assert words_of(tmp_path / "y.npy") is None
    for content in (b"label\n1\n0.0\n1e0\n", b"a,b\n1,2\n", b"\0a", b"1\nNA\n"):
        (tmp_path / "y.csv").write_bytes(content)
        assert words_of(tmp_path / "y.csv") is None


def test_names_of_fewer_classes_than_there_are_labels_are_refused():
    with pytest.raises(InputError, match=r"'pets' has a label 2, counted from 0, and names of 2 classes \(ant, bee\)"):
        numbered({"train": [0, 2]}, "pets", ("ant", "bee"))
    assert numbered({"train": [0, 1]}, "pets", ("ant", "bee"))[1] == ("ant", "bee")
