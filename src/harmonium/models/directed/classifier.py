"""Classifiers that deep machines turn into: a multilayer perceptron that starts from their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.errors import InputError, shown, whole
from harmonium.models.boltzmann.centred import uncentred
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.boltzmann.unlabelled import unlabelled
from harmonium.models.directed.dbn import DBN
from harmonium.models.energy import EnergyModel
from harmonium.models.kind import Kind
from harmonium.nets import MLP
from harmonium.rng import check_key
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian, Unit


@runtime_checkable
class ClassifierModel(Protocol):
    """A model of classes given rows, and of nothing else."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, what it takes, and `y`, its classes."""

    def log_prob(self, x: Float[Array, "size"]) -> Float[Array, "classes"]:
        """Log-probability of each class, in nats."""


CLASSIFIER = Kind("a classifier", "this model answers hm.classify and hm.error_rate", ClassifierModel)


class Classifier(eqx.Module):
    """`p(y | x) = softmax(net(x))_y` (section 6.2.2.3 of the book): the discriminative end of section 20.3 and 20.4.

    Arguments: `net`, an `MLP` with one output for each class; `visible`, the units whose values it takes (default: any
    real numbers, as they are).

    >>> import harmonium as hm, jax
    >>> model = Classifier(hm.nets.MLP([4, 8, 3], key=jax.random.key(0)))
    >>> round(float(jnp.exp(model.log_prob(jnp.ones(4))).sum()), 5)
    1.0
    """

    model_kind: ClassVar[Kind] = CLASSIFIER

    net: MLP
    visible: Unit | None = None

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, which takes real numbers, and `y`."""
        visible = Gaussian(self.net.W[0].shape[0]) if self.visible is None else self.visible
        return {"v": visible, "y": Categorical(1, states=self.net.W[-1].shape[1])}

    def log_prob(
        self, x: Float[Array, "size"], key: Key[Array, ""] | None = None, drop: tuple[float, float] = (0.0, 0.0)
    ) -> Float[Array, "classes"]:
        """Log-probability of each class, in nats; `key` and `drop` as in `MLP`."""
        return jax.nn.log_softmax(self.net(x, key, drop))

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.net.W[0], float)


def classifier_from_dbn(dbn: DBN, classes: int, *, key: Key[Array, ""]) -> Classifier:
    """The MLP whose hidden layers are a DBN's recognition links and top machine, with a new layer of classes on it.

        h^(l) = sigmoid(b^(l) + W^(l)T h^(l-1))                                                  # (20.22), (20.23)

    Arguments: `dbn`, of Bernoulli hidden units; `classes`, how many; `key`, for the new layer.
    Raises `InputError` for other hidden units.

    >>> import harmonium as hm, jax
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> [W.shape for W in classifier_from_dbn(dbn, 10, key=jax.random.key(1)).net.W]
    [(6, 4), (4, 3), (3, 10)]
    """
    _need_bernoulli(dbn, "DBN")
    top_W, top_c = (dbn.top.W, dbn.top.c) if isinstance(dbn.top, RBM) else (dbn.top.W[0], dbn.top.b[1])
    layers = [(link.W.T, link.b) for link in dbn.up] + [(top_W, top_c)]
    bias = dbn.up[0].given_bias if dbn.up else dbn.top.biases["v"]
    unit = dbn.layers["v"]
    made = _with_classes([(_for_values(unit, bias, layers[0][0]), layers[0][1]), *layers[1:]], classes, key)
    return Classifier(made.net, unit) if unit.scaled else made


def classifier_from_dbm(dbm: EnergyModel, classes: int, *, key: Key[Array, ""]) -> Classifier:
    """The MLP shaped like a DBM's mean field: its input is `v` beside the inferred means of `h2` (Fig. 20.4).

        h1 = sigmoid(c1 + W1^T v + W2 q(h2)),   h2 = sigmoid(c2 + W2^T h1),   p(y) = softmax(d + U^T h2)

    (Salakhutdinov & Hinton 2009.) A machine trained with labels of as many classes gives `U` and `d`; another's start
    small and random. The hidden layers are those of the machine without its labels (`hm.models.unlabelled`), whose
    means of `h2` the classifier takes: `y` is what it is to find.
    Arguments: `dbm`, centred or not, with two layers of Bernoulli hidden units; `classes`, how many;
    `key`, for the last layer. Its inputs are rows of `v` and `hm.encode(unlabelled(dbm), v)["h2"]` side by side.
    Raises `InputError` for another depth or other units.

    >>> import harmonium as hm, jax
    >>> dbm = hm.DBM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> [W.shape for W in classifier_from_dbm(dbm, 10, key=jax.random.key(1)).net.W]
    [(9, 4), (4, 3), (3, 10)]
    """
    whole = uncentred(dbm)
    _need_bernoulli(whole, "DBM")
    dbm = uncentred(unlabelled(dbm))
    if len(dbm.hidden) != 2:
        raise InputError(f"The classifier of a DBM takes two hidden layers, not {len(dbm.hidden)}: see Fig. 20.4.")
    first = jnp.concatenate([_for_values(dbm.visible, dbm.b[0], dbm.W[0]), dbm.W[1].T])
    made = _with_classes([(first, dbm.b[1]), (dbm.W[1], dbm.b[2])], classes, key)
    if dbm.visible.scaled:
        made = Classifier(made.net, Columns([dbm.visible, Gaussian(dbm.hidden[1].size)]))
    if whole.labels is None or whole.labels.states != classes:
        return made
    return eqx.tree_at(lambda m: (m.net.W[-1], m.net.b[-1]), made, (whole.W[2], whole.b[3].reshape(-1)))


def _for_values(unit: Unit, bias: PyTree, W: Float[Array, "width above"]) -> Float[Array, "size above"]:
    """Weights that act on values of the visible units as `W` does on what these couple by."""
    if isinstance(unit, Categorical | Columns):
        raise InputError(
            "The classifier takes values, not codes or columns of several kinds: its machine must have real or binary "
            "visible units, all of one kind."
        )
    return jnp.exp(bias.log_precision)[:, None] * W if isinstance(unit, Gaussian) else W


def _need_bernoulli(model: EnergyModel | DBN, name: str) -> None:
    if not isinstance(model, DBN if name == "DBN" else DBM):
        raise InputError(f"This classifier is made of a {name}, not of {shown(model)}: pass such a model.")
    hidden = [unit for layer, unit in model.layers.items() if layer.startswith("h")]
    if not all(isinstance(unit, Bernoulli) for unit in hidden):
        raise InputError(f"The classifier of a {name} has sigmoid layers, so its hidden units must be Bernoulli.")


def _with_classes(
    layers: Sequence[tuple[Float[Array, "..."], Float[Array, "..."]]], classes: int, key: Key[Array, ""]
) -> Classifier:
    """A classifier with these hidden layers and one more of small random weights."""
    if not whole(classes, least=2):
        raise InputError(f"A classifier needs at least two classes, not {classes}.")
    check_key(key)
    sizes = [layers[0][0].shape[0], *(W.shape[1] for W, _ in layers), classes]
    net = MLP(sizes, key=key, activation="sigmoid")
    W, b = zip(*layers, strict=True)
    last = 0.1 * net.W[-1]
    return Classifier(eqx.tree_at(lambda m: (m.W, m.b), net, ((*W, last), (*b, net.b[-1]))))
