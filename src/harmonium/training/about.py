"""What `run.json` and `metrics.jsonl` say, and of which kinds that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from harmonium.errors import InputError
from harmonium.records import unfit


class SpaceRecord(TypedDict, total=False):
    """What is read of the space of the training rows."""

    shape: list[int]
    binarization: str | None
    scaling: str | None
    hash: str | None


class DataRecord(TypedDict, total=False):
    """What is read of the data: its name, its columns, and the way from the model's units to the table's."""

    name: str
    image_shape: list[int] | None
    columns: list[str] | None
    notes: list[str]
    classes: list[str] | None
    space: SpaceRecord
    shift: float | list[float]
    scale: float | list[float]
    whole: Literal["all"] | list[int]
    counts: Literal["all"] | list[int]


class About(TypedDict, total=False):
    """The content of `run.json`, which may hold more."""

    model: str
    recipe: str
    arguments: dict[str, Any] | None
    settings: dict[str, Any]
    classes: dict[str, Any]
    data: DataRecord
    device: dict[str, Any]
    versions: dict[str, Any]


class Metrics(TypedDict, total=False):
    """What is read of a line of `metrics.jsonl` by its name."""

    step: int
    epoch: float
    seconds: float


def damage_of(record: Any) -> str | None:
    """What is wrong with a line of `metrics.jsonl`; None if nothing is.

    >>> damage_of({"epoch": 1.0}), damage_of({"step": 1, "loss": 0.5})
    ('no record of a step', None)
    """
    if not isinstance(record, dict) or "step" not in record:
        return "no record of a step"
    odd = [name for name in ("epoch", "seconds") if isinstance(x := record.get(name), float) and not np.isfinite(x)]
    return unfit(record, Metrics) or (f"{odd[0]} is no number" if odd else None)


def checked(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """A record of a run whose values are of their kinds. Raises `InputError` for another.

    >>> checked({"data": {"columns": 3}}, Path("run.json"))
    Traceback (most recent call last):
    harmonium.errors.InputError: 'run.json' is damaged (in data, columns is 3): restore it, or train again.
    """
    data = record.get("data")
    wrong = unfit(record, About)
    if wrong is None and data and np.shape(data.get("shift")) != np.shape(data.get("scale")):
        wrong = "in data, shift and scale are of different columns"
    if wrong is not None:
        raise InputError(f"'{path}' is damaged ({wrong}): restore it, or train again.")
    return record
