"""Directed models: layers that are drawn from the top down."""

from harmonium.models.directed.belief_net import HelmholtzMachine, SigmoidBeliefNet
from harmonium.models.directed.bihm import BiHM
from harmonium.models.directed.classifier import Classifier, classifier_from_dbm, classifier_from_dbn
from harmonium.models.directed.dbn import DBN
from harmonium.models.directed.factorial import Factorial
from harmonium.models.directed.latent import LatentModel, Latents, Weighed
from harmonium.models.directed.layered import Layered
from harmonium.models.directed.link import BeliefNet, Giving, Link, NetLink
from harmonium.models.directed.passes import (
    Linked,
    downwards,
    linked,
    log_prob_downwards,
    log_prob_upwards,
    upwards,
)
from harmonium.models.directed.vae import VAE

__all__ = [
    "DBN",
    "VAE",
    "BeliefNet",
    "BiHM",
    "Classifier",
    "Factorial",
    "Giving",
    "HelmholtzMachine",
    "LatentModel",
    "Latents",
    "Layered",
    "Link",
    "Linked",
    "NetLink",
    "SigmoidBeliefNet",
    "Weighed",
    "classifier_from_dbm",
    "classifier_from_dbn",
    "downwards",
    "linked",
    "log_prob_downwards",
    "log_prob_upwards",
    "upwards",
]
