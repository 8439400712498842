"""Models: parameters and mathematics, for one example. No model knows a sampler, an objective, data or training."""

from harmonium.models.boltzmann import (
    DBM,
    MPDBM,
    RBM,
    BoltzmannMachine,
    Centred,
    Independent,
    Interpolated,
    Normalised,
    Twin,
    Wrapped,
    centred_part,
    recentred,
    uncentred,
)
from harmonium.models.directed import DBN, BeliefNet, Classifier, Link, classifier_from_dbm, classifier_from_dbn
from harmonium.models.energy import (
    BiasedModel,
    Coloured,
    Constant,
    EnergyModel,
    LayerStats,
    UnitwiseModel,
    acting_on,
    coloured,
    is_weight,
    trainable,
    with_biases,
)
from harmonium.models.kinds import require_model
from harmonium.models.saving import load, save, write_atomically

MODELS = ("BoltzmannMachine", "RBM", "DBN", "DBM", "MPDBM", "Centred")  # what a person chooses from

__all__ = [
    "DBM",
    "DBN",
    "MODELS",
    "MPDBM",
    "RBM",
    "BeliefNet",
    "BiasedModel",
    "BoltzmannMachine",
    "Centred",
    "Classifier",
    "Coloured",
    "Constant",
    "EnergyModel",
    "Independent",
    "Interpolated",
    "LayerStats",
    "Link",
    "Normalised",
    "Twin",
    "UnitwiseModel",
    "Wrapped",
    "acting_on",
    "centred_part",
    "classifier_from_dbm",
    "classifier_from_dbn",
    "coloured",
    "is_weight",
    "load",
    "recentred",
    "require_model",
    "save",
    "trainable",
    "uncentred",
    "with_biases",
    "write_atomically",
]
