"""REINFORCE: the score-function estimator with a baseline from outside, or with the other draws as one."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError
from harmonium.gradients.draws import Function, draws
from harmonium.gradients.surrogate import leave_one_out, scored


def reinforce(
    f: Function, q: Any, key: Key[Array, ""], *, samples: int = 1, baseline: Float[Array, ""] | float = 0.0,
    scale: Float[Array, ""] | float = 1.0,
) -> Float[Array, ""]:  # fmt: skip
    """The mean of `f(x)`, with the gradient that the draws' probabilities give, for units of every kind.

        grad E_q f(x) = E_q[grad f(x) + (f(x) - b) grad log q(x)]                              # (20.63), (20.67)

    (Williams 1992; book, section 20.9.1.) Unbiased, whatever the baseline `b` that does not depend on `x`: a constant,
    the `value` of a `MovingAverage`, or what a network says of the input that `q` is conditioned on (Mnih & Gregor,
    *Neural variational inference and learning in belief networks*, ICML 2014). Their variance normalisation is to
    divide by the `scale` of the average: the estimator is then that many times too short, and points the same way.

    Arguments: `f`, of a value `x` `[size]`, which may itself depend on parameters; `q`, the `hm.units.Conditional` of
    `x`; `samples`, the number of draws; `baseline`, `b`, in the unit of `f`; `scale`, positive. No gradient reaches
    these two. Raises `InputError` as `draws` does, or for a baseline that is no number,
    or a scale that is no positive one.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = lambda eta: hm.units.Conditional(hm.units.Bernoulli(2), eta)
    >>> float(reinforce(jnp.sum, q(jnp.full(2, 9.0)), jax.random.key(0), samples=4, baseline=1.0))
    2.0
    """
    for name, number in (("baseline", baseline), ("scale", scale)):
        if jnp.ndim(number):
            raise InputError(
                f"The {name} of REINFORCE is one number, not an array of shape {jnp.shape(number)}: under jax.vmap "
                "give each example its own, and for one of each parameter use optimal_baseline."
            )
    if isinstance(scale, int | float) and not 0 < scale < math.inf:
        raise InputError(f"The scale that REINFORCE divides by is a positive number, not {scale}: leave it out for 1.")
    drawn = draws(f, q, key, samples)
    return jnp.mean(scored(drawn.values, drawn.log_prob, baseline, scale))


def leave_one_out_reinforce(f: Function, q: Any, key: Key[Array, ""], *, samples: int = 2) -> Float[Array, ""]:
    """The mean of `f(x)`, REINFORCE where each draw has the mean of the others as its baseline.

        (1/k) sum_i [grad f(x_i) + (f(x_i) - b_i) grad log q(x_i)],      b_i = (1/(k-1)) sum_{j != i} f(x_j)

    (Salimans & Knowles 2014; Kool, van Hoof & Welling 2019; the baseline of the book's section 20.9.1.) Unbiased, for
    `b_i` does not depend on `x_i`; with nothing to learn or keep.

    Arguments: as of `reinforce`; `samples`, the number `k >= 2` of draws. Raises `InputError` for fewer.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = lambda eta: hm.units.Conditional(hm.units.Bernoulli(2), eta)
    >>> jax.grad(lambda eta: leave_one_out_reinforce(lambda x: 7.0, q(eta), jax.random.key(0)))(jnp.zeros(2))
    Array([0., 0.], dtype=float32)
    """
    drawn = draws(f, q, key, samples, least=2)
    return jnp.mean(scored(drawn.values, drawn.log_prob, leave_one_out(drawn.values)))
