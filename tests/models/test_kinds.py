"""Models whose layers do not stand in their blocks as they should are refused, before anything rests on them."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import harmonium as hm
from examples import OTHERS, Deep

KEY = jax.random.key(0)


class Twice(Deep):
    """A user's machine that names a layer in both blocks."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v", "h2"), ("h1", "v"))


class Short(Deep):
    """A user's machine that leaves a layer out."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v",), ("h1",))


class Names(Twice):
    """Its blocks are names, of which Python would take the letters."""

    @property
    def blocks(self) -> tuple[str, ...]:
        return ("v", "h1", "h2")


ROWS = np.zeros((4, 3), np.float32)
ASKED = {
    "log_partition": lambda model: hm.log_partition(model),
    "sample": lambda model: hm.sample(model, KEY, 2, steps=2),
    "fit": lambda model: hm.fit(model, ROWS, hm.objectives.PCD(chains=2), epochs=1, batch_size=2, key=KEY),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("kind", "held"), [(Twice, "v, h2, h1, v"), (Short, "v, h1")], ids=["twice", "left out"])
def test_each_layer_is_in_one_block_once(asked, kind, held):
    whole = OTHERS["own-deep"]
    with pytest.raises(hm.InputError, match=f"hold {held}, and its layers are v, h1, h2: put each layer in one block"):
        ASKED[asked](kind(whole.W1, whole.W2, whole.b))


@pytest.mark.parametrize("asked", ASKED)
def test_a_block_is_a_tuple_of_names(asked):
    whole = OTHERS["own-deep"]
    with pytest.raises(hm.InputError, match=r"write blocks = \(\('v',\), \('h1',\), \('h2',\)\)\."):
        ASKED[asked](Names(whole.W1, whole.W2, whole.b))
