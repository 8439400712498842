"""VIMCO: the bound of several draws, each with what the bound would be without it as its baseline."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.gradients.draws import Function, draws
from harmonium.gradients.surrogate import vimco_signals


def vimco(f: Function, q: Any, key: Key[Array, ""], *, samples: int = 2) -> Float[Array, ""]:
    """The logarithm of the mean of `exp f(x)` over several draws: the bound of importance weights `f = log w`.

        L = log (1/k) sum_i exp f(x_i),      grad E L = E[grad L + sum_i (L - L_{-i}) grad log q(x_i)]         # (20.80)

    where in `L_{-i}` the mean of the other `f` stands in for `f(x_i)` (Mnih & Rezende, *Variational inference for Monte
    Carlo objectives*, ICML 2016; the bound is (20.80), book, section 20.10.3). Unbiased for the gradient of `E L`,
    which is below `log E exp f(x)` and above `E f(x)`.

    Arguments: as of `reinforce`; `samples`, the number `k >= 2` of draws. Raises `InputError` for fewer.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> q = hm.units.Conditional(hm.units.Bernoulli(2), jnp.full(2, 9.0))
    >>> float(vimco(jnp.sum, q, jax.random.key(0), samples=4))
    2.0
    """
    drawn = draws(f, q, key, samples, least=2)
    bound = jax.nn.logsumexp(drawn.values) - jnp.log(samples)
    stop = jax.lax.stop_gradient
    return bound + jnp.vdot(stop(vimco_signals(drawn.values)), drawn.log_prob - stop(drawn.log_prob))
