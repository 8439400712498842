"""Layers of latent variables one above the other: what belief nets and variational auto-encoders share."""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Key, PyTree

from harmonium.models.capabilities import Filtered
from harmonium.models.directed.latent import LATENT, Latents, WeightedSample
from harmonium.models.directed.link import ConditionalLayer
from harmonium.models.directed.passes import drawn, log_prob_downwards, log_prob_upwards
from harmonium.models.kind import Kind
from harmonium.models.tractable import TractableModel
from harmonium.units import Conditional, Unit


class HierarchicalLatentModel(eqx.Module):
    """A directed net whose layers are each given by the one above, and inferred from the one below.

        log p(v, h) = log p(h_L) + sum_l log p(h_{l-1} | h_l),      log q(h | v) = sum_l log q(h_l | h_{l-1}),   h_0 = v

    Fields of every such net: `down` and `up`, its links from the data upwards, and `prior`, a tractable model of the
    top layer, which are the visible units themselves where there are no hidden ones.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0), scale=0.0)
    >>> x = jnp.ones(6)
    >>> w = net.importance_sample(jax.random.key(1), x, net.encode_features(x))
    >>> round(float(w.log_weight), 4)                                                         # -6 log 2
    -4.1589
    """

    model_kind: ClassVar[Kind] = LATENT

    down: AbstractVar[tuple[ConditionalLayer, ...]]
    up: AbstractVar[tuple[ConditionalLayer, ...]]
    prior: AbstractVar[TractableModel]

    @property
    def letter(self) -> str:
        """The letter of the latent layers."""
        return "h"

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, and from there upwards the latent layers: `h`, or `h1`, `h2`, ... where there are several."""
        units = [link.unit for link in self.down] + [self.prior.layers["v"]]
        names = [f"{self.letter}{l}" if len(units) > 2 else self.letter for l in range(1, len(units))]
        return dict(zip(("v", *names), units, strict=True))

    @property
    def biases(self) -> dict[str, PyTree]:
        """The bias of the visible units."""
        return {"v": self.down[0].b if self.down else self.prior.b}

    def log_joint(self, x: Array, latents: Latents) -> Float[Array, ""]:
        """`log p(x, h)`, in nats."""
        values = {"v": x, **latents}
        return self.prior.log_prob(values[list(self.layers)[-1]]) + log_prob_downwards(self, values)

    def conditional(self, latents: Latents) -> Conditional:
        """`p(x | h)`, of a net with latent layers."""
        return Conditional(self.down[0].unit, self.down[0].natural(latents[list(self.layers)[1]]))

    def encode_features(self, x: Array) -> PyTree:
        """Natural parameters of the first latent layer."""
        return self.up[0].natural(x) if self.up else ()

    def sample_posterior(self, key: Key[Array, ""], encoded: PyTree) -> Latents:
        """Latent variables `h ~ q(h | x)`, from the first layer upwards."""
        names = list(self.layers)[1:]
        keys = jax.random.split(key, max(len(names), 1))
        latents: Latents = {}
        for i, (name, link) in enumerate(zip(names, self.up, strict=True)):
            if i == 0:
                latents[name] = jax.lax.optimization_barrier(link.unit.sample(keys[0], encoded))
            else:
                latents[name] = drawn(link, keys[i], latents[names[i - 1]])
        return latents

    def log_q(self, latents: Latents, encoded: PyTree) -> Float[Array, ""]:
        """`log q(h | x)`, in nats."""
        if not self.up:
            return jnp.zeros((), jnp.float32)
        first = Conditional(self.up[0].unit, encoded).log_prob(latents[list(self.layers)[1]])
        return first + log_prob_upwards(_Above(self), latents)

    def importance_sample(self, key: Key[Array, ""], x: Array, encoded: PyTree) -> WeightedSample:
        """A sample with both log-probabilities."""
        latents = self.sample_posterior(key, encoded)
        return WeightedSample(latents, self.log_joint(x, latents), self.log_q(latents, encoded))

    def simulate(self, key: Key[Array, ""]) -> tuple[Array, Latents]:
        """A value `x` `[size]` and its latent variables, drawn from the top down."""
        first, rest = jax.random.split(key)
        names = list(self.layers)
        values = {names[-1]: self.prior.sample(first)}
        keys = jax.random.split(rest, max(len(self.down), 1))
        for i in reversed(range(len(self.down))):
            values[names[i]] = drawn(self.down[i], keys[i], values[names[i + 1]])
        return values["v"], {name: values[name] for name in names[1:]}

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]` of the visible units."""
        return self.simulate(key)[0]

    def filters(self) -> np.ndarray | None:
        """Weights of the link that gives the visible units, or of the prior where there is none."""
        lowest = self.down[0] if self.down else self.prior
        return lowest.filters() if isinstance(lowest, Filtered) else None


class _Above(eqx.Module):
    """The layers of a net above the visible ones, as a net."""

    net: HierarchicalLatentModel

    @property
    def layers(self) -> dict[str, Unit]:
        return dict(list(self.net.layers.items())[1:])

    @property
    def down(self) -> tuple[ConditionalLayer, ...]:
        return self.net.down[1:]

    @property
    def up(self) -> tuple[ConditionalLayer, ...]:
        return self.net.up[1:]
