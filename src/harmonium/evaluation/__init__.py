"""Honest numbers: estimates that carry their kind, error and space, and the methods that make them."""

from harmonium.evaluation import likelihood_of_nets  # noqa: F401  its rows join the table of log_likelihood
from harmonium.evaluation.active_units import ActiveUnits, active_units
from harmonium.evaluation.annealed import base_for, forward, ladder, mean_weight, reverse
from harmonium.evaluation.baseline import Standing, baseline, few_rows, independent, standing
from harmonium.evaluation.bidirectional import simulated_interval
from harmonium.evaluation.compare import Comparison, compare
from harmonium.evaluation.convergence import effective_samples, r_hat
from harmonium.evaluation.diagnose import Diagnosis, diagnose
from harmonium.evaluation.diagnose_latent import LatentDiagnosis
from harmonium.evaluation.diagnose_tractable import TractableDiagnosis
from harmonium.evaluation.error_rate import ErrorRate, error_rate
from harmonium.evaluation.estimate import Estimate, at_least_one, interval_verdict
from harmonium.evaluation.finding import Finding
from harmonium.evaluation.frames import per_frame
from harmonium.evaluation.in_contexts import count_values
from harmonium.evaluation.likelihood import free_energies, log_likelihood
from harmonium.evaluation.log_prob import log_prob, log_ratio
from harmonium.evaluation.mean_field import mean_field_bound
from harmonium.evaluation.methods import Methods, methods
from harmonium.evaluation.partition import check_annealing, log_partition
from harmonium.evaluation.posterior_annealing import posterior_annealing
from harmonium.evaluation.reverse_annealing import reverse_annealing
from harmonium.evaluation.rows import rows_of, some_of
from harmonium.evaluation.sampling_bound import sampling_bound
from harmonium.evaluation.tractable import log_probs, per_variable
from harmonium.evaluation.trajectory import forward_along, reverse_along, training_path
from harmonium.evaluation.watch import Stage, watched

__all__ = [
    "ActiveUnits",
    "Comparison",
    "Diagnosis",
    "ErrorRate",
    "Estimate",
    "Finding",
    "LatentDiagnosis",
    "Methods",
    "Stage",
    "Standing",
    "TractableDiagnosis",
    "active_units",
    "at_least_one",
    "base_for",
    "baseline",
    "check_annealing",
    "compare",
    "count_values",
    "diagnose",
    "effective_samples",
    "error_rate",
    "few_rows",
    "forward",
    "forward_along",
    "free_energies",
    "independent",
    "interval_verdict",
    "ladder",
    "log_likelihood",
    "log_partition",
    "log_prob",
    "log_probs",
    "log_ratio",
    "mean_field_bound",
    "mean_weight",
    "methods",
    "per_frame",
    "per_variable",
    "posterior_annealing",
    "r_hat",
    "reverse",
    "reverse_along",
    "reverse_annealing",
    "rows_of",
    "sampling_bound",
    "simulated_interval",
    "some_of",
    "standing",
    "training_path",
    "watched",
]
