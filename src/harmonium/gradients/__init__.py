"""Gradients of expectations: estimators for random operations (section 20.9), by themselves and inside objectives."""

from harmonium.gradients.surrogate import leave_one_out, scored, vimco_signals, with_gradient_of

__all__ = ["leave_one_out", "scored", "vimco_signals", "with_gradient_of"]
