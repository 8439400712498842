"""The restricted Boltzmann machine, for any unit on either side (sections 20.2 and 20.5.1)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.decay import no_decay
from harmonium.memory import check_weights
from harmonium.models.energy import LayerStats
from harmonium.models.validation import check_scale, check_units
from harmonium.rng import check_key
from harmonium.units import Unit, inner


class RBM(eqx.Module):
    """Two layers of units, each coupled to all of the other and to none of its own.

        E(v, h) = -b^T v - c^T h - v^T W h                                              # (20.5)

    for Bernoulli, spin and categorical units; a Gaussian layer replaces its bias term by
    `beta (v - b)^2 / 2` (up to a constant) and enters the product as `beta * v`          # (20.42)
    (Smolensky 1986; Welling, Rosen-Zvi & Hinton 2005; book, sections 20.2 and 20.5.1).

    Arguments: `visible` and `hidden`, the units; `key`, for the weights' start; `scale`, their standard deviation.
    Fields: `W` `[visible.width, hidden.width]`, `b` and `c`, the biases (`[size]`; `[size, states]` for categorical
    units, a `GaussianBias` for Gaussian ones). Layers: `v`, `h`.
    Raises `InputError` for layers that are no units, or have none, and for a scale below 0.

    >>> import harmonium as hm, jax
    >>> hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)).W.shape
    (6, 3)
    """

    visible: Unit
    hidden: Unit
    W: Float[Array, "visible hidden"]
    b: PyTree = no_decay()
    c: PyTree = no_decay()

    def __init__(self, visible: Any, hidden: Any, *, key: Key[Array, ""], scale: Any = 0.01) -> None:
        check_units("An RBM", visible, hidden)
        check_weights("An RBM", (visible.width, hidden.width), (visible.width,), (hidden.width,))
        check_key(key)
        check_scale(scale)
        self.visible = visible
        self.hidden = hidden
        self.W = scale * jax.random.normal(key, (visible.width, hidden.width), jnp.float32)
        self.b = visible.bias(visible.neutral_natural())
        self.c = hidden.bias(hidden.neutral_natural())

    @property
    def layers(self) -> dict[str, Unit]:
        """`v` and `h`."""
        return {"v": self.visible, "h": self.hidden}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Each layer is a block: its units are independent given the other layer."""
        return (("v",), ("h",))

    @property
    def biases(self) -> dict[str, PyTree]:
        """`b` and `c`."""
        return {"v": self.b, "h": self.c}

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(v, h)` of the layers' statistics, in nats."""
        v, h = stats["v"], stats["h"]
        x, y = self.visible.interaction(v, self.b), self.hidden.interaction(h, self.c)
        alone = inner(self.visible.natural(self.b), v) + inner(self.hidden.natural(self.c), h)
        return -alone - (x @ self.W) @ y  # (20.5)

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W, float)
