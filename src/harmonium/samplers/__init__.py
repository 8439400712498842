"""Markov kernels, `kernel(key, state) -> state`, and what starts and runs them."""

from harmonium.samplers.completion import impute, sample
from harmonium.samplers.gibbs import (
    Clamp,
    Gibbs,
    Kernel,
    State,
    initial_state,
    posterior_sample,
    run_chain,
    sample_block,
)

__all__ = [
    "Clamp",
    "Gibbs",
    "Kernel",
    "State",
    "impute",
    "initial_state",
    "posterior_sample",
    "run_chain",
    "sample",
    "sample_block",
]
