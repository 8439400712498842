"""Generator nets that can be inverted: affine couplings, whose density the change of variables gives (20.10.2)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.models.directed.generators import INVERTIBLE, check_real, standard_normal
from harmonium.models.kind import Kind
from harmonium.models.validation import check_sizes
from harmonium.nets import MLP
from harmonium.rng import check_key
from harmonium.units import Unit

START = 0.1  # of the last weights of a coupling, so that a net starts near the identity


class AffineCoupling(eqx.Module):
    """A map that keeps every other column and moves those between, by a scale and a shift that the kept ones set.

        x_kept = z_kept,      x_moved = z_moved * exp(s) + t,      (s', t) = net(z_kept),      s = scale tanh(s')
        log |det dx / dz| = sum s

    (Dinh, Sohl-Dickstein & Bengio 2017, section 3.2 and 3.4.) Arguments: `net`, from the kept columns to two numbers
    for each moved one; `scale` `[moved]`, the largest log-scale, learned; `first`, 0 or 1, the first column kept.

    >>> import harmonium as hm, jax
    >>> one = AffineCoupling(hm.nets.MLP([2, 4], key=jax.random.key(0)), jnp.ones(2), 0)
    >>> x, log_det = one.forward(jnp.array([1.0, 2.0, 3.0, 4.0])); x[::2].tolist()
    [1.0, 3.0]
    """

    net: eqx.Module
    scale: Float[Array, "moved"] = no_decay()
    first: int = eqx.field(static=True)

    def forward(self, z: Float[Array, "size"]) -> tuple[Float[Array, "size"], Float[Array, ""]]:
        """`x`, and `log |det dx / dz|`."""
        s, t = self._of_kept(z)
        return z.at[self._moved].set(z[self._moved] * jnp.exp(s) + t), jnp.sum(s)

    def inverse(self, x: Float[Array, "size"]) -> tuple[Float[Array, "size"], Float[Array, ""]]:
        """`z`, and `log |det dx / dz|` there: at the price of `forward`, for what the net sees has been kept."""
        s, t = self._of_kept(x)
        return x.at[self._moved].set((x[self._moved] - t) * jnp.exp(-s)), jnp.sum(s)

    @property
    def _moved(self) -> slice:
        return slice(1 - self.first, None, 2)

    def _of_kept(self, x: Float[Array, "size"]) -> tuple[Float[Array, "moved"], Float[Array, "moved"]]:
        s, t = jnp.split(self.net(x[self.first :: 2]), 2)
        return self.scale * jnp.tanh(s), t


class InvertibleNet(eqx.Module):
    """A generator net that can be inverted, a stack of affine couplings, and so says its density exactly.

        x = g(z),      z ~ N(0, I),      p(x) = p_z(g^-1(x)) / |det dg/dz|                    # (20.73), (20.74)

    (Real NVP: Dinh, Sohl-Dickstein & Bengio 2017; book, section 20.10.2, where these formulas stand.) Couplings take
    turns at which columns they keep, the even or the odd ones; the Jacobian of each is triangular, so that its
    determinant is a product. Maximum likelihood trains it. Columns should be standardised. A density has no upper
    limit on columns that are constant, or hold few values.

    Arguments: `visible`, `Gaussian(n)` for `n >= 2` columns; `hidden`, sizes of the hidden layers of each net;
    `couplings`, how many (at least 2, or some columns would stay normal); `key`, for the weights' start; `activation`
    of hidden layers. Field: `couplings`, a tuple, in the order from `z` to `x`. Raises `InputError` for other units,
    one column, fewer than two couplings or sizes that are none.

    >>> import harmonium as hm, jax
    >>> net = InvertibleNet(hm.units.Gaussian(3), [8], key=jax.random.key(0))
    >>> net.inverse(net.forward(jnp.array([0.5, -1.0, 2.0]))).round(4).tolist()
    [0.5, -1.0, 2.0]
    """

    model_kind: ClassVar[Kind] = INVERTIBLE

    visible: Unit
    couplings: tuple[AffineCoupling, ...]

    def __init__(
        self, visible: Any, hidden: Any = (64, 64), *, couplings: Any = 6, key: Key[Array, ""],
        activation: str = "tanh",
    ) -> None:  # fmt: skip
        check_real("An InvertibleNet", visible, least=2)
        check_key(key)
        if not whole(couplings, least=2):
            raise InputError(f"An InvertibleNet needs two couplings or more, not couplings={couplings}.")
        sizes = check_sizes(hidden)
        self.visible = visible
        keys = jax.random.split(key, couplings)
        self.couplings = tuple(_coupling(visible.size, i % 2, sizes, k, activation) for i, k in enumerate(keys))

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    def forward(self, z: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x = g(z)`."""
        for coupling in self.couplings:
            z, _ = coupling.forward(z)
        return z

    def inverse(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`z = g^-1(x)`."""
        return self._pulled(x)[0]

    def log_prob(self, x: Float[Array, "size"]) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""
        self.visible.check_shape(x, "v")
        z, log_det = self._pulled(x)
        return standard_normal(z) - log_det  # (20.74)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "size"]:
        """A value `[size]`."""
        return self.forward(jax.random.normal(key, (self.visible.size,), jnp.float32))

    def _pulled(self, x: Float[Array, "size"]) -> tuple[Float[Array, "size"], Float[Array, ""]]:
        """`z = g^-1(x)`, and `log |det dg/dz|` there."""
        total = jnp.zeros((), jnp.float32)
        for coupling in reversed(self.couplings):
            x, log_det = coupling.inverse(x)
            total += log_det
        return x, total


def _coupling(size: int, first: int, hidden: list[int], key: Key[Array, ""], activation: str) -> AffineCoupling:
    """A coupling that starts near the identity."""
    kept = len(range(first, size, 2))
    moved = size - kept
    net = MLP([kept, *hidden, 2 * moved], key=key, activation=activation)
    net = eqx.tree_at(lambda n: n.W[-1], net, START * net.W[-1])
    return AffineCoupling(net, jnp.ones(moved, jnp.float32), first)
