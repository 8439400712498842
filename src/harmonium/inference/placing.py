"""Where a model's real columns stand: each is held as `(x - shift) / scale`, so that float32 loses nothing of it.

A density of the data is that of the values held, divided by the scales: `log p(x) = log p(z) - sum_i log scale_i`.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from harmonium.data import Dataset, Examples
from harmonium.data.affine import moments, resolves
from harmonium.models import Biased, Centred, EnergyModel, Wrapped, with_biases
from harmonium.units import Columns, Frames, Gaussian, GaussianBias, GaussianStats, Unit, parts_of, real_columns

FAR = 8.0  # standard deviations from zero beyond which the energies of real units would cancel in float32


def with_unit(model: Any, unit: Unit) -> Any:
    """The model with another unit in the place of that of its layer `v`, wherever it holds it.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> with_unit(rbm, hm.units.Gaussian(1, [5.0], [2.0])).visible.shift
    (5.0,)
    """
    old = model.layers["v"]
    return jax.tree.map(lambda node: unit if node is old else node, model, is_leaf=lambda node: node is old)


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
        return unit  # zeros and ones, or grey values
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
    return model if not _fresh(model) else with_biases(with_unit(model, new), {"v": _moved(new, model.biases["v"])})


def placed_at(model: Any, rows: np.ndarray) -> Any:
    """The model with the shift and scale of rows `[n, size]` that a data set declares, or that float32 needs to hold
    their means; else as it is, and so where it has learned something of the rows' own values.

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
        if resolves(*moments(np.asarray(rows)[:, real])):
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
    if not isinstance(model, Biased) or not isinstance(unit, Gaussian):
        return model, 0.0
    bias = model.biases["v"]
    if not isinstance(bias, GaussianBias) or not float(jnp.max(_deviations(bias))) > FAR:
        return model, 0.0
    if isinstance(model, Centred):
        return _recentred(model, unit, bias), 0.0
    if isinstance(model, Wrapped):
        moved, less = near(model.model)
        return eqx.tree_at(lambda m: m.model, model, moved), less
    return _translated(model, unit, bias)


def _recentred(model: Centred, unit: Gaussian, bias: GaussianBias) -> Centred:
    """Offsets are statistics and move with the values: differences from them stay what they were."""
    mean, square = model.offsets.value["v"]
    own = GaussianStats(mean - bias.mean, square - (2 * mean - bias.mean) * bias.mean)
    inner = with_biases(with_unit(model.model, _at(unit, bias.mean)), {"v": bias._replace(mean=0 * bias.mean)})
    return Centred(inner, model.offsets.value | {"v": own}, rate=model.rate, follow=model.follow)


def _translated(model: Any, unit: Gaussian, bias: GaussianBias) -> tuple[EnergyModel, float]:
    origin = bias.mean
    at = {name: own.zeros() for name, own in model.layers.items()}
    at["v"] = at["v"]._replace(x=origin)
    slope = jax.grad(model.energy)(at)
    names = [name for name in model.biases if name != "v"]
    moved = {name: model.layers[name].bias(jax.tree.map(jnp.negative, slope[name])) for name in names}
    new = with_biases(with_unit(model, _at(unit, origin)), moved | {"v": bias._replace(mean=jnp.zeros_like(origin))})
    o, beta = np.asarray(origin, np.float64), np.exp(np.asarray(bias.log_precision, np.float64))
    return new, float(0.5 * (beta * o * o).sum())


def _at(unit: Gaussian, origin: Array) -> Gaussian:
    """The unit whose zero is at `origin` of the values that it holds now."""
    o = np.asarray(origin, np.float64)
    shift = np.zeros(unit.size) if unit.shift is None else np.asarray(unit.shift)
    scale = np.ones(unit.size) if unit.scale is None else np.asarray(unit.scale)
    return Gaussian(unit.size, shift + scale * o, scale)


def _deviations(bias: GaussianBias) -> Array:
    return jnp.abs(bias.mean) * jnp.exp(0.5 * bias.log_precision)


def _has_real(unit: Unit) -> bool:
    parts = parts_of(unit.unit if isinstance(unit, Frames) else unit)
    return any(isinstance(part, Gaussian) for part, _ in parts)


def _moved(unit: Unit, bias: PyTree) -> PyTree:
    """A bias in the data's own values as one of the values that the unit holds."""
    if isinstance(unit, Columns):
        return tuple(_moved(part, own) for part, own in zip(unit.parts, bias, strict=True))
    if not isinstance(unit, Gaussian):
        return bias
    mean = (np.asarray(bias.mean, np.float64) - unit.shift) / unit.scale
    log_precision = np.asarray(bias.log_precision, np.float64) + 2 * np.log(unit.scale)
    return GaussianBias(jnp.asarray(mean, jnp.float32), jnp.asarray(log_precision, jnp.float32))


def _neutral(unit: Unit, bias: PyTree) -> bool:
    return _same(bias, unit.bias(unit.reference()))


def _same(a: PyTree, b: PyTree) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
