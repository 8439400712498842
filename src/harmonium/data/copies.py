"""Rows that occur more than once: kept on one side of a split, and counted where they stand on both."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from harmonium.data.storage import is_memmap
from harmonium.errors import InputError, shown


def row_groups(rows: np.ndarray, groups: Any = "auto") -> np.ndarray | None:
    """A number `[n]` for each row that is the same for rows which a split keeps together; None where none are.

    Args:
        rows: [n, d].
        groups: "auto", copies of a row where they are no chance: where the columns' values could make more than n^2
            different rows (else copies are how often a row occurs); "copies", always; None, no rows; or an array [n] of
            numbers or texts, such as a person, a day or a family, the same for rows that belong together.

    Raises:
        InputError: anything else, or another number of groups than rows.

    >>> row_groups(np.array([[1.5], [2.5], [1.5]]), "copies").tolist()
    [0, 1, 0]
    >>> row_groups(np.array([[1.5], [2.5], [1.5]])) is None                                  # 2 different rows at most
    True
    """
    if groups is None or (isinstance(groups, str) and groups == "auto" and is_memmap(rows)):
        return None
    if isinstance(groups, str):
        if groups not in ("auto", "copies"):
            raise InputError(
                f"There are no groups {groups!r}: choose 'auto', 'copies' or None, or give one for each row."
            )
        return _numbered(_digests(rows)) if groups == "copies" or not by_chance(rows) else None
    each = np.asarray(groups)
    if each.shape != (len(rows),):
        raise InputError(f"Groups are one number or text a row, {len(rows)} in all, not {shown(groups)}.")
    return _numbered(each.tolist())


def by_chance(rows: np.ndarray) -> bool:
    """Whether rows `[n, d]` may well be equal by chance: their columns' values make n^2 different rows at most.

    >>> by_chance(np.random.default_rng(0).integers(0, 2, (100, 3))), by_chance(np.arange(12.0).reshape(3, 4))
    (True, False)
    """
    left = 2 * math.log(len(rows))
    for column in rows.T:
        left -= math.log(len(np.unique(column)))
        if left < 0:
            return False
    return True


def kept_together(order: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """An order of rows in which those of one group follow the first of them; the same order where all differ.

    >>> kept_together(np.array([2, 0, 3, 1]), np.array([5, 6, 7, 5])).tolist()
    [2, 0, 3, 1]
    >>> kept_together(np.array([2, 0, 1, 3]), np.array([5, 6, 7, 5])).tolist()
    [2, 0, 3, 1]
    """
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    first = np.full(groups.max() + 1, len(order))
    np.minimum.at(first, groups, place)
    return order[np.lexsort((np.arange(len(order)), first[groups[order]]))]


def cuts(order: np.ndarray, groups: np.ndarray, at: list[int]) -> list[int] | None:
    """The places nearest to `at`, in rising order, where no group of an order is cut and each part has one; None where
    there are fewer groups than parts.

    >>> cuts(np.arange(5), np.array([0, 1, 1, 1, 2]), [2, 3]), cuts(np.arange(2), np.array([0, 0]), [1])
    ([1, 4], None)
    """
    own = groups[order]
    edges = np.flatnonzero(own[1:] != own[:-1]) + 1
    found, first = [], 0
    for i, place in enumerate(at):
        left = edges[first : len(edges) - (len(at) - 1 - i)]
        if not len(left):
            return None
        first += int(np.argmin(np.abs(left - place)))
        found.append(int(edges[first]))
        first += 1
    return found


def copied_shares(tables: dict[str, np.ndarray]) -> dict[str, float]:
    """The share of the rows of each held-out split that also stand in the training rows; none for rows in a file, or
    that are equal by chance.

    >>> copied_shares({"train": np.eye(5), "test": np.array([[1.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])})
    {'test': 0.5}
    """
    others = [split for split in tables if split != "train"]
    if not others or is_memmap(tables["train"]) or by_chance(tables["train"]):
        return {}
    train = set(_digests(tables["train"]))
    shares = {split: float(np.mean([row in train for row in _digests(tables[split])])) for split in others}
    return {split: share for split, share in shares.items() if share}


def _digests(rows: np.ndarray) -> list[bytes]:
    """A few bytes for each row, equal for equal values of any type."""
    bits = rows.dtype.kind in "bu" and rows.dtype.itemsize == 1
    values = np.ascontiguousarray(rows.view(np.uint8) if bits else np.asarray(rows, np.float64) + 0.0)  # no -0.0
    return [hashlib.blake2b(row.tobytes(), digest_size=12).digest() for row in values]


def _numbered(keys: list[Any]) -> np.ndarray:
    """Numbers from 0 in the order in which keys first occur."""
    number: dict[Any, int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys])
