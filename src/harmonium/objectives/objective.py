"""What a learning rule is: a loss whose gradient *is* the rule."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Key, Num, PyTree

Memory = PyTree
Metrics = dict[str, Float[Array, ""]]


class Objective(eqx.Module):
    """`objective(model, batch, key, memory) -> (loss, (memory, metrics))`; the gradient of `loss` is the update.

    Constants are stopped inside. `memory` holds what outlives a step, such as persistent chains.
    """

    @abstractmethod
    def __call__(
        self, model: Any, batch: Num[Array, "batch size"], key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The loss of a batch `[batch, size]` in nats per example, the new memory, and numbers worth plotting."""

    def init(self, model: Any, key: Key[Array, ""]) -> Memory:
        """The memory before the first step."""
        return None

    def after_step(self, model: Any, memory: Memory) -> Any:
        """The model after a gradient step and whatever follows one that is no gradient (recentring)."""
        return model
