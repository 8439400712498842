"""A deep Boltzmann machine without its layer of labels (Fig. 20.4 of the book)."""

from __future__ import annotations

import equinox as eqx

from harmonium.errors import InputError, shown
from harmonium.models.boltzmann.centred import Centred
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.energy import Constant, EnergyModel


def unlabelled(model: EnergyModel) -> EnergyModel:
    """The machine with layer `y` deleted, its weights and biases as they are; one without labels as it is.

    What its hidden layers infer from data owes nothing to a guess of the label: these are the features that a
    classifier takes beside the data (Salakhutdinov & Hinton 2009; book, Fig. 20.4 d). Of a centred machine the term
    `y - mu_y` is deleted, so that the layer below goes on as if `y` were at its mean.
    Arguments: `model`, a `DBM`, centred or not. Raises `InputError` for another model.

    >>> import harmonium as hm, jax
    >>> labels = hm.units.Categorical(1, states=10)
    >>> dbm = hm.DBM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4)], labels, key=jax.random.key(0))
    >>> list(unlabelled(dbm).layers)
    ['v', 'h']
    """
    if isinstance(model, Centred):
        inner = unlabelled(model.model)
        offsets = {name: model.offsets.value[name] for name in inner.layers}
        return eqx.tree_at(lambda m: (m.model, m.offsets), model, (inner, Constant(offsets)))
    if not isinstance(model, DBM):
        raise InputError(f"The layer of labels is deleted from a DBM, centred or not, and not from {shown(model)}.")
    if model.labels is None:
        return model
    depth = len(model.hidden)
    return eqx.tree_at(lambda m: (m.labels, m.W, m.b), model, (None, model.W[:depth], model.b[: depth + 1]))
