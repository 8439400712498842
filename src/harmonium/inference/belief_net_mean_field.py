"""The mean-field bound of sigmoid belief nets, whose expectations have no closed form of their own.

With independent hidden units of means `mu`, the unit `i` below them receives `a_i = b_i + sum_j W_ij s_j`, and

    E log(1 + e^a) = xi E[a] + E log(e^{-xi a} + e^{(1 - xi) a}) <= xi E[a] + log E[e^{-xi a} + e^{(1 - xi) a}],
    E e^{t a_i} = e^{t b_i} prod_j (1 - mu_j + mu_j e^{t W_ij})

for every `xi`: by Jensen's inequality the variational bound that uses it stays one (Saul, Jaakkola & Jordan, *Mean
field theory for sigmoid belief networks*, JAIR 4, 1996). The least right side has `xi` between 0 and 1, where it is
convex in `xi`.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harmonium.errors import InputError, articled, shown
from harmonium.models import Factorial, HierarchicalLatentModel, Link
from harmonium.units import Bernoulli

STEPS = 150  # of the ascent
DAMPING = 0.5  # share of the way that a step goes towards the fixed point
FLAT = 1e-6  # curvature in `xi` that is taken for none
SHARES = np.array([1.0, 0.5, 0.25, 0.125, 0.03, 0.0], np.float32)  # of Newton's step that are tried


class Factors(NamedTuple):
    """The state of the ascent: log-odds of each hidden layer's means, from the data upwards, and `xi` of each layer
    that they act on.

    >>> Factors((jnp.zeros(3),), (jnp.full(6, 0.5),)).xi[0].shape
    (6,)
    """

    log_odds: tuple[Array, ...]
    xi: tuple[Array, ...]

    @property
    def means(self) -> tuple[Array, ...]:
        """`mu` of each hidden layer."""
        return tuple(jax.nn.sigmoid(m) for m in self.log_odds)


def belief_mean_field(net: Any, v: Float[Array, "size"]) -> tuple[dict[str, Array], Float[Array, ""]]:
    """Means of the hidden layers by name, and the greatest lower bound of `log p(v)` found with them, in nats.

        log p(v) >= sum_il mu_il E[a_il] - xi_il E[a_il] - log E[e^{-xi_il a_il} + e^{(1 - xi_il) a_il}]
                    + E log p(h_L) + H(mu)

    (Saul, Jaakkola & Jordan, JAIR 4, 1996; book, sections 19.4 and 20.10.1.) The ascent starts twice, from what the
    recognition links say and from even odds, steps halfway to the fixed point `logit(mu) = d(bound - H)/dmu`, and each
    `xi` by Newton's method; the best point on the way counts, so that the bound holds whether or not it settles.
    Arguments: `net`, a belief net or Helmholtz machine of Bernoulli units with links downwards and a factorial prior;
    `v`, of its visible units. Raises `InputError` for any other net, and a `v` of another shape.

    >>> import harmonium as hm
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> means, bound = belief_mean_field(net, jnp.ones(6)); means["h"].round(3), round(float(bound), 4)    # -6 log 2
    (Array([0.5, 0.5], dtype=float32), -4.1589)
    """
    check_saul(net)
    net.layers["v"].check_shape(v, "v")
    starts = jax.tree.map(lambda *parts: jnp.stack(parts), _recognised(net, v), _even(net))
    ends, bounds = jax.vmap(lambda start: _ascended(net, v, start))(starts)
    best = jnp.argmax(bounds)
    means = {name: m[best] for name, m in zip(list(net.layers)[1:], ends.means, strict=True)}
    return means, bounds[best]


def check_saul(net: Any) -> None:
    """Refuse what is no belief net of Bernoulli layers with linear links downwards and a factorial prior.

    >>> import harmonium as hm
    >>> check_saul(hm.SigmoidBeliefNet(hm.units.Spin(6), [hm.units.Spin(2)], key=jax.random.key(0)))
    Traceback (most recent call last):
    harmonium.errors.InputError: The mean-field bound is for Bernoulli units, not the Spin units of layer 'v': use ...
    """
    asked = "The mean-field bound"
    if not isinstance(net, HierarchicalLatentModel):
        raise InputError(f"{asked} takes a sigmoid belief net or a Helmholtz machine, not {shown(net)}: pass one.")
    elsewhere = "use importance sampling instead"
    for name, unit in net.layers.items():
        if not isinstance(unit, Bernoulli):
            raise InputError(
                f"{asked} is for Bernoulli units, not the {type(unit).__name__} units of layer '{name}': {elsewhere}."
            )
    if not net.down:
        raise InputError(
            f"{asked} is for hidden layers, which this {type(net).__name__} has none of: leave the method out for its "
            "exact log-likelihood."
        )
    if not all(isinstance(link, Link) for link in net.down):
        raise InputError(
            f"{asked} is for weights between the layers, and not for the decoders of {articled(type(net).__name__)}: "
            f"{elsewhere}."
        )
    if not isinstance(net.prior, Factorial):
        raise InputError(f"{asked} is for prior='factorial', not {shown(net.prior)} on the top layer: {elsewhere}.")


def saul_bound(net: HierarchicalLatentModel, v: Float[Array, "size"], factors: Factors) -> Float[Array, ""]:
    """The bound at any means and any `xi`, in nats.

    >>> import harmonium as hm
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(float(saul_bound(net, jnp.ones(6), Factors((jnp.ones(2),), (jnp.zeros(6),)))), 4) < -4.1589
    True
    """
    entropy = sum(jnp.sum(jnp.logaddexp(0, m) - m * jax.nn.sigmoid(m)) for m in factors.log_odds)
    return _expected(net, v, factors.means, factors.xi) + entropy


def _expected(
    net: HierarchicalLatentModel, v: Array, means: tuple[Array, ...], xi: tuple[Array, ...]
) -> Float[Array, ""]:
    """The bound without the entropy of the means."""
    eta = net.prior.conditional.natural
    total = jnp.vdot(eta, means[-1]) - jnp.sum(jnp.logaddexp(0, eta))
    for link, x, (below, above) in zip(net.down, xi, itertools.pairwise((v, *means)), strict=True):
        total += jnp.vdot(below, link.b + link.W @ above) - jnp.sum(jax.vmap(_ceiling, (0, 0, 0, None))(
            x, link.W, link.b, above
        ))  # fmt: skip
    return total


def _ceiling(xi: Array, w: Float[Array, "above"], b: Array, mu: Float[Array, "above"]) -> Float[Array, ""]:
    """`xi E[a] + log E[e^{-xi a} + e^{(1 - xi) a}]` of one unit, not less than `E log(1 + e^a)`."""

    def log_moment(t: Array) -> Array:
        up = t * w  # log(1 - mu + mu e^up), with the greater of the two exponents taken out
        top = jnp.maximum(up, 0)
        return t * b + jnp.sum(top + jnp.log((1 - mu) * jnp.exp(-top) + mu * jnp.exp(up - top)))

    return xi * (b + w @ mu) + jnp.logaddexp(log_moment(-xi), log_moment(1 - xi))


def _lowered(net: HierarchicalLatentModel, means: tuple[Array, ...], xi: tuple[Array, ...]) -> tuple[Array, ...]:
    """One step of Newton's method on each `xi`, between 0 and 1; halved where the whole of it would overshoot."""
    slope = jax.grad(_ceiling)
    curve = jax.grad(slope)

    def unit(x: Array, w: Array, b: Array, mu: Array) -> Array:
        newton = slope(x, w, b, mu) / jnp.maximum(curve(x, w, b, mu), FLAT)
        tried = jnp.clip(x - newton * SHARES, 0.0, 1.0)
        return tried[jnp.argmin(jax.vmap(lambda x: _ceiling(x, w, b, mu))(tried))]

    each = jax.vmap(unit, (0, 0, 0, None))
    return tuple(each(x, link.W, link.b, above) for x, link, above in zip(xi, net.down, means, strict=True))


