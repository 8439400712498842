"""Do samples of a model look like rows of data: the mean of each column, and the products of pairs of them?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.data import Dataset
from harmonium.errors import NotFiniteError
from harmonium.evaluation.finding import DIVERGED, Finding, judged
from harmonium.evaluation.rows import rows_of
from harmonium.models import BiHM, LatentModel, TractableModel
from harmonium.samplers import sample
from harmonium.units import Frames, Unit, parts_of

APART = 0.2  # deviations, in the root mean square over the columns, by which samples and rows may differ
ONE = 0.5  # deviations by which a single column may
ALONE, LITTLE = 0.7, 0.05  # of the distance of columns that know nothing of each other, and a distance that is none
RESAMPLED = 1000  # times, of which the largest difference is the most that chance explains
PAIRED = 40  # columns of which pairs are looked at, those that vary most
LEAST = 20  # validation rows, of which fewer say less than those of training
DRAWS = 1000  # of a model that draws without chains
CURE = (
    "the model draws other rows than it was shown: train it longer, with a rate that falls to zero, and start its "
    "visible biases at the marginals (hm.at_marginals)"
)
NAMES = ("means of samples and data", "pairs in samples and data")


def sample_findings(
    unit: Unit, drawn: Num[np.ndarray, "chains draws size"], rows: Num[np.ndarray, "n size"], cure: str = CURE
) -> tuple[Finding, Finding]:
    """Whether the means, and the products of pairs, of what was drawn are those of rows of data.

    Each column is taken as what is observed of it (`observed`); differences are in deviations, the mean of those of
    samples and of rows. Poor is, beyond what chance explains, a root mean square above 0.2 or a single one above 0.5;
    of pairs also one above 0.7 of what columns that know nothing of each other would have (and 0.05). Among the means
    is that of the sum over all columns, for many rare ones that are never drawn. Chance is what resampled chains and
    rows show: the draws of a chain go together, so that chains that do not mix leave a wide error.

    >>> import harmonium as hm
    >>> coins = np.random.default_rng(0).integers(0, 2, (200, 3))
    >>> [f.verdict for f in sample_findings(hm.units.Bernoulli(3), np.zeros((20, 5, 3)), coins)]
    ['poor', 'poor']
    """
    if isinstance(unit, Frames) or len(rows) < 2:
        why = "not said of sequences of several lengths" if isinstance(unit, Frames) else "one row does not tell"
        return tuple(Finding(name, "not compared", "unknown", why) for name in NAMES)
    if not np.isfinite(drawn).all():
        return tuple(Finding(name, "not finite", "poor", DIVERGED) for name in NAMES)
    ours = observed(unit, drawn.reshape(-1, unit.size), rows).reshape(*drawn.shape[:2], -1)
    theirs = observed(unit, rows, rows)
    some = np.sort(np.argsort(-theirs.var(axis=0), kind="stable")[:PAIRED])
    means = Difference.between(*(np.concatenate([x, _total(x, theirs)], axis=-1) for x in (ours, theirs)))
    pairs = Difference.between(*(_products(x[..., some], theirs[:, some]) for x in (ours, theirs)))
    return _of_means(means, cure), _of_pairs(pairs, cure)


def _of_means(found: Difference, cure: str) -> Finding:
    good = found.surely <= APART and found.single <= ONE
    words = f"{found.distance:.2f} deviations apart, at most {found.most:.2f}"
    return Finding(NAMES[0], words, *judged(good, cure), found.numbers)


def _of_pairs(found: Difference, cure: str) -> Finding:
    if not found.columns:
        return Finding(NAMES[1], "not compared", "unknown", "there is one column alone")
    good = found.surely <= min(APART, max(LITTLE, ALONE * found.own)) and found.single <= ONE
    words = f"{found.distance:.2f} deviations apart, {found.own:.2f} were they of independent columns"
    return Finding(NAMES[1], words, *judged(good, cure), found.numbers)


@dataclass(frozen=True)
class Difference:
    """Between the means of columns of samples and of rows, in deviations.

    Attributes: `distance`, its root mean square, less what chance adds; `surely`, the same less the most that chance
    adds; `most`, of one column, and `single`, the same less the most by chance; `own`, how far the means of the rows
    are from zero, as `distance` is; `columns`, how many.
    """

    distance: float
    surely: float
    most: float
    single: float
    own: float
    columns: int

    @property
    def numbers(self) -> dict[str, float]:
        """What stands behind a finding."""
        return {name: x for name, x in asdict(self).items() if name != "columns"}

    @classmethod
    def between(cls, ours: Float[np.ndarray, "chains draws k"], theirs: Float[np.ndarray, "n k"]) -> Difference:
        """From values of samples by chain, and of rows.

        >>> rng = np.random.default_rng(0)
        >>> found = Difference.between(rng.normal(size=(50, 9, 2)), 2 + rng.normal(size=(80, 2)))
        >>> 1.7 < found.surely < found.distance < 2.3
        True
        """
        if not ours.shape[-1]:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0)
        by_chain, n = ours.mean(axis=1), len(theirs)
        spread = np.sqrt((ours.reshape(-1, ours.shape[-1]).var(axis=0) + theirs.var(axis=0)) / 2)
        away = by_chain.mean(axis=0) - theirs.mean(axis=0)
        spread = np.where(spread > 0, spread, np.where(away == 0, 1.0, np.abs(away)))  # one value against another
        random = np.random.default_rng(0)
        chance = (_resampled(random, by_chain) - _resampled(random, theirs)) / spread
        noise, square = (chance**2).mean(axis=1), float(np.mean((away / spread) ** 2))
        most = float(np.max(np.abs(away / spread)))
        own = np.mean((theirs.mean(axis=0) / spread) ** 2 - theirs.var(axis=0) / spread**2 / n)
        root = lambda x: math.sqrt(max(0.0, float(x)))  # noqa: E731
        return cls(
            root(square - noise.mean()), root(square - noise.max()), most, most - float(np.abs(chance).max()),
            root(own), len(away),
        )  # fmt: skip


def _resampled(random: np.random.Generator, x: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "times k"]:
    """Means of the rows drawn again with replacement, less the mean: how far off chance alone is."""
    n = len(x)
    weights = random.multinomial(n, np.full(n, 1 / n), size=RESAMPLED) / n - 1 / n
    return math.sqrt(n / max(n - 1, 1)) * (weights @ x)


def own_findings(
    model: LatentModel | BiHM | TractableModel, data: Dataset | Array, shown: np.ndarray, n: int, key: Key[Array, ""]
) -> tuple[Finding, Finding]:
    """The same of a model that draws without chains, from a thousand of its draws.

    >>> import harmonium as hm
    >>> coins = np.random.default_rng(0).integers(0, 2, (200, 3))
    >>> found = own_findings(hm.FVBN(hm.units.Bernoulli(3)), coins, coins, 200, jax.random.key(0))
    >>> [finding.verdict for finding in found]
    ['good', 'good']
    """
    try:
        drawn = np.asarray(sample(model, key, DRAWS))
    except NotFiniteError:
        drawn = np.full((DRAWS, shown.shape[1]), np.nan)
    return sample_findings(model.layers["v"], drawn[:, None], held_out(model, data, shown, n))


def held_out(model: Any, data: Dataset | Array, shown: np.ndarray, n: int) -> np.ndarray:
    """Up to `n` validation rows; without such, the training rows that are `shown`.

    >>> import harmonium as hm
    >>> held_out(hm.FVBN(hm.units.Bernoulli(2)), np.eye(2), np.eye(2), 9).shape
    (2, 2)
    """
    valid = data.valid if isinstance(data, Dataset) else None
    return shown if valid is None or len(valid) < LEAST else rows_of(model, valid[:n])


def observed(unit: Unit, x: Num[np.ndarray, "n size"], rows: Num[np.ndarray, "m size"]) -> Float[np.ndarray, "n width"]:
    """What is compared of values `x`: of binary units the values, of categorical ones a number for each state, of real
    ones which share of the rows lies below, and how far that is from the middle.

    >>> import harmonium as hm
    >>> observed(hm.units.Gaussian(1), np.array([[9.0], [1.5]]), np.array([[1.0], [2.0], [3.0], [4.0]])).tolist()
    [[1.0, 1.0], [0.25, 0.5]]
    """
    parts = []
    for part, at in parts_of(unit):
        if part.states is None:
            below = np.stack([_share_below(x[:, i], rows[:, i]) for i in range(at.start, at.stop)], axis=1)
            parts += [below, np.abs(2 * below - 1)]
        else:
            parts.append(np.asarray(jax.vmap(part.as_input)(jnp.asarray(x[:, at], part.dtype)), np.float64))
    return np.concatenate(parts, axis=1)


def _share_below(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of the rows, ties counted half."""
    ordered = np.sort(rows)
    return (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")) / (2 * len(ordered))


def _total(x: Float[np.ndarray, "*n columns"], rows: Float[np.ndarray, "m columns"]) -> Float[np.ndarray, "*n 1"]:
    """The sum over all columns, in deviations of the rows from their mean."""
    return _standard(x, rows).sum(axis=-1, keepdims=True)


def _standard(x: Float[np.ndarray, "*n columns"], rows: Float[np.ndarray, "m columns"]) -> np.ndarray:
    spread = rows.std(axis=0)
    return (x - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _products(
    x: Float[np.ndarray, "*n columns"], rows: Float[np.ndarray, "m columns"]
) -> Float[np.ndarray, "*n pairs"]:
    """Of every two columns, in deviations of the rows from their mean."""
    standard = _standard(x, rows)
    i, j = np.triu_indices(x.shape[-1], 1)
    return standard[..., i] * standard[..., j]
