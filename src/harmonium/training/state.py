"""What training carries from step to step, and the compiled step itself."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.data import Dataset
from harmonium.models import trainable
from harmonium.objectives import Memory, Metrics, Objective
from harmonium.rng import cheap


class TrainState(eqx.Module):
    """Everything that a resumed run needs, besides the key and the data order, which follow from the seed."""

    model: Any
    optimizer: optax.OptState
    memory: Memory
    average: Any | None
    step: Int[Array, ""]


def first_state(
    model: Any, objective: Objective, optimizer: optax.GradientTransformation, key: Key[Array, ""],
    average: float | None,
) -> TrainState:  # fmt: skip
    """The state before the first step."""
    learned = eqx.filter(model, trainable(model))
    memory = objective.init(model, jax.random.fold_in(key, 0))
    mean = jax.tree.map(jnp.copy, eqx.filter(model, eqx.is_inexact_array)) if average is not None else None
    state = TrainState(model, optimizer.init(learned), memory, mean, jnp.zeros((), jnp.int32))
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, state)  # its own buffers


def compile_chunk(
    objective: Objective, optimizer: optax.GradientTransformation, data: Dataset, key: Key[Array, ""],
    average: float | None,
):  # fmt: skip
    """A function `(state, rows [steps, batch, size]) -> (state, metrics of [steps])`: one compiled scan.

    The state's buffers are donated. Every random number follows from `key` and the step's number, so that neither
    the length of chunks nor an interruption changes a run.
    """

    key = cheap(key)

    def step(state: TrainState, rows: Array) -> tuple[TrainState, Metrics]:
        show, draw = jax.random.split(jax.random.fold_in(key, state.step + 1))
        batch = data.present(show, rows).astype(state.model.layers["v"].dtype)
        return update(state, batch, draw, objective, optimizer, average)

    @eqx.filter_jit(donate="all-except-first")
    def chunk(rows: Array, state: TrainState) -> tuple[TrainState, Metrics]:
        arrays, static = eqx.partition(state, eqx.is_array)

        def body(carry: PyTree, batch: Array) -> tuple[PyTree, Metrics]:
            new, metrics = step(eqx.combine(carry, static), batch)
            return eqx.filter(new, eqx.is_array), metrics

        arrays, metrics = jax.lax.scan(body, arrays, rows)
        return eqx.combine(arrays, static), metrics

    return lambda state, rows: chunk(rows, state)


def update(
    state: TrainState, batch: Float[Array, "batch size"], key: Key[Array, ""], objective: Objective,
    optimizer: optax.GradientTransformation, average: float | None,
) -> tuple[TrainState, Metrics]:  # fmt: skip
    """One step: the objective's gradient, the optimizer's step, what the objective does after it, the average."""
    learned, rest = eqx.partition(state.model, trainable(state.model))

    def loss(learned: PyTree) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        return objective(eqx.combine(learned, rest), batch, key, state.memory)

    (value, (memory, metrics)), slope = jax.value_and_grad(loss, has_aux=True)(learned)
    steps, optimizer_state = optimizer.update(slope, state.optimizer, learned)
    model = objective.after_step(eqx.combine(optax.apply_updates(learned, steps), rest), memory)
    mean = state.average
    if average is not None:
        mean = optax.incremental_update(eqx.filter(model, eqx.is_inexact_array), mean, 1 - average)
    new = TrainState(model, optimizer_state, memory, mean, state.step + 1)
    return new, {"loss": value, **metrics}


def final_model(state: TrainState) -> Any:
    """The trained model: the average where one is kept, else the last one."""
    if state.average is None:
        return state.model
    return eqx.combine(state.average, state.model)


@eqx.filter_jit
def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every real number of a tree is finite."""
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    return jnp.array([jnp.isfinite(leaf).all() for leaf in leaves]).all()
