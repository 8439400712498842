"""The data of a run again: by the name that its recipe recorded, or from a file that a person gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harmonium import data as datasets
from harmonium.data import Dataset, space_of
from harmonium.errors import InputError
from harmonium.recipes.common import data_of
from harmonium.training import RunFolder


def data_given(folder: RunFolder, file: str | None = None) -> Dataset:
    """The data that a run was trained on, found again by its name or in `file`, and held against the recorded hash.

    A run of a recipe knows how its data was read. Of one that was started from Python the ways of reading are tried:
    whole or split, binarized or standardized. Raises `InputError` where there is no name, or for other rows.
    """
    run = folder.about
    if run.get("arguments"):
        return data_of(folder, file)
    recorded = run.get("data") or {}
    name = file or (recorded.get("name") if recorded.get("name") in datasets.available() else None)
    if name is None:
        raise InputError(
            f"The run in '{folder.path}' was started from Python with arrays, so its data has no name here: keep them "
            "in a file, np.savez('data.npz', train=x, valid=v, test=t), and give it with --data data.npz"
        )
    space = recorded.get("space") or {}
    return _matching(name, space.get("hash"), space, folder)


def _matching(name: str, mark: str | None, space: dict[str, Any], folder: RunFolder) -> Dataset:
    found, refusal = None, None
    for options in _ways(space):
        try:
            data = datasets.load(name, **options)
        except InputError as error:
            refusal = refusal or error
            continue
        found = space_of(data.train).hash
        if found == mark:
            return data
    if found is None and refusal is not None:
        raise refusal
    raise InputError(
        f"The training rows of '{name}' are not those of the run in '{folder.path}' (hash {mark}, now {found}): give "
        "the arrays as they were handed to hm.fit, np.savez('data.npz', train=x, valid=v, test=t)."
    )


def _ways(space: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """How a file may have been read, the likelier ways first."""
    done = re.match(r"(\w+)\((?:.*?seed=(\d+))?", space.get("binarization") or "")
    seed = int(done[2] or 0) if done else 0
    schemes = [done[1], None] if done and done[1] in datasets.BINARIZATIONS else [None]
    columns = [False, True, "real"] if "standardized" not in (space.get("scaling") or "") else [True, "real", False]
    for scheme in schemes:
        for standardize in columns if scheme is None else [False]:
            for split in ({}, {"valid_fraction": 0.0, "test_fraction": 0.0}):
                yield {"binarize": scheme, "seed": seed, "standardize": standardize, **split}
