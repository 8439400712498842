"""What a learning rule is: a loss whose gradient *is* the rule."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num, PyTree

from harmonium.errors import InputError, shown
from harmonium.inference import LayerValues, MeanField, as_values, fixed_point, has_closed_form, layer_stats
from harmonium.models import EnergyModel, Kind, centred_part, is_kind, recentred
from harmonium.models.kinds import CONDITIONAL_ENERGY
from harmonium.samplers import Replicas, State
from harmonium.units import Stats, Unit

Batch = Num[Array, "batch size"] | dict[str, Num[Array, "batch _"]]  # rows of layer `v`, or of several layers by name
States = Num[Array, "chains size"] | dict[str, Num[Array, "chains _"]]  # the same of chains
Memory = PyTree
Metrics = dict[str, Float[Array, ""]]


class StepMemory(eqx.Module):
    """What outlives a step: the chains' states, the means by which a model is centred, and what is a rule's `own`.

    Several devices share the chains among them, each with its first axis cut; everything else is on all of them.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rbm = hm.Centred(rbm); hm.objectives.CD().init(rbm, jax.random.key(1)).means["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """

    chains: State | Replicas | None = None
    means: dict[str, Stats] | None = None
    own: PyTree = None


class Objective(eqx.Module):
    """`objective(model, batch, key, memory) -> (loss, (memory, metrics))`; the gradient of `loss` is the update.

    Constants are stopped inside. `memory` holds what outlives a step, such as persistent chains. `accepts` names the
    kinds of models that it trains; without any it is asked of every model.

    >>> import jax.numpy as jnp
    >>> class Mean(Objective):
    ...     def __call__(self, model, batch, key, memory):
    ...         return jnp.sum((model - batch.mean(axis=0)) ** 2), (memory, {})
    >>> float(Mean()(jnp.zeros(2), jnp.ones((4, 2)), None, None)[0])
    2.0
    """

    accepts: ClassVar[tuple[Kind, ...]] = ()

    @abstractmethod
    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The loss of a batch in nats per example, the new memory, and numbers worth plotting.

        A batch is an array `[batch, size]` of layer `v`, or a dict of such arrays by layer where a model has labels.
        """

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The memory before the first step: no chains, and the offsets of a centred model."""
        centred = centred_part(model)
        return StepMemory(means=None if centred is None else centred.offsets.value)

    def placed(self, unit: Unit) -> Objective:
        """The rule for a model whose layer `v` holds its data as these units do: what it has seen of the data moves."""
        inner = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        rules = {name: rule for name, rule in inner.items() if isinstance(rule, Objective)}
        moved = {name: new for name, rule in rules.items() if (new := rule.placed(unit)) is not rule}
        return dataclasses.replace(self, **moved) if moved else self

    def after_step(self, model: Any, memory: StepMemory) -> Any:
        """The model after what follows a gradient step and is none: a centred model's offsets move."""
        return recentred(model, memory.means)


def require(objective: Objective, model: Any) -> None:
    """Refuse a model of a kind that an objective does not train, before anything is compiled.

    >>> import harmonium as hm
    >>> require(hm.objectives.UpDown(), "a text")
    Traceback (most recent call last):
    harmonium.errors.InputError: UpDown trains a belief net, not 'a text': choose another objective or model ...
    """
    for inner in (getattr(objective, f.name) for f in dataclasses.fields(objective)):
        if isinstance(inner, Objective):
            require(inner, model)
    if not isinstance(objective.accepts, tuple) or not all(isinstance(kind, Kind) for kind in objective.accepts):
        raise InputError(
            f"{type(objective).__name__}.accepts is a tuple of kinds, such as (hm.kinds.LATENT,), not "
            f"{shown(objective.accepts)}: write one."
        )
    if objective.accepts and not is_kind(model, *objective.accepts):
        if is_kind(model, CONDITIONAL_ENERGY):
            raise InputError(
                f"{type(objective).__name__} does not train {shown(model)}, which is another machine, with another log "
                "Z, for each context, so that no chain persists: use CD, MaximumLikelihood or PseudoLikelihood."
            )
        nouns = " or ".join(kind.noun for kind in objective.accepts)
        raise InputError(
            f"{type(objective).__name__} trains {nouns}, not {shown(model)}: choose another objective or model "
            "(harmonium list objectives)."
        )


def rows_only(rule: Objective, batch: Batch) -> Num[Array, "batch size"]:
    """The rows of a batch without labels, for a rule that has no use for these. Raises `InputError` for others."""
    if isinstance(batch, dict):
        raise InputError(f"{type(rule).__name__} learns without labels: use CD or PCD for a model with a layer y.")
    return batch


def summed_out(rule: Objective, model: EnergyModel) -> None:
    """Refuse a model whose hidden units have no closed form, for a rule of free energies of the data alone.

    >>> import harmonium as hm, jax
    >>> units = [hm.units.Bernoulli(2), hm.units.Bernoulli(2)]
    >>> summed_out(hm.objectives.RatioMatching(), hm.DBM(hm.units.Bernoulli(3), units, key=jax.random.key(0)))
    Traceback (most recent call last):
    harmonium.errors.InputError: RatioMatching sums the hidden units out, and those of this DBM depend on ...
    """
    if not has_closed_form(model):
        raise InputError(
            f"{type(rule).__name__} sums the hidden units out, and those of this {type(model).__name__} depend on each "
            "other: use PCD, which infers them by mean field."
        )


def posterior(model: EnergyModel, batch: Batch, max_steps: int) -> MeanField | None:
    """Mean field of each example of a batch, held constant: the positive phase of a machine whose hidden layers depend
    on each other. None where they do not, for they are then summed out exactly."""
    values = as_values(batch)
    if has_closed_form(model, values):
        return None
    return jax.lax.stop_gradient(_mean_fields(model, values, max_steps))


def positive_means(model: EnergyModel, batch: Batch, inferred: MeanField | None = None) -> dict[str, Stats] | None:
    """Mean statistics of all layers in the positive phase, for a model that centres by them; None for others.

    Arguments: `inferred`, the batch's `posterior`, where there is one already.
    """
    if centred_part(model) is None:
        return None
    values = as_values(batch)
    q = _mean_fields(model, values, 1) if inferred is None else inferred
    stats = jax.vmap(lambda v: layer_stats(model, v))(values) | q.mean
    return jax.lax.stop_gradient(jax.tree.map(lambda s: jnp.mean(s, axis=0), stats))


def _mean_fields(model: EnergyModel, values: LayerValues, max_steps: int) -> MeanField:
    return jax.vmap(lambda v: fixed_point(model, v, max_steps=max_steps))(values)
