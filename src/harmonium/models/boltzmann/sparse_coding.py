"""Spike-and-slab sparse coding: a model of real data whose log partition function is known (section 20.5.3)."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError
from harmonium.memory import check_weights
from harmonium.models.energy import Coloured, LayerStats
from harmonium.models.validation import check_family, check_scale
from harmonium.rng import check_key
from harmonium.units import Gaussian, GaussianBias, SpikeSlab, SpikeSlabBias, SpikeSlabStats, Unit, inner

LOG_2PI = math.log(2 * math.pi)


class S3C(eqx.Module):
    """Data as a sparse sum of real causes: `v = b + W (h s) + noise`, spikes `h`, slabs `s`.

        p(h_i = 1) = sigmoid(b_i),   p(s_i | h_i = 1) = N(mu_i, 1 / alpha_i),   p(v | h, s) = N(b + W (h s), 1 / beta)
        log Z = sum_i log(1 + e^b_i) + sum_j log(2 pi / beta_j) / 2

    (Goodfellow, Courville & Bengio 2012, arXiv:1206.6407.) As an energy model: causes act on each other through what
    they explain together, so each has a colour of its own, and mean field goes through them one by one, as in the
    paper. `log Z` is known, so that `hm.objectives.Variational` trains it without samples.

    Arguments: `visible`, `Gaussian` units; `hidden`, `SpikeSlab` units, one slab each; `key`, for the weights' start;
    `scale`, their standard deviation. Fields: `W` `[visible, hidden]`; `b` and `c`, the biases. Layers: `v`, `h`.
    Raises `InputError` for other units or pools.

    >>> import harmonium as hm, jax
    >>> model = S3C(hm.units.Gaussian(4), hm.units.SpikeSlab(3), key=jax.random.key(0))
    >>> round(float(model.known_log_partition()), 4), round(float(hm.log_partition(model).value), 4)
    (4.6155, 4.6155)
    """

    visible: Gaussian
    hidden: SpikeSlab
    W: Float[Array, "visible hidden"]
    b: GaussianBias = no_decay()
    c: SpikeSlabBias = no_decay()

    def __init__(self, visible: Any, hidden: Any, *, key: Key[Array, ""], scale: Any = 0.3) -> None:
        check_family("S3C", "visible", visible, Gaussian)
        check_family("S3C", "hidden", hidden, SpikeSlab)
        if hidden.joint:
            raise InputError(
                f"Causes of S3C have a spike each, not pools of {hidden.slabs}: use hm.units.SpikeSlab(n)."
            )
        check_weights("S3C", (visible.size, hidden.size))
        check_key(key)
        check_scale(scale)
        self.visible, self.hidden = visible, hidden
        self.W = scale * jax.random.normal(key, (visible.size, hidden.size), jnp.float32)
        self.b = visible.bias(visible.neutral_natural())
        slab = jnp.zeros(hidden.size, jnp.float32)
        self.c = SpikeSlabBias(slab - 1, slab, slab)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v` and `h`."""
        return {"v": self.visible, "h": self.hidden}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The visible layer, and the causes, each of a colour of its own."""
        return (("v",), (Coloured("h", tuple(range(self.hidden.size))),))

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`beta (v - b - W x)^2 / 2` less the log-density of the causes, in nats, up to `log Z`; `x_i^2` is the
        statistic where a cause meets itself."""
        v, h, beta = stats["v"], stats["h"], self.visible.precision_of(self.b)
        alone = inner(self.visible.natural(self.b), v) + inner(self.hidden.natural(self.c), h)
        explained = self.W @ h.x
        own = (beta @ self.W**2) @ (h.square - h.x**2)
        offset = 0.5 * beta @ self.b.mean**2
        return -alone + offset - (beta * (v.x - self.b.mean)) @ explained + 0.5 * (beta @ explained**2 + own)

    def local_field(self, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Any:
        """What acts on some causes: what the others leave unexplained of the data."""
        beta, h = self.visible.precision_of(self.b), stats["h"]
        if layer == "v":
            eta = self.visible.natural(self.b)
            return type(eta)((eta.x + beta * (self.W @ h.x))[units], eta.square[units])
        W, eta = self.W[:, units], self.hidden.natural(self.c)
        own = beta @ W**2
        left = (beta * (stats["v"].x - self.b.mean - self.W @ h.x)) @ W + own * h.x[units]
        return SpikeSlabStats(eta.on[units], eta.x[units] + left, eta.square[units] - 0.5 * own)

    def known_log_partition(self) -> Float[Array, ""]:
        """`log Z`, in nats."""
        noise = 0.5 * jnp.sum(LOG_2PI - jnp.log(self.visible.precision_of(self.b)))
        return jnp.sum(jax.nn.softplus(self.c.log_odds)) + noise

    def filters(self) -> np.ndarray:
        """What each cause adds to the data."""
        return np.asarray(self.W, float)
