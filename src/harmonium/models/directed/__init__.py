"""Directed models: layers that are drawn from the top down."""

from harmonium.models.directed.classifier import Classifier, classifier_from_dbm, classifier_from_dbn
from harmonium.models.directed.dbn import DBN
from harmonium.models.directed.link import BeliefNet, Link

__all__ = ["DBN", "BeliefNet", "Classifier", "Link", "classifier_from_dbm", "classifier_from_dbn"]
