"""The law of a network of every order, listed: each conditional from a whole pass of the net, none from a scan."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from harmonium.testing.tractable import grid
from harmonium.units import Conditional


def listed(model: Any) -> np.ndarray:
    """Every state `[states, size]`."""
    return grid(model)[0]


class Law:
    """Log-probabilities of every variable of every state given every subset of the others."""

    def __init__(self, model: Any) -> None:
        self.states = listed(model)
        size = self.states.shape[1]
        self.masks = np.array(list(itertools.product([False, True], repeat=size)))
        self.log_probs = np.asarray(_log_probs(model, jnp.asarray(self.states), jnp.asarray(self.masks)), np.float64)

    def given(self, known: tuple[int, ...]) -> np.ndarray:
        """`log p(x_i | x_known)` `[states, size]` by each refinement, `[refinements, states, size]`."""
        mask = np.isin(np.arange(self.states.shape[1]), known)
        return self.log_probs[(self.masks == mask).all(axis=1).argmax()]

    def joint(self, order: Any) -> np.ndarray:
        """The probability `[states]` of each state in one order, by the last refinement."""
        order = [int(i) for i in order]
        return np.exp(sum(self.given(tuple(order[:place]))[-1][:, i] for place, i in enumerate(order)))

    def conditional(self, order: Any, row: np.ndarray, known: np.ndarray) -> float:
        """`p(x_asked | x_known)` of a row, NaN where a cell is neither, by summing the joint of an order."""
        joint, same = self.joint(order), self.states == row
        of_known = same[:, known].all(axis=1)
        return joint[same[:, ~np.isnan(row)].all(axis=1)].sum() / joint[of_known].sum()


def known_first(order: Any, row: np.ndarray, known: np.ndarray) -> list[int]:
    """The order, those known moved to its front and those that are neither to its end."""
    return sorted((int(i) for i in order), key=lambda i: 0 if known[i] else 1 + np.isnan(row[i]))


@eqx.filter_jit
def _log_probs(model: Any, states: Any, masks: Any) -> Any:
    def one(x: Any, mask: Any) -> Any:
        return jax.vmap(lambda eta: Conditional(model.visible, eta).log_probs(x))(model.refinements(x, mask))

    each = jax.vmap(lambda mask: jax.vmap(lambda x: one(x, mask))(states))(masks)
    return jnp.moveaxis(each, 2, 1)
