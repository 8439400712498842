"""Replicated softmax: documents as counts of words, shallow or deep (Salakhutdinov & Hinton 2009)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, shown
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.given import CONDITIONAL_ENERGY, Steps
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.energy import with_biases
from harmonium.models.kind import Kind
from harmonium.units import Categorical, Unit, Words


class ReplicatedSoftmax(eqx.Module):
    """A machine of documents, as counts `n` of words: a softmax unit for each word, all of the same weights.

        E(n, h | N) = -b^T n - N c^T h - n^T W h,      N = sum_k n_k

    (Salakhutdinov & Hinton, NIPS 2009.) The bias of the hidden units next to the words grows with the length of the
    document, as what the words say to them does. Each length has a `log Z` of its own. With several hidden layers it is
    a deep Boltzmann machine (Srivastava, Salakhutdinov & Hinton, arXiv:1309.6865, whose upper layer of words is not
    here).

    Arguments: `words`, the layer of words, `hm.units.Words(vocabulary, most=longest)`; `hidden`, units, or a list of
    layers of them; `key`, for the weights' start; `scale`, their standard deviation. Fields: `words`; `machine`, the
    RBM or DBM of a single softmax unit. Raises `InputError` for a layer of other units than words, or hidden layers
    that are none.

    >>> import harmonium as hm, jax, numpy as np
    >>> model = hm.ReplicatedSoftmax(hm.units.Words(5, most=9), hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> hm.log_prob(model, np.array([[1, 0, 2, 0, 0]])).round(4)                             # -3 log 5
    array([-4.8283])
    """

    model_kind: ClassVar[Kind] = CONDITIONAL_ENERGY

    words: Words
    machine: RBM | DBM

    def __init__(self, words: Any, hidden: Any, *, key: Key[Array, ""], scale: Any = 0.01) -> None:
        if not isinstance(words, Words):
            raise InputError(
                f"A ReplicatedSoftmax is of documents, hm.units.Words(1000, most=500) for one, not of {shown(words)}."
            )
        make = DBM if isinstance(hidden, list | tuple) else RBM
        self.words = words
        self.machine = make(Categorical(1, states=words.size), hidden, key=key, scale=scale)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the counts of words of a document of any length."""
        return {"v": self.words}

    def split(self, row: Array) -> Steps:
        """The counts, all at once."""
        return Steps(row[None], jnp.ones(1, bool))

    def join(self, row: Array, values: Array) -> Array:
        """The document with other counts."""
        return values[0].astype(row.dtype)

    def start(self, row: Array) -> Float[Array, ""]:
        """The number of words."""
        return jnp.sum(row).astype(jnp.float32)

    def after(self, context: Float[Array, ""], value: Array) -> Float[Array, ""]:
        """The same: no document follows."""
        return context

    def given(self, context: Float[Array, ""]) -> RBM | DBM:
        """The machine of documents of so many words."""
        machine = eqx.tree_at(lambda m: m.visible, self.machine, self.words.of_length(context))
        next_up = list(machine.layers)[1]
        biases = {"v": self.machine.biases["v"][0], next_up: context * self.machine.biases[next_up]}
        return with_biases(machine, biases)

    def filters(self) -> np.ndarray:
        """Weights between words and the units next to them."""
        return self.machine.filters()
