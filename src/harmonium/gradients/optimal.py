"""The baseline that leaves the least variance: one for each parameter, estimated from the other draws."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.gradients.draws import Function, draws
from harmonium.gradients.surrogate import with_gradient_of


def optimal_baseline(f: Function, q: Any, key: Key[Array, ""], *, samples: int = 3) -> Float[Array, ""]:
    """The mean of `f(x)`, REINFORCE with the baseline of least variance for each natural parameter.

        b_i = E[f(x) s_i^2] / E[s_i^2],      s_i = d log q(x) / d eta_i = T_i(x) - E T_i                       # (20.69)

    (Weaver & Tao 2001; Mnih & Gregor 2014; book, section 20.9.1.) Both expectations are means over the other draws, so
    that the estimator is unbiased; with two draws it is `leave_one_out_reinforce`. Where no other draw says anything of
    a parameter (`s_i = 0`) the baseline is 0.

    Arguments: as of `reinforce`; `samples`, the number `k >= 2` of draws. Raises `InputError` for fewer.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = lambda eta: hm.units.Conditional(hm.units.Bernoulli(2), eta)
    >>> jax.grad(lambda eta: optimal_baseline(lambda x: 7.0, q(eta), jax.random.key(0)))(jnp.zeros(2))
    Array([0., 0.], dtype=float32)
    """
    drawn = draws(f, q, key, samples, least=2)
    mean = q.mean
    scores = jax.vmap(lambda x: jax.tree.map(jnp.subtract, q.unit.stats(x), mean))(drawn.x)
    signals = jax.tree.map(lambda s: jnp.mean((_column(drawn.values, s) - _baselines(drawn.values, s)) * s, 0), scores)
    signals = jax.lax.stop_gradient(signals)
    surrogate = jax.tree.reduce(jnp.add, jax.tree.map(jnp.vdot, signals, q.natural))
    return jnp.mean(drawn.values) + with_gradient_of(jnp.zeros((), jnp.float32), surrogate)


def _baselines(values: Float[Array, "k"], s: Float[Array, "k *p"]) -> Float[Array, "k *p"]:
    """`sum_{j != i} f_j s_j^2 / sum_{j != i} s_j^2`: sums without `i`, not differences, which would cancel."""
    others = 1 - jnp.eye(len(values), dtype=jnp.float32)
    above = jnp.tensordot(others, _column(values, s) * s**2, 1)
    below = jnp.tensordot(others, s**2, 1)
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1.0), 0.0)


def _column(values: Float[Array, "k"], s: Float[Array, "k *p"]) -> Float[Array, "k *ones"]:
    return values.reshape(-1, *[1] * (s.ndim - 1))
