"""What a directed net makes of its latent variables: mean pictures on a grid, along single units, and of samples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import ndtri

from harmonium.compiling import jit_entry
from harmonium.models import Factorial, HierarchicalLatentModel
from harmonium.report.figures import Picture, grid
from harmonium.report.look import Look
from harmonium.units import Categorical, Columns, Gaussian, Stats, Unit

SIDE = 20  # pictures along each side of the manifold
TRAVERSED, STEPS, FAR = 8, 11, 2.0  # units, pictures of each, and standard deviations that these go


def prior_of(net: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Means and standard deviations of the top layer, where that is of independent real units."""
    if not isinstance(net, HierarchicalLatentModel) or not isinstance(net.prior, Factorial) or not net.down:
        return None
    if not isinstance(net.prior.visible, Gaussian):
        return None
    stats = net.prior.conditional.mean
    mean, square = np.asarray(stats.x, float), np.asarray(stats.square, float)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def manifold(net: HierarchicalLatentModel, look: Look) -> Picture:
    """Mean pictures at the quantiles of two latent units, the first across, the second upwards (figure 20.6)."""
    mean, deviation = prior_of(net)
    at = ndtri((np.arange(SIDE) + 0.5) / SIDE)
    across, up = np.meshgrid(at, at[::-1])
    z = mean + deviation * np.stack([across, up], axis=-1)
    title = "Mean pictures over the plane of the two latent units"
    tiles = look.pictures(decoded(net, z.reshape(-1, 2))).reshape(SIDE, SIDE, *_tile(look))
    return grid(tiles, title, title=title, width=620)


def traversals(net: HierarchicalLatentModel, look: Look, chosen: np.ndarray, name: str) -> Picture:
    """Mean pictures as each of the chosen units goes from -2 to 2 standard deviations, the others at their means."""
    mean, deviation = prior_of(net)
    at = np.linspace(-FAR, FAR, STEPS)
    z = np.tile(mean, (len(chosen), STEPS, 1))
    for row, unit in enumerate(chosen):
        z[row, :, unit] += at * deviation[unit]
    tiles = look.pictures(decoded(net, z.reshape(-1, len(mean)))).reshape(len(chosen), STEPS, *_tile(look))
    title = "Mean pictures as one latent unit varies, in standard deviations"
    return grid(tiles, title, title=title, width=620, rows=[f"{name} {unit}" for unit in chosen],
                columns=[f"{x:+.1f}".replace("-", "−") if x else "0" for x in at])  # fmt: skip


def _tile(look: Look) -> tuple[int, ...]:
    return look.pictures(np.zeros(int(np.prod(look.shape)))).shape


@jit_entry
def _decoded(net: HierarchicalLatentModel, z: Float[Array, "n size"]) -> Array:
    def one(z: Array) -> Array:
        stats = net.prior.layers["v"].stats(z)
        for link in reversed(net.down):
            stats = link.unit.mean(link.natural_of_stats(stats))
        return mean_value(net.layers["v"], stats)

    return jax.vmap(one)(z)


def decoded(net: HierarchicalLatentModel, z: np.ndarray) -> np.ndarray:
    """Means of the visible units `[n, size]` given values `[n, latent]` of the top layer, means given means between.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> decoded(vae, np.zeros((3, 2))).shape
    (3, 6)
    """
    return np.asarray(_decoded(net, jnp.asarray(z, jnp.float32)))


@jit_entry
def reconstructed(
    net: HierarchicalLatentModel, keys: Key[Array, "n"], rows: Array
) -> tuple[Array, Array | tuple[Array, ...]]:
    """Values and means of `p(x | h)` `[n, size]`, `h ~ q(h | x)`, of rows `[n, size]`.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> [x.shape for x in reconstructed(vae, jax.random.split(jax.random.key(1), 3), jnp.ones((3, 6)))]
    [(3, 6), (3, 6)]
    """

    def one(key: Key[Array, ""], x: Array) -> tuple[Array, Array | tuple[Array, ...]]:
        first, second = jax.random.split(key)
        name = list(net.layers)[1]
        eta = net.down[0].natural(net.sample_posterior(first, net.encode_features(x))[name])
        unit = net.layers["v"]
        return unit.sample(second, eta), mean_value(unit, unit.mean(eta))

    return jax.vmap(one)(keys, rows)


def mean_value(unit: Unit, stats: Stats) -> Array | tuple[Array, ...]:
    """The mean `[size]` of a layer with these mean statistics, of categories that of their codes.

    >>> mean_value(Categorical(1, states=3), jnp.array([0.0, 0.5, 0.5])).tolist()
    [1.5]
    """
    if isinstance(unit, Columns):
        return tuple(mean_value(kind.unit, own) for kind, own in zip(unit.kinds, stats, strict=True))
    if isinstance(unit, Categorical):
        return stats.reshape(unit.size, unit.states) @ jnp.arange(unit.states, dtype=jnp.float32)
    return unit.expected_value(stats)
