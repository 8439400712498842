"""Where a model's real columns stand: each is held as `(x - shift) / scale`, so that float32 loses nothing of it.

A density of the data is that of the values held, divided by the scales: `log p(x) = log p(z) - sum_i log scale_i`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from harmonium.data import Dataset, Examples
from harmonium.data.affine import moments, resolves
from harmonium.models import Biased, Centred, EnergyModel, Normalised, Wrapped, with_biases
from harmonium.models.kinds import CONDITIONAL, CONDITIONAL_ENERGY, is_kind
from harmonium.units import (
    Columns,
    Frames,
    Gaussian,
    GaussianBias,
    GaussianStats,
    Unit,
    kinds_of,
    parts_of,
    real_columns,
)
from harmonium.units.columns import Kind

UNLIKE = 100.0  # a deviation beyond which, or below whose inverse, weights of size one cannot serve a column
FAR = 8.0  # standard deviations from zero beyond which the energies of real units would cancel in float32


def with_unit(model: Any, unit: Unit) -> Any:
    """The model with another unit in the place of that of its layer `v`, wherever it holds it.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> with_unit(rbm, hm.units.Gaussian(1, [5.0], [2.0])).visible.shift
    (5.0,)
    """
    layers = model.layers
    pairs = [(layers["v"].held, unit.held)]
    if isinstance(layers["v"], Columns) and isinstance(unit, Columns):  # of which a model may hold the parts alone
        pairs += list(zip(layers["v"].parts, unit.parts, strict=True))
    found = _replaced(model, pairs)
    if not any(found.layers[name] is unit for name in layers if name != "v"):
        return found
    own = layers["v"].held  # which may stand for several layers
    count = len(jax.tree.leaves(model, is_leaf=lambda node: node is own))
    alone = [i for i in range(count) if not _elsewhere(_replaced(model, pairs, {i}), unit)]
    return _replaced(model, pairs, set(alone))


def _replaced(model: Any, pairs: list[tuple[Unit, Unit]], places: set[int] | None = None) -> Any:
    """The model with the first unit of each pair replaced by the second; only among the leaves at `places`."""
    olds = [old for old, _ in pairs]
    leaves, form = jax.tree.flatten(model, is_leaf=lambda node: any(node is old for old in olds))

    def new(i: int, leaf: Any) -> Any:
        return next((unit for old, unit in pairs if leaf is old and (places is None or i in places)), leaf)

    return form.unflatten([new(i, leaf) for i, leaf in enumerate(leaves)])


def _elsewhere(model: Any, unit: Unit) -> bool:
    return any(own is unit for name, own in model.layers.items() if name != "v")


def placed_unit(unit: Unit, data: Dataset | Array | np.ndarray) -> Unit:
    """The unit with the shift and scale of its data where it has real columns and none of its own yet.

    >>> import harmonium as hm
    >>> placed_unit(hm.units.Gaussian(1), np.array([[7.0], [9.0]])).shift, placed_unit(hm.units.Spin(1), np.eye(1))
    ((8.0,), Spin(size=1))
    """
    if unit.scaled or not _has_real(unit):
        return unit
    rows = data.train if isinstance(data, Dataset) else data
    if isinstance(unit, Frames):
        frames = np.asarray(rows, np.float64).reshape(-1, unit.unit.size)
        return unit.placed(*moments(frames[(frames != unit.absent).any(axis=1)]))
    known = rows.space.affine if isinstance(rows, Examples) and rows.space is not None else None
    if isinstance(data, Dataset) and known is None:
        return unit.placed(np.zeros(unit.size), np.ones(unit.size))  # zeros and ones, or grey values: as they are
    return unit.placed(*(np.asarray(part) for part in (known or moments(rows))))


def placed(model: Any, data: Dataset) -> Any:
    """The model with the shift and scale of the data in its layer `v`; one that has them, or no real columns, as it is.

    Biases of `v` that were set in the data's own values are moved along. A machine whose other biases were set, too,
    keeps the values that it was made for, for it has learned something of them.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> placed(rbm, hm.data.from_arrays(np.array([[7.5], [8.5]]))).visible.shift
    (8.0,)
    """
    unit = model.layers["v"]
    new = placed_unit(unit, data)
    if new is unit or not isinstance(model, Biased) or "v" not in model.biases:
        return model if new is unit else with_unit(model, new)
    if isinstance(model, Centred):
        inner = placed(model.model, data)
        default = _same(model.offsets.value, Centred(model.model).offsets.value)
        return Centred(inner, rate=model.rate, follow=model.follow) if default else model
    if isinstance(model, Wrapped):
        return eqx.tree_at(lambda m: m.model, model, placed(model.model, data))
    if _neutral(unit, model.biases["v"]):
        return with_unit(model, new)
    if not _fresh(model):
        return with_unit(model, unit.placed(np.zeros(unit.size), np.ones(unit.size)))
    return with_biases(with_unit(model, new), {"v": moved_bias(new, model.biases["v"])})


def log_scale_of(model: Any, rows: np.ndarray) -> float | np.ndarray:
    """What a log-density of values held exceeds that of rows `[n, size]` of data by: `sum_i log scale_i`, of the
    columns that the model says something of; of all rows alike, or `[n]`.

    >>> import harmonium as hm
    >>> visible, x = hm.units.Gaussian(1, [0.0], [2.0]), hm.units.Gaussian(1, [0.0], [9.0])
    >>> model = hm.ConditionalRBM(visible, hm.units.Bernoulli(2), given=x, key=jax.random.key(0))
    >>> log_scale_of(model, np.ones((2, 2))).round(4).tolist()                               # log 2
    [0.6931, 0.6931]
    """
    unit = model.layers["v"]
    if is_kind(model, CONDITIONAL):  # whose densities are of values given codes
        return float(model.link.unit.log_scale())
    if not is_kind(model, CONDITIONAL_ENERGY) or not unit.scaled:
        return unit.log_scale(rows)
    each = np.asarray(model.split(jnp.asarray(unit.log_scales, jnp.float32)).values, np.float64).sum(axis=1)
    return np.asarray(jax.vmap(lambda row: model.split(row).counted)(unit.from_data(rows)), np.float64) @ each


def placed_at(model: Any, rows: np.ndarray) -> Any:
    """The model with the shift and scale of rows `[n, size]` that a data set declares, or that float32 needs to hold
    their means, or weights their deviations; else as it is, and so where it has learned of the rows' own values.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> [placed_at(rbm, np.array([[x], [x + 2]])).visible.shift for x in (7.0, 1.7e9)]
    [None, (1700000001.0,)]
    """
    unit = model.layers["v"]
    if unit.scaled or not _has_real(unit) or isinstance(unit, Frames) or not _fresh(model):
        return model
    declared = isinstance(rows, Examples) and rows.space is not None and rows.space.affine is not None
    if not declared:
        real = real_columns(unit)
        mean, deviation = moments(np.asarray(rows)[:, real])
        if resolves(mean, deviation) and (abs(np.log(deviation)) <= np.log(UNLIKE)).all():
            return model
    return with_unit(model, placed_unit(unit, rows))


def _fresh(model: Any) -> bool:
    """Whether all biases but those of `v` are neutral, so that the weights were not learned."""
    return all(_neutral(model.layers[name], bias) for name, bias in model.biases.items() if name != "v")


def near(model: EnergyModel) -> tuple[EnergyModel, float]:
    """A machine of the same distribution whose real visible units have their biases near zero, and what its `log Z` is
    less than that of the machine: itself and 0 where they are already.

        E(v) with v = o + z:      b' = b - o,      c' = -dE/dT_h at T_v = (o, 0)

    Energies of a Gaussian layer are differences of squares, which cancel where its mean is many deviations from zero.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> far = with_biases(rbm, {"v": hm.units.GaussianBias(jnp.full(1, 1e5), jnp.zeros(1))})
    >>> moved, less = near(far); moved.visible.shift, float(moved.b.mean[0]), less
    ((100000.0,), 0.0, 5000000000.0)
    """
    unit = model.layers["v"]
    if not isinstance(model, Biased) or not _is_far(unit, model.biases["v"]):
        return model, 0.0
    if isinstance(model, Centred):
        return _recentred(model, unit), 0.0
    if isinstance(model, Wrapped):
        moved, less = near(model.model)
        new = eqx.tree_at(lambda m: m.model, model, moved)
        if isinstance(model, Normalised):  # the number takes up the constant
            return eqx.tree_at(lambda m: m.log_partition, new, model.log_partition - less), 0.0
        return new, less
    return _translated(model, unit)


def _recentred(model: Centred, unit: Unit) -> Centred:
    """Offsets are statistics and move with the values: differences from them stay what they were."""
    bias = model.biases["v"]
    own = _moved_stats(unit, bias, model.offsets.value["v"])
    inner = with_biases(with_unit(model.model, _at(unit, bias)), {"v": _at_zero(unit, bias)})
    return Centred(inner, model.offsets.value | {"v": own}, rate=model.rate, follow=model.follow)


def _translated(model: Any, unit: Unit) -> tuple[EnergyModel, float]:
    bias = model.biases["v"]
    at = {name: own.zeros() for name, own in model.layers.items()}
    at["v"] = each_real(unit, lambda _, own, stats: stats._replace(x=own.mean), bias, at["v"])
    slope = jax.grad(model.energy)(at)
    names = [name for name in model.biases if name != "v"]
    moved = {name: model.layers[name].bias(jax.tree.map(jnp.negative, slope[name])) for name in names}
    new = with_biases(with_unit(model, _at(unit, bias)), moved | {"v": _at_zero(unit, bias)})
    less = 0.0
    for _, own in _real(unit, bias):
        mean, log_precision = (np.asarray(part, np.float64) for part in own)
        less += 0.5 * float((np.exp(log_precision) * mean**2).sum())
    return new, less


def each_real(unit: Unit, change: Callable[..., Any], *trees: PyTree) -> PyTree:
    """`change(real unit, *its share of the trees)` of the real columns of a layer; of others the last tree's share.

    >>> each_real(Columns([Gaussian(1)]), lambda unit, bias: bias.mean, (GaussianBias(jnp.ones(1), jnp.zeros(1)),))
    (Array([1.], dtype=float32),)
    """
    if isinstance(unit, Columns):
        return tuple(each_real(kind.unit, change, *own) for kind, *own in zip(unit.kinds, *trees, strict=True))
    return change(unit, *trees) if isinstance(unit, Gaussian) else trees[-1]


def _real(unit: Unit, bias: PyTree) -> list[tuple[Kind, GaussianBias]]:
    """The real columns of a layer with their biases, where these are such."""
    own = bias if isinstance(unit, Columns) else (bias,)
    each = zip(kinds_of(unit), own, strict=True)
    return [(kind, part) for kind, part in each if isinstance(kind.unit, Gaussian) and isinstance(part, GaussianBias)]


def _is_far(unit: Unit, bias: PyTree) -> bool:
    """Whether some real column's bias is many deviations from zero."""
    each = (jnp.abs(own.mean) * jnp.exp(0.5 * own.log_precision) for _, own in _real(unit, bias))
    return any(float(jnp.max(deviations)) > FAR for deviations in each)


