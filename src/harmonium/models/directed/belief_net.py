"""Sigmoid belief networks, and the Helmholtz machines that have a network to infer their causes (section 20.10.1)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, shown, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive import FVBN
from harmonium.models.directed.factorial import Factorial
from harmonium.models.directed.layered import HierarchicalLatentModel
from harmonium.models.directed.link import ConditionalLayer, Link, NetLink
from harmonium.models.tractable import TractableModel
from harmonium.models.validation import check_hidden, check_scale, check_units
from harmonium.nets import MLP
from harmonium.rng import check_key
from harmonium.units import Unit

PRIORS = {"factorial": Factorial, "fvbn": FVBN}


class SigmoidBeliefNet(HierarchicalLatentModel):
    """Layers of units, each given the one above it, and links upwards that infer each from the one below.

        p(v, h) = p(h_L) prod_l p(h_{l-1} | h_l),      p(s_i = 1 | above) = sigmoid(b_i + sum_j W_ij s_j)   # (20.71)

    (Neal, *Artificial Intelligence* 56, 1992; book, section 20.10.1.) Units of other kinds take its place in the same
    formula. The distribution of the top layer is one of independent units, or fully visible: each unit given those
    before it. Without hidden layers that distribution is the whole net: the fully visible belief net `hm.FVBN`.

    Arguments: `visible`, the units of `v`; `hidden`, the units of each hidden layer from the data upwards, none or
    more; `prior` of the top layer, "factorial" or "fvbn"; `key`, for the weights' start; `scale`, their standard
    deviation (default: Glorot's, `sqrt(2 / (below + above))`). Fields: `down`, `up`, tuples of links; `prior`.
    Raises `InputError` for layers that are no units, another prior, or a scale below 0.

    >>> import harmonium as hm, jax
    >>> net = SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(4)], key=jax.random.key(0))
    >>> list(net.layers), net.down[0].W.shape
    (['v', 'h'], (6, 4))
    """

    down: tuple[Link, ...]
    up: tuple[ConditionalLayer, ...]
    prior: TractableModel

    def __init__(
        self, visible: Any, hidden: Any = (), *, key: Key[Array, ""], prior: Any = "factorial", scale: Any = None,
    ) -> None:  # fmt: skip
        self.down, self.up, self.prior = _parts("A belief net", visible, hidden, key, prior, scale)


class HelmholtzMachine(HierarchicalLatentModel):
    """A belief net, and a recognition network that infers each of its hidden layers from the one below.

        q(h | v) = prod_l q(h_l | h_{l-1}),      h_0 = v

    (Dayan, Hinton, Neal & Zemel, *Neural Computation* 7, 1995; book, section 20.10.1.) With no layers of its own the
    recognition network is that of `hm.SigmoidBeliefNet`, a link for each layer; with `recognition=[n, ...]` each of
    its links is a multilayer perceptron with so many hidden units (Mnih & Gregor 2014).

    Arguments: as of `hm.SigmoidBeliefNet`, with at least one hidden layer; `recognition`, the sizes; `activation` of
    their units. Raises `InputError` as that does, for no hidden layer, or sizes that are none.

    >>> import harmonium as hm, jax
    >>> units = hm.units.Bernoulli
    >>> net = HelmholtzMachine(units(6), [units(4), units(3)], recognition=[8], key=jax.random.key(0))
    >>> list(net.layers), [link.net.W[0].shape for link in net.up]
    (['v', 'h1', 'h2'], [(6, 8), (4, 8)])
    """

    down: tuple[Link, ...]
    up: tuple[ConditionalLayer, ...]
    prior: TractableModel

    def __init__(
        self, visible: Any, hidden: Any, *, key: Key[Array, ""], prior: Any = "factorial", scale: Any = None,
        recognition: Any = (), activation: str = "tanh",
    ) -> None:  # fmt: skip
        check_hidden("A Helmholtz machine", hidden)
        check_key(key)
        if not isinstance(recognition, list | tuple) or not whole(*recognition):
            raise InputError(
                "A recognition network is a list of the sizes of its hidden layers, such as [200], not "
                f"{recognition!r}."
            )
        first, second = jax.random.split(key)
        self.down, self.up, self.prior = _parts("A Helmholtz machine", visible, hidden, first, prior, scale)
        if recognition:
            keys = jax.random.split(second, len(self.up))
            self.up = tuple(_deeper(link, recognition, k, activation) for link, k in zip(self.up, keys, strict=True))


def _parts(
    name: str, visible: Any, hidden: Any, key: Any, prior: Any, scale: Any
) -> tuple[tuple[Link, ...], tuple[Link, ...], TractableModel]:
    """Links downwards and upwards, and the prior of the top layer."""
    if not isinstance(hidden, list | tuple):
        raise InputError(
            f"The hidden layers of {name[0].lower()}{name[1:]} are a list of units, from the data upwards, such as "
            f"[hm.units.Bernoulli(200)], not {hidden!r}."
        )
    units = [visible, *hidden]
    check_units(name, *units)
    check_key(key)
    if scale is not None:
        check_scale(scale)
    if not isinstance(prior, str) or prior not in PRIORS:
        raise InputError(f"There is no prior {shown(prior)}: choose one of {', '.join(PRIORS)}.")
    pairs = list(itertools.pairwise(units))
    keys = jax.random.split(key, 2 * max(len(pairs), 1))
    down = tuple(link(below, above, k, scale) for (below, above), k in zip(pairs, keys[::2], strict=False))
    up = tuple(link(above, below, k, scale) for (below, above), k in zip(pairs, keys[1::2], strict=False))
    return down, up, PRIORS[prior](units[-1])


def link(unit: Unit, given: Unit, key: Key[Array, ""], scale: float | None = None) -> Link:
    """A link with small random weights (default: Glorot's variance, 2 / (in + out)) and neutral biases.

    >>> import harmonium as hm, jax
    >>> link(hm.units.Bernoulli(4), hm.units.Gaussian(3), jax.random.key(0)).W.shape
    (4, 3)
    """
    check_weights("A link between layers", (unit.width, given.width))
    scale = (2 / (unit.width + given.width)) ** 0.5 if scale is None else scale
    W: Float[Array, "width given"] = scale * jax.random.normal(key, (unit.width, given.width), jnp.float32)
    return Link(unit, given, W, unit.bias(unit.neutral_natural()))


def _deeper(link: Link, sizes: Sequence[int], key: Key[Array, ""], activation: str) -> NetLink:
    """The link with a multilayer perceptron in place of its weights."""
    net = MLP([link.given.width, *sizes, link.unit.num_outputs], key=key, activation=activation)
    return NetLink(link.unit, link.given, net, link.b)
