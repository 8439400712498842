"""Models: parameters and mathematics, for one example. No model knows a sampler, an objective, data or training."""

from harmonium.models.boltzmann import RBM, Centred, Independent, Interpolated, recentred
from harmonium.models.energy import BiasedModel, Constant, EnergyModel, LayerStats, trainable, with_biases
from harmonium.models.saving import load, save, write_atomically

MODELS = ("RBM", "Centred")  # what a person chooses from

__all__ = [
    "MODELS",
    "RBM",
    "BiasedModel",
    "Centred",
    "Constant",
    "EnergyModel",
    "Independent",
    "Interpolated",
    "LayerStats",
    "load",
    "recentred",
    "save",
    "trainable",
    "with_biases",
    "write_atomically",
]
