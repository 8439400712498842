"""What is derived from an energy: conditionals, free energy, mean field, exact partition functions."""

from harmonium.inference.conditional import (
    LayerValues,
    conditional,
    energy,
    free_block,
    layer_stats,
    natural_parameters,
)
from harmonium.inference.encode import encode
from harmonium.inference.enumeration import configurations, exact_log_partition, states_at
from harmonium.inference.free_energy import free_energy
from harmonium.inference.marginals import at_marginals, marginal_natural, mean_stats
from harmonium.inference.mean_field import mean_field
from harmonium.inference.pseudo_likelihood import log_pseudo_likelihood

__all__ = [
    "LayerValues",
    "at_marginals",
    "conditional",
    "configurations",
    "encode",
    "energy",
    "exact_log_partition",
    "free_block",
    "free_energy",
    "layer_stats",
    "log_pseudo_likelihood",
    "marginal_natural",
    "mean_field",
    "mean_stats",
    "natural_parameters",
    "states_at",
]
