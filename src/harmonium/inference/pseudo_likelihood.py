"""Pseudo-likelihood: the product of each unit's probability given all the other units of its layer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.compiling import in_float32
from harmonium.errors import InputError
from harmonium.inference.free_energy import free_energy
from harmonium.inference.sites import sum_over_sites
from harmonium.models.kinds import ENERGY, require_kind
from harmonium.rng import check_key


@in_float32
def log_pseudo_likelihood(model: Any, key: Key[Array, ""], v: Array, *, sites: int | None = None) -> Float[Array, ""]:
    """Log pseudo-likelihood of one visible configuration, in nats (Besag 1975; book, section 18.3).

        log PL(v) = sum_i log p(v_i | v_-i),      p(v_i = s | v_-i) proportional to exp(-F(v with v_i = s))

    Arguments: `key`, which draws the sites; `v`, a value `[size]` of layer `v`; `sites`, how many of the units to
    visit, drawn without replacement and scaled up without bias (default: all, exactly).
    Raises `InputError` where the visible units have no list of states.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> hm.log_pseudo_likelihood(rbm, jax.random.key(1), jnp.ones(4))   # -4 log 2
    Array(-2.7725887, dtype=float32)
    """
    require_kind("hm.log_pseudo_likelihood", model, ENERGY)
    check_key(key, "hm.log_pseudo_likelihood(model, key, v)")
    unit, v = model.layers["v"], jnp.asarray(v)
    if unit.states is None:
        raise InputError(
            f"Pseudo-likelihood needs visible units with finitely many states, not {type(unit).__name__} ones: train "
            "with CD or PCD."
        )
    states = unit.values(jnp.broadcast_to(jnp.arange(unit.states)[:, None], (unit.states, unit.size)))
    here = -free_energy(model, {"v": v})

    def site(i: Array) -> Float[Array, ""]:
        f = jax.vmap(lambda s: free_energy(model, {"v": v.at[i].set(s)}))(states[:, i])
        return here - jax.nn.logsumexp(-f)

    return sum_over_sites(site, unit.size, key, sites)
