"""Which checks a model can be given, by what it is made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Key

from harmonium.inference import configurations, has_closed_form
from harmonium.models import (
    BeliefNet,
    Biased,
    BiHM,
    ConditionalEnergyModel,
    EnergyModel,
    LatentModel,
    LocalFieldModel,
    TractableModel,
    coloured,
)
from harmonium.models.kinds import (
    BELIEF_NET,
    BIDIRECTIONAL,
    CLASSIFIER,
    CONDITIONAL,
    CONDITIONAL_ENERGY,
    ENERGY,
    LATENT,
    TRACTABLE,
)
from harmonium.models.verb import verb
from harmonium.testing import (
    belief_nets,
    biases,
    chains,
    contexts,
    derived,
    invariance,
    latent,
    learning,
    structure,
    tractable,
)
from harmonium.testing.enumeration import refuse_large
from harmonium.testing.quadrature import listed
from harmonium.units import Frames, parts_of

Check = Callable[..., None]


@verb("checks_for")
def checks_for(row: Any, model: Any, key: Key[Array, ""] | None = None) -> dict[str, Callable[[], None]]:
    """Every check that applies to a small model, by name; each raises `AssertionError` where a law fails.

    Arguments: `model`, an energy model, a belief net, an auto-regressive network or a directed net with latent
    variables, a tiny instance (at most 2^12 joint states, and 3 Gaussian units or 2 of other real families) whose
    parameters are not all zero; `key`, which seeds the statistical checks. Real units are integrated over as their
    family says (`integrates`). Raises `InputError` for a model too large, `AssertionError` for a family of real units
    that does not say it.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Spin(2), key=jax.random.key(0), scale=0.5)
    >>> sorted(checks_for(tiny))[:3]
    ['biases', 'blocks', 'conditionals']
    """
    return {check.__name__.removeprefix("check_"): functools.partial(check, model, key=key) for check in row(model)}


@checks_for.register(ENERGY)
def _of_energies(model: EnergyModel) -> list[Check]:
    checks: list[Check] = [
        structure.check_shapes,
        structure.check_energy_is_linear,
        structure.check_blocks,
        structure.check_save_and_load,
    ]
    if isinstance(model, LocalFieldModel):
        checks.append(structure.check_acting_on)
    if isinstance(model, Biased):
        checks += [biases.check_biases, structure.check_weights]
    return checks + _checks_by_listing(model)


@checks_for.register(BELIEF_NET)
def _of_belief_nets(net: BeliefNet) -> list[Check]:
    checks: list[Check] = [
        structure.check_save_and_load,
        belief_nets.check_links,
        belief_nets.check_gradients_reach_every_link,
    ]
    if net.layers["v"].states is not None:
        checks += [belief_nets.check_joint_law, belief_nets.check_samples]
    return checks


@checks_for.register(LATENT)
def _of_latents(model: LatentModel) -> list[Check]:
    checks: list[Check] = [
        structure.check_save_and_load,
        structure.check_weights,
        latent.check_gradients_reach_both_nets,
    ]
    units = [part for unit in model.layers.values() for part, _ in parts_of(unit)]
    if not any(isinstance(unit, Frames) for unit in units):  # of which some may be absent
        checks += [latent.check_joint_law, latent.check_guesses, latent.check_bound]
    return checks


def _checks_by_listing(model: EnergyModel) -> list[Check]:
    refuse_large(model)
    finite = all(listed(unit) is not None for unit in model.layers.values())
    checks: list[Check] = [
        derived.check_conditionals,
        chains.check_gibbs_converges,
    ]
    if derived.blocks_of_independent_units(model):  # no layer has a free energy where units act on each other in all
        checks.append(derived.check_free_energy)
    if len(model.blocks) > 1 or any(coloured(model, name) is not None for name in model.layers):
        checks.append(derived.check_mean_field)
    checks += [*FINITE_CHECKS] if finite else [invariance.check_gibbs_keeps_moments]
    exact = math.isfinite(configurations(model))
    if exact:
        checks += [derived.check_log_partition, learning.check_gradients_reach_every_parameter]
    if exact and math.isfinite(configurations(model, ("v",))):
        checks.append(derived.check_variational_bound)
    if exact and has_closed_form(model):
        checks.append(learning.check_learning_rule)
        if listed(model.layers["v"]) is not None:
            checks.append(derived.check_sums_to_one)
        if model.layers["v"].states is not None:
            checks.append(derived.check_pseudo_likelihood)
    return checks


@checks_for.register(TRACTABLE)
def _of_tractable(model: TractableModel) -> list[Check]:
    return [
        structure.check_save_and_load,
        structure.check_weights,
        tractable.check_sums_to_one,
        tractable.check_samples_follow,
        tractable.check_gradients,
    ]


@checks_for.register(BIDIRECTIONAL)
def _of_both_nets(model: BiHM) -> list[Check]:
    return [structure.check_save_and_load, structure.check_weights, latent.check_bidirectional]


@checks_for.register(CLASSIFIER, CONDITIONAL)
def _of_structure(model: Any) -> list[Check]:
    return [structure.check_save_and_load, structure.check_weights]


@checks_for.register(CONDITIONAL_ENERGY)
def _of_contexts(model: ConditionalEnergyModel) -> list[Check]:
    return [
        structure.check_save_and_load,
        structure.check_weights,
        contexts.check_split_and_join,
        contexts.check_machines,
        contexts.check_sums_to_one,
        contexts.check_samples_follow,
        contexts.check_learning_rule,
    ]


FINITE_CHECKS = (
    invariance.check_gibbs_leaves_invariant,
    chains.check_gibbs_step,
    chains.check_clamped_gibbs,
)
