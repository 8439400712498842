"""Gradients of expectations: estimators for random operations (section 20.9), by themselves and inside objectives.

Each estimator is `estimator(f, q, key, samples=...)` of a function `f` and a distribution `q` of one layer: a number
whose value estimates `E_q f(x)`, and whose `jax.grad`, with respect to all that `q` and `f` depend on, estimates the
gradient of that. `exact(f, q)` is their referee.
"""

from harmonium.gradients.listed import exact
from harmonium.gradients.moving_average import MovingAverage
from harmonium.gradients.optimal import optimal_baseline
from harmonium.gradients.pathwise import reparametrized
from harmonium.gradients.reinforce import leave_one_out_reinforce, reinforce
from harmonium.gradients.relaxed import gumbel_softmax, straight_through
from harmonium.gradients.surrogate import leave_one_out, scored, vimco_signals, with_gradient_of
from harmonium.gradients.vimco import vimco

__all__ = [
    "MovingAverage",
    "exact",
    "gumbel_softmax",
    "leave_one_out",
    "leave_one_out_reinforce",
    "optimal_baseline",
    "reinforce",
    "reparametrized",
    "scored",
    "straight_through",
    "vimco",
    "vimco_signals",
    "with_gradient_of",
]
