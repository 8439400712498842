"""Boltzmann machines: one a file, each a few arrays and an energy."""

from harmonium.models.boltzmann.centred import Centred, centred_part, recentred, uncentred
from harmonium.models.boltzmann.conditional import ConditionalRBM
from harmonium.models.boltzmann.covariance import MeanCovarianceRBM
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.documents import ReplicatedSoftmax
from harmonium.models.boltzmann.given import ConditionalEnergyModel, Unfolded, fold, unfold, value_places
from harmonium.models.boltzmann.independent import Independent
from harmonium.models.boltzmann.machine import BoltzmannMachine
from harmonium.models.boltzmann.mp_dbm import MPDBM
from harmonium.models.boltzmann.normalised import Normalised
from harmonium.models.boltzmann.pairs import Pairs
from harmonium.models.boltzmann.path import Interpolated
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.boltzmann.sequence import RNNRBM, RTRBM
from harmonium.models.boltzmann.sparse_coding import S3C
from harmonium.models.boltzmann.spike_slab import SpikeSlabRBM
from harmonium.models.boltzmann.student import MeanProductOfStudentT, ProductOfStudentT
from harmonium.models.boltzmann.twin import DoubledRBM
from harmonium.models.boltzmann.unlabelled import unlabelled
from harmonium.models.boltzmann.wrapped import Wrapped

__all__ = [
    "DBM",
    "MPDBM",
    "RBM",
    "RNNRBM",
    "RTRBM",
    "S3C",
    "BoltzmannMachine",
    "Centred",
    "ConditionalEnergyModel",
    "ConditionalRBM",
    "DoubledRBM",
    "Independent",
    "Interpolated",
    "MeanCovarianceRBM",
    "MeanProductOfStudentT",
    "Normalised",
    "Pairs",
    "ProductOfStudentT",
    "ReplicatedSoftmax",
    "SpikeSlabRBM",
    "Unfolded",
    "Wrapped",
    "centred_part",
    "fold",
    "recentred",
    "uncentred",
    "unfold",
    "unlabelled",
    "value_places",
]
