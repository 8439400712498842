"""Latent units that tell of the data, and those that only repeat their prior (posterior collapse)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry
from harmonium.data import Dataset
from harmonium.errors import InputError, shown
from harmonium.evaluation.rows import rows_of
from harmonium.models import BiHM, Factorial, HierarchicalLatentModel, LatentModel, Latents, TractableModel
from harmonium.models.autoregressive import Conditionals
from harmonium.models.directed import net_of
from harmonium.models.kinds import BIDIRECTIONAL, LATENT, require_kind
from harmonium.rng import fast_key
from harmonium.units import Conditional

ACTIVE = 0.01  # variance over the rows of what is expected of a unit, above which it is active (Burda et al. 2016)
GUESSES = 20  # of the latent variables of each row
BLOCK = 100  # rows looked at together


@dataclass(frozen=True)
class ActiveUnits:
    """How much each latent unit tells of the data.

    Attributes: `spread`, `Var_x E_q[z_u | x]` of each unit, by layer `[size]`; `kl`, `E_q[log q(z_u | below) -
    log p(z_u | above)]` of each unit in nats, by layer `[size]`, not a number where the model does not say it unit by
    unit.

    >>> found = ActiveUnits({"z": np.array([0.9, 0.001])}, {"z": np.array([1.5, 0.0])}); print(found)
    1 of 2 latent units active, KL 1.50 nats
    >>> found.active["z"].tolist(), found.count
    ([True, False], 1)
    """

    spread: dict[str, np.ndarray]
    kl: dict[str, np.ndarray]

    @property
    def active(self) -> dict[str, np.ndarray]:
        """Which units are active: `spread > 0.01`, by layer."""
        return {name: x > ACTIVE for name, x in self.spread.items()}

    @property
    def count(self) -> int:
        """How many of all layers are."""
        return int(sum(x.sum() for x in self.active.values()))

    @property
    def total(self) -> int:
        """How many units there are."""
        return sum(len(x) for x in self.spread.values())

    @property
    def nats(self) -> float:
        """`KL(q(z | x) || p(z))`, the mean over the rows, of all layers together."""
        return float(sum(x.sum() for x in self.kl.values()))

    def __str__(self) -> str:
        cost = f", KL {self.nats:.2f} nats" if np.isfinite(self.nats) else ""  # of a DRAW it is not known unit by unit
        return f"{self.count} of {self.total} latent units active{cost}"


def active_units(model: LatentModel | BiHM, data: Dataset | Array, *, key: Key[Array, ""] | None = None) -> ActiveUnits:
    """How many latent units of a directed net say something of the data, and what each costs in nats.

        A_u = Var_x(E_q[z_u | x]) > 0.01,      KL_u = E_x E_q[log q(z_u | below) - log p(z_u | above)]

    (Burda, Grosse & Salakhutdinov, *Importance weighted autoencoders*, ICLR 2016, section 5.2; book, section 20.10.3.)
    A unit whose mean is the same for all rows is of no use: the bound was raised by ignoring it. Of layers above the
    first the expectations are means over 20 samples of the layers below, whose noise is taken off the variance.

    Arguments: `model`, a VAE, a Helmholtz machine or a `BiHM`; `data`, rows `[n, size]`, or a `Dataset`, of which the
    test rows are taken; `key`. Raises `InputError` for a model of another kind or without latent variables, fewer than
    two rows or rows that do not fit, or a missing key.

    >>> import harmonium as hm, jax
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> hm.evaluation.active_units(vae, np.eye(6), key=jax.random.key(1)).total
    2
    """
    require_kind("hm.evaluation.active_units", model, LATENT, BIDIRECTIONAL)
    net = net_of(model)
    if len(net.layers) < 2:
        raise InputError(f"{shown(net)} has no latent variables that could be active: give it a hidden layer.")
    if key is None:
        raise InputError("Active units are found by sampling them: pass key=jax.random.key(seed).")
    rows, unit = rows_of(model, data), net.layers["v"]
    if len(rows) < 2:
        raise InputError(f"Active units differ between rows, and there is {len(rows)} of them: pass two or more.")
    keys = jax.random.split(fast_key(key), len(rows))
    blocks = [slice(i, i + BLOCK) for i in range(0, len(rows), BLOCK)]
    parts = [_looked_at(net, keys[at], unit.from_data(rows[at])) for at in blocks]
    means, noise, kl = (
        {name: np.concatenate([np.asarray(part[i][name], np.float64) for part in parts]) for name in parts[0][i]}
        for i in range(3)
    )
    spread = {name: np.maximum(x.var(axis=0) - noise[name].mean(axis=0), 0.0) for name, x in means.items()}
    return ActiveUnits(
        {name: np.add.reduceat(x, _starts(net, name)) for name, x in spread.items()},
        {name: x.mean(axis=0) for name, x in kl.items()},
    )


def _starts(net: LatentModel, name: str) -> np.ndarray:
    """Where the numbers of each unit of a layer begin among its features."""
    widths = net.layers[name].widths
    return np.cumsum([0, *widths[:-1]])


@jit_entry
def _looked_at(
    net: Any, keys: Key[Array, "n"], rows: Array
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """What is expected of each latent feature of each row `[n, width]`, the variance of that as a mean of samples, and
    the terms of the KL divergence `[n, size]`."""

    def one(key: Key[Array, ""], x: Array) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        encoded = net.encode_features(x)
        latents = jax.vmap(lambda k: net.sample_posterior(k, encoded))(jax.random.split(key, GUESSES))
        means, kl = jax.vmap(lambda h: _told(net, x, h))(latents)
        return (
            jax.tree.map(lambda m: jnp.mean(m, axis=0), means),
            jax.tree.map(lambda m: jnp.var(m, axis=0, ddof=1) / GUESSES, means),
            jax.tree.map(lambda m: jnp.mean(m, axis=0), kl),
        )

    return jax.vmap(one)(keys, rows)


def _told(net: Any, x: Array, latents: Latents) -> tuple[dict[str, Array], dict[str, Array]]:
    """Features expected of each layer given a sample of the one below (or those of the sample), and `log q - log p`."""
    names = list(net.layers)
    if not isinstance(net, HierarchicalLatentModel):
        means = {name: net.layers[name].as_input(latents[name]) for name in names[1:]}
        return means, {name: jnp.full(net.layers[name].size, jnp.nan) for name in names[1:]}
    values, means, kl = {"v": x, **latents}, {}, {}
    for l, (below, name) in enumerate(itertools.pairwise(names)):
        unit, z = net.layers[name], values[name]
        q = Conditional(unit, net.up[l].natural(values[below]))
        means[name] = unit.interaction(q.mean, unit.bias(unit.neutral_natural()))
        if l + 1 < len(net.down):
            p = Conditional(unit, net.down[l + 1].natural(values[names[l + 2]])).log_probs(z)
        else:
            p = _each(net.prior, z)
        kl[name] = q.log_probs(z) - p
    return means, kl


def _each(prior: TractableModel, z: Array) -> Float[Array, "size"]:
    """Log-probability of each unit of the top layer, given those before it where the prior has an order."""
    if isinstance(prior, Factorial):
        return prior.conditional.log_probs(z)
    if isinstance(prior, Conditionals):
        return Conditional(prior.layers["v"], prior.natural(z)).log_probs(z)
    return jnp.full(len(z), jnp.nan)
