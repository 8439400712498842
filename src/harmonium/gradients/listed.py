"""The referee of all estimators: the expectation by listing every value."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harmonium.errors import InputError
from harmonium.gradients.draws import Function, check_law, values_of
from harmonium.units import Unit, parts_of

LIMIT = 2**16  # values that are held in memory at a time


def exact(f: Function, q: Any) -> Float[Array, ""]:
    """`E_q f(x)` and its gradient, by enumeration of the values of finite units.

        E_q f(x) = sum_x q(x) f(x)

    Arguments: `f`, of a value `x` `[size]`; `q`, the `hm.units.Conditional` of `x`.
    Raises `InputError` for real units, or beyond 65,536 values.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = lambda eta: hm.units.Conditional(hm.units.Bernoulli(2), eta)
    >>> float(exact(jnp.prod, q(jnp.zeros(2)))), jax.grad(lambda eta: exact(jnp.prod, q(eta)))(jnp.zeros(2)).tolist()
    (0.25, [0.125, 0.125])
    """
    check_law(q)
    x = _every_value(q.unit)
    return jnp.vdot(jnp.exp(jax.vmap(q.log_prob)(x)), values_of(f, x))


def _every_value(unit: Unit) -> Array:
    """All values `[n, size]` of a layer of finite units."""
    parts = parts_of(unit)
    if any(part.states is None for part, _ in parts):
        raise InputError("Units without a list of values are not enumerated: use reparametrized, or reinforce.")
    states = [part.states for part, at in parts for _ in range(at.start, at.stop)]
    count = math.prod(states)
    if count > LIMIT:
        raise InputError(
            f"Exact enumeration would visit {count:.3g} values, more than {LIMIT:,}: take fewer units, or an estimator "
            "such as leave_one_out_reinforce."
        )
    index = jnp.asarray(np.stack(np.unravel_index(np.arange(count), states), -1), jnp.int32)
    x = jnp.concatenate([part.values(index[:, at]).astype(unit.dtype) for part, at in parts], -1)
    return jax.lax.optimization_barrier(x)  # or XLA computes at compile time what depends on these constants alone
