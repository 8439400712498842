"""The bidirectional Helmholtz machine: one distribution that a generative and a recognition net must agree on."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.models.directed.belief_net import HelmholtzMachine
from harmonium.models.directed.latent import LATENT
from harmonium.models.kind import Kind, is_kind
from harmonium.units import Unit


@runtime_checkable
class Bidirectional(Protocol):
    """A distribution that a generative and a recognition net share."""

    @property
    def layers(self) -> dict[str, Unit]:
        """Those of the net."""

    @property
    def net(self) -> HelmholtzMachine:
        """Both nets."""

    def log_half_weight(self, key: Key[Array, ""], x: Array, encoded: PyTree) -> Float[Array, ""]:
        """`log sqrt(p(x, h) / q(h | x))` of a sample `h ~ q(h | x)`."""

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]` of the generative net."""


BIDIRECTIONAL = Kind("a bidirectional Helmholtz machine", LATENT.instead, Bidirectional)


class BiHM(eqx.Module):
    """The geometric mean of a generative and a recognition net, as a model of its own.

        p*(x, h) = sqrt(p(x, h) q(x, h)) / Z  with  q(x, h) = p*(x) q(h | x),
        p*(x) = (sum_h sqrt(p(x, h) q(h | x)))^2 / Z^2  >=  (E_q sqrt(p(x, h) / q(h | x)))^2,      Z <= 1

    (Bornschein, Shabanian, Fischer & Bengio, *Bidirectional Helmholtz machines*, ICML 2016; book, section 20.10.1.)
    By Cauchy and Schwarz `Z` is at most 1, and it is 1 where `q` is the exact posterior of `p`: learning brings the two
    together. Arguments: `visible`, `hidden`, `recognition` and `key`, as of `hm.HelmholtzMachine`, which is the field
    `net`. Raises `InputError` as that does.

    >>> import harmonium as hm, jax
    >>> model = BiHM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4)], key=jax.random.key(0)); list(model.layers)
    ['v', 'h']
    """

    model_kind: ClassVar[Kind] = BIDIRECTIONAL

    net: HelmholtzMachine

    def __init__(self, visible: Any, hidden: Any, *, key: Key[Array, ""], recognition: Any = ()) -> None:
        self.net = HelmholtzMachine(visible, hidden, key=key, recognition=recognition)

    @property
    def layers(self) -> dict[str, Unit]:
        """Those of the net."""
        return self.net.layers

    @property
    def biases(self) -> dict[str, PyTree]:
        """The bias of the visible units."""
        return self.net.biases

    def log_half_weight(self, key: Key[Array, ""], x: Array, encoded: PyTree) -> Float[Array, ""]:
        """`log sqrt(p(x, h) / q(h | x))` of a sample `h ~ q(h | x)`."""
        return 0.5 * self.net.importance_sample(key, x, encoded).log_weight

    def encode_features(self, x: Array) -> PyTree:
        """What the recognition net needs of a value `x` `[size]`."""
        return self.net.encode_features(x)

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]` of the generative net, which is near `p*` where `Z` is near 1."""
        return self.net.sample(jax.random.split(key)[0])

    def filters(self) -> np.ndarray | None:
        """Those of the generative net."""
        return self.net.filters()


def net_of(model: Any) -> Any:
    """The net whose samples of latent variables a directed model is estimated by: its own, or a BiHM's.

    >>> import harmonium as hm
    >>> type(net_of(BiHM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4)], key=jax.random.key(0)))).__name__
    'HelmholtzMachine'
    """
    return model.net if is_kind(model, BIDIRECTIONAL) else model


def half_of(model: Any) -> float:
    """The power of importance weights in a directed model's likelihood: of a BiHM they count by their square roots.

    >>> half_of("a VAE")
    1.0
    """
    return 0.5 if is_kind(model, BIDIRECTIONAL) else 1.0
