"""DRAW: a variational auto-encoder that paints its picture in steps (section 20.10.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown, whole
from harmonium.models.directed.draw_attention import Attention
from harmonium.models.directed.latent import LATENT, Latents, WeightedSample
from harmonium.models.kind import Kind
from harmonium.models.validation import check_units
from harmonium.nets import LSTM, Affine
from harmonium.rng import check_key
from harmonium.units import Conditional, Gaussian, Stats, Unit


class DRAW(eqx.Module):
    """Two recurrent networks: one looks at what its picture still lacks and says what to do, the other adds to it.

        r_t = read(x, x - E[x; c_{t-1}], h^dec_{t-1}),      h^enc_t = LSTM(h^enc_{t-1}, [r_t, h^dec_{t-1}]),
        z_t ~ q(z_t | h^enc_t),      h^dec_t = LSTM(h^dec_{t-1}, z_t),      c_t = c_{t-1} + write(h^dec_t),
        log p(x, z) = log N(z; 0, I) + log p(x; c_T),      log q(z | x) = sum_t log q(z_t | x, z_1 .. z_{t-1})

    (Gregor, Danihelka, Graves, Rezende & Wierstra 2015, equations 3 to 8; book, section 20.10.3.) The canvas `c` is
    what sets the natural parameters of the visible units, and starts at their bias; so it works for any of them.
    Without attention `read` is all of the two pictures and `write` an affine map; with it both see a grid of filters,
    which the decoder places (`filters_at`).

    Arguments: `visible`, the units of `v`; `latent`, the Gaussian units of one step; `hidden`, the size of the two
    networks; `steps`, `T`; `attention`, None or the filters on a side of the grids to read and to write, as `(2, 5)`;
    `image_shape`, rows and columns of the picture (and channels, where pixels have several), with attention (default:
    a square); `key`, for the weights' start. Fields: `b`, the bias of `v`; `encoder`, `decoder`, `LSTM`s; `guesser`,
    `writer`, `Affine` maps; `attention`.
    Raises `InputError` for layers that are no units, latent ones that are not Gaussian, sizes or steps that are none,
    or an attention without a picture.

    >>> import harmonium as hm, jax
    >>> draw = DRAW(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=8, steps=3, key=jax.random.key(0))
    >>> draw.layers["z"].size, draw.sample(jax.random.key(1)).shape
    (6, (6,))
    """

    model_kind: ClassVar[Kind] = LATENT

    visible: Unit
    latent: Gaussian
    b: PyTree = no_decay()
    encoder: LSTM
    decoder: LSTM
    guesser: Affine
    writer: Affine
    attention: Attention | None
    steps: int = eqx.field(static=True)

    def __init__(
        self, visible: Any, latent: Any, hidden: Any = 256, steps: Any = 10, attention: Any = None,
        image_shape: Any = None, *, key: Key[Array, ""],
    ) -> None:  # fmt: skip
        _check(visible, latent, hidden, steps)
        check_key(key)
        reading, writing = 2 * visible.width, visible.num_outputs
        keys = jax.random.split(key, 5)
        self.attention = None
        shape = None if image_shape is None and attention is None else _picture(visible, image_shape)
        if attention is not None:
            grids = _grids(attention, visible)
            self.attention = Attention(hidden, grids, shape, key=keys[4])
            reading, writing = (
                size // math.prod(shape) * grid**2 for size, grid in zip((reading, writing), grids, strict=True)
            )
        self.visible, self.latent, self.steps = visible, latent, int(steps)
        self.b = visible.bias(visible.neutral_natural())
        self.encoder = LSTM(reading + hidden, hidden, key=keys[0])
        self.decoder = LSTM(latent.size, hidden, key=keys[1])
        self.guesser = Affine(hidden, latent.num_outputs, key=keys[2])
        self.writer = Affine(hidden, writing, key=keys[3])

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, and `z`, which holds the latent units of all steps, one after the other."""
        return {"v": self.visible, "z": Gaussian(self.steps * self.latent.size)}

    @property
    def biases(self) -> dict[str, PyTree]:
        """The bias of the visible units, where the canvas starts."""
        return {"v": self.b}

    def log_joint(self, x: Array, latents: Latents) -> Float[Array, ""]:
        """`log p(x, z)`, in nats."""
        return self._log_joint(x, latents["z"], self.canvases(latents)[-1])

    def conditional(self, latents: Latents) -> Conditional:
        """`p(x | z)`."""
        return Conditional(self.visible, self.visible.natural_from_output(self.b, self.canvases(latents)[-1]))

    def encode_features(self, x: Array) -> Array:
        """The value itself: the encoder sees it along with what the canvas lacks."""
        return x

    def sample_posterior(self, key: Key[Array, ""], encoded: Array) -> Latents:
        """Latent variables `z ~ q(z | x)`, step by step."""
        return {"z": self._drawn(key, encoded)[0]}

    def log_q(self, latents: Latents, encoded: Array) -> Float[Array, ""]:
        """`log q(z | x)`, in nats."""
        z, eta, _ = self._paint(encoded, lambda z, eta: z, latents["z"].reshape(self.steps, -1))
        return Conditional(self.layers["z"], eta).log_prob(z)

    def importance_sample(self, key: Key[Array, ""], x: Array, encoded: Array) -> WeightedSample:
        """A sample with both log-probabilities, from one pass."""
        z, eta, canvas = self._drawn(key, encoded)
        log_q = Conditional(self.layers["z"], eta).log_prob(z)
        return WeightedSample({"z": z}, self._log_joint(x, z, canvas), log_q)

    def canvases(self, latents: Latents) -> Float[Array, "steps out"]:
        """What has been written after each step, to be added to the bias: the last one gives `p(x | z)`."""

        def step(carry: tuple, z: Array) -> tuple:
            state, canvas = carry
            state = self.decoder(state, z)
            canvas = canvas + self._written(state.h)
            return (state, canvas), canvas

        start = (self.decoder.start, jnp.zeros(self.visible.num_outputs, jnp.float32))
        return jax.lax.scan(step, start, latents["z"].reshape(self.steps, -1))[1]

    def simulate(self, key: Key[Array, ""]) -> tuple[Array, Latents]:
        """A value `x` `[size]` and its latent variables, drawn from `p(x, z)`."""
        first, second = jax.random.split(key)
        unit = self.layers["z"]
        latents = {"z": jax.lax.optimization_barrier(unit.sample(first, unit.neutral_natural()))}
        return self.visible.sample(second, self._shown(self.canvases(latents)[-1])), latents

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]` of the visible units."""
        return self.simulate(key)[0]

    # ---- one pass ------------------------------------------------------------------------------------------

    def _drawn(self, key: Key[Array, ""], x: Array) -> tuple[Array, Stats, Array]:
        """A pass whose latent variables are drawn, each once: XLA would draw again for each use."""

        def draw(key: Array, eta: Stats) -> Array:
            return jax.lax.optimization_barrier(self.latent.sample(key, eta))

        return self._paint(x, draw, jax.random.split(key, self.steps))

    def _paint(self, x: Array, choose: Callable[[Array, Stats], Array], given: Array) -> tuple[Array, Stats, Array]:
        """All `z`, their natural parameters, and the last canvas; step `t` takes `choose(given[t], eta)`.

        The part of the encoder's input that the canvas does not change is multiplied once, before the first step.
        """
        push, W = self._reading(x)
        neutral = self.latent.bias(self.latent.neutral_natural())

        def step(carry: tuple, given: Array) -> tuple:
            above, below, canvas = carry
            gates = push(canvas, below.h) + jnp.concatenate([below.h, above.h]) @ W
            above = self.encoder.moved(above, gates)
            eta = self.latent.natural_from_output(neutral, self.guesser(above.h))
            z = choose(given, eta)
            below = self.decoder(below, z)
            return (above, below, canvas + self._written(below.h)), (z, eta)

        start = (self.encoder.start, self.decoder.start, jnp.zeros(self.visible.num_outputs, jnp.float32))
        (_, _, canvas), (z, eta) = jax.lax.scan(step, start, given)
        return z.ravel(), jax.tree.map(jnp.ravel, eta), canvas

    def _reading(self, x: Array) -> tuple[Callable[[Array, Array], Array], Array]:
        """How what is read acts on the encoder's gates, given a canvas and the decoder's output; the other weights."""
        W, b, features = self.encoder.W, self.encoder.b, self.visible.as_input(x)
        if self.attention is None:
            first, second, rest = jnp.split(W, [features.size, 2 * features.size])
            once = features @ (first + second) + b  # x W_1 + (x - E[x]) W_2
            return (lambda canvas, _: once - self._expected(canvas) @ second), rest
        read, rest = jnp.split(W, [W.shape[0] - 2 * self.decoder.start.h.size])
        attention = self.attention

        def push(canvas: Array, h: Array) -> Array:
            return attention.read(h, jnp.stack([features, features - self._expected(canvas)])) @ read + b

        return push, rest

    def _written(self, h: Float[Array, "hidden"]) -> Float[Array, "out"]:
        """What the decoder adds to the canvas."""
        patch = self.writer(h)
        return patch if self.attention is None else self.attention.write(h, patch)

    def _shown(self, canvas: Float[Array, "out"]) -> Stats:
        """Natural parameters of the visible units at a canvas."""
        return self.visible.natural_from_output(self.b, canvas)

    def _expected(self, canvas: Float[Array, "out"]) -> Float[Array, "width"]:
        """The mean picture at a canvas, as the vector that networks take in."""
        unit = self.visible
        return unit.interaction(unit.mean(self._shown(canvas)), unit.bias(unit.neutral_natural()))

    def _log_joint(self, x: Array, z: Array, canvas: Array) -> Float[Array, ""]:
        unit = self.layers["z"]
        prior = Conditional(unit, unit.neutral_natural()).log_prob(z)
        return prior + Conditional(self.visible, self._shown(canvas)).log_prob(x)


def _check(visible: Any, latent: Any, hidden: Any, steps: Any) -> None:
    check_units("A DRAW", visible, latent)
    if not isinstance(latent, Gaussian):
        raise InputError(
            f"The latent units of a DRAW are Gaussian, not {type(latent).__name__}: "
            f"give them as hm.units.Gaussian({latent.size})."
        )
    if not whole(hidden):
        raise InputError(
            f"The two networks of a DRAW have one size, such as hidden=256, not {shown(hidden)}: give a whole number."
        )
    if not whole(steps):
        raise InputError(f"A DRAW paints in one step or more, not in {shown(steps)}: give steps=10, say.")


def _picture(visible: Unit, image_shape: Any) -> tuple[int, int]:
    """Rows and columns of the picture that the visible units are."""
    if image_shape is None:
        side = math.isqrt(visible.size)
        if side * side != visible.size:
            raise InputError(
                f"Attention moves over a picture, and {visible.size} units are no square: give its rows and columns as "
                "image_shape."
            )
        return side, side
    listed = isinstance(image_shape, list | tuple) and len(image_shape) in (2, 3) and whole(*image_shape)
    if not listed or math.prod(image_shape) != visible.size:
        raise InputError(
            f"The image shape {image_shape!r} does not have the {visible.size} numbers of the visible units: give rows "
            "and columns whose product is that."
        )
    return int(image_shape[0]), int(image_shape[1])


def _grids(attention: Any, visible: Unit) -> tuple[int, int]:
    """The filters on a side of the two grids."""
    if not isinstance(attention, list | tuple) or len(attention) != 2 or not whole(*attention):
        raise InputError(
            f"The attention of a DRAW is two grid sizes of one or more, to read and to write, such as (2, 5), not "
            f"{attention!r}: give two whole numbers, or None."
        )
    if len({*visible.widths}) > 1 or len({*visible.out_widths}) > 1:
        raise InputError(
            f"Attention moves over a picture of units of one kind, not over {type(visible).__name__}: give "
            "attention=None."
        )
    return int(attention[0]), int(attention[1])
