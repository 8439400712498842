"""Whether units without a limit, which act on each other, are held: the quadratic form of an energy in their values.

Values of Gaussian units run both ways, those of rectified ones and counts from zero upwards. Far out an energy is its
quadratic form, to which a count adds `log x!`, more than any line and less than any square. So `Z` is finite only where
the form is positive in every direction that the values have: strictly copositive, once Gaussian units are integrated
out; between counts alone it may be zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harmonium.compiling import in_float32
from harmonium.models import UNBOUNDED
from harmonium.models.energy import EnergyModel
from harmonium.units import (
    Columns,
    CountStats,
    DoubleRectified,
    DoubleStats,
    GaussianStats,
    Poisson,
    Rectified,
    Unit,
    kinds_of,
)

ROUNDING = 1e-6  # of the largest entry of a form in float32
ONE_SIDED = ("half", "count")


class Endless(NamedTuple):
    """The units of one family of a layer whose values have no limit; `way` in which they run: "free", "half" (from zero
    upwards, for each side of double ones) or "count".

    >>> import harmonium as hm
    >>> rbm = hm.RBM(hm.units.Poisson(2), hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> [(part.layer, part.way, part.coordinates) for part in endless(rbm)]
    [('v', 'count', 2)]
    """

    layer: str
    kind: int
    unit: Unit
    columns: np.ndarray
    way: str

    @property
    def coordinates(self) -> int:
        """The number of coordinates: two for each double unit, its part above zero and below."""
        return len(self.columns) * (2 if isinstance(self.unit, DoubleRectified) else 1)

    def stats(self, x: Array, square: Array) -> Any:
        """The statistics that have these values in the places of `x` and `x^2`."""
        if self.way == "count":
            return CountStats(x, jnp.zeros_like(x))
        if not isinstance(self.unit, DoubleRectified):
            return GaussianStats(x, square)
        (above, below), (high, low) = jnp.split(x, 2), jnp.split(square, 2)
        return DoubleStats(GaussianStats(above, high), GaussianStats(below, low))


def endless(model: EnergyModel) -> list[Endless]:
    """The units of a model whose values have no limit, of families whose energies are quadratic, or counts."""
    found = []
    for layer, unit in model.layers.items():
        for number, kind in enumerate(kinds_of(unit)):
            way = _way(kind.unit)
            if way is not None:
                found.append(Endless(layer, number, kind.unit, kind.columns, way))
    return found


def _way(unit: Unit) -> str | None:
    if isinstance(unit, Poisson):
        return "count"
    if isinstance(unit, Rectified | DoubleRectified):
        return "half"
    return "free" if isinstance(unit.zeros(), GaussianStats) else None


def why_endless(model: EnergyModel) -> str | None:
    """Why the units without a limit of a model do not hold each other, as the end of a sentence; None where they do, or
    where no direction is found in which they do not.

    Units one by one and pairs are decided, and so are counts; of more rectified units together a direction is looked
    for, and where none is found nothing is said. The other units stand at zero statistics, as in `why_unbounded`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(hm.units.Poisson(1), hm.units.Poisson(1), key=jax.random.key(1), scale=0.5)
    >>> why_endless(eqx.tree_at(lambda m: m.W, rbm, jnp.full((1, 1), 0.25)))
    "unit 0 of layer 'v' and unit 0 of layer 'h' excite each other by 0.25 without end, for counts have no limit: ..."
    """
    parts = endless(model)
    among = {part.layer for part in parts}
    if not parts:
        return None
    if sum(not among.isdisjoint(block) for block in model.blocks) < 2:
        return None if bool(_held_alone(model)) else UNBOUNDED
    form = np.asarray(_form(model), np.float64)
    if not np.isfinite(form).all():
        return UNBOUNDED
    ways = np.concatenate([np.full(part.coordinates, part.way) for part in parts])
    free = ways == "free"
    try:
        root = np.linalg.cholesky(form[np.ix_(free, free)])
    except np.linalg.LinAlgError:
        return UNBOUNDED
    across = np.linalg.solve(root, form[np.ix_(free, ~free)])
    return _why_not_copositive(form[np.ix_(~free, ~free)] - across.T @ across, _names(parts), ways[~free])


def _names(parts: list[Endless]) -> list[tuple[str, int]]:
    """The layer and the number of the unit that each one-sided coordinate belongs to."""
    found = [(part, np.tile(part.columns, part.coordinates // len(part.columns))) for part in parts]
    return [(part.layer, int(column)) for part, columns in found if part.way in ONE_SIDED for column in columns]


def _why_not_copositive(
    form: Float[np.ndarray, "n n"], names: list[tuple[str, int]], ways: np.ndarray
) -> str | None:  # fmt: skip
    """A direction upwards in which the form is not positive, as the end of a sentence; None where none is found."""
    if not len(form):
        return None
    noise, own = ROUNDING * np.abs(form).max(), np.diagonal(form)
    counts = ways == "count"
    if (alone := np.where(counts, own < -noise, own <= noise)).any():
        i = int(np.argmax(alone))
        return (
            f"{_named(names[i])} excites itself through Gaussian units by {-own[i]:.3g} more than holds it: make its "
            "weights to them smaller, or use units with a limit on one side"
        )
    held = np.sqrt(np.clip(np.outer(own, own), 0, None))
    number = np.array([names.index(name) for name in names])
    short = np.where(number[:, None] == number, -np.inf, -form - held)  # of one double unit only one side is not zero
    i, j = sorted(int(k) for k in np.unravel_index(np.argmax(short), short.shape))
    both = counts[i] or counts[j]
    if short[i, j] > (noise if held[i, j] or own.any() else 0.0):
        end = "without end, for counts have no limit: give them weights that are not positive, or" if both else (
            f"and their precisions hold {held[i, j]:.3g}: make the weights between them smaller, or")  # fmt: skip
        return (
            f"{_named(names[i])} and {_named(names[j])} excite each other by {-form[i, j]:.3g} {end} use units with a "
            "limit on one side"
        )
    rest = np.flatnonzero(~counts)  # nothing excites counts any more
    return _why_not_together(form[np.ix_(rest, rest)], [names[k] for k in rest], number[rest]) if len(rest) else None


def _why_not_together(
    form: Float[np.ndarray, "n n"], names: list[tuple[str, int]], number: np.ndarray
) -> str | None:  # fmt: skip
    """The same of more than two units, in the direction of least curvature where nothing holds another back."""
    exciting = np.where(np.eye(len(form), dtype=bool), form, np.minimum(form, 0))
    exciting[(number[:, None] == number) & ~np.eye(len(form), dtype=bool)] = 0
    lowest, axes = np.linalg.eigh(exciting)
    if lowest[0] > 0:
        return None
    x = np.abs(axes[:, 0])
    for unit in np.unique(number):  # of a double unit, the side that goes further
        sides = np.flatnonzero(number == unit)
        x[sides[sides != sides[np.argmax(x[sides])]]] = 0
    if x @ form @ x > 0:
        return None
    i, j = np.argsort(-x)[:2]
    return (
        f"{int((x > 1e-3 * x.max()).sum())} units that excite each other are not held by their precisions, first "
        f"{_named(names[i])} and {_named(names[j])} (the form has the value {x @ form @ x:.3g}, where all must be "
        "positive): make the weights between them smaller"
    )


def _named(name: tuple[str, int]) -> str:
    return f"unit {name[1]} of layer '{name[0]}'"


def _energy(model: EnergyModel, x: Float[Array, "n"], square: Float[Array, "n"]) -> Float[Array, ""]:
    """The energy at coordinates, and at others in the places of their squares; all else at zero."""
    parts, stats = endless(model), {name: unit.zeros() for name, unit in model.layers.items()}
    ends = np.cumsum([part.coordinates for part in parts])[:-1].tolist()
    for part, own, twice in zip(parts, jnp.split(x, ends), jnp.split(square, ends), strict=True):
        new = part.stats(own, twice)
        whole = stats[part.layer]
        if isinstance(model.layers[part.layer], Columns):
            new = (*whole[: part.kind], new, *whole[part.kind + 1 :])
        stats[part.layer] = new
    return model.energy(stats)


def _diagonal(model: EnergyModel) -> Float[Array, "n"]:
    zero = jnp.zeros(sum(part.coordinates for part in endless(model)), jnp.float32)
    return 2 * jax.grad(lambda square: _energy(model, zero, square))(zero)


@in_float32
@eqx.filter_jit
def _form(model: EnergyModel) -> Float[Array, "n n"]:
    """`d^2 E / dx dx'`, squares among them."""
    own = _diagonal(model)
    return jax.hessian(lambda x: _energy(model, x, jnp.zeros_like(x)))(jnp.zeros_like(own)) + jnp.diag(own)


@in_float32
@eqx.filter_jit
def _held_alone(model: EnergyModel) -> Array:
    """Whether all of one block are, where the form is diagonal."""
    own = _diagonal(model)
    counts = np.concatenate([np.full(part.coordinates, part.way == "count") for part in endless(model)])
    return jnp.all(counts | ((own > 0) & jnp.isfinite(own)))
