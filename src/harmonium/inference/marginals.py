"""Biases that make each unit, on its own, match the marginal statistics of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import Examples
from harmonium.data.affine import moments
from harmonium.data.check import as_numbers, reshaped
from harmonium.errors import InputError
from harmonium.inference.placing import placed_at
from harmonium.models import Biased, Independent, is_kind, refusal, require_biases, require_sound, with_biases
from harmonium.models.kinds import ENERGY
from harmonium.units import Columns, Gaussian, GaussianBias, Stats, Unit

TINY = 1e-14  # of the squared mean: variances that are rounding errors of float32


def marginal_natural(unit: Unit, mean: Stats, count: int | Float[Array, ""], pseudo_count: float = 1.0) -> Stats:
    """Natural parameters whose mean statistics are the data's, smoothed by the family's conjugate prior.

        eta = (grad A)^-1( (n mean + m grad A(eta_0)) / (n + m) )

    with `eta_0` the neutral member and `m` pseudo-counts, so that a unit that never changes keeps a finite
    parameter. Arguments: `mean`, mean statistics; `count`, the number `n` of examples behind them.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> round(float(marginal_natural(hm.units.Bernoulli(1), jnp.ones(1), 9)[0]), 4)         # log(0.95 / 0.05)
    2.9444
    """
    prior = unit.mean(unit.neutral_natural())
    total = count + pseudo_count
    smooth = jax.tree.map(lambda m, p: (count * m + pseudo_count * p) / total, mean, prior)
    return unit.natural_from_mean(smooth)


def mean_stats(unit: Unit, x: Num[Array | np.ndarray, "n size"]) -> Stats:
    """Mean sufficient statistics of rows `x` `[n, size]`.

    >>> import harmonium as hm
    >>> mean_stats(hm.units.Bernoulli(2), jnp.array([[0, 1], [1, 1]]))
    Array([0.5, 1. ], dtype=float32)
    """
    x = jnp.asarray(x, unit.dtype)  # stored bytes would overflow when squared
    return jax.tree.map(lambda s: jnp.mean(s, axis=0), jax.vmap(unit.stats)(x))


def as_rows(unit: Unit, x: Any, what: str = "The rows") -> np.ndarray:
    """Rows `[n, size]` of a layer, as numbers, whatever their values. Raises `InputError` for no rows or no numbers.

    >>> import harmonium as hm
    >>> as_rows(hm.units.Bernoulli(2), [["a", "b"]])
    Traceback (most recent call last):
    harmonium.errors.InputError: The rows have dtype <U1, which is not a number: convert them first, ...
    """
    rows = as_numbers(x, what)
    if rows.ndim != 2 or rows.shape[1] != unit.size or not len(rows):
        raise InputError(
            f"{what} must have {unit.size} columns, one for each unit, and at least one row, but have shape "
            f"{rows.shape}: {reshaped(rows.shape, unit.size)}."
        )
    return rows


def checked_rows(unit: Unit, x: Any) -> np.ndarray:
    """Rows `[n, size]` of values or expectations of a layer. Raises `InputError` for others, before anything is done.

    >>> import harmonium as hm
    >>> checked_rows(hm.units.Bernoulli(2), np.zeros((0, 2)))
    Traceback (most recent call last):
    harmonium.errors.InputError: The rows must have 2 columns, one for each unit, and at least one row, ...
    """
    rows = as_rows(unit, x)
    unit.check(rows, expectation=True)
    return rows


def at_marginals(model: Any, x: Any, layer: str = "v") -> Any:
    """The model with a layer's bias set to the marginals of rows `x` `[n, size]` (Hinton 2012, section 8).

    The usual start of training: the weights need not learn what single units do on their own. Of an auto-regressive
    network they are the biases of its conditionals. Real columns get their own mean and precision; rows of a data set
    bring their shift and scale along (`harmonium.inference.placing`), and so do others where float32 could not hold the
    mean. Raises `InputError` for a model without biases, or rows that are none.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> [round(float(b), 4) for b in hm.at_marginals(rbm, jnp.ones((9, 2))).b]
    [2.9444, 2.9444]
    """
    require_sound(model)
    if not isinstance(model, Biased) or isinstance(model, type):
        raise refusal("hm.at_marginals", model, "a model with biases (an RBM, a NADE, a VAE, ...)")
    if is_kind(model, ENERGY):
        require_biases(model)
    rows = checked_rows(model.layers[layer], x)
    if layer == "v":
        model = placed_at(model, x if isinstance(x, Examples) else rows)
    return with_biases(model, {layer: marginal_bias(model.layers[layer], rows)})


def marginal_bias(unit: Unit, x: np.ndarray) -> PyTree:
    """The bias at the marginals of rows of data `x` `[n, size]`: `marginal_natural` of finite units, and of real ones
    the mean and precision themselves, in double precision (a constant column has the precision 1).

    >>> import harmonium as hm
    >>> bias = marginal_bias(hm.units.Gaussian(1), np.array([[499.0], [501.0]])); float(bias.mean[0])
    500.0
    """
    if isinstance(unit, Columns):
        return tuple(marginal_bias(kind.unit, x[:, kind.columns]) for kind in unit.kinds)
    if not isinstance(unit, Gaussian):
        return _bias(unit, jnp.asarray(x))
    mean, deviation = moments(x)
    if unit.scaled:
        mean, deviation = (mean - unit.shift) / unit.scale, deviation / unit.scale
    if unit.precision == "shared":
        deviation = np.full_like(deviation, np.sqrt(np.mean(deviation**2)))
    return GaussianBias(jnp.asarray(mean, jnp.float32), jnp.asarray(-2 * np.log(deviation), jnp.float32))


def independent_at_marginals(layers: Mapping[str, Unit], x: Num[Array | np.ndarray, "n size"]) -> Independent:
    """Independent units: layer `v` at the marginals of values `x` `[n, size]` that it holds, all other layers neutral.

    The base of annealed importance sampling, and the noise of noise-contrastive estimation.
    Arguments: `layers`, the units by name, `v` among them.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> base = independent_at_marginals({"v": hm.units.Bernoulli(1), "h": hm.units.Bernoulli(1)}, jnp.ones((9, 1)))
    >>> round(float(base.biases["v"][0]), 4), float(base.biases["h"][0])                    # log(0.95 / 0.05), 0
    (2.9444, 0.0)
    """
    biases = {name: unit.bias(unit.neutral_natural()) for name, unit in layers.items()}
    return Independent(dict(layers), biases | {"v": _bias(layers["v"], jnp.asarray(x))})


@jit_entry
def _bias(unit: Unit, x: Num[Array, "n size"]) -> PyTree:
    """The bias at the marginals; the variance of real units is a row's worth larger, so that none is 0."""
    if isinstance(unit, Columns):
        return tuple(_bias(kind.unit, x[:, kind.columns].astype(kind.unit.dtype)) for kind in unit.kinds)
    if not isinstance(unit, Gaussian):
        return unit.bias(marginal_natural(unit, mean_stats(unit, x), len(x)))
    mean = jnp.mean(x, axis=0)
    variance = jnp.mean((x - mean) ** 2, axis=0)  # the difference of far squares would cancel
    return GaussianBias(mean, -jnp.log(jnp.where(variance > TINY * mean**2, variance, 1.0) * (1 + 1 / len(x))))
