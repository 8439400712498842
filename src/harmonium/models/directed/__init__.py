"""Directed models: layers that are drawn from the top down."""

from harmonium.models.directed.belief_net import HelmholtzMachine, SigmoidBeliefNet
from harmonium.models.directed.bihm import BiHM, half_of, net_of
from harmonium.models.directed.classifier import Classifier, classifier_from_dbm, classifier_from_dbn
from harmonium.models.directed.conditional_output import ConditionalGenerator
from harmonium.models.directed.dbn import DBN
from harmonium.models.directed.draw import DRAW
from harmonium.models.directed.draw_attention import Attention, Filters, filters_at
from harmonium.models.directed.factorial import Factorial
from harmonium.models.directed.generators import AffineGenerator, InverseTransform, Invertible, LogisticMixture
from harmonium.models.directed.invertible import AffineCoupling, InvertibleNet
from harmonium.models.directed.latent import FactorizedDecoder, LatentModel, Latents, WeightedSample
from harmonium.models.directed.layered import HierarchicalLatentModel
from harmonium.models.directed.link import BeliefNet, ConditionalLayer, Link, NetLink
from harmonium.models.directed.passes import (
    Linked,
    downwards,
    linked,
    log_prob_downwards,
    log_prob_upwards,
    upwards,
)
from harmonium.models.directed.vae import VAE
from harmonium.models.directed.variational_rnn import VariationalRNN

__all__ = [
    "DBN",
    "DRAW",
    "VAE",
    "AffineCoupling",
    "AffineGenerator",
    "Attention",
    "BeliefNet",
    "BiHM",
    "Classifier",
    "ConditionalGenerator",
    "ConditionalLayer",
    "Factorial",
    "FactorizedDecoder",
    "Filters",
    "HelmholtzMachine",
    "HierarchicalLatentModel",
    "InverseTransform",
    "Invertible",
    "InvertibleNet",
    "LatentModel",
    "Latents",
    "Link",
    "Linked",
    "LogisticMixture",
    "NetLink",
    "SigmoidBeliefNet",
    "VariationalRNN",
    "WeightedSample",
    "classifier_from_dbm",
    "classifier_from_dbn",
    "downwards",
    "filters_at",
    "half_of",
    "linked",
    "log_prob_downwards",
    "log_prob_upwards",
    "net_of",
    "upwards",
]
