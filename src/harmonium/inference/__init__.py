"""What is derived from an energy: conditionals, free energy, mean field, exact partition functions."""

from harmonium.inference.belief_net_mean_field import belief_mean_field
from harmonium.inference.classify import classify
from harmonium.inference.conditional import (
    LayerValues,
    as_values,
    conditional,
    energy,
    free_block,
    has_closed_form,
    layer_stats,
    natural_parameters,
)
from harmonium.inference.encode import encode
from harmonium.inference.enumeration import configurations, exact_free_energy, exact_log_partition, states_at
from harmonium.inference.free_energy import free_energy
from harmonium.inference.marginals import at_marginals, independent_at_marginals, marginal_natural, mean_stats
from harmonium.inference.mean_field import MeanField, fixed_point, mean_field, variational_free_energy
from harmonium.inference.partial import Inferred, infer, log_prob_missing
from harmonium.inference.probe import require_linear, try_linear
from harmonium.inference.pseudo_likelihood import log_pseudo_likelihood
from harmonium.inference.score import score
from harmonium.inference.sites import sum_over_sites

__all__ = [
    "Inferred",
    "LayerValues",
    "MeanField",
    "as_values",
    "at_marginals",
    "belief_mean_field",
    "classify",
    "conditional",
    "configurations",
    "encode",
    "energy",
    "exact_free_energy",
    "exact_log_partition",
    "fixed_point",
    "free_block",
    "free_energy",
    "has_closed_form",
    "independent_at_marginals",
    "infer",
    "layer_stats",
    "log_prob_missing",
    "log_pseudo_likelihood",
    "marginal_natural",
    "mean_field",
    "mean_stats",
    "natural_parameters",
    "require_linear",
    "score",
    "states_at",
    "sum_over_sites",
    "try_linear",
    "variational_free_energy",
]
