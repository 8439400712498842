"""Optimizers of recipes: gradient steps and Adam, with rates that fall, and decay of the weights alone."""

from __future__ import annotations

import math

import optax

from harmonium.errors import InputError
from harmonium.models import weights


def sgd(
    learning_rate: float, steps: int, *, momentum: float = 0.0, weight_decay: float = 0.0, schedule: str = "linear"
) -> optax.GradientTransformation:
    """Gradient steps whose rate falls to zero (`linear`) or stays (`constant`); decay acts on weights only."""
    if not (0 < learning_rate < math.inf and 0 <= momentum < 1 and 0 <= weight_decay < math.inf):
        raise InputError(
            "Gradient steps take a positive learning rate, a momentum from 0 to below 1 and a weight decay from 0, not "
            f"{learning_rate:g}, {momentum:g} and {weight_decay:g}."
        )
    rates = {"linear": optax.linear_schedule(learning_rate, 0.0, steps), "constant": learning_rate}
    if schedule not in rates:
        raise InputError(f"There is no schedule '{schedule}': choose linear or constant.")
    decay = optax.add_decayed_weights(weight_decay, mask=weights) if weight_decay else optax.identity()
    return optax.chain(decay, optax.sgd(rates[schedule], momentum=momentum or None))


def annealed(learning_rate: float, steps: int, *, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Adam with a rate that falls along a cosine to zero; an L2 penalty on the weights is part of its gradient."""
    if not 0 < learning_rate < math.inf:
        raise InputError(f"Gradient steps take a positive learning rate, not {learning_rate:g}.")
    if not 0 <= weight_decay < math.inf:
        raise InputError(f"A weight decay is a number from 0, not {weight_decay:g}.")
    adam = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
    return optax.chain(optax.add_decayed_weights(weight_decay, mask=weights), adam) if weight_decay else adam
