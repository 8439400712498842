"""What directed models are made of: a layer given the one beside it, and nets of such layers."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown
from harmonium.models.energy import EnergyModel
from harmonium.models.kind import Kind
from harmonium.nets import MLP
from harmonium.units import Gaussian, Stats, Unit


class Link(eqx.Module):
    """The distribution of a layer `x` of units given a neighbour `y`: natural parameters that its vector shifts.

        eta(y) = eta(b) + (d interaction / dT)^T W interaction(y)   for Bernoulli units sigmoid(W y + b) in the mean

    the same that an RBM of the two layers gives, (20.18) to (20.20). Arguments: `unit`, of `x`; `given`, of `y`; `W`
    `[unit.width, given.width]`; `b`, the bias of `x`; `given_bias`, that of `y`, where real units couple by their
    precision.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> link = Link(hm.units.Bernoulli(2), hm.units.Bernoulli(3), jnp.ones((2, 3)), jnp.zeros(2))
    >>> link.natural(jnp.ones(3))
    Array([3., 3.], dtype=float32)
    """

    unit: Unit
    given: Unit
    W: Float[Array, "width given"]
    b: PyTree = no_decay()
    given_bias: PyTree = no_decay(default=None)

    def natural(self, y: Array) -> Stats:
        """Natural parameters of `x` given a value `y` `[size]`."""
        return self.natural_of_stats(self.given.stats(y))

    def natural_of_stats(self, stats: Stats) -> Stats:
        """The same given statistics of `y`, which may be means."""
        bias = self.given.bias(self.given.neutral_natural()) if self.given_bias is None else self.given_bias
        return self.unit.natural_from_field(self.b, self.W @ self.given.interaction(stats, bias))

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W, float)


class NetLink(eqx.Module):
    """The distribution of a layer `x` of units given a neighbour `y`: a network of `y` sets its natural parameters.

        eta(y) = eta(b + net(y)),      of real units both the mean and the logarithm of the precision

    Arguments: `unit`, of `x`; `given`, of `y`; `net`, any module from the `given.width` numbers that stand for `y` (0
    and 1, real values, or one-hot codes) to `unit.num_outputs`; `b`, the bias of `x`.
    Raises `InputError` for a net of another shape.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> net = hm.nets.MLP([3, 8, 4], key=jax.random.key(0))
    >>> link = NetLink(hm.units.Gaussian(2), hm.units.Bernoulli(3), net); link.natural(jnp.ones(3)).x.shape
    (2,)
    """

    unit: Unit
    given: Unit
    net: eqx.Module
    b: PyTree = no_decay()

    def __init__(self, unit: Unit, given: Unit, net: Any, b: PyTree = None) -> None:
        check_net(net, given.width, unit.num_outputs, _counted(given))
        self.unit, self.given, self.net = unit, given, net
        self.b = unit.bias(unit.neutral_natural()) if b is None else b

    def natural(self, y: Array) -> Stats:
        """Natural parameters of `x` given a value `y` `[size]`."""
        return self.unit.natural_from_output(self.b, self.net(self.given.as_input(y)))

    def natural_of_stats(self, stats: Stats) -> Stats:
        """The same given statistics of `y`, which may be means."""
        features = self.given.interaction(stats, self.given.bias(self.given.neutral_natural()))
        return self.unit.natural_from_output(self.b, self.net(features))

    def filters(self) -> np.ndarray | None:
        """The last weights of a multilayer perceptron; of real units those of the means; None of another net."""
        if not isinstance(self.net, MLP):
            return None
        weights = np.asarray(self.net.W[-1], float).T
        if isinstance(self.unit, Gaussian):
            return weights.reshape(self.unit.size, 2, -1)[:, 0]
        return weights if self.unit.num_outputs == self.unit.width else None


def _counted(unit: Unit) -> str:
    return f"{unit.size} {type(unit).__name__} unit{'s' if unit.size > 1 else ''}"


def check_net(net: Any, width: int, out: int, what: str) -> None:
    """Refuse a network that does not take `width` numbers in, or does not give `out` of them.

    >>> import harmonium as hm
    >>> check_net(hm.nets.MLP([3, 4], key=jax.random.key(0)), 3, 5, "3 Bernoulli units")
    Traceback (most recent call last):
    harmonium.errors.InputError: A net on 3 Bernoulli units takes 3 numbers and gives 5, but this one gives (4,): ...
    """
    if not callable(net):
        raise InputError(f"A net is a module that can be called, such as an hm.nets.MLP, not {shown(net)}.")
    asked = f"A net on {what} takes {width} numbers and gives {out}"
    try:
        found = eqx.filter_eval_shape(net, jax.ShapeDtypeStruct((width,), jnp.float32))
    except (TypeError, ValueError) as error:
        raise InputError(f"{asked}, but this one does not take them: make it of such an input.") from error
    if getattr(found, "shape", None) != (out,):
        given = getattr(found, "shape", shown(found))
        raise InputError(
            f"{asked}, but this one gives {given}: change its last layer (real units take two numbers each, a mean and "
            "a log-precision)."
        )


@runtime_checkable
class ConditionalLayer(Protocol):
    """What gives the distribution of a layer from the value of the one beside it: a `Link` or a `NetLink`."""

    @property
    def unit(self) -> Unit:
        """Of the layer that is given."""

    @property
    def b(self) -> PyTree:
        """Its bias."""

    def natural(self, y: Array) -> Stats:
        """Natural parameters of the layer given a value `y` `[size]` of its neighbour."""

    def natural_of_stats(self, stats: Stats) -> Stats:
        """The same given statistics of the neighbour, which may be means."""


@runtime_checkable
class BeliefNet(Protocol):
    """A model whose layers are drawn one after the other from the top: `p(x_top) prod_l p(x_l | x_{l+1})`."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers from the data upwards: `v`, `h1`, `h2`, ..., and `y` where there are labels."""

    @property
    def down(self) -> tuple[Link, ...]:
        """Generative links: `down[l]` gives layer `l` from the layer above it."""

    @property
    def up(self) -> tuple[Link, ...]:
        """Recognition links: `up[l]` infers the layer above layer `l`."""

    @property
    def top(self) -> EnergyModel:
        """The distribution of the layers that no link gives; its layer `v` is the highest that `down` rests on."""


BELIEF_NET = Kind(
    "a belief net",
    "a belief net is sampled by hm.sample, inferred by hm.encode and bounded by hm.log_likelihood, and its top "
    "machine, model.top, is an energy model",
    BeliefNet,
)
