"""Numbers that a report computes itself: moments, neighbours, what was filled in."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from harmonium.units import Categorical, Columns, Spin, Unit, parts_of

BLOCK = 5000  # rows looked at together
FEATURES = 64  # of those that vary most: whose correlations are compared


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(rows[i : i + BLOCK]) for i in range(0, len(rows), BLOCK)]


# ---- moments -----------------------------------------------------------------------------------------------


class Moments(NamedTuple):
    """One kind of moment of held-out rows, of samples and of training rows, entry by entry."""

    name: str
    held: np.ndarray
    samples: np.ndarray
    train: np.ndarray

    def misfit(self, other: np.ndarray) -> float:
        """Root mean squared difference to the held-out rows."""
        return float(np.sqrt(np.mean((other - self.held) ** 2)))


def moments(unit: Unit, held: np.ndarray, samples: np.ndarray, train: np.ndarray) -> list[Moments]:
    """Means, correlations and, for real units, standard deviations."""
    sets = [features(unit, x) for x in (held, samples, train)]
    found = [Moments("frequency" if isinstance(unit, Categorical) else "mean", *(x.mean(0) for x in sets))]
    real = np.concatenate([np.full(part.width, part.states is None) for part, _ in parts_of(unit)])
    if real.any():
        found.append(Moments("standard deviation", *(x[:, real].std(0) for x in sets)))
    spread = sets[0].var(0)
    chosen = np.sort(np.argsort(-spread, kind="stable")[: min(FEATURES, int((spread > 0).sum()))])
    column = np.repeat(np.arange(unit.size), unit.widths)[chosen]
    pairs = np.triu_indices(len(chosen), 1)
    apart = column[pairs[0]] != column[pairs[1]]
    if apart.any():
        pairs = pairs[0][apart], pairs[1][apart]
        found.append(Moments("correlation", *(_correlations(x[:, chosen])[pairs] for x in sets)))
    return found


def features(unit: Unit, x: np.ndarray) -> np.ndarray:
    """Rows as numbers that can be averaged: values, or the one-hot codes of categories."""
    if isinstance(unit, Columns):
        return np.hstack([features(part, x[:, at]) for part, at in parts_of(unit)])
    if isinstance(unit, Categorical):
        return (x[:, :, None] == np.arange(unit.states)).reshape(len(x), -1).astype(np.float64)
    return np.asarray(x, np.float64)


def in_deviations(unit: Unit, x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Rows of a mixed table whose real columns are measured in standard deviations from their mean over `train`."""
    if not isinstance(unit, Columns):
        return x
    x = np.array(x, np.float64)
    for part, at in parts_of(unit):
        if part.states is None:
            own = np.asarray(train[:, at], np.float64)
            x[..., at] = (x[..., at] - own.mean(0)) / np.where(own.std(0) > 0, own.std(0), 1)
    return x


def _correlations(x: np.ndarray) -> np.ndarray:
    """Correlation matrix, 0 where a column does not vary."""
    centred = x - x.mean(0)
    norm = np.sqrt((centred**2).sum(0))
    scaled = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    return scaled.T @ scaled


# ---- neighbours --------------------------------------------------------------------------------------------


def metric(unit: Unit, train: np.ndarray) -> str:
    """The distance between rows: how many cells differ, for real and grey values the Euclidean one, or of mixed columns
    the Euclidean one to whose square a cell that differs adds 1."""
    if isinstance(unit, Columns):
        return "mixed"
    if unit.states is None:
        return "Euclidean"
    exact = all(np.mod(block, 1).max() == 0 for block in _blocks(train))
    return "Hamming" if exact else "Euclidean"


def nearest(unit: Unit, rows: np.ndarray, train: np.ndarray, k: int, distance: str) -> tuple[np.ndarray, np.ndarray]:
    """The `k` training rows nearest to each of `rows` `[n, k]`, and their distances in that metric."""
    parts = [_distances(unit, rows, block, distance) for block in _blocks(train)]
    distances = np.concatenate(parts, axis=1)
    k = min(k, distances.shape[1])
    found = np.argpartition(distances, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(distances, found, 1), axis=1, kind="stable")
    found = np.take_along_axis(found, order, 1)
    return found, np.take_along_axis(distances, found, 1)


def _distances(unit: Unit, a: np.ndarray, b: np.ndarray, distance: str) -> np.ndarray:
    if distance == "Hamming":
        states = np.asarray(unit.values(jnp.arange(unit.states)))
        same = sum((a == s).astype(np.float32) @ (b == s).T.astype(np.float32) for s in states)
        return a.shape[1] - same
    if distance == "mixed":
        a, b = _spread(unit, a), _spread(unit, b)
    a, b = a.astype(np.float32), b.astype(np.float32)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squared, 0))


def _spread(unit: Columns, x: np.ndarray) -> np.ndarray:
    """Rows as points: two that differ in one cell of finitely many states lie 1 apart."""
    scale = {Categorical: 0.5**0.5, Spin: 0.5}
    return np.hstack([scale.get(type(part), 1.0) * features(part, x[:, at]) for part, at in parts_of(unit)])


# ---- missing values ----------------------------------------------------------------------------------------


class Filled(NamedTuple):
    """How well hidden cells were filled: hit rate and log-probability, or squared error."""

    cells: int
    completions: int
    model: float
    marginal: float
    model_log_prob: float | None = None
    marginal_log_prob: float | None = None


def score_filled(unit: Unit, drawn: np.ndarray, rows: np.ndarray, hidden: np.ndarray, train: np.ndarray) -> Filled:
    """Completions `drawn` `[copies, n, size]` against the true `rows` where these were `hidden`.

    The probability of a value is its frequency among the completions, with one pseudo-count spread as the
    marginals: a model that knows nothing of a cell's neighbours scores as the marginals do.
    """
    copies = len(drawn)
    if unit.states is None:
        guess, mean = drawn.mean(0), np.broadcast_to(train.mean(0), rows.shape)
        errors = [float(np.sqrt(np.mean((x - rows)[hidden] ** 2))) for x in (guess, mean)]
        return Filled(int(hidden.sum()), copies, *errors)
    states = np.asarray(unit.values(jnp.broadcast_to(jnp.arange(unit.states)[:, None], (unit.states, unit.size))))
    counts = np.stack([(drawn == s).sum(0) for s in states])
    rates = np.stack([((train == s).sum(0) + 1 / unit.states) / (len(train) + 1) for s in states])
    rates = np.broadcast_to(rates[:, None, :], counts.shape)
    truth = np.stack([rows == s for s in states])
    scores = [_hits_and_log_prob(p, truth, hidden) for p in ((counts + rates) / (copies + 1), rates)]
    (hits, log_prob), (base_hits, base_log_prob) = scores
    return Filled(int(hidden.sum()), copies, hits, base_hits, log_prob, base_log_prob)


def _hits_and_log_prob(p: np.ndarray, truth: np.ndarray, hidden: np.ndarray) -> tuple[float, float]:
    hits = np.take_along_axis(truth, p.argmax(0)[None], 0)[0]
    log_prob = np.log(np.where(truth, p, 0).sum(0), where=hidden, out=np.zeros(hidden.shape))
    return float(hits[hidden].mean()), float(log_prob[hidden].mean())
