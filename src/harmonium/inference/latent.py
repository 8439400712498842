"""Latent variables of directed nets: all their states where these are few, and what is expected of them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.models import HierarchicalLatentModel, LatentModel, Latents

GUESSES = 100  # of the latent variables of each row, whose mean stands for what is expected of them


def latent_count(model: LatentModel) -> float:
    """How many states the latent variables have: infinite where one is real, 1 where there are none.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> latent_count(net)
    8.0
    """
    units = list(model.layers.values())[1:]
    if any(unit.states is None for unit in units):
        return math.inf
    log_count = sum(unit.size * math.log(unit.states) for unit in units)
    return float(round(math.exp(log_count))) if log_count < 40 else math.inf


def latent_states(model: LatentModel) -> Latents:
    """Every state of the latent variables, `[count, size]` by layer; of finite layers with few enough.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> latent_states(net)["h"].tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    layers = dict(list(model.layers.items())[1:])
    bases = [unit.states for unit in layers.values() for _ in range(unit.size)]
    digits = np.arange(int(latent_count(model)))[:, None]
    place = np.cumprod([1, *bases[:0:-1]])[::-1] if bases else np.ones(0, int)
    index = (digits // place % np.array(bases, int)).astype(np.int32) if bases else np.zeros((1, 0), np.int32)
    parts = np.split(index, np.cumsum([unit.size for unit in layers.values()])[:-1], axis=1) if layers else []
    return {name: unit.values(jnp.asarray(part)) for (name, unit), part in zip(layers.items(), parts, strict=True)}


def exact_log_prob(model: LatentModel, x: Array) -> Float[Array, ""]:
    """`log p(x) = log sum_h p(x, h)` of a value `[size]`, in nats, of a net with few latent states.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(float(exact_log_prob(net, jnp.ones(6))), 4)                                    # -6 log 2
    -4.1589
    """
    states = latent_states(model)
    if not states:
        return model.log_joint(x, {})
    return jax.nn.logsumexp(jax.vmap(lambda h: model.log_joint(x, h))(states))


def guessed_means(model: LatentModel, key: Key[Array, ""], x: Array) -> dict[str, Array]:
    """Expected values of the latent layers of a value `[size]` under `q(h | x)`: of the first layer exactly where the
    net has links, of the others as means of samples.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> guessed_means(net, jax.random.key(1), jnp.ones(6))["h"].tolist()
    [0.5, 0.5]
    """
    encoded = model.encode_features(x)
    names = list(model.layers)[1:]
    drawn = jax.vmap(lambda k: model.sample_posterior(k, encoded))(jax.random.split(key, GUESSES))
    found = {}
    for i, name in enumerate(names):
        unit = model.layers[name]
        stats = jax.tree.map(lambda s: jnp.mean(s, axis=0), jax.vmap(unit.stats)(drawn[name]))
        if i == 0 and isinstance(model, HierarchicalLatentModel):
            stats = unit.mean(encoded)
        found[name] = unit.expected_value(stats)
    return found
