"""Layers of affine maps and elementwise functions, with dropout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError
from harmonium.memory import check_weights


@jax.custom_vjp
def sigmoid(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`1 / (1 + exp(-a))`, of which nothing but its value is kept for the gradient: JAX's own keeps two arrays, and the
    step of a NADE, which is bound by memory, takes a quarter longer with it.

    >>> float(sigmoid(jnp.zeros(()))), float(jax.grad(sigmoid)(jnp.zeros(())))
    (0.5, 0.25)
    """
    return jax.nn.sigmoid(a)


def _sigmoid_kept(a: Array) -> tuple[Array, Array]:
    h = jax.nn.sigmoid(a)
    return h, h


sigmoid.defvjp(_sigmoid_kept, lambda h, slope: (slope * h * (1 - h),))

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu, "softplus": jax.nn.softplus,
}  # fmt: skip


def check_activation(name: str) -> None:
    """Refuse the name of a function that there is not.

    >>> check_activation("sine")
    Traceback (most recent call last):
    harmonium.errors.InputError: There is no activation 'sine': choose one of sigmoid, tanh, relu, softplus.
    """
    if name not in ACTIVATIONS:
        raise InputError(f"There is no activation '{name}': choose one of {', '.join(ACTIVATIONS)}.")


class MLP(eqx.Module):
    """A multilayer perceptron: `x_{l+1} = f(W_l^T x_l + b_l)`, the last layer without `f` (book, chapter 6).

    Arguments: `sizes`, of the input, each hidden layer and the output; `activation`, the name of `f`: sigmoid, tanh,
    relu or softplus; `key`, for the weights' start (variance 2 / fan-in for relu, 1 / fan-in for the others).
    Fields: `W`, a tuple of weights `[below, above]`; `b`, a tuple of biases. Raises `InputError` for another function
    or fewer than two sizes.

    >>> MLP([4, 8, 3], key=jax.random.key(0))(jnp.ones(4)).shape
    (3,)
    """

    W: tuple[Float[Array, "..."], ...]
    b: tuple[Float[Array, "..."], ...] = no_decay()
    activation: str = eqx.field(static=True)

    def __init__(self, sizes: Sequence[int], *, key: Key[Array, ""], activation: str = "relu") -> None:
        check_activation(activation)
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError(f"A network needs the sizes of its input and its output, not {list(sizes)}.")
        pairs = list(itertools.pairwise(sizes))
        check_weights("A network", *pairs)
        gain = 2.0 if activation == "relu" else 1.0
        keys = jax.random.split(key, len(pairs))
        self.W = tuple(
            (gain / m) ** 0.5 * jax.random.normal(k, (m, n), jnp.float32) for k, (m, n) in zip(keys, pairs, strict=True)
        )
        self.b = tuple(jnp.zeros(n, jnp.float32) for _, n in pairs)
        self.activation = activation

    def __call__(
        self, x: Float[Array, "size"], key: Key[Array, ""] | None = None, drop: tuple[float, float] = (0.0, 0.0)
    ) -> Float[Array, "out"]:
        """The output for one input.

        Arguments: `key`, for dropout; `drop`, the probabilities of an input and of a hidden unit to be left out. What
        is kept is scaled up by as much, so that nothing changes when nothing is dropped (Srivastava et al. 2014).
        """
        rates = (drop[0],) + (drop[1],) * (len(self.W) - 1)
        for i, (W, b, rate) in enumerate(zip(self.W, self.b, rates, strict=True)):
            if key is not None and rate > 0:
                kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - rate, x.shape)
                x = jnp.where(kept, x / (1 - rate), 0.0)
            x = x @ W + b
            x = x if i == len(self.W) - 1 else ACTIVATIONS[self.activation](x)
        return x
