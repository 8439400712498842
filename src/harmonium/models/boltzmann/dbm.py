"""The deep Boltzmann machine: any number of hidden layers, each coupled to the next (section 20.4)."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.decay import no_decay
from harmonium.memory import check_weights
from harmonium.models.energy import LayerStats
from harmonium.models.validation import check_hidden, check_labels, check_scale, check_units
from harmonium.rng import check_key
from harmonium.units import Unit, inner


class DBM(eqx.Module):
    """Layers of units in a row, each coupled to its neighbours and to no other.

        E(v, h1, h2, ...) = -sum_l b_l^T x_l - sum_l x_l^T W_l x_{l+1},      x = (v, h1, h2, ..., y)      # (20.25)

    for Bernoulli, spin and categorical units; Gaussian layers as in the RBM (Salakhutdinov & Hinton 2009; book,
    section 20.4). Given the odd layers the even ones are independent, and the other way round: one sweep of Gibbs
    sampling takes two updates, however deep the machine is.

    Arguments: `visible`, the visible units; `hidden`, the units of each hidden layer, from the data upwards; `labels`,
    units of a layer `y` above the last hidden one (`Categorical(1, states=10)` for ten classes), or None; `key`, for
    the weights' start; `scale`, their standard deviation.
    Fields: `W`, a tuple of weights `[width below, width above]`; `b`, a tuple of biases, one for each layer. Layers:
    `v`, `h` (or `h1`, `h2`, ...), `y`. Raises `InputError` for layers that are no units or
    have none, or no list of hidden layers.

    >>> import harmonium as hm, jax
    >>> dbm = hm.DBM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> list(dbm.layers), [W.shape for W in dbm.W]
    (['v', 'h1', 'h2'], [(6, 4), (4, 3)])
    """

    visible: Unit
    hidden: tuple[Unit, ...]
    labels: Unit | None
    W: tuple[Float[Array, "..."], ...]
    b: tuple[PyTree, ...] = no_decay()

    def __init__(
        self, visible: Any, hidden: Any, labels: Any = None, *, key: Key[Array, ""],
        scale: Any = 0.01,
    ) -> None:  # fmt: skip
        check_hidden("A DBM", hidden)
        check_units("A DBM", visible, *hidden)
        check_key(key)
        check_scale(scale)
        check_labels(labels)
        self.visible, self.hidden, self.labels = visible, tuple(hidden), labels
        units = list(self.layers.values())
        shapes = [(below.width, above.width) for below, above in itertools.pairwise(units)]
        check_weights("A DBM", *shapes, *((unit.width,) for unit in units))
        keys = jax.random.split(key, len(shapes))
        self.W = tuple(scale * jax.random.normal(k, shape, jnp.float32) for k, shape in zip(keys, shapes, strict=True))
        self.b = tuple(unit.bias(unit.neutral_natural()) for unit in units)

    @property
    def layers(self) -> dict[str, Unit]:
        """From the data upwards: `v`, the hidden layers, and `y` where there are labels."""
        numbered = {f"h{i + 1}": unit for i, unit in enumerate(self.hidden)}
        hidden = numbered if len(self.hidden) > 1 else {"h": self.hidden[0]}
        return {"v": self.visible, **hidden} | ({"y": self.labels} if self.labels is not None else {})

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The even layers and the odd ones."""
        names = tuple(self.layers)
        return names[0::2], names[1::2]

    @property
    def biases(self) -> dict[str, PyTree]:
        """`b` by layer."""
        return dict(zip(self.layers, self.b, strict=True))

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E` of the layers' statistics, in nats."""
        ties = [(unit, bias, stats[name]) for (name, unit), bias in zip(self.layers.items(), self.b, strict=True)]
        alone = sum(inner(unit.natural(bias), s) for unit, bias, s in ties)
        x = [unit.interaction(s, bias) for unit, bias, s in ties]
        coupled = sum((below @ W) @ above for below, W, above in zip(x, self.W, x[1:], strict=False))
        return -alone - coupled  # (20.25)

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W[0], float)
