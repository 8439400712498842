"""What a report is about: the model, the rows it is held against, how these are drawn, and the chains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError, shown
from harmonium.evaluation import Estimate, independent
from harmonium.models import (
    FVBN,
    Filtered,
    HierarchicalLatentModel,
    LatentModel,
    Wrapped,
)
from harmonium.models.kinds import (
    BELIEF_NET,
    BIDIRECTIONAL,
    CLASSIFIER,
    CONDITIONAL_ENERGY,
    ENERGY,
    LATENT,
    TRACTABLE,
    is_kind,
)
from harmonium.report.look import Look
from harmonium.report.walk import Walk, random_rows
from harmonium.samplers import impute, sample
from harmonium.training import RunFolder
from harmonium.units import Bernoulli, Columns, Frames, Gaussian, Spin, Unit, parts_of

TRAIN_ROWS = 60_000  # training rows, at most, that the report looks at
TRAIN_BYTES = 2**28  # and bytes of them as float32
HELD_ROWS = 10_000  # held-out rows, at most
LATE_SAMPLES = 500  # whose moments are looked at, of a model that draws them one by one
FREE = 64  # chains that start at random states
CHAINS = 10  # chains that start at held-out rows
PICTURES, PICTURE_COPIES = 8, 3  # pictures whose halves are filled in, and how often each
TABLE_ROWS, TABLE_CELLS, TABLE_COPIES = 100, 20_000, 4  # rows and cells of a table, at most, that are filled in
DRAWN = 50  # times that a table's cells are drawn, where that takes no chains
HIDDEN = 0.3  # of a table's cells that are hidden


class NotApplicable(InputError):
    """A section has nothing to show for this model or data; its text is the reason, for the reader."""


@dataclass(frozen=True)
class Subject:
    """A finished run and what its report is drawn from; costly parts are made once, when first asked for."""

    folder: RunFolder
    model: Any
    data: Dataset
    key: Key[Array, ""]
    steps: int

    @property
    def unit(self) -> Unit:
        """The visible units; for a classifier, those that its rows are values of. Raises `NotApplicable` for a model
        without layers, and for sequences."""
        if is_kind(self.model, CLASSIFIER):
            family = Bernoulli if self.data.space.support in ("binary", "unit interval") else Gaussian
            return family(self.data.train.shape[1])
        if is_kind(self.model, CONDITIONAL_ENERGY):
            raise NotApplicable("values given a context are not drawn here, but by hm.sample and hm.impute")
        if not is_kind(self.model, ENERGY, BELIEF_NET, TRACTABLE, LATENT, BIDIRECTIONAL):
            raise NotApplicable(f"{shown(self.model)} has no layers of units")
        if isinstance(self.model.layers["v"], Frames):
            raise NotApplicable("sequences of frames are not drawn")
        return self.model.layers["v"]

    @property
    def inner(self) -> Any:
        """The machine itself, in whatever coordinates or wrapping the model holds it."""
        model = self.model
        while isinstance(model, Wrapped):
            model = model.model
        if isinstance(model, HierarchicalLatentModel) and not model.down and isinstance(model.prior, FVBN):
            return model.prior  # a belief net without hidden layers
        return model

    @cached_property
    def split(self) -> str:
        """The rows that the model is held against: test, or else validation, or else training."""
        found = [s for s in ("test", "valid", "train") if getattr(self.data, s) is not None]
        return next(s for s in found if len(getattr(self.data, s)))

    @property
    def held_name(self) -> str:
        """The split in words."""
        return {"test": "test", "valid": "validation", "train": "training"}[self.split]

    @cached_property
    def held(self) -> np.ndarray:
        """Rows of that split `[n, size]`, as the model is shown them."""
        rows = self.train if self.split == "train" else np.asarray(getattr(self.data, self.split)[:HELD_ROWS])
        return self._sampled(rows[:HELD_ROWS])

    @cached_property
    def train(self) -> np.ndarray:
        """Training rows `[n, size]` as they are stored (grey where they are sampled at each presentation)."""
        n, size = self.data.train.shape
        most = max(1, min(TRAIN_ROWS, TRAIN_BYTES // (4 * size)))
        chosen = slice(None) if n <= most else np.sort(self.random(0).choice(n, most, replace=False))
        return self.data.shown(self.data.train[chosen])

    @property
    def train_shown(self) -> np.ndarray:
        """The first 2000 of `train`, as the model is shown them."""
        return self._sampled(self.train[:2000])

    def _sampled(self, rows: np.ndarray) -> np.ndarray:
        grey = self.data.binarization in ("dynamic", "probabilities") and isinstance(self.unit, Bernoulli)
        return (self.random(1).random(rows.shape) < rows).astype(np.float32) if grey else rows

    def random(self, stream: int) -> np.random.Generator:
        """NumPy's random numbers for one purpose, from the report's key."""
        return np.random.default_rng([*np.asarray(jax.random.key_data(self.key)).ravel().tolist(), stream])

    @property
    def exact(self) -> bool:
        """Whether the model says how likely a row is."""
        return is_kind(self.model, TRACTABLE)

    @property
    def directed(self) -> bool:
        """Whether the model is a directed net with latent variables, or two such that must agree."""
        return is_kind(self.model, LATENT, BIDIRECTIONAL)

    @property
    def independent(self) -> bool:
        """Whether the model draws its samples straight, without chains."""
        return self.exact or self.directed

    @property
    def net(self) -> LatentModel:
        """The directed net; of two that must agree, their common one."""
        return self.model.net if is_kind(self.model, BIDIRECTIONAL) else self.model

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Rows `[..., size]` as `look` draws them: of a mixed table, each column from 0 to 1 by its own range."""
        if not isinstance(self.unit, Columns):
            return rows
        low, high = self._ranges
        return (np.asarray(rows, np.float64) - low) / np.where(high > low, high - low, 1)

    @cached_property
    def _ranges(self) -> np.ndarray:
        """The lowest and highest value of each column that has a colour of its own."""
        found = np.zeros((2, self.unit.size))
        for part, at in parts_of(self.unit):
            if part.states is None:
                found[:, at] = np.percentile(self.held[:1000, at], [1, 99], axis=0)
            else:
                found[:, at] = [[-1.0], [1.0]] if isinstance(part, Spin) else [[0.0], [part.states - 1.0]]
        return found

    @cached_property
    def baseline(self) -> Estimate | None:
        """The baseline on the held-out rows; None where the units do not admit these rows as values."""
        if is_kind(self.model, CLASSIFIER):
            return None  # it says nothing of how likely rows are
        if self.split == "train" and self.data.decode is not None:
            return None  # the rows of such a file are known by the chunk only
        try:
            return independent(self.unit, self.train, getattr(self.data, self.split), self.held_name)
        except InputError:
            return None

    @property
    def filters(self) -> np.ndarray | None:
        """Weights between the data and the units next to it, where the model has any."""
        return self.inner.filters() if isinstance(self.inner, Filtered) else None

    @cached_property
    def look(self) -> Look:
        """Ink on paper for binary pictures; grey, or colours in tables, for the rest."""
        unit, shape = self.unit, self.data.image_shape
        if isinstance(unit, Columns):
            return Look(0.0, 1.0, "viridis", None)
        if isinstance(unit, Bernoulli | Spin):
            low = -1.0 if isinstance(unit, Spin) else 0.0
            mostly_paper = shape is None or float(np.mean(self.held)) < (low + 1) / 2
            return Look(low, 1.0, "gray_r" if mostly_paper else "gray", shape)
        colours = "gray" if shape else "viridis"
        if unit.states is None:
            low, high = (float(q) for q in np.percentile(self.held[:1000], [1, 99]))
            return Look(low, high if high > low else low + 1.0, colours, shape)
        return Look(0.0, max(1.0, (unit.states or 2) - 1.0), colours, shape)

    @cached_property
    def to_fill(self) -> tuple[np.ndarray, np.ndarray]:
        """Held-out rows `[n, size]` and which of their cells are hidden: the right, then the lower half of
        pictures; cells at random in tables."""
        if not self.look.shape:
            n = max(CHAINS, min(TABLE_ROWS, TABLE_CELLS // self.unit.size))
            rows = self.held[:n]
            hidden = self.random(2).random(rows.shape) < HIDDEN
            hidden[0, 0] = True
            return rows, hidden
        height, width = self.look.shape[:2]
        right, lower = np.zeros(self.look.shape, bool), np.zeros(self.look.shape, bool)
        right[:, width // 2 :], lower[height // 2 :] = True, True
        rows = self.held[:PICTURES]
        hidden = np.stack([right.ravel(), lower.ravel()])
        return np.tile(rows, (2, 1)), np.repeat(hidden, len(rows), axis=0)

    @cached_property
    def walk(self) -> Walk:
        """Chains from random states, from held-out rows, and with what is known of `to_fill` held fixed."""
        unit, random = self.unit, self.random(3)
        if not is_kind(self.model, ENERGY):
            raise NotApplicable(f"{shown(self.model)} has no chain over its visible units")
        if unit.size != self.held.shape[1]:
            raise NotApplicable("the model and the data have different numbers of columns")
        rows, hidden = self.to_fill
        unit.check(np.asarray(self.held[: max(CHAINS, len(rows))]))
        copies = PICTURE_COPIES if self.look.shape else TABLE_COPIES
        rows, hidden = np.tile(rows, (copies, 1)), np.tile(hidden, (copies, 1))
        noise = random_rows(unit, random, FREE + len(rows))
        start = np.concatenate([noise[:FREE], self.held[:CHAINS], np.where(hidden, noise[FREE:], rows)])
        held = np.concatenate([np.zeros((len(start) - len(rows), unit.size), bool), ~hidden])
        found = Walk(self.model, jax.random.fold_in(self.key, 1), start, held, self.steps)
        if not all(np.isfinite(found.at(step)).all() for step in found.looks):
            raise NotApplicable("the chains ran away: their values are no longer finite numbers")
        return found

    @cached_property
    def samples(self) -> np.ndarray:
        """Ends of the chains from random states `[64, size]`; of a belief net, what its links draw from their ends; of
        a model that draws them straight, its own draws."""
        if is_kind(self.model, BELIEF_NET) or self.independent:
            return np.asarray(sample(self.model, jax.random.fold_in(self.key, 2), FREE, steps=self.steps))
        return self.walk.at(self.steps)[:FREE]

    @cached_property
    def late(self) -> np.ndarray:
        """The same chains at several steps of their second half, one after the other; or more samples, for models
        that draw them one by one."""
        if is_kind(self.model, BELIEF_NET) or self.independent:
            return np.asarray(sample(self.model, jax.random.fold_in(self.key, 3), LATE_SAMPLES, steps=self.steps))
        return self.walk.on_the_way(slice(FREE), self.walk.late).reshape(-1, self.unit.size)

    @property
    def chains(self) -> np.ndarray:
        """Chains from held-out rows at the steps `walk.looks`: `[10, looks, size]`."""
        return self.walk.on_the_way(slice(FREE, FREE + min(CHAINS, len(self.held))), self.walk.looks)

    def filled(self, steps: tuple[int, ...]) -> np.ndarray:
        """Completions of `to_fill`: of several chains each, at the given steps `[copies * steps, n, size]`; of a
        network of every order its own draws, as many for pictures, and `DRAWN` for tables."""
        n = len(self.to_fill[0])
        if self.independent:
            copies = PICTURE_COPIES if self.look.shape else DRAWN
            rows = np.tile(np.where(self.to_fill[1], np.nan, self.to_fill[0]), (copies, 1))
            return np.asarray(impute(self.model, jax.random.fold_in(self.key, 4), rows)).reshape(copies, n, -1)
        seen = self.walk.on_the_way(slice(FREE + min(CHAINS, len(self.held)), None), steps)
        return seen.reshape(-1, n, len(steps), self.unit.size).swapaxes(1, 2).reshape(-1, n, self.unit.size)


def count(n: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def number(x: float | None, digits: int = 2) -> str:
    """A number for print, with a true minus sign; of huge ones three digits.

    >>> number(-3.14159), number(float("nan"))
    ('−3.14', 'not a number')
    """
    if x is None or math.isnan(x):
        return "not a number"
    if math.isinf(x):
        return "−∞" if x < 0 else "∞"
    return (f"{x:,.{digits}f}" if abs(x) < 1e6 else f"{x:.3g}").replace("-", "−")
