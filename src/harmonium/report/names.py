"""What the columns of a table are called: by their names where the data has them, else by their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from harmonium.errors import in_words
from harmonium.report.subject import Subject
from harmonium.units import Categorical, parts_of

LONG = 24  # letters of a name, at most
FEW = 4  # names in a sentence, at most


def column_names(subject: Subject) -> list[str]:
    """A name for each column, cut where it is long; its number, counted from 0, where the data has no names."""
    names, size = subject.data.columns, subject.data.train.shape[1]
    return [short(name) for name in names] if names and len(names) == size else [str(i) for i in range(size)]


def named(subject: Subject) -> bool:
    """Whether the columns have names."""
    return bool(subject.data.columns) and len(subject.data.columns) == subject.data.train.shape[1]


def entry_names(subject: Subject) -> list[str]:
    """A name for each number through which the columns act on others: of a category `city = 2`."""
    names, found = column_names(subject), []
    for part, at in parts_of(subject.unit):
        for name in names[at]:
            levels = range(part.states) if isinstance(part, Categorical) else ()
            found += [f"{name} = {level}" for level in levels] or [name]
    return found


def listed(subject: Subject, at: slice) -> str:
    """Some columns in words.

    >>> from types import SimpleNamespace as Having
    >>> import numpy as np
    >>> data = Having(columns=("age", "city", "kids", "a", "b", "c"), train=np.zeros((1, 6)))
    >>> listed(Having(data=data), slice(0, 2)), listed(Having(data=data), slice(0, 6))
    ('age and city', '6 columns from age to c')
    """
    names = column_names(subject)[at]
    if not named(subject):
        return f"column {names[0]}" if len(names) == 1 else f"columns {names[0]} to {names[-1]}"
    if len(names) > FEW:
        return f"{len(names)} columns from {names[0]} to {names[-1]}"
    return in_words(names)


def ticks(subject: Subject, most: int) -> Sequence[str]:
    """The columns' names where there are some, and no more than a picture holds; else none."""
    names = column_names(subject)
    return names if named(subject) and len(names) <= most else ()


def short(name: str) -> str:
    """A name that is not too long.

    >>> short("the number of children in the household")
    'the number of children…'
    """
    return name if len(name) <= LONG else name[: LONG - 1].rstrip() + "…"
