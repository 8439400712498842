"""The spike-and-slab RBM: hidden units that are zero or real, and set the covariance of the data (section 20.5.3)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown
from harmonium.memory import check_weights
from harmonium.models.energy import LayerStats
from harmonium.models.validation import check_family, check_scale
from harmonium.rng import check_key
from harmonium.units import Gaussian, GaussianBias, SpikeSlab, SpikeSlabBias, Unit, inner

START = -4.0  # softplus of it is the Phi that training begins with
SEARCH = 50  # alternations in the search for a pattern of spikes without a finite integral


class SpikeSlabRBM(eqx.Module):
    """Real units whose mean and covariance binary spikes `h` and real slabs `s` set.

        E(v, s, h) = (v - b)^T Lambda (v - b) / 2 + sum_i [alpha_i (s_i - mu_i h_i)^2 / 2 - b_i h_i - v^T W_i s_i h_i
                     + h_i v^T Phi_i v / 2]                                                         # (20.51), (20.52)
        p(v | h) = N(C Lambda b + C sum_i W_i mu_i h_i, C),
        C^-1 = Lambda + sum_i h_i (Phi_i - W_i W_i^T / alpha_i)                                     # (20.54)

    up to a constant (Courville, Bergstra & Bengio 2011; with mu and pools: 2014, doi:10.1109/TPAMI.2013.238). The
    slab is part of the unit, which is `h s` and has no slab where the spike is off. `Phi_i` is diagonal and positive.
    By default it is at least `|W_ji| sum_k |W_ki| / alpha_i`, which keeps `C^-1` positive definite whatever spikes are
    on. Where it is free, the machine may lose its partition function as it is trained; `unbounded` finds out.

    Arguments: `visible`, `Gaussian` units; `hidden`, `SpikeSlab` units, also in pools; `key`, for the weights' start;
    `phi`, "dominant" (the default), "free", or None for no `Phi`; `scale`, the standard deviation of the weights.
    Fields: `W` `[visible, slabs]`; `raw` `[visible, spikes]`, whose softplus is `Phi` or what it has beyond that bound,
    or None; `b` and `c`, the biases. Layers: `v`, `h`. Raises `InputError` for other units or another `phi`.

    >>> import harmonium as hm, jax
    >>> machine = SpikeSlabRBM(hm.units.Gaussian(4), hm.units.SpikeSlab(3), key=jax.random.key(0))
    >>> machine.W.shape, hm.sample(machine, jax.random.key(1), 2, steps=3).shape
    ((4, 3), (2, 4))
    """

    visible: Gaussian
    hidden: SpikeSlab
    W: Float[Array, "visible slabs"]
    raw: Float[Array, "visible spikes"] | None = no_decay()
    b: GaussianBias = no_decay()
    c: SpikeSlabBias = no_decay()
    phi: str | None = eqx.field(static=True, default="dominant")

    def __init__(
        self, visible: Any, hidden: Any, *, key: Key[Array, ""], phi: Any = "dominant", scale: Any = 0.1
    ) -> None:
        check_family("A spike-and-slab RBM", "visible", visible, Gaussian)
        check_family("A spike-and-slab RBM", "hidden", hidden, SpikeSlab)
        check_weights("A spike-and-slab RBM", (visible.size, hidden.size), (visible.size, hidden.spikes))
        check_key(key)
        check_scale(scale)
        if phi not in ("dominant", "free", None):
            raise InputError(f"phi is 'dominant', 'free' or None, not {shown(phi)}: leave it out for 'dominant'.")
        self.visible, self.hidden, self.phi = visible, hidden, phi
        self.W = scale * jax.random.normal(key, (visible.size, hidden.size), jnp.float32)
        self.raw = jnp.full((visible.size, hidden.spikes), START, jnp.float32) if phi is not None else None
        self.b = visible.bias(visible.neutral_natural())
        slab = jnp.zeros(hidden.size, jnp.float32)
        self.c = SpikeSlabBias(jnp.full(hidden.spikes, -1.0, jnp.float32), slab, slab + 1)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v` and `h`."""
        return {"v": self.visible, "h": self.hidden}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Each layer is a block: its units are independent given the other layer."""
        return (("v",), ("h",))

    @property
    def biases(self) -> dict[str, GaussianBias | SpikeSlabBias]:
        """`b` and `c`."""
        return {"v": self.b, "h": self.c}

    @property
    def Phi(self) -> Float[Array, "visible spikes"]:
        """What each spike adds to the precision of each visible unit."""
        if self.raw is None:
            return jnp.zeros((self.visible.size, self.hidden.spikes), jnp.float32)
        if self.phi == "free":
            return jax.nn.softplus(self.raw)
        W = jnp.abs(self.W)
        least = W * (W.sum(axis=0) / jnp.exp(self.c.log_precision))
        return jax.nn.softplus(self.raw) + least.reshape(len(W), -1, self.hidden.slabs).sum(axis=2)

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(v, h s)` of the layers' statistics, in nats."""
        v, h = stats["v"], stats["h"]
        alone = inner(self.visible.natural(self.b), v) + inner(self.hidden.natural(self.c), h)
        pinched = 0.0 if self.raw is None else 0.5 * (v.square @ self.Phi) @ h.on
        return -alone - (v.x @ self.W) @ h.x + pinched  # (20.51), (20.52)

    def unbounded(self) -> str | None:
        """Why the machine cannot be normalised, where a pattern of spikes is found that leaves `v` without a finite
        integral; None where none is.

        `C^-1` must be positive definite for every pattern. Patterns are tried by turns: the direction of least
        precision, then the spikes that lower the precision along it.
        """
        W, Phi, spikes = np.asarray(self.W, float), np.asarray(self.Phi, float), self.hidden.spikes
        each = (W / np.sqrt(np.exp(np.asarray(self.c.log_precision, float)))).reshape(len(W), spikes, -1)
        base = np.exp(np.asarray(self.b.log_precision, float))
        on = np.ones(spikes, bool)
        for _ in range(SEARCH):
            chosen = each[:, on].reshape(len(W), -1)
            lowest, axes = np.linalg.eigh(np.diag(base + Phi[:, on].sum(axis=1)) - chosen @ chosen.T)
            if lowest[0] <= 0:
                return (
                    f"with {on.sum()} of {spikes} spikes on (the first is spike {int(np.argmax(on))}) the precision of "
                    f"v has the eigenvalue {lowest[0]:.3g}, where all must be positive: train with smaller weights"
                )
            axis = axes[:, 0]
            lowers = (axis**2) @ Phi < ((axis @ each.reshape(len(W), -1)).reshape(spikes, -1) ** 2).sum(axis=1)
            if (lowers == on).all():
                return None
            on = lowers
        return None

    def filters(self) -> np.ndarray:
        """The weights of each slab."""
        return np.asarray(self.W, float)
