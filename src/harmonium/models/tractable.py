"""What it takes to be a tractable model: it says how likely a value is, exactly, and draws values."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float, Key

from harmonium.models.kind import Kind
from harmonium.units import Unit


@runtime_checkable
class TractableModel(Protocol):
    """A model with an exact, normalised `log_prob`; written for one example, without a batch axis."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the visible units."""

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-probability (log-density for real units) of a value `[size]`, in nats."""

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`, independent of all others."""


TRACTABLE = Kind(
    "an auto-regressive network",
    "an auto-regressive network is sampled by hm.sample and weighed, exactly, by hm.log_likelihood",
    TractableModel,
)
