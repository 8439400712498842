"""What it takes to be a directed model of latent variables: a joint distribution, and a recognition network."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, Key, PyTree

from harmonium.models.kind import Kind
from harmonium.units import Conditional, Unit

Latents = dict[str, Array]


class WeightedSample(NamedTuple):
    """A sample `h ~ q(h | x)` of the latent variables of a value `x`, with its log-probabilities in nats.

    Attributes: `latents`, by layer; `log_joint`, `log p(x, h)`; `log_q`, `log q(h | x)`.

    >>> import jax.numpy as jnp
    >>> float(WeightedSample({}, jnp.array(-3.0), jnp.array(-1.0)).log_weight)
    -2.0
    """

    latents: Latents
    log_joint: Float[Array, "*n"]
    log_q: Float[Array, "*n"]

    @property
    def log_weight(self) -> Float[Array, "*n"]:
        """`log w = log p(x, h) - log q(h | x)`, whose exponential has the mean `p(x)`."""
        return self.log_joint - self.log_q


@runtime_checkable
class LatentModel(Protocol):
    """A directed model `p(x, h)` with a recognition model `q(h | x)`; written for one example, without a batch axis.

    What `q` computes from `x` alone is `encoded = encode_features(x)`, once for any number of samples. Where the latent
    units are real, `sample_posterior` and `importance_sample` are differentiable with respect to the parameters of `q`
    (reparametrised).
    """

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers by name: `v` for data, then the latent ones (`h`, `h1`, ..., or `z`)."""

    def log_joint(self, x: Array, latents: Latents) -> Float[Array, ""]:
        """`log p(x, h)`, in nats."""

    def encode_features(self, x: Array) -> PyTree:
        """What the recognition model needs of a value `x` `[size]`."""

    def sample_posterior(self, key: Key[Array, ""], encoded: PyTree) -> Latents:
        """Latent variables `h ~ q(h | x)`, by layer."""

    def log_q(self, latents: Latents, encoded: PyTree) -> Float[Array, ""]:
        """`log q(h | x)`, in nats."""

    def importance_sample(self, key: Key[Array, ""], x: Array, encoded: PyTree) -> WeightedSample:
        """A sample with both log-probabilities, at the price of one pass."""

    def simulate(self, key: Key[Array, ""]) -> tuple[Array, Latents]:
        """A value `x` `[size]` and its latent variables, drawn from `p(x, h)`."""

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]` drawn from `p(x)`."""


LATENT = Kind(
    "a directed net with latent variables (a VAE, ...)",
    "a directed net is sampled by hm.sample, inferred by hm.encode and bounded from below by hm.log_likelihood",
    LatentModel,
)


@runtime_checkable
class FactorizedDecoder(LatentModel, Protocol):
    """A directed net whose visible units are independent of each other given the latent variables."""

    def conditional(self, latents: Latents) -> Conditional:
        """`p(x | h)`."""
