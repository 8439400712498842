"""What training carries from step to step, and the compiled step itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data.dataset import Presentation
from harmonium.matmul import with_matmul_precision
from harmonium.models import trainable
from harmonium.objectives import Batch, Memory, Metrics, Objective
from harmonium.rng import fast_key


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
    memory = jit_entry(objective.init)(model, jax.random.fold_in(key, 0))  # one compilation, not one for each line
    mean = jax.tree.map(jnp.copy, eqx.filter(model, eqx.is_inexact_array)) if average is not None else None
    state = TrainState(model, optimizer.init(learned), memory, mean, jnp.zeros((), jnp.int32))
    return jax.tree.map(lambda leaf: jnp.array(leaf) if eqx.is_array(leaf) else leaf, state)  # its own buffers


class Rule(NamedTuple):
    """What is done at every step: equal rules on arrays of the same shapes share one compilation.

    `show` is the data's presentation; `average` the decay of the parameters' mean, or None; `matmul_precision` the
    precision of matrix products.
    """

    objective: Objective
    optimizer: optax.GradientTransformation
    show: Presentation = Presentation()
    average: float | None = None
    matmul_precision: str = "float32"


def run_chunk(
    rule: Rule, key: Key[Array, ""], state: TrainState, rows: Array | dict[str, Array]
) -> tuple[TrainState, Metrics]:
    """`rows` `[steps, batch, size]` (or a dict of them by layer) taken in by one compiled scan: the state after them,
    and metrics of `[steps]`.

    The state's buffers are donated. Every random number follows from `key` and the step's number, so that neither
    the length of chunks nor an interruption changes a run.
    """
    return _scan((rule, fast_key(key), rows), state)


@jit_entry(donate="all-except-first")
def _scan(fixed: tuple[Rule, Key[Array, ""], Array], state: TrainState) -> tuple[TrainState, Metrics]:
    rule, key, rows = fixed
    arrays, static = eqx.partition(state, eqx.is_array)

    def body(carry: PyTree, stored: Array) -> tuple[PyTree, Metrics]:
        state = eqx.combine(carry, static)
        show, draw = jax.random.split(jax.random.fold_in(key, state.step + 1))
        batch = shown(state.model, rule.show, show, stored)
        new, metrics = update(state, batch, draw, rule)
        return eqx.filter(new, eqx.is_array), metrics

    arrays, metrics = jax.lax.scan(with_matmul_precision(body, rule.matmul_precision), arrays, rows)
    return eqx.combine(arrays, static), metrics


def shown(model: Any, show: Presentation, key: Key[Array, ""], stored: Array | dict[str, Array]) -> Batch:
    """Stored rows as the model is shown them, in the types of its layers; labels, where there are any, as they are."""
    if isinstance(stored, dict):
        return stored | {"v": shown(model, show, key, stored["v"]), "y": stored["y"].astype(model.layers["y"].dtype)}
    return show(key, stored).astype(model.layers["v"].dtype)


def update(
    state: TrainState, batch: Batch, key: Key[Array, ""], rule: Rule
) -> tuple[TrainState, Metrics]:  # fmt: skip
    """One step: the objective's gradient, the optimizer's step, what the objective does after it, the average."""
    learned, rest = eqx.partition(state.model, trainable(state.model))

    def loss(learned: PyTree) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        return rule.objective(eqx.combine(learned, rest), batch, key, state.memory)

    (value, (memory, metrics)), slope = jax.value_and_grad(loss, has_aux=True)(learned)
    steps, optimizer_state = rule.optimizer.update(slope, state.optimizer, learned)
    model = rule.objective.after_step(eqx.combine(optax.apply_updates(learned, steps), rest), memory)
    mean = state.average
    if rule.average is not None:
        mean = optax.incremental_update(eqx.filter(model, eqx.is_inexact_array), mean, 1 - rule.average)
    new = TrainState(model, optimizer_state, memory, mean, state.step + 1)
    return new, {"loss": value, **metrics}


def final_model(state: TrainState) -> Any:
    """The trained model: the average where one is kept, else the last one."""
    if state.average is None:
        return state.model
    return eqx.combine(state.average, state.model)


@jit_entry
def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every real number of a tree is finite."""
    leaves = jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    return jnp.array([jnp.isfinite(leaf).all() for leaf in leaves]).all()
