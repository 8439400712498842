"""Features: what the hidden layers are expected to be, given data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from harmonium.compiling import in_float32
from harmonium.data.check import as_numbers
from harmonium.inference.finite import require_finite
from harmonium.inference.latent import guessed_means
from harmonium.inference.marginals import checked_rows
from harmonium.inference.mean_field import (
    MAX_STEPS,
    TOLERANCE,
    check_sweeps,
    fixed_point,
    fixed_point_of_stats,
    warn_unsettled,
)
from harmonium.models import BeliefNet, BiHM, EnergyModel, LatentModel
from harmonium.models.kinds import BELIEF_NET, BIDIRECTIONAL, ENERGY, LATENT
from harmonium.models.verb import verb
from harmonium.units import Stats


@verb("hm.encode")
def encode(row: Any, model: Any, x: Any, **options: Any) -> Array | dict[str, Array]:
    """Expected values of the hidden units given rows of data: exact for an RBM, by mean field for deeper machines, by
    the recognition links, means given means, for a belief net (a DBN); for a directed net (a VAE) what its recognition
    net expects, of layers above the first by the mean of 100 samples.

    Arguments: `x` `[n, size]` or `[size]`, values of layer `v`; `tolerance` and `max_steps`, of mean field, which warns
    where it does not settle. Returns `[n, hidden]` (`[n, hidden, states]` for categorical units), or a dict of such
    arrays by layer where there are several hidden layers; layer `y`, where there is one, holds the probabilities of the
    classes. Raises `InputError` for another kind of model, or rows that do not fit it, and `NotFiniteError` for values
    that are not finite.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.encode(rbm, jnp.zeros((5, 6))).shape
    (5, 3)
    """
    limits = {"tolerance": TOLERANCE, "max_steps": MAX_STEPS} | options
    check_sweeps(**limits)
    if not isinstance(x, jax.core.Tracer):
        x = as_numbers(x, "The rows")
        checked_rows(model.layers["v"], np.atleast_2d(x))
    hidden, change = _encode(row, model, model.layers["v"].from_data(x), options)
    if not isinstance(change, jax.core.Tracer):
        warn_unsettled(float(change), **limits)
    for found in hidden.values():
        require_finite(found[None] if jnp.ndim(x) == 1 else found, "The expected values of the hidden units")
    return next(iter(hidden.values())) if len(hidden) == 1 else hidden


Encoded = tuple[dict[str, Array], Array]  # by layer, and by how much the last sweep of mean field changed a mean


@in_float32
@eqx.filter_jit
def _encode(row: Callable[..., Encoded], model: Any, x: Array, options: dict[str, Any]) -> Encoded:
    def one(v: Array) -> Encoded:
        return row(model, v, **options)

    hidden, change = one(x) if x.ndim == 1 else jax.vmap(one)(x)
    return hidden, jnp.max(change)


@encode.register(ENERGY)
def _by_mean_field(
    model: EnergyModel, v: Array, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> Encoded:
    q = fixed_point(model, {"v": v}, tolerance=tolerance, max_steps=max_steps)
    return {name: model.layers[name].expected_value(mean) for name, mean in q.mean.items()}, q.change


@encode.register(LATENT)
def _by_recognition(model: LatentModel, v: Array) -> Encoded:
    return guessed_means(model, jax.random.key(0), v), jnp.zeros((), jnp.float32)


@encode.register(BIDIRECTIONAL)
def _by_its_net(model: BiHM, v: Array) -> Encoded:
    return _by_recognition(model.net, v)


@encode.register(BELIEF_NET)
def _by_links(net: BeliefNet, v: Array) -> Encoded:
    return recognised(net, v), jnp.zeros((), jnp.float32)


def recognised(net: BeliefNet, v: Array) -> dict[str, Array]:
    """Expected values of the hidden layers of a belief net, each link fed with the means below it: an MLP (20.23)."""
    names, stats = list(net.layers), _upward_means(net, v)
    found = {name: net.layers[name].expected_value(mean) for name, mean in zip(names[1:], stats[1:], strict=False)}
    top = fixed_point_of_stats(net.top, {"v": stats[-1]}).mean
    named = {"h": names[len(net.up) + 1], "y": "y"}
    return found | {named[name]: net.top.layers[name].expected_value(mean) for name, mean in top.items()}


def recognised_stats(net: BeliefNet, v: Array) -> Stats:
    """Mean statistics of the layer that the top machine of a belief net calls `v`, by the recognition links."""
    return _upward_means(net, v)[-1]


def _upward_means(net: BeliefNet, v: Array) -> list[Stats]:
    """Statistics of `v`, and the means of the layers above it that links infer."""
    stats = [net.layers["v"].stats(v)]
    for link in net.up:
        stats.append(link.unit.mean(link.natural_of_stats(stats[-1])))
    return stats
