"""Mean field: the same conditionals, fed with mean statistics instead of sampled ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from harmonium.errors import InputError, real, shown, warn, whole
from harmonium.inference.conditional import LayerValues, has_closed_form, layer_stats, natural_parameters
from harmonium.inference.free_energy import free_energy
from harmonium.models.energy import Coloured, EnergyModel, LayerStats, local_field
from harmonium.models.kinds import ENERGY, require_kind
from harmonium.units import Stats, inner

TOLERANCE, MAX_STEPS = 1e-5, 100
LOOSE = "its bound holds but is loose; raise max_steps, or train with smaller weights"


class MeanField(NamedTuple):
    """A factorial distribution over the layers that are not given: natural parameters and mean statistics of each,
    the largest change of the last sweep, and the number of sweeps.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> int(fixed_point(rbm, {"v": jnp.zeros(6)}).steps)
    1
    """

    natural: dict[str, Stats]
    mean: dict[str, Stats]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def mean_field(
    model: Any, values: LayerValues, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> dict[str, Stats]:
    """Mean statistics `q_l` of the layers that are not given, by coordinate ascent on the variational bound.

        q_l <- grad A(-dE/dT_l(q))                                       # (20.33), (20.34) for two hidden layers

    Where the free layers are independent of each other (an RBM), one step gives the exact posterior. Each update
    raises the bound (20.35); a layer whose units act on each other is updated colour by colour. Warns, with the
    residual, where `max_steps` sweeps do not settle it.
    Arguments: `values`, the given layers' values `[size]` by name; `tolerance`, the largest change at which to stop;
    `max_steps`, sweeps at most, one or more. Raises `InputError` for another kind of model, values that do not fit it,
    or fewer sweeps.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.mean_field(rbm, {"v": jnp.zeros(6)})["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    require_kind("hm.mean_field", model, ENERGY)
    check_sweeps(tolerance, max_steps)
    found = fixed_point(model, values, tolerance=tolerance, max_steps=max_steps)
    if not isinstance(found.change, jax.core.Tracer):
        warn_unsettled(float(found.change), tolerance, max_steps)
    return found.mean


def check_sweeps(tolerance: float, max_steps: int) -> None:
    """Refuse numbers with which mean field does nothing.

    >>> check_sweeps(1e-5, 0)
    Traceback (most recent call last):
    harmonium.errors.InputError: Mean field takes at least one sweep and no negative tolerance, not max_steps=0 and ...
    """
    if not whole(max_steps) or not real(tolerance, 0.0):
        raise InputError(
            f"Mean field takes at least one sweep and no negative tolerance, not max_steps={max_steps} and "
            f"tolerance={shown(tolerance)}."
        )


def fixed_point(
    model: EnergyModel, values: LayerValues, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> MeanField:
    """The distribution that `mean_field` gives the means of, with what its bound and its convergence need.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> float(fixed_point(rbm, {"v": jnp.zeros(6)}).change)           # exact after one step
    0.0
    """
    return fixed_point_of_stats(model, layer_stats(model, values), tolerance=tolerance, max_steps=max_steps)


def fixed_point_of_stats(
    model: EnergyModel, given: LayerStats, *, tolerance: float = TOLERANCE, max_steps: int = MAX_STEPS
) -> MeanField:
    """The same given statistics of some layers, which may be means."""
    # The last blocks first: in a deep machine they hold the layer next to the data.
    blocks = [tuple(name for name in block if name not in given) for block in reversed(model.blocks)]
    blocks = [block for block in blocks if block]

    def sweep(q: LayerStats) -> tuple[dict[str, Stats], dict[str, Stats]]:
        q, natural = dict(q), {}
        for block in blocks:
            found = block_means(model, {**given, **q}, block)
            natural |= found[0]
            q |= found[1]
        return natural, q

    reference = {name: model.layers[name].neutral_natural() for block in blocks for name in block}
    start = {name: model.layers[name].mean(eta) for name, eta in reference.items()}
    if has_closed_form(model, given):
        return MeanField(*sweep(start), jnp.zeros((), jnp.float32), jnp.ones((), jnp.int32))

    def body(state: MeanField) -> MeanField:
        natural, q = sweep(state.mean)
        change = jax.tree.reduce(jnp.maximum, jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), q, state.mean))
        return MeanField(natural, q, change, state.steps + 1)

    def unsettled(state: MeanField) -> Array:
        return (state.change > tolerance) & (state.steps < max_steps)

    first = MeanField(reference, start, jnp.asarray(jnp.inf, jnp.float32), jnp.int32(0))
    return jax.lax.while_loop(unsettled, body, first)


