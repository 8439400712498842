"""Numbers whose gradient is an estimator: what score-function rules are made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from harmonium.errors import InputError


def with_gradient_of(value: Float[Array, "*n"], surrogate: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A number whose value is one thing and whose gradient is another's.

    >>> [float(x) for x in jax.value_and_grad(lambda t: with_gradient_of(jnp.array(7.0), 3 * t))(jnp.array(2.0))]
    [7.0, 3.0]
    """
    stop = jax.lax.stop_gradient
    return stop(value) + surrogate - stop(surrogate)


def scored(
    value: Float[Array, "*n"], log_prob: Float[Array, "*n"], baseline: Float[Array, "*n"] | float = 0.0,
    scale: Float[Array, ""] | float = 1.0,
) -> Float[Array, "*n"]:  # fmt: skip
    """The score-function estimator (REINFORCE) of a value `f(x)` of a draw `x ~ p(x)` that is no function of a path.

        grad E f = E[grad f + (f - b) grad log p(x)]                                                 # (20.63), (20.67)

    (Williams 1992; book, section 20.9.1.) Arguments: `value`, `f(x)`; `log_prob`, `log p(x)` of the same draw, `x` held
    constant; `baseline`, a number `b` that does not depend on `x`; `scale`, a number that `f - b` is divided by (other
    than 1 it changes the length of the estimator).

    >>> float(jax.grad(lambda t: scored(jnp.array(5.0), t, baseline=2.0))(jnp.array(0.0)))
    3.0
    """
    stop = jax.lax.stop_gradient
    return value + stop((value - baseline) / scale) * (log_prob - stop(log_prob))


def leave_one_out(values: Float[Array, "k"]) -> Float[Array, "k"]:
    """For each of `k >= 2` values the mean of the others: a baseline that does not depend on the draw itself.
    Raises `InputError` for one value, which has no others.

    >>> leave_one_out(jnp.array([1.0, 2.0, 6.0]))
    Array([4. , 3.5, 1.5], dtype=float32)
    """
    if len(values) < 2:
        raise InputError(f"A baseline of the other draws needs at least 2 of them, not {len(values)}: take more.")
    return (jnp.sum(values) - values) / (len(values) - 1)


def vimco_signals(log_weights: Float[Array, "k"]) -> Float[Array, "k"]:
    """What each of `k >= 2` draws adds to `log (1/k) sum_i w_i`, whose others stand in for it in the baseline.

        L - log (1/k) (sum_{j != i} w_j + exp mean_{j != i} log w_j)

    (Mnih & Rezende, *Variational inference for Monte Carlo objectives*, ICML 2016.)

    >>> vimco_signals(jnp.zeros(3))
    Array([0., 0., 0.], dtype=float32)
    """
    k = len(log_weights)
    replaced = jnp.where(jnp.eye(k, dtype=bool), leave_one_out(log_weights)[:, None], log_weights[None, :])
    return jax.nn.logsumexp(log_weights) - jax.nn.logsumexp(replaced, axis=1)
