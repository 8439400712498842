"""Words of a document: counts whose sum, the length of the document, is given with it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from harmonium.errors import InputError, plain, shown, whole
from harmonium.units.unit import Unit, first_outside

MOST = 1000  # words of a document, where nothing else is said


class Words(Unit):
    """A layer of the counts `[size]` of a vocabulary's words in a document of `length` words.

        p(w_1, ..., w_N | eta) = prod_i exp(eta_{w_i}) / sum_k exp(eta_k),      T = n,      A = N log sum_k exp(eta_k)

    with the counts `n` (Salakhutdinov & Hinton, *Replicated softmax*, NIPS 2009). Probabilities are of words in their
    order, as those behind perplexities; that of the counts is `N! / prod_k n_k!` times as large. How many words there
    are is given with a document and not modelled, so that a model makes the layer for each length. Arguments: `size`,
    of the vocabulary; `most`, the longest document; `length`, how many words (default: `most`). Raises `InputError` for
    numbers that are none.

    >>> unit = Words(3, most=5); unit.sample(jax.random.key(0), jnp.zeros(3)).sum()
    Array(5., dtype=float32)
    """

    size: int = eqx.field(static=True, converter=plain)
    most: int = eqx.field(static=True, converter=plain, default=MOST)
    length: Float[Array, ""] | None = None

    def __check_init__(self) -> None:
        if not whole(self.most):
            raise InputError(f"A document has one word or more, and not most={shown(self.most)}: say the longest one.")

    @property
    def states(self) -> None:
        """None: units depend on each other, so that they have no states of their own."""
        return None

    @property
    def has_density(self) -> bool:
        """No: documents have probabilities."""
        return False

    @property
    def joint(self) -> bool:
        """Their sum is given."""
        return True

    @property
    def total(self) -> Float[Array, ""]:
        """How many words there are."""
        return jnp.float32(self.most) if self.length is None else self.length

    def of_length(self, length: Any) -> Words:
        """The layer of documents of so many words."""
        return Words(self.size, self.most, jnp.asarray(length, jnp.float32))

    def stats(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`n`, the counts."""
        return x

    def log_partition(self, eta: Float[Array, "size"]) -> Float[Array, ""]:
        """`N log sum_k exp(eta_k)`."""
        return self.total * jax.nn.logsumexp(eta)

    def sample(self, key: Key[Array, ""], eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """`N` words, each on its own, counted."""
        return self._counts(key, jax.nn.softmax(eta), self.total)

    def sample_given(
        self, key: Key[Array, ""], eta: Float[Array, "size"], known: Bool[Array, "size"], value: Array
    ) -> Float[Array, "size"]:
        """Counts of which some are known; the rest of the words are drawn of the others."""
        left = self.total - jnp.sum(jnp.where(known, value, 0))
        drawn = self._counts(key, jax.nn.softmax(jnp.where(known, -jnp.inf, eta)), left)
        return jnp.where(known, value.astype(self.dtype), drawn)

    def _counts(self, key: Key[Array, ""], p: Float[Array, "size"], number: Float[Array, ""]) -> Float[Array, "size"]:
        up_to = jnp.cumsum(p)
        u = jax.random.uniform(key, (self.most,), jnp.float32) * up_to[-1]
        word = jnp.minimum(jnp.searchsorted(up_to, u, side="right"), self.size - 1)
        there = (jnp.arange(self.most, dtype=jnp.int32) < number).astype(jnp.float32)
        return jnp.zeros(self.size, jnp.float32).at[word].add(there)

    def natural_from_mean(self, mean: Float[Array, "size"]) -> Float[Array, "size"]:
        """`log(n_k / N)`."""
        return jnp.log(mean / self.total)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse counts below 0 or that are no whole numbers, empty documents, and those that are too long."""
        inside = (x >= 0) & (np.isfinite(x)) & (expectation | (x == np.floor(x)))
        if not inside.all():
            raise InputError(
                f"Words are counted in whole numbers, but the data holds {first_outside(x, inside)}: give counts "
                "from 0."
            )
        lengths = x.sum(axis=1)
        odd = (lengths == 0) | (lengths > self.most)
        if odd.any() and not expectation:
            row = int(np.argmax(odd))
            cure = "leave empty ones out" if lengths[row] == 0 else "make the layer with a larger most="
            raise InputError(
                f"A document has from 1 to {self.most} words, and that in row {row} has {lengths[row]:g}: {cure}."
            )

    def blank(self, length: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """A document of so many words to be drawn. Raises `InputError` for a length that is none."""
        if not whole(length) or length > self.most:
            raise InputError(
                f"How many words a document has is not modelled: say it, length= from 1 to {self.most}, not "
                f"{shown(length)}."
            )
        row = np.zeros(self.size, np.float32)
        row[0] = length
        return row, np.ones(self.size, bool)
