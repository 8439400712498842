"""The conformance suite: every law of probability that a model should obey, as checks to run on your own.

>>> import harmonium as hm, jax
>>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
>>> checks = hm.testing.checks_for(tiny)
>>> checks["energy_is_linear"]()                        # silent: the law holds

In a test file, one parametrised test runs them all; see `tests/test_conformance.py` of this project. Truth is made in
NumPy and float64 from the energy alone, by listing every state (and by quadrature over Gaussian units).
"""

from harmonium.testing.belief_nets import (
    check_gradients_reach_every_link,
    check_joint_law,
    check_links,
    check_samples,
)
from harmonium.testing.biases import check_biases
from harmonium.testing.chains import check_clamped_gibbs, check_gibbs_converges, check_gibbs_step
from harmonium.testing.derived import (
    check_conditionals,
    check_free_energy,
    check_log_partition,
    check_mean_field,
    check_pseudo_likelihood,
    check_sums_to_one,
    check_variational_bound,
)
from harmonium.testing.enumeration import Listing, list_states
from harmonium.testing.invariance import check_gibbs_keeps_moments, check_gibbs_leaves_invariant
from harmonium.testing.latent import (
    check_bidirectional,
    check_bound,
    check_gradients_reach_both_nets,
    check_guesses,
)
from harmonium.testing.learning import check_gradients_reach_every_parameter, check_learning_rule
from harmonium.testing.quadrature import Piece, integrates
from harmonium.testing.statistics import FAILURE_RATE
from harmonium.testing.structure import (
    check_acting_on,
    check_blocks,
    check_energy_is_linear,
    check_save_and_load,
    check_shapes,
)
from harmonium.testing.suite import checks_for

__all__ = [
    "FAILURE_RATE",
    "Listing",
    "Piece",
    "check_acting_on",
    "check_biases",
    "check_bidirectional",
    "check_blocks",
    "check_bound",
    "check_clamped_gibbs",
    "check_conditionals",
    "check_energy_is_linear",
    "check_free_energy",
    "check_gibbs_converges",
    "check_gibbs_keeps_moments",
    "check_gibbs_leaves_invariant",
    "check_gibbs_step",
    "check_gradients_reach_both_nets",
    "check_gradients_reach_every_link",
    "check_gradients_reach_every_parameter",
    "check_guesses",
    "check_joint_law",
    "check_learning_rule",
    "check_links",
    "check_log_partition",
    "check_mean_field",
    "check_pseudo_likelihood",
    "check_samples",
    "check_save_and_load",
    "check_shapes",
    "check_sums_to_one",
    "check_variational_bound",
    "checks_for",
    "integrates",
    "list_states",
]
