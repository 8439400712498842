"""What it takes to be an energy model, and the two distinctions that training needs to make among its arrays.

An energy model has layers of units and one function, `energy`, of the layers' **sufficient statistics**, linear in
each layer's statistics when the others are held fixed. Then `p(x) = exp(-E(T(x))) / Z`, and everything else
(`harmonium.inference`, `harmonium.samplers`) is derived from `energy` by differentiation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from harmonium.decay import decaying
from harmonium.errors import InputError, articled
from harmonium.models.kind import Kind, is_kind, kind_of, refusal, require_sound
from harmonium.models.sound import require_biases, require_blocks
from harmonium.units import Stats, Unit

LayerStats = Mapping[str, Stats]


@runtime_checkable
class EnergyModel(Protocol):
    """A model whose `energy` is its specification; written for one example, without a batch axis."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers by name: `v` for data, `h` (or `h1`, `h2`, ...) for hidden, `y` for labels."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Groups of layers that are independent of each other given all others; every layer is in one.

        A layer whose units act on each other stands alone in its block, named by a `Coloured`.
        """

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E` as a function of every layer's sufficient statistics, in nats."""


ENERGY = Kind(
    "an energy model (an RBM, a DBM, ...)",
    "an energy model is sampled by hm.sample, inferred by hm.encode and measured by hm.log_likelihood",
    EnergyModel,
    check=require_blocks,
    guessed=True,
)


@runtime_checkable
class Biased(Protocol):
    """A model, of whatever kind, with one bias per layer, which can be read and replaced."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers by name."""

    @property
    def biases(self) -> dict[str, PyTree]:
        """The bias of each layer, in the form its unit defines."""


@runtime_checkable
class BiasedModel(EnergyModel, Biased, Protocol):
    """An energy model with one bias per layer."""


def require_biased(asked: str, model: Any) -> None:
    """Refuse what is no energy model with biases, one for each layer, where `asked` takes that.

    >>> require_biased("hm.Centred", 3)
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.Centred takes an energy model with biases (an RBM, a DBM, ...), not 3: pass the ...
    """
    require_sound(model)
    if not (is_kind(model, ENERGY) and isinstance(model, Biased)):
        raise refusal(asked, model, "an energy model with biases (an RBM, a DBM, ...)")
    if kind_of(model) is not ENERGY:
        name = articled(type(model).__name__)
        raise InputError(
            f"{asked} would lose what {name} adds to its energy, such as how it is used: wrap the machine inside of "
            "it, its model."
        )
    require_biases(model)


