"""Classes that have names: numbered in the order in which a person would write them, the same for all splits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from harmonium.data.names import role_of
from harmonium.errors import InputError

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_TEXT = re.compile(r"\.(csv|tsv|txt|data|dat)$", re.IGNORECASE)
SHOWN = 12  # names, at most, that a sentence lists


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The different names, in order: numbers as numbers, and so are the digits within other names.

    >>> in_order(["10", "2", "-1"]), in_order(["class10", "class2", "class2"])
    (('-1', '2', '10'), ('class2', 'class10'))
    """
    found = set(names)
    if all(_NUMBER.fullmatch(name) for name in found):
        return tuple(sorted(found, key=lambda name: (float(name), name)))
    return tuple(sorted(found, key=lambda name: (_parts(name), name)))


def _parts(name: str) -> list[tuple[str, int]]:
    """Text and the number after it, as often as there are any."""
    return [(text, int(digits or -1)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", name)]


def numbered(
    labels: Mapping[str, object], name: str, known: tuple[str, ...] | None = None
) -> tuple[dict[str, object], tuple[str, ...] | None]:
    """Labels by split with words made numbers, and the names of the classes 0, 1, ...; None where labels have none.

    Arguments: `labels` of each split; `name` of the data, for a sentence; `known`, names of the classes where they are
    known already. Raises `InputError` for words in some splits and numbers in others, or no word for a row.

    >>> marks, names = numbered({"train": ["cat", "ant"], "test": ["bee"]}, "pets")
    >>> marks["train"].tolist(), marks["test"].tolist(), names
    ([2, 0], [1], ('ant', 'bee', 'cat'))
    """
    words = {split: found for split, values in labels.items() if (found := _words(values, split, name)) is not None}
    if not words:
        _refuse_unnamed(labels, name, known)
        return dict(labels), known
    for split in labels.keys() - words.keys():
        raise InputError(
            f"The {split} labels of {name!r} are numbers and the {next(iter(words))} labels words: give one kind."
        )
    names = in_order(word for found in words.values() for word in found.flat) if known is None else known
    places = {word: place for place, word in enumerate(names)}
    for word in (word for found in words.values() for word in found.flat if word not in places):
        raise InputError(f"{name!r} has a label {word!r}, which is no name of its classes ({listed(names)}): add it.")
    return {split: np.vectorize(places.get, otypes=[np.int64])(found) for split, found in words.items()}, names


def _refuse_unnamed(labels: Mapping[str, object], name: str, known: tuple[str, ...] | None) -> None:
    """Refuse numbers of classes beyond those that have names: the names would be of other classes."""
    for values in (np.asarray(values) for values in labels.values() if known is not None):
        if values.dtype.kind in "iuf" and values.size and values.max() >= len(known):
            raise InputError(
                f"{name!r} has a label {values.max():g}, counted from 0, and names of {len(known)} classes "
                f"({listed(known)}): give each class a name, or leave the names out."
            )


def words_of(path: Path) -> np.ndarray | None:
    """The words in a text file of labels, one a line, without a heading such as `label`; None if it holds no words.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "y.csv"; _ = path.write_text("class\\nbee\\nant\\n")
    >>> words_of(path).tolist()
    ['bee', 'ant']
    """
    if not _TEXT.search(path.name) or not path.is_file():
        return None
    content = path.read_bytes()
    if b"\0" in content:  # numbers in another kind of file
        return None
    lines = [line.strip().strip("\"'") for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if lines and (role_of(lines[0]) or ("", ""))[1] == "labels":
        lines = lines[1:]
    table = any(re.search("[,;\t]", line) for line in lines)
    return None if table or any(_NUMBER.fullmatch(line) for line in lines) else np.array(lines)


def _words(values: object, split: str, name: str) -> np.ndarray | None:
    """Labels that are text, as they are but without blanks around them; None for others."""
    array = _as_objects(values)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    flat = array.ravel().tolist() if array.dtype.kind in "UO" else []
    if not any(isinstance(value, str) for value in flat):
        return None
    for row, value in enumerate(flat):
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                f"The {split} labels of {name!r} are words, but the one of row {row} (counted from 0) is {value!r}: "
                "give every row a word, or leave the row out."
            )
    return np.array([value.strip() for value in flat], dtype=object).reshape(array.shape)


def _as_objects(values: object) -> np.ndarray:
    """An array of labels; of a list as its entries are, since NumPy makes words of numbers and NaN between words."""
    try:
        return np.array(values, dtype=object) if isinstance(values, list | tuple) else np.asarray(values)
    except ValueError:
        return np.empty(0)  # ragged, which is refused where numbers are asked for


def titled(names: tuple[str, ...] | None, label: int) -> str:
    """A class as a person knows it: by its number, and its name where it has one.

    >>> titled(("ant", "bee"), 1), titled(None, 1)
    ('1 (bee)', '1')
    """
    return str(label) if names is None or label >= len(names) else f"{label} ({names[label]})"


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first dozen of many.

    >>> listed(["a", "b"]), listed(map(str, range(15)))
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 3 more')
    """
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
