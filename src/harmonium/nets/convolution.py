"""Convolutional nets from a picture to numbers, and from numbers to a picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.nets.mlp import ACTIVATIONS, check_activation

SIDE = 3  # of every kernel


class ConvEncoder(eqx.Module):
    """A picture through convolutions that halve its sides, then one affine layer (book, chapter 9).

    Arguments: `shape`, (rows, columns) or (rows, columns, channels) of the picture, whose rows the input runs along;
    `channels` of each convolution (3 x 3, stride 2); `out`, how many numbers it gives; `activation`; `key`, for the
    weights' start (variance 2 / fan-in for relu, 1 / fan-in for the others). Fields: `W`, `b`, tuples; kernels are
    `[3, 3, below, above]`. Raises `InputError` for a shape, channels or an activation that are none.

    >>> ConvEncoder((8, 8), [4, 8], 10, key=jax.random.key(0))(jnp.ones(64)).shape
    (10,)
    """

    W: tuple[Float[Array, "..."], ...]
    b: tuple[Float[Array, "..."], ...] = no_decay()
    shape: tuple[int, int, int] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self, shape: Any, channels: Sequence[int], out: int, *, key: Key[Array, ""], activation: str = "relu"
    ) -> None:
        self.shape, self.activation = _checked(shape, channels, out, activation), activation
        sides = halved(self.shape, len(channels))[-1]
        kernels = [(SIDE, SIDE, m, n) for m, n in itertools.pairwise([self.shape[2], *channels])]
        shapes = [*kernels, (math.prod(sides) * channels[-1], out)]
        self.W = _weights(key, shapes, activation)
        self.b = tuple(jnp.zeros(shape[-1], jnp.float32) for shape in shapes)

    def __call__(self, x: Float[Array, "size"]) -> Float[Array, "out"]:
        """The output for one picture, given as a row."""
        x = x.reshape(self.shape)
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            x = ACTIVATIONS[self.activation](_convolved(x, W, 2) + b)
        return x.reshape(-1) @ self.W[-1] + self.b[-1]


class ConvDecoder(eqx.Module):
    """Numbers through one affine layer, then to a picture by doublings of its sides, each followed by a convolution.

    Doubling by copies and then convolving leaves no checkerboards, as transposed convolutions do (Odena, Dumoulin &
    Olah, *Deconvolution and checkerboard artifacts*, Distill 2016). Arguments: `width`, how many numbers it takes in;
    `shape`, (rows, columns) or (rows, columns, channels) of the picture; `channels` of the layers before the picture,
    from the smallest to the largest; `each`, numbers given for each value of the picture (2 for Gaussian units: a mean
    and a log-precision); `activation`, `key`, as in `ConvEncoder`. Raises `InputError` as that does.

    >>> ConvDecoder(5, (8, 8), [8, 4], key=jax.random.key(0))(jnp.ones(5)).shape
    (64,)
    """

    W: tuple[Float[Array, "..."], ...]
    b: tuple[Float[Array, "..."], ...] = no_decay()
    shape: tuple[int, int, int] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self, width: int, shape: Any, channels: Sequence[int], *, key: Key[Array, ""], each: int = 1,
        activation: str = "relu",
    ) -> None:  # fmt: skip
        self.shape, self.activation = _checked(shape, channels, width, activation), activation
        if not whole(each):
            raise InputError(f"A picture needs at least one number for each of its values, not each={each}.")
        first = (*halved(self.shape, len(channels))[-1], channels[0])
        kernels = [(SIDE, SIDE, m, n) for m, n in itertools.pairwise([*channels, self.shape[2] * each])]
        shapes = [(width, math.prod(first)), *kernels]
        self.W = _weights(key, shapes, activation)
        self.b = tuple(jnp.zeros(shape[-1], jnp.float32) for shape in shapes)

    def __call__(self, z: Float[Array, "width"]) -> Float[Array, "out"]:
        """The picture, as a row, for one vector."""
        sides = halved(self.shape, len(self.W) - 1)[::-1]
        x = (z @ self.W[0] + self.b[0]).reshape(*sides[0], -1)
        for (rows, columns), W, b in zip(sides[1:], self.W[1:], self.b[1:], strict=True):
            doubled = jnp.repeat(jnp.repeat(ACTIVATIONS[self.activation](x), 2, axis=0), 2, axis=1)
            x = _convolved(doubled[:rows, :columns], W, 1) + b
        return x.reshape(-1)


def halved(shape: tuple[int, int, int], times: int) -> list[tuple[int, int]]:
    """The sides of a picture, and after each halving, rounded up.

    >>> halved((7, 8, 1), 2)
    [(7, 8), (4, 4), (2, 2)]
    """
    sides = [shape[:2]]
    for _ in range(times):
        sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
    return sides


def _convolved(x: Float[Array, "rows columns below"], W: Float[Array, "..."], stride: int) -> Float[Array, "..."]:
    return jax.lax.conv_general_dilated(
        x[None], W, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def _weights(key: Key[Array, ""], shapes: Sequence[tuple[int, ...]], activation: str) -> tuple[Array, ...]:
    gain = 2.0 if activation == "relu" else 1.0
    check_weights("A convolutional net", *shapes)
    keys = jax.random.split(key, len(shapes))
    return tuple(
        (gain / math.prod(s[:-1])) ** 0.5 * jax.random.normal(k, s, jnp.float32)
        for k, s in zip(keys, shapes, strict=True)
    )


def _checked(shape: Any, channels: Any, numbers: Any, activation: str) -> tuple[int, int, int]:
    """The shape of a picture with its channels. Raises `InputError` for what makes no convolutional net."""
    check_activation(activation)
    if not isinstance(shape, list | tuple) or len(shape) not in (2, 3) or not whole(*shape):
        raise InputError(f"The shape of a picture is (rows, columns) or (rows, columns, channels), not {shape}.")
    if not isinstance(channels, list | tuple) or not channels or not whole(*channels, numbers):
        raise InputError(
            f"A convolutional net needs the channels of one layer or more, such as [16, 32], and a width, not "
            f"{channels} and {numbers}."
        )
    return (*shape, 1) if len(shape) == 2 else tuple(shape)
