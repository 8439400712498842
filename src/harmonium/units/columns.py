"""Columns of several kinds in one layer, such as those of a person's table: a product of exponential families."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.errors import InputError
from harmonium.units.unit import Stats, Unit


class Kind(NamedTuple):
    """The columns of one family in a layer: as one unit, and their numbers.

    >>> import harmonium as hm
    >>> unit = Columns([hm.units.Spin(1), hm.units.Gaussian(1), hm.units.Spin(1)])
    >>> [(type(kind.unit).__name__, kind.columns.tolist()) for kind in unit.kinds]
    [('Spin', [0, 2]), ('Gaussian', [1])]
    """

    unit: Unit
    columns: Int[np.ndarray, "columns"]


class Columns(Unit):
    """A layer of units of several families: `T`, `eta` and biases are tuples of the families' own.

        p(x | eta) = prod_k p_k(x_k | eta_k),      A(eta) = sum_k A_k(eta_k)

    Values are float32 throughout. Parts of one family count as one, wherever they stand (`kinds`, in the order of each
    one's first part): a table of 300 columns whose kinds alternate is compiled as fast as one that is sorted. Values,
    features and a network's outputs stay in the order of the columns. Arguments: `parts`, the units in that order.
    Raises `InputError` for anything but units, or none.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> unit = Columns([hm.units.Bernoulli(2), hm.units.Gaussian(1), hm.units.Categorical(1, states=3)])
    >>> unit.size, unit.widths, unit.as_input(jnp.array([1.0, 0.0, 2.5, 2.0])).tolist()
    (4, (1, 1, 1, 3), [1.0, 0.0, 2.5, 0.0, 0.0, 1.0])
    """

    parts: tuple[Unit, ...]
    joined: bool = eqx.field(static=True, default=False, repr=False)  # files of version 0.1.0 have biases for each part

    def __init__(self, parts: Any, joined: bool = True) -> None:
        if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, Unit) for part in parts):
            raise InputError("Columns are a list of units, such as [hm.units.Bernoulli(2), hm.units.Gaussian(1)].")
        if any(isinstance(part, Columns) for part in parts) or min(part.size for part in parts) < 1:
            raise InputError("The parts of Columns are plain units of at least one column each.")
        self.parts, self.joined = tuple(parts), joined

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The families, each as one unit with the numbers of its columns: what `T`, `eta` and biases go by."""
        return _kinds(self.parts, self.joined)

    @property
    def size(self) -> int:
        """The number of columns."""
        return sum(part.size for part in self.parts)

    @property
    def states(self) -> None:
        """None: the columns have no states in common."""
        return None

    @property
    def has_density(self) -> bool:
        """Whether some columns have."""
        return any(part.has_density for part in self.parts)

    @property
    def has_score(self) -> bool:
        """No: columns of several kinds have no slope in common."""
        return False

    def stats(self, x: Float[Array, "size"]) -> Stats:
        """The kinds' statistics."""
        return tuple(kind.unit.stats(own) for kind, own in zip(self.kinds, self._values(x), strict=True))

    def log_partition(self, eta: Stats) -> Float[Array, ""]:
        """`sum_k A_k(eta_k)`."""
        return _total(kind.unit.log_partition(own) for kind, own in zip(self.kinds, eta, strict=True))

    def log_prob(self, eta: Stats, x: Float[Array, "size"]) -> Float[Array, ""]:
        """The sum of the kinds' own."""
        each = zip(self.kinds, eta, self._values(x), strict=True)
        return _total(kind.unit.log_prob(own, value) for kind, own, value in each)

    def sample(self, key: Key[Array, ""], eta: Stats) -> Float[Array, "size"]:
        """Each kind's own sample."""
        keys = jax.random.split(key, len(self.kinds))
        drawn = [kind.unit.sample(k, own) for kind, k, own in zip(self.kinds, keys, eta, strict=True)]
        return self.in_order([x.astype(jnp.float32) for x in drawn])

    def natural_from_mean(self, mean: Stats) -> Stats:
        """That of each kind."""
        return tuple(kind.unit.natural_from_mean(own) for kind, own in zip(self.kinds, mean, strict=True))

    def expected_value(self, mean: Stats) -> PyTree:
        """What each kind's means say of its values."""
        return tuple(kind.unit.expected_value(own) for kind, own in zip(self.kinds, mean, strict=True))

    def neutral_natural(self) -> Stats:
        """Each kind's neutral member."""
        return tuple(kind.unit.neutral_natural() for kind in self.kinds)

    @property
    def width(self) -> int:
        """The sum of the parts' widths."""
        return sum(part.width for part in self.parts)

    @property
    def widths(self) -> tuple[int, ...]:
        """Those of the parts' units."""
        return tuple(itertools.chain.from_iterable(part.widths for part in self.parts))

    def natural(self, bias: PyTree) -> Stats:
        """That of each kind."""
        return tuple(kind.unit.natural(own) for kind, own in zip(self.kinds, bias, strict=True))

    def bias(self, natural: Stats) -> PyTree:
        """That of each kind."""
        return tuple(kind.unit.bias(own) for kind, own in zip(self.kinds, natural, strict=True))

    def interaction(self, stats: Stats, bias: PyTree) -> Float[Array, "width"]:
        """The couplings of all columns, end to end."""
        each = [kind.unit.interaction(s, b) for kind, s, b in zip(self.kinds, stats, bias, strict=True)]
        return self.in_order(each, self.widths)

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Those of the parts' units."""
        return tuple(itertools.chain.from_iterable(part.out_widths for part in self.parts))

    def natural_from_output(self, bias: PyTree, out: Float[Array, "num_outputs"]) -> Stats:
        """Each kind's, from its own share of the output."""
        shares = self.by_kind(out, self.out_widths)
        return tuple(
            kind.unit.natural_from_output(own, share) for kind, own, share in zip(self.kinds, bias, shares, strict=True)
        )

    def sample_one(
        self, key: Key[Array, ""], i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"]
    ) -> Float[Array, ""]:
        """A value of column `i`, by the unit that it belongs to."""
        units = [kind.unit for kind in self.kinds]
        return self._by_owner(i, lambda k, own: units[k].sample_one(key, own, bias[k], out).astype(jnp.float32))

    def log_prob_one(
        self, i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"], value: Array
    ) -> Float[Array, ""]:
        """Log-probability of a value of column `i`, by the unit that it belongs to."""
        units = [kind.unit for kind in self.kinds]
        return self._by_owner(i, lambda k, own: units[k].log_prob_one(own, bias[k], out, value.astype(units[k].dtype)))

    def features_of_one(self, i: Int[Array, ""], value: Array, most: int) -> Float[Array, "most"]:
        """Those of the unit that column `i` belongs to."""
        units = [kind.unit for kind in self.kinds]
        return self._by_owner(i, lambda k, own: units[k].features_of_one(own, value.astype(units[k].dtype), most))

    # ---- from the order of the columns to that of the kinds, and back -----------------------------------------

    def by_kind(self, x: Float[Array, "total"], widths: Sequence[int] | None = None) -> list[Array]:
        """The kinds' shares of a vector in which column `i` has `widths[i]` numbers (default: 1)."""
        places = self._places(widths)
        ends = list(itertools.accumulate(len(own) for own in places))
        return jnp.split(_taken(x, np.concatenate(places)), ends[:-1])

    def in_order(self, shares: Sequence[Array], widths: Sequence[int] | None = None) -> Float[Array, "total"]:
        """The vector in the order of the columns that has these shares: the inverse of `by_kind`.

        >>> import harmonium as hm, jax.numpy as jnp
        >>> unit = Columns([hm.units.Bernoulli(1), hm.units.Gaussian(1), hm.units.Bernoulli(1)])
        >>> [share.tolist() for share in unit.by_kind(jnp.array([1.0, 2.5, 0.0]))]
        [[1.0, 0.0], [2.5]]
        >>> unit.in_order([jnp.array([1.0, 0.0]), jnp.array([2.5])]).tolist()
        [1.0, 2.5, 0.0]
        """
        return _taken(jnp.concatenate(shares), np.argsort(np.concatenate(self._places(widths))))

    def _places(self, widths: Sequence[int] | None) -> list[Int[np.ndarray, "own"]]:
        """Where the kinds' numbers stand in a vector in which column `i` has `widths[i]`."""
        each = np.ones(self.size, int) if widths is None else np.asarray(widths)
        starts = np.cumsum(each) - each
        return [np.concatenate([starts[i] + np.arange(each[i]) for i in kind.columns]) for kind in self.kinds]

    def _values(self, x: Float[Array, "size"]) -> list[Array]:
        """The values of the kinds' columns."""
        return [own.astype(kind.unit.dtype) for kind, own in zip(self.kinds, self.by_kind(x), strict=True)]

    def _by_owner(self, i: Int[Array, ""], of: Callable[[int, Int[Array, ""]], Array]) -> Array:
        """`of(k, j)` of the kind `k` in which column `i` is the one numbered `j`."""
        owner, number = np.zeros((2, self.size), np.int32)
        for k, kind in enumerate(self.kinds):
            owner[kind.columns], number[kind.columns] = k, np.arange(len(kind.columns))
        j = jnp.asarray(number)[i]
        return jax.lax.switch(jnp.asarray(owner)[i], [lambda k=k: of(k, j) for k in range(len(self.kinds))])

    # ---- rows of data -----------------------------------------------------------------------------------------

    @property
    def scaled(self) -> bool:
        """Whether some part is."""
        return any(part.scaled for part in self.parts)

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> Columns:
        """Each part with its own columns' shift and scale."""
        return Columns([part.placed(shift[at], scale[at]) for part, at in parts_of(self)], self.joined)

    def from_data(self, rows: Array | np.ndarray) -> Float[Array, "*n size"]:
        """Each kind's own columns as it holds them."""
        if not self.scaled:
            return super().from_data(rows)
        each = [kind.unit.from_data(rows[..., kind.columns]).astype(jnp.float32) for kind in self.kinds]
        return jnp.concatenate(each, axis=-1)[..., self._order]

    def to_data(self, values: Array | np.ndarray) -> Array | np.ndarray:
        """Each kind's own columns as data."""
        if not self.scaled:
            return values
        each = [kind.unit.to_data(values[..., kind.columns]) for kind in self.kinds]
        if isinstance(values, jax.core.Tracer):
            return jnp.concatenate(each, axis=-1)[..., self._order]
        return np.concatenate(each, axis=-1, dtype=np.float64)[..., self._order]

    @property
    def _order(self) -> Int[np.ndarray, "size"]:
        """Where each column stands among those of the kinds."""
        return np.argsort(np.concatenate([kind.columns for kind in self.kinds]))

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


@functools.lru_cache(maxsize=256)
def _kinds(parts: tuple[Unit, ...], joined: bool) -> tuple[Kind, ...]:
    """The parts joined by family, in the order of each one's first part; or each by itself."""
    ends = list(itertools.accumulate(part.size for part in parts))
    members: dict[Any, list[int]] = {}
    for k, part in enumerate(parts):
        members.setdefault(part.family if joined else k, []).append(k)
    found = []
    for own in members.values():
        columns = np.concatenate([np.arange(ends[k] - parts[k].size, ends[k]) for k in own])
        found.append(Kind(parts[own[0]].joined([parts[k] for k in own]), columns))
    return tuple(found)


def _taken(x: Float[Array, "total"], places: Int[np.ndarray, "total"]) -> Float[Array, "total"]:
    return x if (places == np.arange(len(places))).all() else x[places]


def _total(each: Iterable[Array]) -> Float[Array, ""]:
    return sum(each, start=jnp.zeros((), jnp.float32))


def _shifted(text: str, start: int) -> str:
    """A message with its column counted from that of the whole layer."""
    return re.sub(r"\bcolumn (\d+)", lambda found: f"column {int(found[1]) + start}", text)


def parts_of(unit: Unit) -> list[tuple[Unit, slice]]:
    """The plain units that a layer is made of, each with its columns: itself with all, except for `Columns`.

    >>> import harmonium as hm
    >>> [at for _, at in parts_of(Columns([hm.units.Spin(2), hm.units.Gaussian(1)]))]
    [slice(0, 2, None), slice(2, 3, None)]
    """
    if not isinstance(unit, Columns):
        return [(unit, slice(0, unit.size))]
    ends = itertools.accumulate(part.size for part in unit.parts)
    return [(part, slice(end - part.size, end)) for part, end in zip(unit.parts, ends, strict=True)]


def kinds_of(unit: Unit) -> tuple[Kind, ...]:
    """The families that a layer is made of, each with its columns: what statistics and biases of `Columns` go by.

    >>> import harmonium as hm
    >>> [kind.columns.tolist() for kind in kinds_of(hm.units.Spin(2))]
    [[0, 1]]
    """
    return unit.kinds if isinstance(unit, Columns) else (Kind(unit, np.arange(unit.size)),)


def real_columns(unit: Unit) -> list[int]:
    """The columns of a layer that hold real numbers.

    >>> import harmonium as hm
    >>> real_columns(Columns([hm.units.Bernoulli(2), hm.units.Gaussian(1), hm.units.Spin(1)]))
    [2]
    """
    return [i for part, at in parts_of(unit) if part.has_density for i in range(at.start, at.stop)]
