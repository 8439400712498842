"""Centring: the same machines, with the statistics measured from offsets (section 20.4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from harmonium.errors import InputError, real, shown
from harmonium.models.boltzmann.normalised import Normalised
from harmonium.models.boltzmann.wrapped import Wrapped
from harmonium.models.energy import BiasedModel, Constant, LayerStats, local_field, require_biased, with_biases
from harmonium.units import Stats


class Centred(Wrapped):
    """Any energy model with its energy taken at `T(x) - mu` instead of `T(x)`.

        E'(x) = E(T(x) - mu)                                                                # (20.37)

    It describes the same family of distributions with other coordinates, in which gradients are better conditioned
    (Montavon & Müller 2012; Melchior, Fischer & Wiskott 2016). During training the offsets follow the mean
    statistics of the positive phase; the biases move with them so that the distribution stays as it is. Offsets at the
    average of both phases make the gradient the enhanced gradient (Cho, Raiko & Ilin 2011, 2013).

    Arguments: `model`, a model with biases; `offsets`, mean statistics by layer (default: those that the biases
    alone give); `rate`, the share by which offsets move towards new means at each step; `follow`, whose means these
    are: those of the "positive" phase, or the average of "both" phases, where the learning rule has chains. Raises
    `InputError` for any other.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> Centred(rbm).offsets.value["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """

    model: BiasedModel
    offsets: Constant
    rate: float = eqx.field(static=True)
    follow: str = eqx.field(static=True, default="positive")

    def __init__(
        self, model: Any, offsets: Any = None, *, rate: Any = 0.01,
        follow: str = "positive",
    ) -> None:  # fmt: skip
        require_biased("hm.Centred", model)
        if isinstance(model, Normalised):
            raise InputError("Centring would lose the number log Z: wrap the other way, hm.Normalised(hm.Centred(m)).")
        if follow not in ("positive", "both"):
            raise InputError(f"Offsets follow the means of the 'positive' phase or of 'both', not of {follow!r}.")
        if not real(rate, 0.0) or rate > 1:
            raise InputError(f"Offsets move by a share from 0 to 1 of their distance, not rate={shown(rate)}.")
        means = {name: unit.mean(unit.natural(model.biases[name])) for name, unit in model.layers.items()}
        if offsets is not None and not _alike(offsets, means):
            raise InputError(
                f"Offsets are mean statistics by layer, with the shapes {jax.tree.map(jnp.shape, means)}, not "
                f"{jax.tree.map(jnp.shape, dict(offsets)) if isinstance(offsets, Mapping) else shown(offsets)}."
            )
        self.model = model
        self.offsets = Constant(means if offsets is None else dict(offsets))
        self.rate, self.follow = rate, follow

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(T(x) - mu)`, in nats."""
        return self.model.energy(self._from_offsets(stats))  # (20.37)

    def local_field(self, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Stats:
        """What acts on some units of the model at `T(x) - mu`."""
        return local_field(self.model, self._from_offsets(stats), layer, units)

    def _from_offsets(self, stats: LayerStats) -> LayerStats:
        return _difference(dict(stats), {name: self.offsets.value[name] for name in stats})


def _alike(offsets: Any, means: dict[str, Stats]) -> bool:
    """Whether offsets are arrays of the shapes of mean statistics, by layer."""
    if not isinstance(offsets, Mapping) or set(offsets) != set(means):
        return False
    found, expected = ([(jnp.shape(leaf), path) for path, leaf in jax.tree_util.tree_leaves_with_path(dict(tree))]
                       for tree in (offsets, means))  # fmt: skip
    return found == expected


def centred_part(model: PyTree) -> Centred | None:
    """The `Centred` model that a model is, or that a `Normalised` one holds; None where there is none.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> type(centred_part(hm.Normalised(Centred(rbm)))).__name__, centred_part(rbm)
    ('Centred', None)
    """
    inner = model.model if isinstance(model, Normalised) else model
    return inner if isinstance(inner, Centred) else None


def recentred(model: PyTree, means: Mapping[str, Stats] | None) -> PyTree:
    """A centred model with its offsets moved towards `means` and its distribution unchanged; others as they are.

    In the new coordinates the bias of a layer is what acts on it when every other layer is at its new offset:
    `eta_l = -dE/dT_l` at `mu' - mu`. A `Normalised` model takes up the constant by which that changes the energy.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> recentred(Centred(rbm, rate=0.5), {"v": jnp.ones(6), "h": jnp.ones(3)}).offsets.value["h"]
    Array([0.75, 0.75, 0.75], dtype=float32)
    """
    centred = centred_part(model)
    if centred is None or means is None:
        return model
    old = centred.offsets.value
    new = jax.tree.map(lambda a, b: a + centred.rate * (b - a), old, dict(means))
    pull = jax.grad(centred.model.energy)(_difference(new, old))
    biases = {name: unit.bias(jax.tree.map(lambda g: -g, pull[name])) for name, unit in model.layers.items()}
    moved = Centred(with_biases(centred.model, biases), new, rate=centred.rate, follow=centred.follow)
    if not isinstance(model, Normalised):
        return moved
    constant = centred.energy(new) - moved.energy(new)  # here both are small, so that nothing is lost in float32
    return Normalised(moved, model.log_partition + constant)


def uncentred(model: PyTree) -> PyTree:
    """The machine in plain coordinates that has the distribution of a `Centred` one; others as they are.

    Its biases are what acts on each layer when all statistics are zero: `eta_l = -dE'/dT_l` at 0.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> uncentred(Centred(rbm)).b.shape
    (6,)
    """
    if not isinstance(model, Centred):
        return model
    pull = jax.grad(model.energy)({name: unit.zeros() for name, unit in model.layers.items()})
    biases = {name: unit.bias(jax.tree.map(lambda g: -g, pull[name])) for name, unit in model.layers.items()}
    return with_biases(model.model, biases)


def _difference(a: PyTree, b: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: x - y, a, b)