def block_means(
    model: EnergyModel,
    stats: LayerStats,
    block: tuple[str, ...],
    feed: Callable[[str, Stats, Int[Array, "units"] | slice], Stats] = lambda name, mean, units: mean,
) -> tuple[dict[str, Stats], dict[str, Stats]]:
    """Natural parameters of the layers of one block given the rest, and the statistics that their means give.

    A `Coloured` layer takes a loop over its colours, each of which is fed what the colours before it have become.
    Arguments: `stats`, of the other layers, and of the block's own where it is coloured; `feed`, what takes the place
    of the means of a layer's units (all of them as a slice, or those of one colour by number).

    >>> import harmonium as hm, jax
    >>> machine = hm.BoltzmannMachine(hm.units.Bernoulli(2), edges=[(0, 1)], key=jax.random.key(0), scale=0.0)
    >>> block_means(machine, {"v": jnp.zeros(2)}, machine.blocks[0])[1]["v"]
    Array([0.5, 0.5], dtype=float32)
    """
    if not isinstance(block[0], Coloured):
        natural = natural_parameters(model, stats, block)
        mean = {name: model.layers[name].mean(eta) for name, eta in natural.items()}
        return natural, {name: feed(name, mean[name], slice(None)) for name in block}
    (name,) = block
    unit, members = model.layers[name], name.members
    some = unit.sized(members.shape[1])

    def colour(carry: tuple[Stats, Stats], units: Int[Array, "units"]) -> tuple[tuple[Stats, Stats], None]:
        inside = jnp.minimum(units, unit.size - 1)
        eta = local_field(model, {**stats, name: carry[1]}, name, inside)
        new = eta, feed(name, some.mean(eta), inside)
        return jax.tree.map(lambda old, part: old.at[units].set(part, mode="drop"), carry, new), None

    (natural, mean), _ = jax.lax.scan(colour, (unit.zeros(), stats[name]), jnp.asarray(members))
    return {str(name): natural}, {str(name): mean}


def variational_free_energy(model: EnergyModel, values: LayerValues, q: MeanField | None = None) -> Float[Array, ""]:
    """An upper bound of the free energy, `F(v) <= E(v, q) - H(q)`, in nats; equal where hidden layers are independent.

    Minus it, less `log Z`, is the variational bound of the log-likelihood (20.35). Arguments: `values`, the given
    layers' values `[size]` by name; `q`, a distribution over the others, held constant (default: by mean field; the
    free energy itself where it has a closed form).

    >>> import harmonium as hm, jax
    >>> units = [hm.units.Bernoulli(2), hm.units.Bernoulli(2)]
    >>> dbm = hm.DBM(hm.units.Bernoulli(3), units, key=jax.random.key(0), scale=0.0)
    >>> round(float(variational_free_energy(dbm, {"v": jnp.zeros(3)})), 2)         # -4 log 2
    -2.77
    """
    if q is None and has_closed_form(model, values):
        return free_energy(model, values)
    q = jax.lax.stop_gradient(fixed_point(jax.lax.stop_gradient(model), values) if q is None else q)
    entropy = sum(model.layers[name].log_partition(eta) - inner(eta, q.mean[name]) for name, eta in q.natural.items())
    return model.energy({**layer_stats(model, values), **q.mean}) - entropy  # (20.35)


def warn_unsettled(change: float, tolerance: float, max_steps: int, then: str = LOOSE) -> None:
    """Warn, with the residual, where mean field stopped before it settled; `then`, what that means and its cure."""
    if not change <= tolerance:  # NaN counts as unsettled
        warn(
            f"Mean field changed by {change:.2g} in the last of {max_steps} sweeps, more than {tolerance:g}: {then}.",
        )
