"""What a belief net should obey: its links, its joint law, its samples, its bound, and the gradients of its rule."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.models import RBM, BeliefNet, trainable
from harmonium.models.directed import Link, linked, log_prob_downwards, log_prob_upwards
from harmonium.objectives import UpDown
from harmonium.samplers import sample
from harmonium.testing.chains import SWEEPS, count_states
from harmonium.testing.enumeration import Values, evaluate, joint_states, list_states
from harmonium.testing.learning import refuse_idle
from harmonium.testing.statistics import agree, matches_law
from harmonium.units import Conditional

TOLERANCE = 1e-4
SAMPLES = 2**12
ROWS = 64  # examples from which gradients are taken


class Law(NamedTuple):
    """Every state of the layers that links give or guess, `[n, size]` by name, and its log-probability `[n]`."""

    values: Values
    log_prob: np.ndarray


def check_links(net: BeliefNet, key: Key[Array, ""] | None = None) -> None:
    """Each link gives the conditional of the RBM with its weights; of two finite layers.

    >>> import harmonium as hm, jax
    >>> B = hm.units.Bernoulli; check_links(hm.DBN(B(3), [B(2), B(2)], key=jax.random.key(0), scale=0.5))
    """
    for link in (*net.down, *net.up):
        if link.unit.states is None or link.given.states is None:
            continue
        below, above = (joint_states(_pair(link), [layer])[layer] for layer in ("v", "h"))
        found = _link_table(link, jnp.asarray(below), jnp.asarray(above))
        agree(found, _truth(link, above), TOLERANCE, "Log-probabilities that a link gives")


def check_joint_law(net: BeliefNet, key: Key[Array, ""] | None = None) -> None:
    """The links' log-probabilities of all layers, downwards and upwards, are the sums of the links' own.

    >>> import harmonium as hm, jax
    >>> B = hm.units.Bernoulli; check_joint_law(hm.DBN(B(3), [B(2), B(2)], key=jax.random.key(0), scale=0.5))
    """
    law = exact_law(net)
    down = evaluate(_downwards, net, law.values)
    agree(down + _top_law(net, law.values), law.log_prob, TOLERANCE, "Joint log-probabilities")
    up = evaluate(_upwards, net, law.values)
    _, seen = np.unique(law.values["v"], axis=0, return_inverse=True)
    agree(np.bincount(seen.reshape(-1), np.exp(up)), np.ones(seen.max() + 1), TOLERANCE, "Recognition, summed")


def check_samples(net: BeliefNet, key: Key[Array, ""] | None = None) -> None:
    """Samples of the visible units follow the exact `p(v)`.

    >>> import harmonium as hm, jax
    >>> B = hm.units.Bernoulli; check_samples(hm.DBN(B(3), [B(2), B(2)], key=jax.random.key(0), scale=0.5))
    """
    law = exact_law(net)
    v, seen = np.unique(law.values["v"], axis=0, return_inverse=True)
    probability = np.bincount(seen.reshape(-1), np.exp(law.log_prob))
    drawn = np.asarray(sample(net, jax.random.key(5) if key is None else key, SAMPLES, steps=SWEEPS))
    matches_law(count_states({"v": v}, {"v": drawn}), probability, "Samples of the net")


def check_gradients_reach_every_link(net: BeliefNet, key: Key[Array, ""] | None = None) -> None:
    """The gradient of the up-down rule is finite, and not zero in any trainable array.

    >>> import harmonium as hm, jax
    >>> B = hm.units.Bernoulli
    >>> check_gradients_reach_every_link(hm.DBN(B(3), [B(2), B(2)], key=jax.random.key(0), scale=0.5))
    """
    key = jax.random.key(6) if key is None else key
    slopes = _up_down_slope(net, key, sample(net, key, ROWS, steps=SWEEPS))
    refuse_idle(slopes, exempt="given_bias.mean")  # a link uses the precision of real units beside it, not their mean


def exact_law(net: BeliefNet) -> Law:
    """`p(v, h1, ...)` from the energies alone: the top machine listed, and each link as its RBM's conditional.

    >>> import harmonium as hm, jax
    >>> B = hm.units.Bernoulli; net = hm.DBN(B(3), [B(2), B(2)], key=jax.random.key(0), scale=0.5)
    >>> round(float(np.exp(exact_law(net).log_prob).sum()), 5)
    1.0
    """
    names = linked(net)
    alone = [_states(net, name) for name in names]
    index = np.array(list(itertools.product(*(range(len(x)) for x in alone))))
    values = {name: x[i] for name, x, i in zip(names, alone, index.T, strict=True)}
    log_prob = _top_law(net, values)
    for i, link in enumerate(net.down):
        log_prob = log_prob + _truth(link, alone[i + 1])[index[:, i + 1], index[:, i]]
    return Law(values, log_prob)


def _states(net: BeliefNet, name: str) -> np.ndarray:
    return joint_states(net, [name])[name]


def _top_law(net: BeliefNet, values: Values) -> np.ndarray:
    """`log p` of the layer that the top machine calls `v`, at each row."""
    top, rows = list_states(net.top), values[linked(net)[-1]]
    listed = top.values["v"][0]
    _, number = np.unique(np.vstack([listed, rows]), axis=0, return_inverse=True)
    number = number.reshape(-1)
    mass = np.bincount(number[: len(listed)], top.probability[0])
    return np.log(mass)[number[len(listed) :]]


def _pair(link: Link) -> RBM:
    """The RBM with a link's weights: its visible layer is the one that the link gives."""
    rbm = RBM(link.unit, link.given, key=jax.random.key(0))
    return eqx.tree_at(lambda m: (m.W, m.b), rbm, (link.W, link.b))


def _truth(link: Link, above: np.ndarray) -> np.ndarray:
    """`log p(below | above)` `[above, below]`, from the energy of the pair."""
    return np.log(list_states(_pair(link), {"h": above}).probability)


@jit_entry
def _link_table(link: Link, below: Array, above: Array) -> Array:
    def log_prob(x: Array, y: Array) -> Array:
        return Conditional(link.unit, link.natural(y)).log_prob(x)

    return jax.vmap(lambda y: jax.vmap(lambda x: log_prob(x, y))(below))(above)


@jit_entry
def _downwards(net: BeliefNet, values: PyTree) -> Array:
    return jax.vmap(lambda x: log_prob_downwards(net, x))(values)


@jit_entry
def _upwards(net: BeliefNet, values: PyTree) -> Array:
    return jax.vmap(lambda x: log_prob_upwards(net, x))(values)


@jit_entry
def _up_down_slope(net: BeliefNet, key: Key[Array, ""], rows: Array) -> PyTree:
    learned, rest = eqx.partition(net, trainable(net))
    batch = {"v": rows}
    if "y" in net.layers:
        batch["y"] = jnp.arange(len(rows))[:, None] % net.layers["y"].states
    return jax.grad(lambda part: UpDown()(eqx.combine(part, rest), batch, key, None)[0])(learned)
