"""How often a model's most probable class is wrong: a number in per cent, with its error and its space."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Array

from harmonium.data import Dataset, Space, space_of
from harmonium.data.check import as_labels
from harmonium.errors import InputError
from harmonium.inference import classify
from harmonium.inference.marginals import as_rows
from harmonium.records import unfit


@dataclass(frozen=True)
class ErrorRate:
    """A share of rows that were classified wrongly.

    Attributes: `errors` of `n` rows; `space` of the rows; `method` and `settings`, how they were classified.

    >>> print(ErrorRate(150, 10_000))
    error 1.50 % ± 0.12 % (150 of 10000)
    """

    errors: int
    n: int
    space: Space | None = None
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.errors / self.n

    @property
    def stderr(self) -> float:
        """Its binomial standard error."""
        return math.sqrt(self.value * (1 - self.value) / self.n)

    def to_dict(self) -> dict[str, Any]:
        """The error rate as JSON-ready values."""
        record = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return record | {"space": self.space.to_dict() if self.space else None}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> ErrorRate:
        """The inverse of `to_dict`. Raises `TypeError` for a value of another kind.

        >>> ErrorRate.from_dict(ErrorRate(3, 10).to_dict()).value
        0.3
        """
        record = record | {"space": Space.from_dict(record["space"]) if record["space"] else None}
        if wrong := unfit(record, cls):
            raise TypeError(wrong)
        return cls(**record)

    def __str__(self) -> str:
        extras = [x for x in (self.method, str(self.space) if self.space else "") if x]
        share = f"{100 * self.value:.2f} % ± {100 * self.stderr:.2f} %"
        split = f"{self.space.split} " if self.space and self.space.split else ""
        return f"{split}error {share} ({'; '.join([f'{self.errors} of {self.n}', *extras])})"


def error_rate(
    model: Any, rows: Dataset | np.ndarray, labels: Array | np.ndarray | None = None, *, missing: float = 0.0,
    seed: int = 0, method: str = "",
) -> ErrorRate:  # fmt: skip
    """The share of rows whose most probable class under `hm.classify` is not their label.

    Arguments: `rows` `[n, size]`, or a `Dataset`, which stands for its test rows and their labels; `labels` `[n]`,
    whole numbers from 0; `missing`, the share of values that are taken away, at random, before (the model infers them
    along with the class); `seed`, of which; `method`, a note on the model. Raises `InputError` where rows and labels do
    not fit, or a label is no class.

    >>> import harmonium as hm, jax
    >>> labels = hm.units.Categorical(1, states=2)
    >>> dbm = hm.DBM(hm.units.Bernoulli(4), [hm.units.Bernoulli(3)], labels, key=jax.random.key(0), scale=0.0)
    >>> hm.error_rate(dbm, np.zeros((4, 4)), np.array([0, 0, 0, 1])).errors
    1
    """
    classify.dispatch(model, asked="hm.error_rate")
    rows, labels = _labelled(rows, labels)
    labels = as_labels(labels, len(as_rows(model.layers["v"], rows)), "The labels")
    if not 0 <= missing < 1:
        raise InputError(f"A share of missing values lies from 0 to below 1, not missing={missing}.")
    if "y" not in model.layers:
        raise InputError("The model has no layer of labels: make it with labels=hm.units.Categorical(1, states=K).")
    model.layers["y"].check(labels[:, None])
    seen = np.array(rows, np.float64 if model.layers["v"].scaled else np.float32)
    if missing:
        seen[np.random.default_rng(seed).random(seen.shape) < missing] = np.nan
    wrong = int((np.asarray(classify(model, seen)).argmax(axis=1) != labels).sum())
    settings = {"missing": missing, "seed": seed} if missing else {}
    return ErrorRate(wrong, len(rows), space_of(rows), method, settings)


def _labelled(rows: Dataset | np.ndarray, labels: Array | np.ndarray | None) -> tuple[np.ndarray, Array | np.ndarray]:
    """Rows with their labels: those that were given, or the test rows of a data set."""
    if not isinstance(rows, Dataset):
        if labels is None:
            raise InputError("An error rate takes the labels of the rows: call hm.error_rate(model, rows, labels).")
        return rows, labels
    if labels is not None:
        raise InputError(f"'{rows.name}' brings labels of its own: leave labels out, or pass its rows, data.test.")
    if rows.test is None or rows.test_labels is None:
        lacking = "test rows" if rows.test is None else "labels of its test rows"
        raise InputError(
            f"'{rows.name}' has no {lacking}: pass rows and labels, such as data.train and data.train_labels."
        )
    return rows.test, rows.test_labels
