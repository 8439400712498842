"""Variational auto-encoders: generator nets with an encoder that infers their latent variables (section 20.10.3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax
from jaxtyping import Array, Key

from harmonium.errors import InputError, whole
from harmonium.models.directed.factorial import Factorial
from harmonium.models.directed.layered import HierarchicalLatentModel
from harmonium.models.directed.link import NetLink
from harmonium.models.energy import Constant
from harmonium.models.validation import check_units
from harmonium.nets import MLP
from harmonium.rng import check_key
from harmonium.units import Unit


class VAE(HierarchicalLatentModel):
    """A generator net of a standard normal `z`, with an encoder that gives the mean and precision of `q(z | x)`.

        p(x, z) = N(z; 0, I) p(x; g(z)),      q(z | x) = N(z; mu(x), sigma(x)^2),
        log p(x) >= E_q[log p(x, z) - log q(z | x)]                                  # (20.77) to (20.79)

    (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014; book, section 20.10.3.) The visible units say what kind
    of output the decoder has: Bernoulli, categorical, or Gaussian with a learned variance. Several latent layers are
    each given by the one above, and inferred from the one below (Burda, Grosse & Salakhutdinov 2016). Latent units of
    another kind are allowed; the path of differentiation then ends at them, and rules of the score take its place.

    Arguments: `visible`, the units of `v`; `latent`, the units of `z`, or a list of those of each layer from the data
    upwards; `hidden`, sizes of the hidden layers of every encoder, from the data upwards, and of every decoder in the
    opposite order; `activation` of these; `encoder`, `decoder`, other modules for the first layer, from
    `visible.width` numbers to `latent.num_outputs` and from `latent.width` to `visible.num_outputs`; `key`, for the
    weights' start. Fields: `down`, `up`, tuples of links; `prior`, fixed.
    Raises `InputError` for layers that are no units, sizes that are none, or modules of another shape.

    >>> import harmonium as hm, jax
    >>> vae = VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> list(vae.layers), vae.sample(jax.random.key(1)).shape
    (['v', 'z'], (6,))
    """

    down: tuple[NetLink, ...]
    up: tuple[NetLink, ...]
    prior: Factorial

    def __init__(
        self, visible: Any, latent: Any, hidden: Any = (200, 200), *, key: Key[Array, ""], activation: str = "tanh",
        encoder: Any = None, decoder: Any = None,
    ) -> None:  # fmt: skip
        layers = list(latent) if isinstance(latent, list | tuple) else [latent]
        if not layers:
            raise InputError("A VAE needs at least one latent layer: give its units, such as hm.units.Gaussian(50).")
        check_units("A VAE", visible, *layers)
        check_key(key)
        if not isinstance(hidden, list | tuple) or not whole(*hidden):
            raise InputError(f"The hidden layers of a VAE are a list of sizes, such as [200, 200], not {hidden!r}.")
        keys = jax.random.split(key, 2 * len(layers))
        pairs = list(itertools.pairwise([visible, *layers]))
        own = [(encoder, decoder)] + [(None, None)] * (len(pairs) - 1)
        self.up = tuple(
            _link(above, below, hidden, k, activation, net)
            for (below, above), (net, _), k in zip(pairs, own, keys[::2], strict=True)
        )
        self.down = tuple(
            _link(below, above, hidden[::-1], k, activation, net)
            for (below, above), (_, net), k in zip(pairs, own, keys[1::2], strict=True)
        )
        top = layers[-1]
        self.prior = Factorial(top, Constant(top.bias(top.neutral_natural())))

    @property
    def letter(self) -> str:
        """`z`."""
        return "z"


def _link(unit: Unit, given: Unit, sizes: Sequence[int], key: Key[Array, ""], activation: str, net: Any) -> NetLink:
    """A link by the given net, or by a multilayer perceptron."""
    if net is None:
        net = MLP([given.width, *sizes, unit.num_outputs], key=key, activation=activation)
    return NetLink(unit, given, net)
