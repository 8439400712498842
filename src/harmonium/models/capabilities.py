"""What a model may be able to do beside what its kind says: Protocols of one method each, in any combination."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float


@runtime_checkable
class Filtered(Protocol):
    """A model whose weights next to the data can be looked at as filters."""

    def filters(self) -> np.ndarray | None:
        """Weights `[visible.width, hidden]` between the data and the units next to it; None where there are none."""


@runtime_checkable
class Described(Protocol):
    """A model with hidden units that are no layers of its own, such as those of an auto-regressive network."""

    def hidden_sizes(self) -> list[int]:
        """How many units each hidden layer of its network has."""


@runtime_checkable
class Normalisable(Protocol):
    """A machine of real units that can find out whether it has a partition function."""

    def unbounded(self) -> str | None:
        """Why it has none, as the end of a sentence; None where none of its states speaks against it."""


@runtime_checkable
class KnownPartition(Protocol):
    """A machine whose log partition function has a formula."""

    def known_log_partition(self) -> Float[Array, ""]:
        """`log Z`, in nats."""
