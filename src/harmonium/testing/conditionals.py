"""Conditionals of layers and of single units, against sums over all that they are conditional on."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from harmonium.compiling import jit_entry
from harmonium.inference import conditional, layer_stats
from harmonium.models import EnergyModel, coloured, local_field
from harmonium.testing.enumeration import Values, energies, evaluate, list_states, stats_of
from harmonium.testing.statistics import agree
from harmonium.units import Unit, inner

TOLERANCE = 1e-5  # relative, of what is derived in closed form
FEW = 8  # states beside which each real unit is integrated over


def check_units_given_others(model: EnergyModel, name: str) -> None:
    """`p(x_i | all others)` of each unit of a layer of finite units that act on each other."""
    truth = list_states(model)
    states = {layer: x[0] for layer, x in truth.values.items()}
    log_prob, mean = evaluate(conditionals, model, states)[name]
    stats = stats_of(model, states)[name]
    for unit in range(model.layers[name].size):
        others = [np.delete(x, unit, axis=1) if layer == name else x for layer, x in states.items()]
        group = numbered(np.hstack(others))
        total = np.bincount(group, truth.probability[0])
        what = f"unit {unit} of layer '{name}' given all others"
        agree(log_prob[:, unit], np.log(truth.probability[0] / total[group]), TOLERANCE, f"Log-probability of {what}")
        for actual, s in zip(jax.tree.leaves(mean), jax.tree.leaves(stats), strict=True):
            own = s[:, unit].reshape(len(s), -1).astype(np.float64)
            sums = np.stack([np.bincount(group, truth.probability[0] * column) for column in own.T], axis=1)
            found = actual[:, unit].reshape(len(s), -1)
            agree(found, (sums / total[:, None])[group], TOLERANCE, f"Mean statistics of {what}")


class Alone(eqx.Module):
    """A machine of one unit of a layer, beside the statistics of all others.

    >>> Alone.blocks.fget is not None
    True
    """

    model: EnergyModel
    stats: dict[str, PyTree]
    layer: str = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    @property
    def layers(self) -> dict[str, Unit]:
        """The layer, of that unit alone."""
        return {self.layer: self.model.layers[self.layer].sized(1)}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The layer."""
        return ((self.layer,),)

    def energy(self, stats: dict[str, PyTree]) -> Array:
        """That of the whole machine."""
        own = jax.tree.map(lambda x, one: x.at[self.unit].set(one[0]), self.stats[self.layer], stats[self.layer])
        return self.model.energy({**self.stats, self.layer: own})


def check_real_units_given_others(model: EnergyModel, name: str, states: Values) -> None:
    """The same of real units: each is integrated over, beside some states of the others."""
    some = {layer: x[:FEW] for layer, x in states.items()}
    log_prob, _ = evaluate(conditionals, model, some)[name]
    energy, stats = energies(model, some), stats_of(model, some)
    for unit in range(model.layers[name].size):
        for row in range(len(energy)):
            held = {layer: jax.tree.map(lambda x, r=row: jnp.asarray(x[r]), s) for layer, s in stats.items()}
            truth = list_states(Alone(model, held, name, unit)).log_partition[0]
            what = f"Log-probability of unit {unit} of layer '{name}' given all others"
            agree(log_prob[row, unit], -energy[row] - truth, TOLERANCE, what)


def numbered(rows: np.ndarray) -> np.ndarray:
    """A number for each row, the same for equal rows."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1) if rows.size else np.zeros(len(rows), int)


@jit_entry
def conditionals(model: EnergyModel, states: dict[str, Array]) -> dict[str, tuple[Array, PyTree]]:
    """Log-probability of each layer's value given the rest, and mean statistics, in each state `[n, ...]`.

    Of a layer whose units act on each other the log-probability of each unit given all others, `[n, size]`.
    """

    def one(values: dict[str, Array], name: str) -> tuple[Array, PyTree]:
        if coloured(model, name) is not None:
            return _unit_conditionals(model, name, values)
        law = conditional(model, name, {other: x for other, x in values.items() if other != name})
        return law.log_prob(values[name]), law.mean

    return {name: jax.vmap(lambda values, name=name: one(values, name))(states) for name in model.layers}


def _unit_conditionals(model: EnergyModel, name: str, values: dict[str, Array]) -> tuple[Array, PyTree]:
    unit, stats = model.layers[name], layer_stats(model, values)
    eta = local_field(model, stats, name, jnp.arange(unit.size))
    alone = unit.sized(1)

    def log_prob(eta: PyTree, own: PyTree) -> Array:
        eta, own = jax.tree.map(lambda leaf: leaf[None], (eta, own))
        return inner(eta, own) - alone.log_partition(eta)

    return jax.vmap(log_prob)(eta, stats[name]), unit.mean(eta)
