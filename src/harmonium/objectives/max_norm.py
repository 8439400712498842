"""A limit on the norm of the weights into each unit, kept after every step of any rule."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, real, shown
from harmonium.models import EnergyModel, weights
from harmonium.models.kinds import ENERGY, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require


class MaxNorm(Objective):
    """A rule after whose steps the weights into each hidden unit are brought back to a norm of at most `limit`.

        W_.j <- W_.j min(1, limit / |W_.j|)

    (Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, section 5.1.) A column `W_.j` holds the weights
    from the layer below; of categorical units every state has its own. The weights are the matrices
    among `hm.models.weights`. The offsets of a centred model move afterwards, and so leave the limited machine as it
    is.

    Arguments: `rule`, the rule; `limit`, the largest norm. Raises `InputError` for a limit that is not positive, and,
    when training starts, for a model without such weights.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=9.0)
    >>> rule = MaxNorm(hm.objectives.CD(), limit=2.0)
    >>> after = rule.after_step(rbm, rule.init(rbm, jax.random.key(1)))
    >>> jnp.linalg.norm(after.W, axis=0).round(4)
    Array([2., 2., 2.], dtype=float32)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    rule: Objective
    limit: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not real(self.limit) or self.limit <= 0:
            raise InputError(f"The limit of a norm is positive, such as 3, not limit={shown(self.limit)}.")

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The rule's memory."""
        require(self, model)
        if not any(jax.tree.leaves(_matrices(model))):
            raise InputError(f"A {type(model).__name__} has no weight matrices whose norms could be limited.")
        return self.rule.init(model, key)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The rule's."""
        return self.rule(model, batch, key, memory)

    def after_step(self, model: Any, memory: StepMemory) -> Any:
        """The weights projected, then what the rule does."""
        limited = jax.tree.map(
            lambda leaf, held: _projected(leaf, self.limit) if held else leaf, model, _matrices(model)
        )
        return self.rule.after_step(limited, memory)


def _projected(W: Float[Array, "below above"], limit: float) -> Float[Array, "below above"]:
    return W * (limit / jnp.maximum(jnp.linalg.norm(W, axis=0), limit))


def _matrices(model: Any) -> Any:
    """A tree like `model`, True at its weights that are matrices."""
    return jax.tree.map(lambda leaf, weight: weight and leaf.ndim == 2, model, weights(model))
