"""Energy models of values given a context: another machine, with another log Z, for each context (section 20.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from harmonium.errors import InputError, shown
from harmonium.models.energy import EnergyModel
from harmonium.models.kind import Kind
from harmonium.units import Frames, Gaussian, Rectified, Unit
from harmonium.units.gaussian import GaussianBias

Fill = Callable[[Int[Array, ""], PyTree, Array, Array], Array]


class Steps(NamedTuple):
    """What a row is made of: values `[n, size]` one after the other, and which of them the model says something of.

    >>> Steps(jnp.ones((2, 3)), jnp.ones(2, bool)).values.shape
    (2, 3)
    """

    values: Array
    counted: Bool[Array, "n"]


@runtime_checkable
class ConditionalEnergyModel(Protocol):
    """A machine for each context: `p(v | x) = exp(-F_x(v)) / Z(x)`; a row is one value, or several in turn."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the whole row."""

    def split(self, row: Array) -> Steps:
        """The values of a row, in turn."""

    def join(self, row: Array, values: Array) -> Array:
        """The row with these values `[n, size]` in the place of its own."""

    def start(self, row: Array) -> PyTree:
        """The context of the first value."""

    def after(self, context: PyTree, value: Array) -> PyTree:
        """The context of the value after this one."""

    def given(self, context: PyTree) -> EnergyModel:
        """The machine of the value that has this context."""


CONDITIONAL_ENERGY = Kind(
    "an energy model of values given a context (an RNN-RBM, ...)",
    "this machine has another log Z for each context: it is trained by CD, MaximumLikelihood or PseudoLikelihood, "
    "sampled by hm.sample and measured by hm.log_likelihood",
    ConditionalEnergyModel,
)


class Unfolded(NamedTuple):
    """The values `[n, size]` of a row with their contexts `[n, ...]`, and which of them are counted.

    >>> Unfolded(jnp.zeros((2, 4)), jnp.ones((2, 3)), jnp.ones(2, bool)).context.shape
    (2, 4)
    """

    context: PyTree
    values: Array
    counted: Bool[Array, "n"]


def unfold(model: ConditionalEnergyModel, row: Array) -> Unfolded:
    """The values of a row and the context of each: a function of the values before it, so that gradients pass through.

        log p(row) = sum_t log p(v_t | x_t),      x_{t+1} = after(x_t, v_t)

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(2), 3), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> unfold(model, jnp.ones(6)).values.shape
    (3, 2)
    """
    values, counted = model.split(row)
    _, context = jax.lax.scan(lambda x, v: (model.after(x, v), x), model.start(row), values)
    return Unfolded(context, values, counted)


def fold(model: ConditionalEnergyModel, row: Array, known: Bool[Array, "size"], fill: Fill) -> Array:
    """A row whose values are drawn in turn, by `fill(number, context, value, known)` each; what is `known` stays.

    Arguments: `row` `[size]`, with known values where they are `known`, and any others elsewhere.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(2), 3), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> fold(model, jnp.zeros(6), jnp.zeros(6, bool), lambda i, x, value, known: value + i).tolist()
    [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    """
    values, _ = model.split(row)
    fixed, _ = model.split(jnp.where(known, 1, 0).astype(row.dtype))

    def step(context: PyTree, xs: tuple[Array, Array, Array]) -> tuple[PyTree, Array]:
        number, value, held = xs
        drawn = jnp.where(held != 0, value, fill(number, context, value, held != 0))
        return model.after(context, drawn), drawn

    numbers = jnp.arange(len(values), dtype=jnp.int32)
    _, drawn = jax.lax.scan(step, model.start(row), (numbers, values, fixed))
    return jnp.where(known, row, model.join(row, drawn))


def value_places(model: ConditionalEnergyModel) -> Int[np.ndarray, "size"]:
    """The number of the value that each cell of a row is part of; -1 where it is part of what is given alone.

    >>> import harmonium as hm
    >>> model = hm.ConditionalRBM(hm.units.Bernoulli(2), hm.units.Bernoulli(1), given=hm.units.Spin(1),
    ...     key=jax.random.key(0))
    >>> value_places(model).tolist()
    [-1, 0, 0]
    """
    unit = model.layers["v"]
    count, width = model.split(jnp.zeros(unit.size, unit.dtype)).values.shape
    numbers = jnp.repeat(jnp.arange(1, count + 1, dtype=jnp.float32), width).reshape(count, width)
    return np.asarray(model.join(jnp.zeros(unit.size, jnp.float32), numbers)).astype(int) - 1


def moved(unit: Unit, bias: PyTree, by: Float[Array, "width"]) -> PyTree:
    """A layer's bias moved by what a context says: of Gaussian units the mean.

    >>> import harmonium as hm
    >>> moved(hm.units.Bernoulli(2), jnp.ones(2), jnp.array([0.0, 2.0])).tolist()
    [1.0, 3.0]
    """
    if isinstance(bias, GaussianBias):
        return GaussianBias(bias.mean + by, bias.log_precision)
    return bias + by.reshape(jnp.shape(bias))


def check_movable(model: str, *units: Unit) -> None:
    """Refuse units whose bias no context moves.

    >>> import harmonium as hm
    >>> check_movable("An RNNRBM", hm.units.Gamma(3))
    Traceback (most recent call last):
    harmonium.errors.InputError: An RNNRBM moves the biases of its units, and those of a Gamma are ...
    """
    for unit in units:
        bias = jax.eval_shape(lambda unit=unit: unit.bias(unit.neutral_natural()))
        if not (isinstance(unit, Gaussian | Rectified) or isinstance(bias, jax.ShapeDtypeStruct)):
            raise InputError(
                f"{model} moves the biases of its units, and those of {shown(unit)} are no numbers to which a context "
                "is added: use Bernoulli, spin, categorical or Gaussian units."
            )


def check_frames(model: str, visible: Unit) -> None:
    """Refuse visible units that are no sequences, for a model of these.

    >>> import harmonium as hm
    >>> check_frames("An RNNRBM", hm.units.Bernoulli(88))
    Traceback (most recent call last):
    harmonium.errors.InputError: An RNNRBM takes sequences, hm.units.Frames(hm.units.Bernoulli(88), 160) for one, ...
    """
    if not isinstance(visible, Frames):
        raise InputError(
            f"{model} takes sequences, hm.units.Frames(hm.units.Bernoulli(88), 160) for one, not {shown(visible)}."
        )
