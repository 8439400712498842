"""Columns of several kinds in one layer, such as those of a person's table: a product of exponential families."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.errors import InputError
from harmonium.units.unit import Stats, Unit


class Columns(Unit):
    """A layer of units of several families, one after the other: `T`, `eta` and biases are tuples of the parts' own.

        p(x | eta) = prod_k p_k(x_k | eta_k),      A(eta) = sum_k A_k(eta_k)

    Values are float32 throughout. Arguments: `parts`, the units in the order of the columns. Raises `InputError` for
    anything but units, or none.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> unit = Columns([hm.units.Bernoulli(2), hm.units.Gaussian(1), hm.units.Categorical(1, states=3)])
    >>> unit.size, unit.widths, unit.features(jnp.array([1.0, 0.0, 2.5, 2.0])).tolist()
    (4, (1, 1, 1, 3), [1.0, 0.0, 2.5, 0.0, 0.0, 1.0])
    """

    parts: tuple[Unit, ...]

    def __init__(self, parts: Any) -> None:
        if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, Unit) for part in parts):
            raise InputError("Columns are a list of units, such as [hm.units.Bernoulli(2), hm.units.Gaussian(1)].")
        if any(isinstance(part, Columns) for part in parts) or min(part.size for part in parts) < 1:
            raise InputError("The parts of Columns are plain units of at least one column each.")
        self.parts = tuple(parts)

    @property
    def size(self) -> int:
        """The number of columns."""
        return sum(part.size for part in self.parts)

    @property
    def states(self) -> None:
        """None: the columns have no states in common."""
        return None

    def stats(self, x: Float[Array, "size"]) -> Stats:
        """The parts' statistics."""
        return tuple(part.stats(own.astype(part.dtype)) for part, own in zip(self.parts, self._split(x), strict=True))

    def log_partition(self, eta: Stats) -> Float[Array, ""]:
        """`sum_k A_k(eta_k)`."""
        return sum((part.log_partition(own) for part, own in zip(self.parts, eta, strict=True)), start=jnp.zeros(()))

    def log_prob(self, eta: Stats, x: Float[Array, "size"]) -> Float[Array, ""]:
        """The sum of the parts' own."""
        each = zip(self.parts, eta, self._split(x), strict=True)
        return sum((part.log_prob(own, value.astype(part.dtype)) for part, own, value in each), start=jnp.zeros(()))

    def sample(self, key: Key[Array, ""], eta: Stats) -> Float[Array, "size"]:
        """Each part's own sample."""
        keys = jax.random.split(key, len(self.parts))
        drawn = [part.sample(k, own) for part, k, own in zip(self.parts, keys, eta, strict=True)]
        return jnp.concatenate([x.astype(jnp.float32) for x in drawn])

    def natural_from_mean(self, mean: Stats) -> Stats:
        """That of each part."""
        return tuple(part.natural_from_mean(own) for part, own in zip(self.parts, mean, strict=True))

    def expected_value(self, mean: Stats) -> PyTree:
        """What each part's means say of its values."""
        return tuple(part.expected_value(own) for part, own in zip(self.parts, mean, strict=True))

    def reference(self) -> Stats:
        """Each part's neutral member."""
        return tuple(part.reference() for part in self.parts)

    @property
    def width(self) -> int:
        """The sum of the parts' widths."""
        return sum(part.width for part in self.parts)

    @property
    def widths(self) -> tuple[int, ...]:
        """Those of the parts' units."""
        return tuple(itertools.chain.from_iterable(part.widths for part in self.parts))

    def natural(self, bias: PyTree) -> Stats:
        """That of each part."""
        return tuple(part.natural(own) for part, own in zip(self.parts, bias, strict=True))

    def bias(self, natural: Stats) -> PyTree:
        """That of each part."""
        return tuple(part.bias(own) for part, own in zip(self.parts, natural, strict=True))

    def coupling(self, stats: Stats, bias: PyTree) -> Float[Array, "width"]:
        """The parts' couplings, end to end."""
        each = [part.coupling(s, b) for part, s, b in zip(self.parts, stats, bias, strict=True)]
        return jnp.concatenate(each)

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Those of the parts' units."""
        return tuple(itertools.chain.from_iterable(part.out_widths for part in self.parts))

    def shifted(self, bias: PyTree, out: Float[Array, "out_width"]) -> Stats:
        """Each part's, from its own share of the output."""
        ends = list(itertools.accumulate(part.out_width for part in self.parts))
        shares = jnp.split(out, ends[:-1])
        return tuple(part.shifted(own, share) for part, own, share in zip(self.parts, bias, shares, strict=True))

    def sample_one(
        self, key: Key[Array, ""], i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"]
    ) -> Float[Array, ""]:
        """A value of column `i`, by the part that it belongs to."""
        return self._by_owner(i, lambda k, own: self.parts[k].sample_one(key, own, bias[k], out).astype(jnp.float32))

    def log_prob_one(
        self, i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"], value: Array
    ) -> Float[Array, ""]:
        """Log-probability of a value of column `i`, by the part that it belongs to."""
        parts = self.parts
        return self._by_owner(i, lambda k, own: parts[k].log_prob_one(own, bias[k], out, value.astype(parts[k].dtype)))

    def features_of_one(self, i: Int[Array, ""], value: Array, most: int) -> Float[Array, "most"]:
        """Those of the part that column `i` belongs to."""
        parts = self.parts
        return self._by_owner(i, lambda k, own: parts[k].features_of_one(own, value.astype(parts[k].dtype), most))

    def _by_owner(self, i: Int[Array, ""], of: Callable[[int, Int[Array, ""]], Array]) -> Array:
        """`of(k, j)` of the part `k` in which column `i` is the one numbered `j`."""
        starts = self._starts()
        return jax.lax.switch(self._owner(i), [lambda k=k: of(k, i - starts[k]) for k in range(len(self.parts))])

    @property
    def scaled(self) -> bool:
        """Whether some part is."""
        return any(part.scaled for part in self.parts)

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> Columns:
        """Each part with its own columns' shift and scale."""
        return Columns([part.placed(shift[at], scale[at]) for part, at in parts_of(self)])

    def from_data(self, rows: Array | np.ndarray) -> Float[Array, "*n size"]:
        """Each part's own columns as it holds them."""
        if not self.scaled:
            return super().from_data(rows)
        each = [part.from_data(rows[..., at]).astype(jnp.float32) for part, at in parts_of(self)]
        return jnp.concatenate(each, axis=-1)

    def to_data(self, values: Array | np.ndarray) -> Array | np.ndarray:
        """Each part's own columns as data."""
        if not self.scaled:
            return values
        each = [part.to_data(values[..., at]) for part, at in parts_of(self)]
        traced = isinstance(values, jax.core.Tracer)
        return jnp.concatenate(each, axis=-1) if traced else np.concatenate(each, axis=-1, dtype=np.float64)

    @property
    def log_scales(self) -> np.ndarray:
        """Those of the parts."""
        return np.concatenate([part.log_scales for part in self.parts])

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse what the part would refuse, with the columns that it stands in."""
        for part, at in parts_of(self):
            try:
                part.check(x[:, at], expectation=expectation)
            except InputError as error:
                raise InputError(f"In columns {at.start} to {at.stop - 1}: {_shifted(str(error), at.start)}") from None

    def _starts(self) -> list[int]:
        return [0, *itertools.accumulate(part.size for part in self.parts)][:-1]

    def _owner(self, i: Int[Array, ""]) -> Int[Array, ""]:
        """The part that a column belongs to."""
        return jnp.asarray(np.repeat(range(len(self.parts)), [part.size for part in self.parts]), jnp.int32)[i]

    def _split(self, x: Array) -> list[Array]:
        return jnp.split(x, self._starts()[1:])


def _shifted(text: str, start: int) -> str:
    """A message with its column counted from that of the whole layer."""
    return re.sub(r"\bcolumn (\d+)", lambda found: f"column {int(found[1]) + start}", text)


def parts_of(unit: Unit) -> list[tuple[Unit, slice]]:
    """The plain units that a layer is made of, each with its columns: itself with all, but for `Columns`.

    >>> import harmonium as hm
    >>> [at for _, at in parts_of(Columns([hm.units.Spin(2), hm.units.Gaussian(1)]))]
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if not isinstance(unit, Columns):
        return [(unit, slice(0, unit.size))]
    ends = itertools.accumulate(part.size for part in unit.parts)
    return [(part, slice(end - part.size, end)) for part, end in zip(unit.parts, ends, strict=True)]


def real_columns(unit: Unit) -> list[int]:
    """The columns of a layer that hold real numbers.

    >>> import harmonium as hm
    >>> real_columns(Columns([hm.units.Bernoulli(2), hm.units.Gaussian(1), hm.units.Spin(1)]))
    [2]
    """
    return [i for part, at in parts_of(unit) if part.states is None for i in range(at.start, at.stop)]
