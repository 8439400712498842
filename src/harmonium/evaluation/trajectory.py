"""Annealing along snapshots of a model's own training: a path that meets no sudden change.

A machine acquires its modes one after the other while it learns, each by a continuous transition; annealed by
temperature instead, many of them appear at once, and chains are left behind in the wrong ones. So the path leads from
independent units to an early snapshot and from each to the next, with energies

    E = (1 - beta) E_i + beta E_{i+1}

between neighbours (Béreux, Decelle, Furtlehner & Seoane 2024, arXiv 2405.15376: trajectory annealing).

That holds where training stayed near equilibrium: small rates, many persistent chains, several steps each. After PCD-1
at a rate of 0.1, modes have traded mass from one snapshot to the next, and chains along such a path are left behind
more than along temperatures: the bounds still hold, and the effective number of chains tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.errors import InputError
from harmonium.evaluation.annealed import Weights, anneal, base_samples, visible_block, walk
from harmonium.models import EnergyModel, Independent, Interpolated
from harmonium.samplers import State

Path = tuple[EnergyModel, ...]  # the snapshots from early to late, the model itself last


def training_path(model: EnergyModel, snapshots: Sequence[EnergyModel], temperatures: int) -> Path:
    """The snapshots from early to late, with the model itself at the end.

    Raises `InputError` for none, for one of another structure than the model, or for more of them than temperatures.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> early = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(1))
    >>> len(training_path(rbm, [early], 10)), len(training_path(rbm, [early, rbm], 10))
    (2, 2)
    """
    path = tuple(snapshots) if isinstance(snapshots, Sequence) else ()
    if not path:
        raise InputError(
            "Annealing along training needs snapshots: pass snapshots=[...], models from early to late, such as those "
            "that a callback of hm.fit collects from progress.model."
        )
    for i, snapshot in enumerate(path):
        if _form(snapshot) != _form(model):
            raise InputError(
                f"Snapshot {i} is of another structure than the model: pass models with the same layers and shapes."
            )
    if not eqx.tree_equal(path[-1], model):
        path = (*path, model)
    if temperatures < len(path):
        raise InputError(
            f"A path through {len(path)} models takes at least as many temperatures, not temperatures={temperatures}: "
            "pass more temperatures or fewer snapshots."
        )
    return path


def forward_along(path: Path, base: Independent, key: Key[Array, ""], chains: int, steps: int) -> Weights:
    """Chains from the base through the snapshots to the model: `log mean w` lies below `log Z / Z_base`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> base = hm.evaluation.base_for(rbm, jnp.full((9, 6), 0.5))
    >>> bool(jnp.allclose(forward_along((rbm, rbm), base, jax.random.key(1), 4, 6).log_w, 0.0, atol=1e-5))
    True
    """
    draw, first, rest = jax.random.split(key, 3)
    alone, segments, betas = _shared(len(path), steps)
    up = jnp.linspace(0.0, 1.0, alone + 1)
    weights = anneal(path[0], base, first, base_samples(path[0], base, draw, chains), up)
    if len(path) == 1:
        return weights
    later = _along(_stack(path), path[0], rest, weights.end, segments, (betas[:, 0], betas[:, 1]))
    return Weights(weights.log_w + later.log_w, later.end)


def reverse_along(path: Path, base: Independent, key: Key[Array, ""], start: State, steps: int) -> Weights:
    """Chains from the model's samples `start` back through the snapshots: `-log mean w` lies above.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> base, start = hm.evaluation.base_for(rbm, jnp.full((9, 6), 0.5)), {"v": jnp.zeros((4, 6))}
    >>> bool(jnp.allclose(reverse_along((rbm, rbm), base, jax.random.key(1), start, 6).log_w, 0.0, atol=1e-5))
    True
    """
    first, last = jax.random.split(key)
    alone, segments, betas = _shared(len(path), steps)
    held = {name: start[name] for name in visible_block(path[0])}
    weights = Weights(jnp.zeros(len(next(iter(held.values())))), held)
    if len(path) > 1:
        ends = (betas[::-1, 1], betas[::-1, 0])
        weights = _along(_stack(path), path[0], first, held, segments[::-1], ends)
    down = anneal(path[0], base, last, weights.end, jnp.linspace(1.0, 0.0, alone + 1))
    return Weights(weights.log_w + down.log_w, down.end)


def _shared(models: int, steps: int) -> tuple[int, Int[Array, "later"], Float[Array, "later 2"]]:
    """The steps shared among the segments: how many lead to the first snapshot, and for each of the later ones its
    segment and its temperatures before and after."""
    counts = np.diff(np.linspace(0, steps, models + 1).round().astype(int))
    ladders = [np.linspace(0, 1, count + 1) for count in counts[1:]]
    betas = [np.stack([ladder[:-1], ladder[1:]], axis=1) for ladder in ladders]
    segments = np.repeat(np.arange(models - 1), counts[1:])
    return int(counts[0]), jnp.asarray(segments), jnp.asarray(np.concatenate([np.zeros((0, 2)), *betas]), jnp.float32)


@jit_entry
def _along(
    stack: PyTree, form: EnergyModel, key: Key[Array, ""], start: State, segments: Int[Array, "steps"],
    betas: tuple[Float[Array, "steps"], Float[Array, "steps"]],
) -> Weights:  # fmt: skip
    """Log-weights of chains along the stacked snapshots, one compiled step for all segments.

    Arguments: `form`, any of the models, for what it holds besides arrays.
    """
    static = eqx.filter(form, eqx.is_array, inverse=True)

    def model_at(i: Int[Array, ""]) -> EnergyModel:
        return eqx.combine(jax.tree.map(lambda leaf: leaf[i], stack), static)

    def pair(here: tuple[Array, tuple[Array, Array]]) -> tuple[EnergyModel, EnergyModel]:
        i, (old, new) = here
        left, right = model_at(i), model_at(i + 1)
        return Interpolated(left, right, old), Interpolated(left, right, new)

    return walk(key, start, (segments, betas), pair)


def _stack(path: Path) -> PyTree:
    """The arrays of all models, one above the other."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(eqx.filter(model, eqx.is_array) for model in path))


def _form(model: EnergyModel) -> tuple:
    """What two models must share to be points of one path: structure, shapes, types and all that is no array."""
    leaves, structure = jax.tree.flatten(model)
    return structure, [(leaf.shape, str(leaf.dtype)) if eqx.is_array(leaf) else leaf for leaf in leaves]