@runtime_checkable
class LocalFieldModel(EnergyModel, Protocol):
    """An energy model that knows what acts on a few units at less than the cost of what acts on all."""

    def local_field(self, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Stats:
        """What the function `local_field` says of this model."""


class Coloured(str):
    """The name of a layer whose units act on each other, with a colour for each: units of one colour do not.

    So the units of one colour are independent given all other units, and what is drawn or inferred of an ordinary layer
    at once is drawn or inferred here colour by colour. It equals the plain name.
    Arguments: `name`; `colours` `[size]`, whole numbers from 0 upwards, in the order in which colours are visited.

    >>> layer = Coloured("v", (0, 1, 0))
    >>> layer == "v", layer.members.tolist()                # 3 is no unit: colour 1 has one less
    (True, [[0, 2], [1, 3]])
    """

    colours: tuple[int, ...]

    def __new__(cls, name: str, colours: tuple[int, ...]) -> Coloured:
        self = super().__new__(cls, name)
        self.colours = colours
        return self

    @property
    def members(self) -> Int[np.ndarray, "colours most"]:
        """The numbers of each colour's units, filled up with `size`, which is no unit."""
        colours = np.asarray(self.colours)
        groups = [np.flatnonzero(colours == colour) for colour in range(colours.max() + 1)]
        most = max(len(group) for group in groups)
        return np.stack([np.pad(group, (0, most - len(group)), constant_values=len(colours)) for group in groups])


def coloured(model: EnergyModel, layer: str) -> Coloured | None:
    """A layer's name with the colours of its units where these act on each other, None where they are independent.

    >>> import harmonium as hm, jax
    >>> machine = hm.BoltzmannMachine(hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> coloured(machine, "v").colours
    (0, 1, 2)
    """
    names = (name for block in model.blocks for name in block)
    return next((name for name in names if name == layer and isinstance(name, Coloured)), None)


def local_field(model: EnergyModel, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Stats:
    """`eta_i = -dE/dT_i` of chosen units of one layer, at the current statistics of all units.

    No unit acts on itself, so that these are the natural parameters of each unit given all others, exactly, whatever
    its own statistics are; units of one colour have them together. By differentiation, which costs as much as for the
    whole layer, unless the model has a way of its own. Arguments: `stats`, of every layer; `units`, their numbers.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> machine = hm.BoltzmannMachine(hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> eta = local_field(machine, {"v": jnp.ones(3)}, "v", jnp.array([2]))
    >>> bool(jnp.allclose(eta, machine.b[2] + machine.U[2].sum()))
    True
    """
    if isinstance(model, LocalFieldModel):
        return model.local_field(stats, layer, units)
    slope = jax.grad(lambda own: model.energy({**stats, layer: own}))(stats[layer])
    chosen = slice(None) if model.layers[layer].joint else units  # of units that depend on each other, all
    return jax.tree.map(lambda leaf: -leaf[chosen], slope)


class Constant(eqx.Module):
    """Arrays that belong to a model but are not learned by gradient, such as the offsets of centring.

    >>> import jax.numpy as jnp
    >>> trainable({"W": jnp.ones(2), "offset": Constant(jnp.ones(2))})
    {'W': True, 'offset': Constant(value=False)}
    """

    value: PyTree


def trainable(model: PyTree) -> PyTree:
    """A tree like `model`, True at the arrays that a gradient step may change.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> mark = trainable(hm.Centred(rbm)); mark.model.W, mark.offsets.value["h"]
    (True, False)
    """

    def mark(node: PyTree) -> PyTree:
        frozen = isinstance(node, Constant)
        return jax.tree.map(lambda leaf: eqx.is_inexact_array(leaf) and not frozen, node)

    return jax.tree.map(mark, model, is_leaf=lambda node: isinstance(node, Constant))


def weights(model: PyTree) -> PyTree:
    """A tree like `model`, True at its weights: what weight decay shrinks and a limit on norms holds.

    Every trainable array is a weight, except those that `model.biases` returns and those in fields that the model marks
    (`harmonium.decay.no_decay`).

    >>> import harmonium as hm, jax
    >>> mark = weights(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    >>> mark.W, mark.b, mark.c
    (True, False, False)
    """
    free = decaying(model)
    biases = {id(leaf) for leaf in jax.tree.leaves(model.biases)} if isinstance(model, Biased) else set()
    if all(jax.tree.leaves(free)) and biases - {id(leaf) for leaf in jax.tree.leaves(model)}:
        raise InputError(
            f"Some biases of this {type(model).__name__} are computed, so that nothing says which arrays are no "
            "weights: let `biases` return its own arrays, or mark fields, b: jax.Array = harmonium.decay.no_decay()."
        )
    return jax.tree.map(
        lambda leaf, learned, free: bool(learned and free and id(leaf) not in biases),
        model, trainable(model), free,
    )  # fmt: skip


def with_biases(model: Biased, biases: Mapping[str, PyTree]) -> Biased:
    """The same model with the named layers' biases replaced. Raises `InputError` where they are no arrays of its own.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> with_biases(rbm, {"h": jnp.ones(3)}).c
    Array([1., 1., 1.], dtype=float32)
    """
    names = list(biases)
    try:
        return eqx.tree_at(lambda m: [m.biases[name] for name in names], model, [biases[name] for name in names])
    except (TypeError, ValueError) as error:  # Equinox finds nothing to replace
        raise InputError(
            f"The biases of this {type(model).__name__} cannot be replaced: let `biases` return its own arrays, as "
            "they are, such as {'v': self.b}."
        ) from error
