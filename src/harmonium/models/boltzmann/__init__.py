"""Boltzmann machines: one a file, each a few arrays and an energy."""

from harmonium.models.boltzmann.centred import Centred, recentred
from harmonium.models.boltzmann.independent import Independent
from harmonium.models.boltzmann.path import Interpolated
from harmonium.models.boltzmann.rbm import RBM

__all__ = ["RBM", "Centred", "Independent", "Interpolated", "recentred"]