def _ascended(net: HierarchicalLatentModel, v: Array, start: Factors) -> tuple[Factors, Float[Array, ""]]:
    """The best point of the ascent, and the bound there."""
    ascent = jax.grad(_expected, argnums=2)

    def step(carry: tuple[Factors, Factors, Array], _: None) -> tuple[tuple[Factors, Factors, Array], None]:
        now, best, reached = carry
        pull = ascent(net, v, now.means, now.xi)
        log_odds = tuple((1 - DAMPING) * m + DAMPING * g for m, g in zip(now.log_odds, pull, strict=True))
        moved = Factors(log_odds, now.xi)
        now = Factors(log_odds, _lowered(net, moved.means, now.xi))
        bound = saul_bound(net, v, now)
        best = jax.tree.map(lambda new, old: jnp.where(bound > reached, new, old), now, best)
        return (now, best, jnp.maximum(bound, reached)), None

    (_, best, bound), _ = jax.lax.scan(step, (start, start, saul_bound(net, v, start)), None, length=STEPS)
    return best, bound


def _even(net: HierarchicalLatentModel) -> Factors:
    """Means of one half."""
    sizes = [unit.size for unit in net.layers.values()]
    return Factors(
        tuple(jnp.zeros(n, jnp.float32) for n in sizes[1:]), tuple(jnp.full(n, 0.5, jnp.float32) for n in sizes[:-1])
    )


def _recognised(net: HierarchicalLatentModel, v: Array) -> Factors:
    """Means that the recognition links give when fed with means."""
    log_odds, below = [], v
    for link in net.up:
        log_odds.append(link.natural_of_stats(below))
        below = jax.nn.sigmoid(log_odds[-1])
    return Factors(tuple(log_odds), _even(net).xi)
