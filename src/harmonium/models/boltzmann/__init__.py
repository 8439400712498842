"""Boltzmann machines: one a file, each a few arrays and an energy."""

from harmonium.models.boltzmann.centred import Centred, centred_part, recentred, uncentred
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.independent import Independent
from harmonium.models.boltzmann.machine import BoltzmannMachine
from harmonium.models.boltzmann.mp_dbm import MPDBM
from harmonium.models.boltzmann.normalised import Normalised
from harmonium.models.boltzmann.pairs import Pairs
from harmonium.models.boltzmann.path import Interpolated
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.boltzmann.twin import DoubledRBM
from harmonium.models.boltzmann.unlabelled import unlabelled
from harmonium.models.boltzmann.wrapped import Wrapped

__all__ = [
    "DBM",
    "MPDBM",
    "RBM",
    "BoltzmannMachine",
    "Centred",
    "DoubledRBM",
    "Independent",
    "Interpolated",
    "Normalised",
    "Pairs",
    "Wrapped",
    "centred_part",
    "recentred",
    "uncentred",
    "unlabelled",
]