def _at(unit: Unit, bias: PyTree) -> Unit:
    """The unit whose zero is where the biases of its real columns are now."""
    shift, scale = np.zeros(unit.size), np.ones(unit.size)
    for kind, own in _real(unit, bias):
        at = kind.columns
        if kind.unit.scaled:
            shift[at], scale[at] = kind.unit.shift, kind.unit.scale
        shift[at] += scale[at] * np.asarray(own.mean, np.float64)
    return unit.placed(shift, scale)


def _at_zero(unit: Unit, bias: PyTree) -> PyTree:
    return each_real(unit, lambda _, own: own._replace(mean=jnp.zeros_like(own.mean)), bias)


def _moved_stats(unit: Unit, bias: PyTree, stats: PyTree) -> PyTree:
    """Mean statistics `(x, x^2)` as those of `x - o`, with `o` the biases' means."""

    def moved(_: Unit, own: GaussianBias, mean: GaussianStats) -> GaussianStats:
        return GaussianStats(mean.x - own.mean, mean.square - (2 * mean.x - own.mean) * own.mean)

    return each_real(unit, moved, bias, stats)


def _has_real(unit: Unit) -> bool:
    parts = parts_of(unit.unit if isinstance(unit, Frames) else unit.held)
    return any(isinstance(part, Gaussian) for part, _ in parts)


def moved_bias(unit: Unit, bias: PyTree) -> PyTree:
    """A bias in the data's own values as one of the values that the unit holds.

    >>> moved_bias(Gaussian(1, [7.0], [2.0]), GaussianBias(jnp.full(1, 9.0), jnp.zeros(1))).mean
    Array([1.], dtype=float32)
    """

    def moved(part: Gaussian, own: GaussianBias) -> GaussianBias:
        mean = (np.asarray(own.mean, np.float64) - part.shift) / part.scale
        log_precision = np.asarray(own.log_precision, np.float64) + 2 * np.log(part.scale)
        return GaussianBias(jnp.asarray(mean, jnp.float32), jnp.asarray(log_precision, jnp.float32))

    return each_real(unit, moved, bias)


def _neutral(unit: Unit, bias: PyTree) -> bool:
    return _same(bias, unit.bias(unit.neutral_natural()))


def _same(a: PyTree, b: PyTree) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
