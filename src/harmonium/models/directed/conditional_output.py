"""Nets whose outputs are the parameters of a distribution, given a code that is known (section 20.10.2)."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PyTree

from harmonium.errors import InputError
from harmonium.models.directed.link import NetLink
from harmonium.models.kind import Kind
from harmonium.models.validation import check_units
from harmonium.units import Columns, Conditional, Unit
from harmonium.units.columns import parts_of
from harmonium.units.conditional import ConditionalOfData


@runtime_checkable
class ConditionalModel(Protocol):
    """A model of values given a code, which says nothing of how likely a code is."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, whose columns are those of the code and then those of the value."""

    def conditional(self, c: Any) -> Conditional:
        """The distribution of the value given a code."""

    def log_prob_given(self, row: Array) -> Float[Array, ""]:
        """`log p(x | c)` of a row `[c, x]`, in nats."""


CONDITIONAL = Kind(
    "a model of values given a code",
    "this model is of values given a code: model.conditional(c) draws and weighs them",
    ConditionalModel,
)


class ConditionalGenerator(eqx.Module):
    """A generator net that gives the distribution of `x` for a known code `c`, such as a picture of what is described.

        p(x_i = 1 | c) = g(c)_i                                                              # (20.75)

    for Bernoulli units `x`; of real units the net gives a mean and a log-precision each, of categorical ones logits:
    this is what a `NetLink` does, in a VAE as here. There `c` is a latent variable and is summed out (20.76); here it
    is seen, and training is supervised (Dosovitskiy, Springenberg & Brox 2015; book, section 20.10.2):
    `hm.objectives.Supervised`.

    A row of its data is `[c, x]`, the code and then the value, so that the layer `v` has the columns of both. The model
    says nothing of how likely a code is, hence it is no tractable model of such rows: `conditional(c)` is the
    distribution of `x`, with its `log_prob(x)`, `sample(key)` and `mean`.

    Arguments: `unit`, the units of `x`; `given`, those of `c` (`Columns` where a code has several kinds of numbers);
    `net`, a module from `given.width` numbers (one-hot for categorical ones) to `unit.num_outputs`;
    `b`, the bias of `x` (default: that of its neutral member). Field: `link`. Raises `InputError` for what are no
    units, or a net of another shape.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> code, unit = hm.units.Categorical(1, states=3), hm.units.Bernoulli(4)
    >>> model = ConditionalGenerator(unit, code, hm.nets.MLP([3, 8, 4], key=jax.random.key(0)))
    >>> model.conditional(jnp.array([2])).sample(jax.random.key(1)).shape
    (4,)
    """

    model_kind: ClassVar[Kind] = CONDITIONAL

    link: NetLink

    def __init__(self, unit: Any, given: Any, net: Any, b: PyTree = None) -> None:
        check_units("A ConditionalGenerator", unit, given)
        self.link = NetLink(unit, given, net, b)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, whose columns are those of the code and then those of the value."""
        parts = [part for unit in (self.link.given, self.link.unit) for part, _ in parts_of(unit)]
        return {"v": Columns(parts)}

    def conditional(self, c: Any) -> Conditional:
        """The distribution of `x` given a code `[given.size]`. Raises `InputError` for one of another shape."""
        self.link.given.check_shape(c, "c")
        found = self._law(self.link.given.from_data(c))
        return ConditionalOfData(found.unit, found.natural) if found.unit.scaled else found

    def _law(self, c: Array) -> Conditional:
        """The same, of values as the units hold them."""
        return Conditional(self.link.unit, self.link.natural(c))

    def mean(self, c: Any) -> Any:
        """`E[x | c]` of a code, for units whose values have means. Raises `InputError` for others."""
        unit = self.link.unit
        if any(part.widths != (1,) * part.size for part, _ in parts_of(unit)):
            raise InputError(
                "Categorical units have no mean value: take conditional(c).mean, the probabilities of each state."
            )
        found = unit.expected_value(self.conditional(c).mean)
        return unit.to_data(unit.in_order(found) if isinstance(unit, Columns) else found)

    def split(self, row: Array) -> tuple[Array, Array]:
        """The code and the value of a row `[c, x]`."""
        given, unit = self.link.given, self.link.unit
        return row[: given.size].astype(given.dtype), row[given.size :].astype(unit.dtype)

    def log_prob_given(self, row: Array) -> Float[Array, ""]:
        """`log p(x | c)` of a row `[c, x]` as the layer `v` holds it, in nats."""
        self.layers["v"].check_shape(row, "v")
        c, x = self.split(row)
        return self._law(c).log_prob(x)

    def filters(self) -> np.ndarray | None:
        """Those of the net that gives the value, where it is a multilayer perceptron."""
        return self.link.filters()
