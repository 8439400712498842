"""What every estimator starts from: draws of `q`, what `f` says of them, and the refusal of what cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float

from harmonium.errors import InputError, shown, whole
from harmonium.rng import check_key
from harmonium.units import Conditional

Function = Callable[[Array], Float[Array, ""]]


class Draws(NamedTuple):
    """Draws `x_i ~ q`, `[k, size]`; the values `f(x_i)`, `[k]`; and `log q(x_i)`, `[k]`, in nats.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> draws(jnp.sum, hm.units.Conditional(hm.units.Bernoulli(2), jnp.full(2, 9.0)), jax.random.key(0), 3).values
    Array([2., 2., 2.], dtype=float32)
    """

    x: Array
    values: Float[Array, "k"]
    log_prob: Float[Array, "k"]


def draws(f: Function, q: Any, key: Any, samples: Any, *, least: int = 1, path: bool = False) -> Draws:
    """`samples` independent draws of `q`, constants unless the `path` from its parameters to them is asked for.

    Raises `InputError` for a `q` that is no distribution of a layer, for fewer samples than the `least`, for a seed in
    place of a key, or where `f` gives anything but one number.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> draws(jnp.sum, hm.units.Bernoulli(2), jax.random.key(0), 3)
    Traceback (most recent call last):
    harmonium.errors.InputError: An estimator takes the expectation under an hm.units.Conditional, not a Bernoulli: ...
    """
    check_draws(q, key, samples, least)
    x = jax.vmap(q.sample)(jax.random.split(key, samples))
    x = x if path else jax.lax.stop_gradient(x)
    return Draws(x, values_of(f, x), jax.vmap(q.log_prob)(x))


def check_draws(q: Any, key: Any, samples: Any, least: int = 1) -> None:
    """Refuse what no draws can be made of.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> check_draws(hm.units.Conditional(hm.units.Bernoulli(1), jnp.zeros(1)), jax.random.key(0), 0)
    Traceback (most recent call last):
    harmonium.errors.InputError: This estimator needs at least one sample, not samples=0: give samples=1 or more.
    """
    check_law(q)
    check_key(key)
    if not whole(samples, least=least):
        cure = "give samples=1 or more" if least == 1 else f"give samples={least} or more, or use reinforce"
        why = "" if least == 1 else ", for each has the others as its baseline"
        counted = "one sample" if least == 1 else f"{least} samples"
        raise InputError(f"This estimator needs at least {counted}{why}, not samples={shown(samples)}: {cure}.")


def values_of(f: Function, x: Array) -> Float[Array, "n"]:
    """`f` of each row of `x` `[n, ...]`. Raises `InputError` where that is not one number.

    >>> import jax.numpy as jnp
    >>> values_of(jnp.sum, jnp.ones((2, 3)))
    Array([3., 3.], dtype=float32)
    """
    values = jax.vmap(f)(x)
    if getattr(values, "shape", None) != (len(x),):
        found = f"an array of shape {values.shape[1:]}" if isinstance(values, jax.Array) else shown(values)
        raise InputError(f"The function f gives one number for a value x, not {found}: return a scalar, such as a sum.")
    return values


def check_law(q: Any) -> None:
    """Refuse what is no distribution of a layer.

    >>> check_law(0.5)
    Traceback (most recent call last):
    harmonium.errors.InputError: An estimator takes the expectation under an hm.units.Conditional, not 0.5: ...
    """
    if not isinstance(q, Conditional):
        raise InputError(
            f"An estimator takes the expectation under an hm.units.Conditional, not {shown(q)}: give the unit and its "
            "natural parameters, such as hm.units.Conditional(hm.units.Bernoulli(3), jnp.zeros(3))."
        )
