"""Columns of one table found in another by their names."""

from __future__ import annotations

from collections.abc import Sequence

from harmonium.errors import InputError


def places(trained: Sequence[str], given: Sequence[str], source: str) -> list[int] | None:
    """Where the columns that a run was trained on lie in a table that has the same names in any order.

    Arguments: `trained` and `given`, names of columns; `source`, of the table, for errors. Returns the place in the
    table of each column of training, or None where they are in order, or where either has no names. Raises
    `InputError` for a name that is missing, unknown or there twice.

    >>> places(["age", "kids", "city"], ["city", "age", "kids"], "new.csv")
    [1, 2, 0]
    """
    trained, given = list(trained), list(given)
    if not trained or not given or trained == given:
        return None
    if double := _double(trained):
        raise InputError(
            f"The run was trained on two columns called '{double}', which only their order tells apart: give the "
            f"columns of '{source}' as there, {', '.join(trained)}."
        )
    if double := _double(given):
        raise InputError(f"'{source}' has two columns called '{double}': name each column once.")
    missing = [name for name in trained if name not in given]
    unknown = [name for name in given if name not in trained]
    if missing:
        instead = f" but one called '{unknown[0]}'" if unknown else ""
        raise InputError(
            f"'{source}' has no column '{missing[0]}'{instead}, and the run was trained on {', '.join(trained)}: give "
            "it these columns, in any order, with empty cells where nothing is known."
        )
    if unknown:
        raise InputError(f"'{source}' has a column '{unknown[0]}' that the run was not trained on: leave it out.")
    return [given.index(name) for name in trained]


def _double(names: list[str]) -> str | None:
    """The first name that is there twice."""
    return next((name for i, name in enumerate(names) if name in names[:i]), None)
