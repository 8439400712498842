"""Honest numbers: estimates that carry their kind, error and space, and the methods that make them."""

from harmonium.evaluation.annealed import base_for, forward, ladder, mean_weight, reverse
from harmonium.evaluation.compare import Comparison, compare
from harmonium.evaluation.error_rate import ErrorRate, error_rate
from harmonium.evaluation.estimate import Estimate, interval_verdict
from harmonium.evaluation.likelihood import free_energies, log_likelihood
from harmonium.evaluation.partition import check_annealing, log_partition

__all__ = [
    "Comparison",
    "ErrorRate",
    "Estimate",
    "base_for",
    "check_annealing",
    "compare",
    "error_rate",
    "forward",
    "free_energies",
    "interval_verdict",
    "ladder",
    "log_likelihood",
    "log_partition",
    "mean_weight",
    "reverse",
]
