"""What is refused at the door, before any work is done: each refusal says the value and the cure."""

from __future__ import annotations

import math

import numpy as np

from harmonium.data.dataset import Dataset
from harmonium.data.storage import Survey, survey
from harmonium.errors import InputError, shown

LARGEST_LABEL = 2**31 - 1  # of an int32, in which a model takes labels


def as_numbers(x: object, what: str) -> np.ndarray:
    """`x` as an array of real numbers; nothing is copied if it is one.

    Raises:
        InputError: for objects, text, complex numbers, ragged lists, masked arrays.
    """
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(f"{what} are a masked array: pass x.filled(...), since a mask would be lost.")
    if isinstance(x, Dataset):
        raise InputError(f"{what} are asked for, not a Dataset: pass those of one split, such as data.train.")
    try:
        array = np.asarray(x)
    except ValueError as error:
        beside = ", and labels with hm.data.from_arrays(x, labels=y)" if isinstance(x, tuple) else ""
        raise InputError(
            f"{what} are not a table of numbers: give every row the same number of columns{beside}."
        ) from error
    except TypeError as error:  # such as a key of JAX, or an array on a device that NumPy does not reach
        why = (str(error).splitlines() or [""])[0]
        raise InputError(f"{what} are {shown(x)}, which is no array of numbers ({why}): pass one.") from error
    if array.dtype.kind not in "biuf":
        raise InputError(_no_numbers(x, array, what))
    return array


def _no_numbers(x: object, array: np.ndarray, what: str) -> str:
    if array.dtype.kind == "O" and array.ndim == 0:
        from scipy.sparse import issparse

        cure = "pass x.toarray()" if issparse(x) else "pass an array of numbers"
        return f"{what} are {shown(x)}, which is no array: {cure}."
    cure = "for example with x.astype('float32')"
    if array.dtype.kind in "US" and array.size:
        cure = f"with codes 0, 1, 2 in place of words such as {str(array.flat[0])!r}"
    return f"{what} have dtype {array.dtype}, which is not a number: convert them first, {cure}."


def reshaped(shape: tuple[int, ...], size: int) -> str:
    """How to make rows [n, size] of an array of another shape.

    >>> reshaped((6,), 6), reshaped((9, 2, 3), 6), reshaped((9, 4), 6)
    ('pass x[None] for a single row', 'pass x.reshape(len(x), -1)', 'choose the columns, or make a model for 4')
    """
    if shape == (size,):
        return "pass x[None] for a single row"
    if len(shape) > 2 and math.prod(shape[1:]) == size:
        return "pass x.reshape(len(x), -1)"
    if len(shape) == 2 and shape[1] not in (0, size):
        return f"choose the columns, or make a model for {shape[1]}"
    return "reshape them, or choose the columns"


def as_table(x: object, what: str) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """`x` as a table [n, d], and the shape of the picture in each row if there is one.

    Args:
        x: [n, d], [n, rows, columns] or [n, rows, columns, channels].
        what: its name in an error.

    >>> table, shape = as_table(np.zeros((5, 2, 3)), "x")
    >>> table.shape, shape
    ((5, 6), (2, 3))
    """
    array = as_numbers(x, what)
    if not 2 <= array.ndim <= 4:
        raise InputError(
            f"{what} have shape {array.shape}, and examples need [n, d] or [n, rows, columns]: {_reshaped(array)}."
        )
    if array.size == 0:
        raise InputError(f"{what} have shape {array.shape} and hold no value: give at least one row and one column.")
    return array.reshape(len(array), -1), array.shape[1:] if array.ndim > 2 else None


def _reshaped(array: np.ndarray) -> str:
    if array.ndim == 1 and array.size > 1:
        n = len(array)
        return f"x[None] is one example of {n} values, and x.reshape(-1, 1) are {n} examples of one value"
    return "reshape them, for example with x.reshape(len(x), -1)" if array.ndim > 4 else "give an array of rows"


def finite(table: np.ndarray, what: str) -> Survey:
    """The survey of a table [n, d], which must hold no NaN and no infinity.

    Raises:
        InputError: saying how many there are, and where the first is.
    """
    found = survey(table)
    if found.nan or found.inf:
        row, column = found.first_bad
        name, count = ("NaN", found.nan) if found.nan else ("infinity", found.inf)
        why = " (NaN means missing only in impute)" if found.nan else ""
        raise InputError(
            f"{what} hold {name} {count} time{'s' * (count > 1)}, first in row {row}, column {column} "
            f"(counted from 0): drop or fill those rows first{why}."
        )
    return found


def as_labels(labels: object, n: int, what: str) -> np.ndarray:
    """`labels` as integers [n].

    Raises:
        InputError: if their number is not n, or they are not whole numbers from 0.

    >>> as_labels([0, -1], 2, "The labels")
    Traceback (most recent call last):
    harmonium.errors.InputError: The labels hold -1: number the classes 0, 1, 2 and so on.
    """
    array = np.squeeze(as_numbers(labels, what))
    array = array.reshape(1) if array.ndim == 0 else array
    if len(array) != n or array.ndim != 1:
        shown = len(array) if array.ndim == 1 else f"of shape {array.shape}"
        hot = " (labels.argmax(axis=1) of rows with a column for each class)" if array.ndim == 2 else ""
        raise InputError(f"{what} are {shown} for {n} rows: give one whole number a row{hot}.")
    if not (array == np.round(array)).all():
        raise InputError(f"{what} are not whole numbers: number the classes 0, 1, 2 and so on.")
    outside = (array < 0) | (array > LARGEST_LABEL)
    if outside.any():
        raise InputError(f"{what} hold {array[outside][0]:g}: number the classes 0, 1, 2 and so on.")
    return array.astype(np.int64)


def same_columns(tables: dict[str, np.ndarray], name: str) -> None:
    """Raise InputError if the splits do not have the same number of columns."""
    d = tables["train"].shape[1]
    for split, table in tables.items():
        if table.shape[1] != d:
            raise InputError(
                f"The {split} rows of {name!r} have {table.shape[1]} columns and the train rows {d}: "
                "give every split the same columns."
            )


def picture_shape(
    declared: tuple[int, ...] | None, seen: set[tuple[int, ...]], d: int, name: str
) -> tuple[int, ...] | None:
    """The shape of the picture in a row of d values: the declared one, or the one that the arrays had.

    Raises:
        InputError: if the splits had different ones, or it does not have d values.
    """
    shapes = seen if declared is None else {tuple(declared)}
    if len(shapes) > 1:
        raise InputError(f"The splits of {name!r} have pictures of shapes {sorted(shapes)}: give them one shape.")
    shape = next(iter(shapes), None)
    if shape is not None and (math.prod(shape) != d or len(shape) not in (2, 3)):
        raise InputError(
            f"The rows of {name!r} have {d} values, which are no picture of shape {shape}: "
            "correct image_shape, (rows, columns) or (rows, columns, channels)."
        )
    return shape
