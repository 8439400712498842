"""Steps of persistent contrastive divergence for an estimator: `training.state.update` in a compiled scan.

`hm.fit` compiles anew for each optimizer, starts chains of its own, and refuses values outside [0, 1]. Here the
seed, the rate, the parameters and the chains are arguments of one program, so that a grid search over them
and repeated `partial_fit` compile once for each shape.
"""

from __future__ import annotations

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp
from jaxtyping import Array, Float, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data.randomness import batches
from harmonium.models import RBM
from harmonium.objectives import PCD, StepMemory
from harmonium.sklearn.formulas import Rows
from harmonium.training.fit import CHUNK_BYTES
from harmonium.training.state import Rule, TrainState, update
from harmonium.units import Bernoulli


def rbm_of(W: np.ndarray, b: np.ndarray, c: np.ndarray) -> RBM:
    """The RBM with these parameters in float32; `W` `[hidden, visible]` is the transpose of its own."""
    hidden, visible = W.shape
    blank = eqx.filter_eval_shape(RBM, Bernoulli(visible), Bernoulli(hidden), key=jax.random.key(0))
    values = [jnp.asarray(x, jnp.float32) for x in (W.T, b, c)]
    return eqx.tree_at(lambda rbm: (rbm.W, rbm.b, rbm.c), blank, values)


@jit_entry
def train(
    rbm: RBM,
    h: Float[Array, "chains hidden"],
    rows: Float[Array, "steps batch visible"],
    key: Key[Array, ""],
    rate: Float[Array, ""],
    sweeps: int,
) -> tuple[RBM, Float[Array, "chains hidden"], Float[Array, "steps"]]:
    """The RBM and the chains' hidden states after a step of gradient ascent on each batch, and the losses.

        theta <- theta + rate (<-dF/dtheta>_batch - <-dF/dtheta>_chains)            # (18.2; Tieleman 2008)

    Arguments: `h`, from which the chains go on; `rate`, the step; `sweeps`, Gibbs sweeps at each step.
    """
    rule = Rule(PCD(steps=sweeps, chains=len(h)), optax.sgd(rate))
    memory = StepMemory({"v": jnp.zeros((len(h), rows.shape[-1])), "h": h})  # a sweep begins with v given h
    state = TrainState(rbm, rule.optimizer.init(rbm), memory, None, jnp.zeros((), jnp.int32))
    arrays, static = eqx.partition(state, eqx.is_array)

    def step(carry: PyTree, batch: Array) -> tuple[PyTree, Array]:
        before: TrainState = eqx.combine(carry, static)
        draw = jax.random.fold_in(key, before.step)
        after, metrics = update(before, batch, draw, rule)
        return eqx.filter(after, eqx.is_array), metrics["loss"]

    arrays, losses = jax.lax.scan(step, arrays, rows)
    after = eqx.combine(arrays, static)
    return after.model, after.memory.chains["h"], losses


def epoch_batches(X: Rows, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The rows of one epoch in an order of its own, as dense float32 chunks `[steps, batch, d]` of up to 128
    MiB.

    A remainder smaller than a batch is left out, other rows at each epoch.
    """
    n, d = X.shape
    per_epoch = n // batch_size
    order = batches(
        n,
        seed=seed,
        batch_size=batch_size,
        steps=min(per_epoch, max(1, CHUNK_BYTES // (4 * batch_size * d))),
        first_step=epoch * per_epoch,
        last_step=(epoch + 1) * per_epoch,
    )
    for rows in order:
        yield dense(X[rows.ravel()]).reshape(*rows.shape, d)


def dense(X: Rows) -> np.ndarray:
    """Rows as a dense float32 array."""
    return np.asarray(X.toarray() if sp.issparse(X) else X, np.float32)
