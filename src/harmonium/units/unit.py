"""What a unit is: an exponential family for one layer.

A layer of `size` independent units with sufficient statistics `T(x)` and natural parameters `eta` has

    p(x | eta) = exp(<eta, T(x)> - A(eta)),      A(eta) = log sum_x exp <eta, T(x)>,

so that its mean statistics are `grad A(eta)` and its entropy is `A(eta) - <eta, grad A(eta)>`
(Welling, Rosen-Zvi & Hinton, *Exponential family harmoniums*, NIPS 2005). Statistics and natural parameters
are pytrees of the same structure; values are arrays `[size]`; nothing here has a batch axis.
"""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
import dataclasses
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.errors import InputError, shown

Stats = PyTree[Float[Array, "..."]]


def inner(a: Stats, b: Stats) -> Float[Array, ""]:
    """The inner product `<a, b>` of two pytrees of statistics.

    >>> float(inner({"x": jnp.ones(2), "square": jnp.ones(1)}, {"x": jnp.array([1.0, 2.0]), "square": jnp.ones(1)}))
    4.0
    """
    return jax.tree.reduce(jnp.add, jax.tree.map(jnp.vdot, a, b))


class Unit(eqx.Module):
    """One layer of independent exponential-family units; the base of every family, which adds no state to it.

    >>> import harmonium as hm
    >>> unit = hm.units.Spin(2); round(float(unit.entropy(unit.neutral_natural())), 4)        # 2 log 2
    1.3863
    """

    size: AbstractVar[int]
    states: AbstractVar[int | None]  # states of one unit; None where they cannot be listed

    # ---- the family ----------------------------------------------------------------------------------------

    @abstractmethod
    def stats(self, x: Array) -> Stats:
        """Sufficient statistics `T(x)` of a value `x` `[size]`."""

    @abstractmethod
    def log_partition(self, eta: Stats) -> Float[Array, ""]:
        """`A(eta)`, summed over the layer, in nats."""

    @abstractmethod
    def sample(self, key: Key[Array, ""], eta: Stats) -> Array:
        """A value `x` `[size]` from `p(x | eta)`."""

    def sample_given(self, key: Key[Array, ""], eta: Stats, known: Bool[Array, "size"], value: Array) -> Array:
        """A value whose units where it is `known` are those of `value`, the others drawn given them."""
        return jnp.where(known, value.astype(self.dtype), self.sample(key, eta))

    @abstractmethod
    def natural_from_mean(self, mean: Stats) -> Stats:
        """The natural parameters whose mean statistics are `mean`: the inverse of `mean(eta)`."""

    @abstractmethod
    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse rows `x` `[n, size]` that lie outside the range; `expectation` admits mean values."""

    def log_prob(self, eta: Stats, x: Array) -> Float[Array, ""]:
        """`<eta, T(x)> - A(eta)` of a value `x` `[size]`, in nats."""
        return inner(eta, self.stats(x)) - self.log_partition(eta)

    def mean(self, eta: Stats) -> Stats:
        """Mean statistics `E[T(x)] = grad A(eta)`."""
        return jax.grad(self.log_partition)(eta)

    def entropy(self, eta: Stats) -> Float[Array, ""]:
        """Entropy `A(eta) - <eta, grad A(eta)>` of the layer, in nats."""
        return self.log_partition(eta) - inner(eta, self.mean(eta))

    def expected_value(self, mean: Stats) -> Array:
        """What mean statistics say of the value itself: `E[x]`, or the probabilities of the states."""
        return mean

    def neutral_natural(self) -> Stats:
        """Natural parameters of the family's neutral member (zero for finite units)."""
        return self.zeros()

    def zeros(self) -> Stats:
        """Statistics that are all zero: the point at which energies are differentiated."""
        spec = jax.eval_shape(self.stats, jax.ShapeDtypeStruct((self.size,), self.dtype))
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), spec)

    @property
    def joint(self) -> bool:
        """Whether values of units depend on each other when all else is given, so that none is drawn alone."""
        return False

    @property
    def has_density(self) -> bool:
        """Whether values are weighed by densities: real numbers; counts without a limit have probabilities."""
        return self.states is None

    @property
    def has_score(self) -> bool:
        """Whether the density has a slope by the value at all real numbers, which score matching and HMC ask for."""
        return self.has_density

    @property
    def held(self) -> "Unit":
        """The units that a model holds, where it makes these of them with parameters of its own; else these."""
        return self

    # ---- how a model ties the layer to others --------------------------------------------------------------

    @property
    def width(self) -> int:
        """Length of the vector through which the layer couples to others (rows of a weight matrix)."""
        return self.size

    def natural(self, bias: PyTree) -> Stats:
        """Natural parameters that a layer with this bias has when nothing else acts on it."""
        return bias

    def bias(self, natural: Stats) -> PyTree:
        """The bias that gives these natural parameters: the inverse of `natural(bias)`."""
        return natural

    def interaction(self, stats: Stats, bias: PyTree) -> Float[Array, "width"]:
        """The vector `[width]`, linear in the statistics, that weights multiply."""
        return stats

    @property
    def widths(self) -> tuple[int, ...]:
        """Length of each unit's own part of that vector."""
        return (self.width // self.size,) * self.size

    def as_input(self, x: Array) -> Float[Array, "width"]:
        """A value `[size]` as the vector that networks take in: one-hot for categorical units, else the value."""
        return self.interaction(self.stats(x), self.bias(self.neutral_natural()))

    def natural_from_field(self, bias: PyTree, field: Float[Array, "width"]) -> Stats:
        """Natural parameters of a layer on which a vector acts, through the coupling's transpose.

        eta = natural(bias) + (d interaction / dT)^T field            for Bernoulli units bias + field
        """
        own, transpose = jax.vjp(lambda s: self.interaction(s, bias), self.zeros())
        return jax.tree.map(lambda a, b: a + b, self.natural(bias), transpose(field.astype(own.dtype))[0])

    @property
    def out_widths(self) -> tuple[int, ...]:
        """How many numbers of a network's output go to each unit."""
        return self.widths

    @property
    def num_outputs(self) -> int:
        """Length of the output of a network that sets the layer's natural parameters."""
        return sum(self.out_widths)

    def natural_from_output(self, bias: PyTree, out: Float[Array, "num_outputs"]) -> Stats:
        """Natural parameters that a network's output sets, with the bias: of real units their precision too.

        eta = natural(bias + out)                                 for finite units that of `natural_from_field`
        """
        return self.natural_from_field(bias, out)

    def sample_one(self, key: Key[Array, ""], i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"]) -> Array:
        """A value of unit `i` alone, whose own part of a network's output is `out`, cut or filled up with zeros."""
        one, eta = self._one(i, bias, out)
        return one.sample(key, eta)[0]

    def log_prob_one(
        self, i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"], value: Array
    ) -> Float[Array, ""]:
        """Log-probability, in nats, of a value of unit `i` alone, whose own part of a network's output is `out`."""
        one, eta = self._one(i, bias, out)
        return one.log_prob(eta, value[None])

    def _one(self, i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"]) -> tuple["Unit", Stats]:
        one = self.sized(1)
        own = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, i, 1), bias)
        filled = jnp.pad(out, (0, max(0, one.num_outputs - len(out))))[: one.num_outputs]
        return one, one.natural_from_output(own, filled)

    def features_of_one(self, i: Int[Array, ""], value: Array, most: int) -> Float[Array, "most"]:
        """The part of `features` that belongs to unit `i` with this value, filled up with zeros."""
        own = self.sized(1).as_input(value[None])
        return jnp.pad(own, (0, most - own.shape[0]))

    @property
    def family(self) -> Hashable:
        """What units share that can be computed as one: their class, and all that it was made with but the size."""
        names = (field.name for field in dataclasses.fields(self) if field.name != "size")
        return type(self), *(getattr(self, name) for name in names)

    def sized(self, size: int) -> "Unit":
        """So many units of this family, which hold no data."""
        return dataclasses.replace(self, size=size)

    def joined(self, others: Sequence["Unit"]) -> "Unit":
        """One unit of all the columns of several of this family, itself the first of them."""
        return self.sized(sum(unit.size for unit in others))

    # ---- rows of data --------------------------------------------------------------------------------------

    def from_data(self, rows: Array | np.ndarray) -> Array:
        """Rows of data `[..., size]` as the layer holds them: in its type, real columns shifted and scaled."""
        return jnp.asarray(rows, self.dtype)

    def to_data(self, values: Array | np.ndarray) -> Array | np.ndarray:
        """Values of the layer `[..., size]` as data: the inverse of `from_data`, in float64 where there is a scale."""
        return values

    @property
    def log_scales(self) -> np.ndarray:
        """`log scale_i` of each column `[size]`: what a log-density of values held exceeds that of the data by."""
        return np.zeros(self.size)

    def log_scale(self, rows: np.ndarray | None = None) -> float | np.ndarray:
        """`sum_i log scale_i` of all rows alike, or `[n]` where rows differ in it."""
        return float(self.log_scales.sum())

    @property
    def scaled(self) -> bool:
        """Whether the layer holds its data shifted and scaled."""
        return False

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> "Unit":
        """The unit that holds real columns as `(x - shift) / scale`, both `[size]`; finite units stay as they are."""
        return self

    # ---- values --------------------------------------------------------------------------------------------

    def blank(self, length: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """A row `[size]` to be drawn, and which of its cells; of sequences with so many frames. Raises `InputError` for
        a length of rows that have one alone."""
        if length is not None:
            raise InputError(
                f"Rows of {shown(self)} have one length, {self.size}, and none to choose: leave length={shown(length)} "
                "out."
            )
        return np.zeros(self.size, np.dtype(self.dtype)), np.ones(self.size, bool)

    @property
    def dtype(self) -> jnp.dtype:
        """The type in which values are held."""
        return jnp.dtype(jnp.float32)

    def values(self, index: Int[Array, "*batch size"]) -> Array:
        """Values of the units that are in the states `index` (0 to `states` - 1)."""
        raise InputError(f"{type(self).__name__} units have no list of states.")

    def check_shape(self, x: Array, layer: str) -> None:
        """Refuse a value that is not one configuration `[size]` of this layer."""
        if jnp.shape(x) != (self.size,):
            raise InputError(
                f"Layer '{layer}' is one configuration of shape ({self.size},), not {jnp.shape(x)}; "
                "models take one example, so use jax.vmap for a batch."
            )


def refuse_missing(x: np.ndarray) -> None:
    """Refuse rows `x` `[n, size]` with missing values (NaN), for these are no value of any unit.

    >>> refuse_missing(np.array([[1.0, np.nan]]))
    Traceback (most recent call last):
    harmonium.errors.InputError: The data holds nan in row 0, column 1, ...
    """
    missing = np.isnan(x) if np.issubdtype(np.asarray(x).dtype, np.inexact) else np.zeros(np.shape(x), bool)
    if missing.any():
        raise InputError(
            f"The data holds {first_outside(x, ~missing)}, which means missing: fill such cells, with hm.impute and a "
            "model trained on complete rows or otherwise, or leave the rows out."
        )


def first_outside(x: np.ndarray, inside: np.ndarray) -> str:
    """Name the first value of rows `x` that is not `inside`, for an error message."""
    row, column = (int(i) for i in np.argwhere(~inside)[0])
    return f"{x[row, column]:g} in row {row}, column {column}"
