"""Reparametrization: a random operation as a function of noise that does not depend on its parameters."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError
from harmonium.gradients.draws import Function, check_law, draws
from harmonium.units import real_columns


def reparametrized(f: Function, q: Any, key: Key[Array, ""], *, samples: int = 1) -> Float[Array, ""]:
    """The mean of `f(x)` over draws that are differentiable functions of the parameters and of noise.

        grad E_q f(x) = E_z grad f(m + s z),      z ~ N(0, I)                                  # (20.55) to (20.58)

    (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014; book, section 20.9.) Unbiased. `f` has to be
    differentiable; the path exists for Gaussian units, and for `Columns` that hold no others.

    Arguments: `f`, of a value `x` `[size]`; `q`, the `hm.units.Conditional` of `x`; `samples`, the number of draws.
    Raises `InputError` for finite units, and as `draws` does.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> unit = hm.units.Gaussian(1); q = lambda m: hm.units.Conditional(unit, unit.natural_from_mean(
    ...     hm.units.GaussianStats(m, m**2 + 1)))
    >>> jax.grad(lambda m: reparametrized(lambda x: 3 * x[0], q(m), jax.random.key(0)))(jnp.zeros(1)).round(4)
    Array([3.], dtype=float32)
    """
    check_law(q)
    finite = sorted(set(range(q.unit.size)) - set(real_columns(q.unit)))
    if finite:
        which = type(q.unit).__name__ if len(finite) == q.unit.size else f"column {finite[0]}"
        raise InputError(
            f"There is no differentiable path through the discrete units of {which}: use reinforce, "
            "leave_one_out_reinforce, optimal_baseline, vimco or exact of hm.gradients, or the biased straight_through "
            "or gumbel_softmax."
        )
    return jnp.mean(draws(f, q, key, samples, path=True).values)
