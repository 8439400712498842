"""Machines of sequences: in each frame an RBM whose biases follow from the frames before it (section 20.7)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown, whole
from harmonium.memory import check_weights
from harmonium.models.boltzmann.given import CONDITIONAL_ENERGY, Steps, check_frames, check_movable, moved
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.energy import with_biases
from harmonium.models.kind import Kind
from harmonium.models.validation import check_scale, check_units
from harmonium.nets import GRU, LSTM, LowRank, Memory, SimpleRNN
from harmonium.rng import check_key
from harmonium.units import Frames, Unit

CELLS = {"tanh": SimpleRNN, "gru": GRU, "lstm": LSTM}


class MachineOfFrames(eqx.Module):
    """What machines of sequences share: `visible`, the frames, and `rbm`, whose biases each frame's context moves."""

    model_kind: ClassVar[Kind] = CONDITIONAL_ENERGY

    visible: Frames
    rbm: RBM

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, a sequence."""
        return {"v": self.visible}

    def split(self, row: Array) -> Steps:
        """The frames of a sequence, of which those that are there are counted."""
        return Steps(self.visible.split(row), self.visible.present(row))

    def join(self, row: Array, values: Array) -> Array:
        """The sequence of other frames."""
        return values.reshape(-1).astype(row.dtype)

    def filters(self) -> np.ndarray:
        """Those of the RBM: of one frame."""
        return self.rbm.filters()


class RNNRBM(MachineOfFrames):
    """A recurrent network that sets the biases of an RBM in each frame.

        u_t = f(u_{t-1}, v_t),      b_t = b + u_{t-1} U_b,      c_t = c + u_{t-1} U_c
        p(v_1, ..., v_T) = prod_t exp(-F_t(v_t)) / Z_t,     F_t that of an RBM with W, b_t, c_t

    (Boulanger-Lewandowski, Bengio & Vincent, ICML 2012; book, section 20.7.) The recurrent units see the data, not
    samples of `h`, so that each context is a function of the frames before and gradients through time are exact. With
    `rank`, the weights change with the context as well, `W_t = W + A diag(u_{t-1} R) B`, as the book says of the model.

    Arguments: `visible`, `Frames` of the units of a frame; `hidden`, units; `recurrent`, how many recurrent units;
    `cell`, "tanh" as published, "gru" or "lstm"; `rank`, of the change of the weights (0: none); `key`, for the
    weights' start; `scale`, their standard deviation between the RBM's layers.
    Fields: `visible`, `rbm`, `cell`, `Ub`, `Uc`, `u0`, `low`. Raises `InputError` for visible units
    that are no frames, units that have no bias to move, an unknown cell or sizes that are none.

    >>> import harmonium as hm, jax
    >>> rolls = hm.units.Frames(hm.units.Bernoulli(88), 160)
    >>> model = hm.RNNRBM(rolls, hm.units.Bernoulli(150), recurrent=100, key=jax.random.key(0))
    >>> model.rbm.W.shape
    (88, 150)
    """

    cell: SimpleRNN | GRU | LSTM
    Ub: Float[Array, "recurrent visible"]
    Uc: Float[Array, "recurrent hidden"]
    u0: Float[Array, "recurrent"] | None = no_decay()
    low: LowRank | None = None

    def __init__(
        self, visible: Any, hidden: Any, recurrent: Any = 100, *, cell: str = "tanh", rank: Any = 0,
        key: Key[Array, ""], scale: Any = 0.01,
    ) -> None:  # fmt: skip
        _check("An RNNRBM", visible, hidden, key, scale)
        if cell not in CELLS:
            raise InputError(f"There are no recurrent units {shown(cell)}: choose one of {', '.join(CELLS)}.")
        if rank and hidden.states is None:
            raise InputError(
                f"Weights that change with the context (rank={rank}) need hidden units with a list of states, not "
                f"{shown(hidden)}, for whether there is a log Z would change as well: use Bernoulli ones, or rank=0."
            )
        if not whole(recurrent) or not whole(rank, least=0):
            raise InputError(
                f"An RNNRBM has recurrent units, and a rank from 0, not recurrent={shown(recurrent)} and "
                f"rank={shown(rank)}: give whole numbers."
            )
        unit, keys = visible.unit, jax.random.split(key, 5)
        check_weights("An RNNRBM", (recurrent, unit.width + hidden.width + 4 * recurrent))
        self.visible = visible
        self.rbm = RBM(unit, hidden, key=keys[0], scale=scale)
        self.cell = CELLS[cell](unit.width, recurrent, key=keys[1])
        self.Ub = scale * jax.random.normal(keys[2], (recurrent, unit.width), jnp.float32)
        self.Uc = scale * jax.random.normal(keys[3], (recurrent, hidden.width), jnp.float32)
        self.u0 = None if cell == "lstm" else jnp.zeros(recurrent, jnp.float32)  # an LSTM learns its own start
        self.low = LowRank(recurrent, rank, self.rbm.W.shape, key=keys[4], scale=scale) if rank else None

    def start(self, row: Array) -> Any:
        """The first state, which is learned."""
        return self.cell.start if self.u0 is None else self.u0

    def after(self, context: Any, value: Array) -> Any:
        """`u_t`."""
        x = self.visible.unit.as_input(value)
        return self.cell(context, x if isinstance(self.cell, LSTM) else self.cell.drive(x))

    def given(self, context: Any) -> RBM:
        """The RBM of the frame after the state `u`."""
        u = context.h if isinstance(context, Memory) else context
        b = moved(self.rbm.visible, self.rbm.b, u @ self.Ub)
        rbm = with_biases(self.rbm, {"v": b, "h": moved(self.rbm.hidden, self.rbm.c, u @ self.Uc)})
        return rbm if self.low is None else eqx.tree_at(lambda m: m.W, rbm, rbm.W + self.low(u))


class RTRBM(MachineOfFrames):
    """A recurrent temporal RBM: the hidden means of a frame set the hidden biases of the next.

        r_t = E[h | v_t, r_{t-1}] = sigmoid(W^T v_t + c + r_{t-1} U),      c_t = c + r_{t-1} U,      r_0 learned

    (Sutskever, Hinton & Taylor, NIPS 2008; book, section 20.7.) `r` is a mean and never a sample, which is what makes
    the sum over the past tractable. Arguments: `visible`, `Frames` of the units of a frame; `hidden`, units; `key`, for
    the weights' start; `scale`, their standard deviation. Fields: `visible`, `rbm`, `U`, `r0`. Raises `InputError` for
    visible units that are no frames, or hidden ones that have no bias to move.

    >>> import harmonium as hm, jax
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(88), 160), hm.units.Bernoulli(50), key=jax.random.key(0))
    >>> model.U.shape
    (50, 50)
    """

    U: Float[Array, "hidden hidden"]
    r0: Float[Array, "hidden"] = no_decay()

    def __init__(self, visible: Any, hidden: Any, *, key: Key[Array, ""], scale: Any = 0.01) -> None:
        _check("An RTRBM", visible, hidden, key, scale)
        first, second = jax.random.split(key)
        self.visible = visible
        self.rbm = RBM(visible.unit, hidden, key=first, scale=scale)
        self.U = scale * jax.random.normal(second, (hidden.width, hidden.width), jnp.float32)
        self.r0 = jnp.zeros(hidden.width, jnp.float32)

    def start(self, row: Array) -> Float[Array, "hidden"]:
        """`r_0`."""
        return self.r0

    def after(self, context: Float[Array, "hidden"], value: Array) -> Float[Array, "hidden"]:
        """`r_t`, through which the weights act on all later frames."""
        rbm, unit = self.given(context), self.rbm.hidden
        x = self.rbm.visible.interaction(self.rbm.visible.stats(value), rbm.b)
        mean = unit.mean(unit.natural_from_field(rbm.c, x @ rbm.W))
        return unit.interaction(mean, rbm.c)

    def given(self, context: Float[Array, "hidden"]) -> RBM:
        """The RBM of the frame after the means `r`."""
        return with_biases(self.rbm, {"h": moved(self.rbm.hidden, self.rbm.c, context @ self.U)})


def _check(model: str, visible: Any, hidden: Any, key: Any, scale: Any) -> None:
    check_frames(model, visible)
    check_units(model, visible.unit, hidden)
    check_movable(model, visible.unit, hidden)
    check_key(key)
    check_scale(scale)
