"""The deep belief network: an RBM on top, directed layers below it (section 20.3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.errors import InputError
from harmonium.models.boltzmann.centred import uncentred
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.directed.link import BELIEF_NET, Link
from harmonium.models.kind import Kind
from harmonium.models.validation import check_hidden, check_labels, check_units
from harmonium.rng import check_key
from harmonium.units import Unit


class DBN(eqx.Module):
    """Two top layers that form an RBM, and below them layers drawn from the one above (Hinton, Osindero & Teh 2006).

        p(h^(L-1), h^(L)) = exp(-E_RBM(h^(L-1), h^(L))) / Z                                          # (20.17)
        p(h^(l) | h^(l+1)) = units at eta = b^(l) + W^(l) h^(l+1)                                    # (20.18), (20.19)

    with Gaussian visible units for real data (20.20). Recognition links `up` infer each layer from the one below;
    after greedy training they are the RBMs' own. Labels, where there are any, stand beside the last but one layer: the
    top machine is then a `DBM` of `h^(L-1)`, `h^(L)` and `y`.

    Arguments: `visible`, the visible units; `hidden`, the units of each hidden layer, from the data upwards, with
    finitely many states; `labels`, units of a layer `y`, or None; `key`, for the weights' start; `scale`, their
    standard deviation. Fields: `down`, `up`, tuples of links; `top`, an `RBM` or `DBM`.
    Raises `InputError` for layers that are no units or have none, no list of hidden layers, or real hidden units.

    >>> import harmonium as hm, jax
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> list(dbn.layers), dbn.down[0].W.shape, dbn.top.W.shape
    (['v', 'h1', 'h2'], (6, 4), (4, 3))
    """

    model_kind: ClassVar[Kind] = BELIEF_NET

    down: tuple[Link, ...]
    up: tuple[Link, ...]
    top: RBM | DBM

    def __init__(
        self, visible: Any, hidden: Any, labels: Any = None, *, key: Key[Array, ""],
        scale: Any = 0.01,
    ) -> None:  # fmt: skip
        check_hidden("A DBN", hidden)
        units = [visible, *hidden]
        check_units("A DBN", *units)
        check_key(key)
        check_labels(labels)
        real = [type(unit).__name__ for unit in hidden if unit.states is None]
        if real:
            raise InputError(
                f"The hidden units of a DBN have finitely many states, not {real[0]} ones: use Bernoulli, Spin or "
                "Categorical units there."
            )
        keys = jax.random.split(key, len(hidden))
        pairs = zip(units, units[1:], keys, strict=False)
        rbms = [RBM(below, above, key=k, scale=scale) for below, above, k in pairs]
        top = rbms[-1] if labels is None else DBM(units[-2], [units[-1]], labels, key=keys[-1], scale=scale)
        self.down, self.up, self.top = *_links(rbms[:-1]), top

    @classmethod
    def stacked(cls, machines: Any) -> DBN:
        """The DBN that machines trained one on another make: the lower ones give links, the last is the top.

        Arguments: `machines`, RBMs from the data upwards (the last may be a `DBM` with labels; centred ones are brought
        to plain coordinates), each on the units that the one before has hidden. Raises `InputError` where they do not
        chain.

        >>> import harmonium as hm, jax
        >>> units = [hm.units.Bernoulli(n) for n in (6, 4, 3)]
        >>> rbms = [hm.RBM(a, b, key=jax.random.key(0)) for a, b in zip(units, units[1:])]
        >>> list(DBN.stacked(rbms).layers)
        ['v', 'h1', 'h2']
        """
        machines = [uncentred(machine) for machine in machines] if isinstance(machines, list | tuple) else []
        if not machines or not isinstance(machines[-1], RBM | DBM) or "h" not in machines[-1].layers:
            raise InputError(
                "A DBN is stacked of a list of RBMs, from the data upwards: give one, of which the last may be a "
                "DBM of one hidden layer with labels."
            )
        for i, (below, above) in enumerate(itertools.pairwise(machines)):
            if not isinstance(below, RBM) or below.hidden != above.visible or below.hidden.states is None:
                raise InputError(
                    f"The machines of a DBN stand one on another: machine {i + 2} must have the visible units "
                    f"{getattr(below, 'hidden', None)}, the hidden ones of machine {i + 1} (an RBM)."
                )
        dbn = object.__new__(cls)
        for name, value in zip(("down", "up", "top"), (*_links(machines[:-1]), machines[-1]), strict=True):
            object.__setattr__(dbn, name, value)
        return dbn

    @property
    def layers(self) -> dict[str, Unit]:
        """From the data upwards: `v`, the hidden layers, and `y` where there are labels."""
        above = self.top.layers
        units = [link.unit for link in self.down] + [above["v"], above["h"]]
        hidden = {f"h{i}" if len(units) > 2 else "h": unit for i, unit in enumerate(units) if i}
        return {"v": units[0], **hidden} | ({"y": above["y"]} if "y" in above else {})

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return (self.down[0] if self.down else self.top).filters()


def _links(rbms: Sequence[RBM]) -> tuple[tuple[Link, ...], tuple[Link, ...]]:
    """Downward and upward links with the weights of RBMs."""
    down = tuple(Link(rbm.visible, rbm.hidden, rbm.W, rbm.b) for rbm in rbms)
    up = tuple(
        Link(rbm.hidden, rbm.visible, rbm.W.T, rbm.c, rbm.b if rbm.visible.states is None else None) for rbm in rbms
    )
    return down, up
