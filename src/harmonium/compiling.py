"""How the long loops of training, sampling and annealing are compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax

OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # XLA's 256 leaves half of AVX-512 idle: 5 % of a CD-1 step

CACHED_ROWS = 100  # whose activations a network carries along at a time on a CPU

P = ParamSpec("P")
R = TypeVar("R")


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """The function with its matrix products in full float32, also where a GPU would by itself round to TensorFloat-32.

    >>> import jax.numpy as jnp
    >>> in_float32(jnp.dot)(jnp.ones(2), jnp.ones(2))
    Array(2., dtype=float32)
    """

    @functools.wraps(function)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.default_matmul_precision("float32"):
            return function(*args, **kwargs)

    return exact


def over_rows(function: Callable[..., R], *arrays: Any) -> R:
    """`jax.vmap` over rows, on a CPU a hundred at a time within the compiled program.

    Networks carry an activation vector along from variable to variable. Those of a hundred rows stay in the cache of a
    processor core (500 hidden units: 200 KB), those of a thousand leave it at every variable: 2000 rows of a NADE with
    784 variables are then weighed in 1.1 s and not 0.5 s. Fewer rows would leave little to matrix products.

    >>> import jax.numpy as jnp
    >>> over_rows(lambda x, y: x @ y, jnp.ones((250, 3)), jnp.ones((250, 3))).shape
    (250,)
    """
    if len(arrays[0]) <= CACHED_ROWS or jax.default_backend() != "cpu":
        return jax.vmap(function)(*arrays)
    return jax.lax.map(lambda row: function(*row), arrays, batch_size=CACHED_ROWS)


def outermost(function: Callable[P, R] | None = None, **options: Any) -> Callable[..., Any]:
    """`eqx.filter_jit` in full float32, with the compiler's options for loops that take most of the time.

    JAX takes such options only where a function is called from outside of all others that are compiled; called from
    within one, the function goes without them. Arguments: `options`, further ones of `eqx.filter_jit`.

    >>> import jax.numpy as jnp
    >>> double = outermost(lambda x: 2 * x); double(jnp.ones(2)), jax.jit(double)(jnp.ones(2))
    (Array([2., 2.], dtype=float32), Array([2., 2.], dtype=float32))
    """
    if function is None:
        return functools.partial(outermost, **options)
    alone = eqx.filter_jit(in_float32(function), compiler_options=OPTIONS, **options)
    within = eqx.filter_jit(in_float32(function))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        return (within if traced else alone)(*args, **kwargs)

    return call
