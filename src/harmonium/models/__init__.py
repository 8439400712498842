"""Models: parameters and mathematics, for one example. No model knows a sampler, an objective, data or training."""

from harmonium.models.boltzmann import (
    DBM,
    MPDBM,
    RBM,
    Centred,
    Independent,
    Interpolated,
    Normalised,
    Twin,
    centred_part,
    recentred,
    uncentred,
)
from harmonium.models.directed import DBN, BeliefNet, Classifier, Link, classifier_from_dbm, classifier_from_dbn
from harmonium.models.energy import BiasedModel, Constant, EnergyModel, LayerStats, trainable, with_biases
from harmonium.models.saving import load, save, write_atomically

MODELS = ("RBM", "DBN", "DBM", "MPDBM", "Centred")  # what a person chooses from

__all__ = [
    "DBM",
    "DBN",
    "MODELS",
    "MPDBM",
    "RBM",
    "BeliefNet",
    "BiasedModel",
    "Centred",
    "Classifier",
    "Constant",
    "EnergyModel",
    "Independent",
    "Interpolated",
    "LayerStats",
    "Link",
    "Normalised",
    "Twin",
    "centred_part",
    "classifier_from_dbm",
    "classifier_from_dbn",
    "load",
    "recentred",
    "save",
    "trainable",
    "uncentred",
    "with_biases",
    "write_atomically",
]
