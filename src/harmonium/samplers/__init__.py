"""Markov kernels, `kernel(key, state) -> (state, info)`, and what starts and runs them."""

from harmonium.samplers import in_contexts  # noqa: F401  its rows join the tables of sample and impute
from harmonium.samplers.gibbs import (
    Clamp,
    Gibbs,
    Info,
    Kernel,
    State,
    initial_state,
    posterior_sample,
    run_chain,
    sample_block,
    watched_chain,
)
from harmonium.samplers.hamiltonian import Hamiltonian
from harmonium.samplers.impute import impute
from harmonium.samplers.known import known_layers
from harmonium.samplers.ladders import Ladder, Snapshots, Temperatures
from harmonium.samplers.mcmc import hamiltonian, site_law, sweep_sites
from harmonium.samplers.sample import sample
from harmonium.samplers.tempering import Replicas, Tally, Tempering, initial_replicas, sample_replicas, swap_chances

__all__ = [
    "Clamp",
    "Gibbs",
    "Hamiltonian",
    "Info",
    "Kernel",
    "Ladder",
    "Replicas",
    "Snapshots",
    "State",
    "Tally",
    "Temperatures",
    "Tempering",
    "hamiltonian",
    "impute",
    "initial_replicas",
    "initial_state",
    "known_layers",
    "posterior_sample",
    "run_chain",
    "sample",
    "sample_block",
    "sample_replicas",
    "site_law",
    "swap_chances",
    "sweep_sites",
    "watched_chain",
]
