"""The chains that a report shows: free, from data, and filling in, all run by one compiled program."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from harmonium.compiling import jit_entry
from harmonium.models import EnergyModel
from harmonium.rng import fast_key
from harmonium.samplers import Clamp, Gibbs, State
from harmonium.units import Columns, Unit

LOOKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
LATE = 10  # stretches of the second half of a walk, at whose ends chains are looked at for their averages


class Walk:
    """Visible values of block Gibbs chains at several steps.

    Attributes: `looks`, steps at which a chain is shown; `late`, steps of the second half, to average over.
    Arguments: `start` `[n, size]`; `held` `[n, size]`, True where a cell keeps its value; `steps`, sweeps.
    """

    def __init__(
        self, model: EnergyModel, key: Key[Array, ""], start: np.ndarray, held: np.ndarray, steps: int
    ) -> None:
        self.looks = tuple(sorted({s for s in LOOKS if s < steps} | {steps}))
        self.late = tuple(sorted({max(1, round(s)) for s in np.linspace(steps / 2, steps, LATE + 1)}))
        unit = model.layers["v"]
        self._seen = {0: start}
        state = {name: jnp.zeros((len(start), unit.size), unit.dtype) for name, unit in model.layers.items()}
        state["v"] = unit.from_data(start)
        at, mask, key = -1, jnp.asarray(held), fast_key(key)
        for stop in sorted({0, *self.looks, *self.late}):
            state = _advance(model, key, state, mask, jnp.int32(at), jnp.int32(stop))
            self._seen[stop], at = np.asarray(unit.to_data(state["v"])), stop

    def at(self, step: int) -> np.ndarray:
        """All chains' visible values `[n, size]` at one of the steps `looks` or `late`."""
        return self._seen[step]

    def on_the_way(self, chains: slice, steps: tuple[int, ...]) -> np.ndarray:
        """Some chains at some steps: `[chains, steps, size]`."""
        return np.stack([self._seen[step][chains] for step in steps], axis=1)


def random_rows(unit: Unit, random: np.random.Generator, n: int) -> np.ndarray:
    """Rows `[n, size]` that know nothing: every state equally likely, or values of the family's neutral member."""
    if isinstance(unit, Columns):
        return np.hstack([random_rows(part, random, n) for part in unit.parts])
    if unit.has_score:
        return np.asarray(unit.to_data(random.normal(size=(n, unit.size)).astype(np.float32)))
    if unit.states is None:
        keys = jax.random.split(jax.random.key(int(random.integers(2**31))), n)
        return np.asarray(unit.to_data(jax.vmap(unit.sample, (0, None))(keys, unit.neutral_natural())))
    return np.asarray(unit.values(jnp.asarray(random.integers(unit.states, size=(n, unit.size)))))


@jit_entry
def _advance(
    model: EnergyModel, key: Key[Array, ""], state: State, held: Bool[Array, "n size"], first: Int[Array, ""],
    last: Int[Array, ""],
) -> State:  # fmt: skip
    """Sweeps `first` + 1 to `last` of all chains; the numbers are traced: all stretches share one program.

    Sweep 0 holds all of `v`: it draws the hidden units for the values that the chains start with.
    """

    def sweep(i: Array, state: State) -> State:
        keys = jax.random.split(jax.random.fold_in(key, i + 1), len(held))
        mask = held | (i == -1)
        return jax.vmap(lambda k, s, m: Gibbs(model, {"v": Clamp(m, s["v"])})(k, s)[0])(keys, state, mask)

    return jax.lax.fori_loop(first, last, sweep, state)
