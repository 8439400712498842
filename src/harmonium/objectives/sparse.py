"""Sparse hidden units: a penalty added to any rule."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, real, shown
from harmonium.inference import as_values, layer_stats, natural_parameters
from harmonium.models import EnergyModel
from harmonium.models.kinds import ENERGY, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, posterior, require
from harmonium.units import Bernoulli, Stats


class Sparse(Objective):
    """A rule with a penalty on hidden units whose mean activation over the batch is not the target.

        loss + strength * sum_j (target - mean_n E[h_j | v_n])^2

    (Lee, Ekanadham & Ng 2008; Hinton 2012, section 11.) The expectation is that of the positive phase: exact where
    hidden layers are independent of each other; in a deep machine each layer's mean given the mean field of the others,
    which is held constant. Only Bernoulli layers count, other than `v` and the labels `y`.

    Arguments: `rule`, the rule; `target`, the mean activation aimed at; `strength`, the weight of the penalty, in nats;
    `mean_field_steps`, sweeps of mean field, at most, in a deep machine. Metrics: `sparsity_penalty` and
    `mean_activation`, of all units that count. Raises `InputError` for a target outside (0, 1), a negative strength,
    and, when training starts, for a model without such layers.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> loss, (memory, metrics) = Sparse(hm.objectives.CD(), target=0.1, strength=2.0)(
    ...     rbm, jnp.ones((4, 6)), jax.random.key(1), None)
    >>> round(float(metrics["sparsity_penalty"]), 4)                # 2 * 3 * 0.4^2
    0.96
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    rule: Objective
    target: float = eqx.field(static=True, default=0.1)
    strength: float = eqx.field(static=True, kw_only=True)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)

    def __check_init__(self) -> None:
        if not (real(self.target, 0.0, 1.0) and self.target > 0 and real(self.strength, 0.0)):
            raise InputError(
                "A sparsity penalty has a target between 0 and 1 and a strength of at least 0, not "
                f"target={shown(self.target)} and strength={shown(self.strength)}."
            )

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The rule's memory."""
        require(self, model)
        _hidden(model)
        return self.rule.init(model, key)

    def after_step(self, model: Any, memory: StepMemory) -> Any:
        """What the rule does."""
        return self.rule.after_step(model, memory)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The rule's loss and the penalty, in nats."""
        loss, (memory, metrics) = self.rule(model, batch, key, memory)
        means = activations(model, batch, self.mean_field_steps)
        penalty = self.strength * jnp.sum((self.target - means) ** 2)
        return loss + penalty, (memory, metrics | {"sparsity_penalty": penalty, "mean_activation": jnp.mean(means)})


def activations(model: EnergyModel, batch: Batch, mean_field_steps: int = 25) -> Float[Array, "units"]:
    """Mean activations of all Bernoulli hidden units in the positive phase, one layer after the other.

    The gradient flows to the parameters that act on each layer directly. Raises `InputError` where there are none.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> activations(rbm, jnp.ones((4, 6)))
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    values = as_values(batch)
    inferred = posterior(jax.lax.stop_gradient(model), values, mean_field_steps)
    others = {} if inferred is None else inferred.mean

    def one(given: dict[str, Array], mean: dict[str, Stats]) -> list[Array]:
        stats = layer_stats(model, given) | mean
        hidden = [name for name in _hidden(model) if name not in given]
        eta = {name: natural_parameters(model, stats, _free(model, name, given))[name] for name in hidden}
        return [model.layers[name].mean(eta[name]) for name in hidden]

    return jnp.concatenate([jnp.mean(h, axis=0) for h in jax.vmap(one)(values, others)])


def _free(model: EnergyModel, name: str, given: dict[str, Array]) -> tuple[str, ...]:
    """The free layers of the block that a layer is in."""
    return tuple(n for block in model.blocks if name in block for n in block if n not in given)


def _hidden(model: Any) -> list[str]:
    names = [name for name, unit in model.layers.items() if name not in ("v", "y") and isinstance(unit, Bernoulli)]
    if not names:
        raise InputError("A sparsity penalty is for Bernoulli hidden units, and the model has none: leave it out.")
    return names
