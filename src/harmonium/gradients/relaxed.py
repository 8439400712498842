"""Biased estimators for finite units: a gradient is sent along a path that the draw did not take."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, shown
from harmonium.gradients.draws import Function, check_draws, check_law, values_of
from harmonium.units import Conditional


def straight_through(f: Function, q: Any, key: Key[Array, ""], *, samples: int = 1) -> Float[Array, ""]:
    """The mean of `f(T(x))`, with the gradient as if the draw had been its mean: a **biased** estimator.

        d T(x) / d eta := d E[T] / d eta                for Bernoulli units that of sigmoid(eta)

    (Hinton's lectures 2012; Bengio, Leonard & Courville, arXiv:1308.3432, 2013; book, section 20.9.1.) The value is
    unbiased; the gradient is right only for an `f` that is linear. For comparison, and where a bias is worth its low
    variance.

    Arguments: `f`, differentiable, of the statistics `T(x)`: of Bernoulli units the value `[size]`, of categorical ones
    the one-hot code `[size, states]`; `q`, the `hm.units.Conditional` of `x`; `samples`, the number of draws.
    Raises `InputError` for units that are not finite, and as `draws` does.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = lambda eta: hm.units.Conditional(hm.units.Bernoulli(2), eta)
    >>> jax.grad(lambda eta: straight_through(jnp.sum, q(eta), jax.random.key(0)))(jnp.zeros(2))
    Array([0.25, 0.25], dtype=float32)
    """
    _check_finite(q)
    check_draws(q, key, samples)
    still = jax.lax.stop_gradient(q)
    hard = jax.vmap(lambda k: q.unit.stats(still.sample(k)))(jax.random.split(key, samples))
    mean = q.mean
    return jnp.mean(values_of(f, hard + (mean - jax.lax.stop_gradient(mean))))


def gumbel_softmax(
    f: Function, q: Any, key: Key[Array, ""], *, samples: int = 1, temperature: float = 1.0
) -> Float[Array, ""]:
    """The mean of `f` over relaxed draws, between the states, that follow the parameters: a **biased** estimator.

        y = softmax((log q + g) / t),  g Gumbel noise;      for Bernoulli units sigmoid((eta + logit u) / t)

    (Maddison, Mnih & Teh; Jang, Gu & Poole, both ICLR 2017.) Value and gradient are those of another distribution,
    which becomes `q` as the temperature falls to 0, while the variance of the gradient grows without bound.

    Arguments: as of `straight_through`, `f` being also of what lies between the statistics; `temperature` `t > 0`.
    Raises `InputError` as that does, and for a temperature that is not positive.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = hm.units.Conditional(hm.units.Bernoulli(2), jnp.full(2, 9.0))
    >>> float(gumbel_softmax(jnp.sum, q, jax.random.key(0), temperature=0.1).round(4))
    2.0
    """
    _check_finite(q)
    if not isinstance(temperature, int | float | jax.Array) or (
        isinstance(temperature, int | float) and not 0 < temperature < math.inf
    ):
        raise InputError(f"The temperature of Gumbel-softmax is a positive number, not {shown(temperature)}.")
    check_draws(q, key, samples)
    keys = jax.random.split(key, samples)
    return jnp.mean(values_of(f, jax.vmap(lambda k: _between(q, k, temperature))(keys)))


def _between(q: Conditional, key: Key[Array, ""], temperature: Any) -> Array:
    """What the statistics `sum_s y_s T(s)` say of the value, of a relaxed draw `y` over the states `s` of each unit."""
    unit = q.unit
    index = jnp.broadcast_to(jnp.arange(unit.states, dtype=jnp.int32)[:, None], (unit.states, unit.size))
    each = jax.vmap(unit.stats)(unit.values(index))
    terms = jax.tree.map(lambda eta, t: jnp.sum((eta * t).reshape(*index.shape, -1), -1), q.natural, each)
    logits = jax.tree.reduce(jnp.add, terms)
    y = jax.nn.softmax((logits + jax.random.gumbel(key, logits.shape, jnp.float32)) / temperature, axis=0)
    mean = jax.tree.map(lambda t: jnp.sum(y.reshape(*y.shape, *[1] * (t.ndim - 2)) * t, axis=0), each)
    return unit.expected_value(mean)


def _check_finite(q: Any) -> None:
    check_law(q)
    if q.unit.states is None:
        raise InputError(
            f"Relaxed draws are of units with a list of states, such as Bernoulli, not of {type(q.unit).__name__}: use "
            "reparametrized for real units, and reinforce for columns of several kinds."
        )
