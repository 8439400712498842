"""Numbers taken between chunks, on rows that stay the same: is the model learning, and is it overfitting?"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry, map_rows
from harmonium.data import Dataset
from harmonium.inference import has_closed_form, log_pseudo_likelihood, variational_free_energy
from harmonium.models import BiHM, ConditionalEnergyModel, EnergyModel, LatentModel, TractableModel, unfold
from harmonium.models.autoregressive.order import OrderlessModel
from harmonium.models.directed import half_of, net_of
from harmonium.models.kinds import BIDIRECTIONAL, CONDITIONAL_ENERGY, ENERGY, LATENT, ORDERLESS, TRACTABLE
from harmonium.models.verb import verb
from harmonium.units import Unit

ROWS = 500  # rows of each split
EXACT_ROWS = 1000  # of each split, where a model says how likely they are
ORDERLESS_ROWS = 100  # of each split, where it takes a pass a variable to say so
FEW_VARIABLES = 100  # beyond which these rows are weighed in the first of a network's orders alone
PSEUDO_ROWS = 100  # rows for the pseudo-likelihood
SITES = 8  # units of each row that it visits
GUESSES = 10  # of the latent variables of each row of a directed net


class Monitor:
    """Free-energy gap and pseudo-likelihood of fixed rows, or their likelihood (Hinton 2012, section 6; section 18.3).

    `free_energy_gap` is the mean free energy of validation rows less that of training rows: it grows when the model
    overfits, whatever log Z is (of deep machines it is the gap of the mean-field bounds). `log_pseudo_likelihood`
    (per example, in nats) is there for visible units with finitely many states under independent hidden ones.
    A directed net has `bound_train` and `bound_valid`, importance-weighted by 10 samples for each row.
    A tractable model says `log_likelihood_train` and `log_likelihood_valid` themselves: it has learned enough where the
    second falls. A network of every order with more than a hundred variables says so in the first of its orders alone,
    for each order costs a pass a variable.
    Arguments: `data`; `key`, which draws the rows and sites once; `unit`, of the visible layer; `n`, rows of a split.
    """

    def __init__(self, data: Dataset, key: Key[Array, ""], unit: Unit, n: int = ROWS) -> None:
        self._key = key
        splits = {"train": data.sampled(key, data.shown(data.train[:n]))}
        splits |= {} if data.valid is None else {"valid": np.asarray(data.valid[:n])}
        self._rows = {split: unit.from_data(rows) for split, rows in splits.items()}
        self._less = {split: float(np.mean(unit.log_scale(rows))) for split, rows in splits.items()}

    @classmethod
    def of(cls, model: Any, data: Dataset, key: Key[Array, ""]) -> Monitor | None:
        """The monitor of a model; None for one of a kind that has no numbers to watch."""
        numbers = measure.find(model)
        return None if numbers is None else cls(data, key, model.layers["v"], SHOWN.get(numbers, ROWS))

    def __call__(self, model: Any) -> dict[str, float]:
        """The numbers for a model as it is now."""
        found = measure(model, self._key, self._rows["train"], self._rows.get("valid"))
        densities = ("bound", "log_likelihood")  # of values held, and not yet of the data's own
        less = {f"{name}_{split}": number for split, number in self._less.items() for name in densities}
        return {name: float(value) - less.get(name, 0.0) for name, value in found.items()}


@verb("Monitor")
def measure(
    row: Any, model: Any, key: Key[Array, ""], train: Float[Array, "n size"], valid: Float[Array, "m size"] | None
) -> dict[str, Float[Array, ""]]:
    """Numbers of a model on training and validation rows, by name.

    >>> import harmonium as hm
    >>> found = measure(hm.FVBN(hm.units.Bernoulli(2)), jax.random.key(0), jnp.ones((3, 2)), None)
    >>> {name: round(float(value), 4) for name, value in found.items()}                      # -2 log 2
    {'log_likelihood_train': -1.3863}
    """
    return _measured(row, model, key, train, valid)


@jit_entry
def _measured(
    row: Any, model: Any, key: Key[Array, ""], train: Float[Array, "n size"], valid: Float[Array, "m size"] | None
) -> dict[str, Float[Array, ""]]:
    return row(model, key, {"train": train} | ({} if valid is None else {"valid": valid}))


Splits = dict[str, Float[Array, "_ size"]]


@measure.register(LATENT, BIDIRECTIONAL)
def _bounds(model: LatentModel | BiHM, key: Key[Array, ""], splits: Splits) -> dict[str, Float[Array, ""]]:
    return {f"bound_{name}": mean_bound(model, key, rows) for name, rows in splits.items()}


@measure.register(TRACTABLE)
def _likelihoods(model: TractableModel, key: Key[Array, ""], splits: Splits) -> dict[str, Float[Array, ""]]:
    return {f"log_likelihood_{name}": jnp.mean(map_rows(model.log_prob, rows)) for name, rows in splits.items()}


@measure.register(ORDERLESS)
def _in_few_orders(model: OrderlessModel, key: Key[Array, ""], splits: Splits) -> dict[str, Float[Array, ""]]:
    return _likelihoods(model.in_first_order() if model.visible.size > FEW_VARIABLES else model, key, splits)


@measure.register(ENERGY)
def _free_energies(model: EnergyModel, key: Key[Array, ""], splits: Splits) -> dict[str, Float[Array, ""]]:
    found, train, valid = {}, splits["train"], splits.get("valid")
    if valid is not None:
        found["free_energy_gap"] = _mean_free_energy(model, valid) - _mean_free_energy(model, train)
    if model.layers["v"].states is not None and has_closed_form(model):
        rows = (train if valid is None else valid)[:PSEUDO_ROWS]
        keys = jax.random.split(key, len(rows))
        values = jax.vmap(lambda k, v: log_pseudo_likelihood(model, k, v, sites=SITES))(keys, rows)
        found["log_pseudo_likelihood"] = jnp.mean(values)
    return found


@measure.register(CONDITIONAL_ENERGY)
def _pseudo_likelihoods(
    model: ConditionalEnergyModel, key: Key[Array, ""], splits: Splits
) -> dict[str, Float[Array, ""]]:
    """Of each row the sum over its values, each in its context: free energies of two contexts cannot be compared."""

    def one(key: Key[Array, ""], context: Any, value: Array) -> Array:
        return log_pseudo_likelihood(model.given(context), key, value, sites=SITES)

    def of(key: Key[Array, ""], row: Array) -> Array:
        found = unfold(model, row)
        values = jax.vmap(one)(jax.random.split(key, len(found.counted)), found.context, found.values)
        return jnp.sum(jnp.where(found.counted, values, 0.0))

    machine = model.given(model.start(splits["train"][0]))
    if machine.layers["v"].states is None or not has_closed_form(machine):
        return {}
    rows = {name: rows[:PSEUDO_ROWS] for name, rows in splits.items()}
    found = {name: jax.vmap(of)(jax.random.split(key, len(shown)), shown) for name, shown in rows.items()}
    return {f"log_pseudo_likelihood_{name}": jnp.mean(values) for name, values in found.items()}


SHOWN = {_likelihoods: EXACT_ROWS, _in_few_orders: ORDERLESS_ROWS}  # rows of each split, by row of the table


def _mean_free_energy(model: Any, rows: Float[Array, "n size"]) -> Float[Array, ""]:
    return jnp.mean(jax.vmap(lambda v: variational_free_energy(model, {"v": v}))(rows))


def mean_bound(
    model: LatentModel | BiHM, key: Key[Array, ""], rows: Float[Array, "n size"], guesses: int = GUESSES
) -> Float[Array, ""]:
    """The mean bound of rows of a directed net by a few samples for each, in nats.

    >>> import harmonium as hm
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(float(mean_bound(net, jax.random.key(1), jnp.ones((3, 6)))), 4)                # -6 log 2
    -4.1589
    """
    net, half = net_of(model), half_of(model)
    keys = jax.random.split(key, (len(rows), guesses))

    def one(keys: Key[Array, "k"], x: Array) -> Float[Array, ""]:
        encoded = net.encode_features(x)
        log_w = half * jax.vmap(lambda k: net.importance_sample(k, x, encoded).log_weight)(keys)
        return (jax.nn.logsumexp(log_w) - jnp.log(guesses)) / half

    return jnp.mean(jax.vmap(one)(keys, rows))
