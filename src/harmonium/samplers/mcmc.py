"""Moves of several layers that leave any unnormalised density invariant: unit by unit, or along its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key, Num

from harmonium.units import Unit

Values = dict[str, Array]
LogDensity = Callable[[Values], Float[Array, ""]]


class Site(NamedTuple):
    """The states of one unit, its own first, and `log f` `[states]` of the configuration with each of them.

    >>> import harmonium as hm
    >>> log_f = lambda h: 2.0 * h["h"].sum()
    >>> site_law(log_f, hm.units.Bernoulli(2), "h", {"h": jnp.ones(2)}, jnp.array(0), jnp.array(4.0)).log_f
    Array([4., 2.], dtype=float32)
    """

    values: Num[Array, "states"]
    log_f: Float[Array, "states"]


def site_law(
    log_f: LogDensity, unit: Unit, name: str, values: Values, i: Int[Array, ""], now: Float[Array, ""]
) -> Site:
    """What unit `i` of a finite layer may become, all else held.

    Arguments: `unit`, of the layer `name`; `values` of all layers `[size]`; `now`, their `log f`, known already.

    >>> import harmonium as hm
    >>> log_f = lambda h: h["h"].sum()
    >>> site_law(log_f, hm.units.Spin(2), "h", {"h": -jnp.ones(2)}, jnp.array(1), jnp.array(-2.0)).values
    Array([-1.,  1.], dtype=float32)
    """
    every = unit.values(jnp.broadcast_to(jnp.arange(unit.states)[:, None], (unit.states, unit.size)))[:, i]
    states = jnp.roll(every, -jnp.argmax(every == values[name][i]))
    others = jax.vmap(lambda value: log_f(values | {name: values[name].at[i].set(value)}))(states[1:])
    return Site(states, jnp.concatenate([now[None], others]))


def sweep_sites(log_f: LogDensity, units: dict[str, Unit], key: Key[Array, ""], values: Values) -> Values:
    """One Gibbs update of each unit of some finite layers, one after the other, in order.

        h_i ~ f(h_i, h_others) / sum_s f(s, h_others)

    (Geman & Geman, *IEEE PAMI* 6, 1984; book, section 17.4.) It asks `log f` once for each other state of each unit.
    Arguments: `log_f`, of the values of all layers; `units`, of the layers to update, by name.

    >>> import harmonium as hm
    >>> sweep_sites(lambda h: 99.0 * h["h"].sum(), {"h": hm.units.Spin(2)}, jax.random.key(0), {"h": -jnp.ones(2)})["h"]
    Array([1., 1.], dtype=float32)
    """
    carry = (values, log_f(values))
    for k, (name, unit) in zip(jax.random.split(key, max(len(units), 1)), units.items(), strict=False):

        def update(
            carry: tuple[Values, Array], i: Array, name: str = name, unit: Unit = unit, k: Array = k
        ) -> tuple[tuple[Values, Array], None]:
            values, now = carry
            site = site_law(log_f, unit, name, values, i, now)
            chosen = jax.random.categorical(jax.random.fold_in(k, i), site.log_f)
            values = values | {name: values[name].at[i].set(site.values[chosen])}
            return (values, site.log_f[chosen]), None

        carry, _ = jax.lax.scan(update, carry, jnp.arange(unit.size, dtype=jnp.int32))
    return carry[0]


def hamiltonian(
    log_f: LogDensity, key: Key[Array, ""], values: Values, step: Float[Array, ""], scale: Values, leapfrog: int
) -> tuple[Values, Float[Array, ""]]:
    """One Hamiltonian move of real layers, and the probability with which it was accepted.

        r ~ N(0, I);      `leapfrog` times:  r += e/2 s grad log f,  h += e s r,  r += e/2 s grad log f
        accepted with probability min(1, f(h') exp(-|r'|^2 / 2) / f(h) exp(-|r|^2 / 2))

    (Duane, Kennedy, Pendleton & Roweth, *Physics Letters B* 195, 1987; Neal, *MCMC using Hamiltonian dynamics*, 2011.)
    Each move draws its `e` between half and all of `step`, lest trajectories return to where they began.
    Arguments: `values`, of the layers that move; `step`; `scale` `s` of each value, its unit of length.

    >>> standard = lambda h: -0.5 * jnp.sum(h["z"] ** 2)
    >>> z, chance = hamiltonian(standard, jax.random.key(0), {"z": jnp.ones(2)}, jnp.array(0.1), {"z": jnp.ones(2)}, 5)
    >>> z["z"].shape, bool(chance > 0.99)
    ((2,), True)
    """
    push, stretch, choose = jax.random.split(key, 3)
    (h, flat), s = ravel_pytree(values), ravel_pytree(scale)[0]
    slope = jax.value_and_grad(lambda h: log_f(flat(h)))
    e = step * jax.random.uniform(stretch, minval=0.5, maxval=1.0, dtype=jnp.float32)
    r = jax.random.normal(push, h.shape, jnp.float32)

    def leap(carry: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], None]:
        h, r, _, gradient = carry
        r = r + e / 2 * s * gradient
        h = h + e * s * r
        log, gradient = slope(h)
        return (h, r + e / 2 * s * gradient, log, gradient), None

    before, gradient = slope(h)
    (new, end, after, _), _ = jax.lax.scan(leap, (h, r, before, gradient), None, length=leapfrog)
    rise = after - before - 0.5 * (jnp.sum(end**2) - jnp.sum(r**2))
    chance = jnp.where(jnp.isnan(rise), 0.0, jnp.exp(jnp.minimum(rise, 0.0)))
    accepted = jax.random.uniform(choose, dtype=jnp.float32) < chance
    return flat(jnp.where(accepted, new, h)), chance
