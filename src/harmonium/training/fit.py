"""`hm.fit`: the only training loop. One compiled scan over a chunk of steps; between chunks, everything else."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key, PyTree

from harmonium.data import Dataset, as_dataset
from harmonium.data.fingerprint import fingerprint
from harmonium.errors import NonFiniteLossError, plain
from harmonium.evaluation.unlimited import warn_of_training_rows
from harmonium.inference.placing import log_scale_of, placed
from harmonium.models import check_saveable
from harmonium.objectives import Metrics, Objective
from harmonium.rng import fast_key, key_data
from harmonium.signals import Interrupt
from harmonium.training.callbacks import Callback, Progress, progress_bar, tensorboard
from harmonium.training.check import check_data, check_parts, check_settings, warn_start
from harmonium.training.devices import Placement, anywhere, is_main, local
from harmonium.training.folder import RunFolder, describe
from harmonium.training.form import form, sizes
from harmonium.training.log import Log, Run
from harmonium.training.monitor import Monitor
from harmonium.training.own import own_classes
from harmonium.training.state import Rule, TrainState, all_finite, final_model, first_state, run_chunk

DENSITIES = {"log_likelihood", "bound"}  # metrics of learning rules
CHUNK_BYTES = 2**27  # of stored rows that one compiled scan takes in


def fit(
    model: Any,
    data: Dataset | Array,
    objective: Objective,
    *,
    optimizer: optax.GradientTransformation | None = None,
    epochs: int = 10,
    batch_size: int = 100,
    key: Key[Array, ""],
    average: float | None = None,
    matmul_precision: str = "float32",
    out: str | Path | RunFolder | None = None,
    resume: bool = False,
    force: bool = False,
    about: dict[str, Any] | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    monitor: bool = True,
) -> Run:
    """Train a model on data with a learning rule.

    Real columns are held shifted and scaled, by the data's means and deviations, in a model that has no shift and scale
    yet; whatever takes or returns rows does so in the data's own values.

    Arguments: `model`, new or trained before; `data`, a `Dataset` or rows `[n, size]`; `objective`, the rule;
    `optimizer`, from Optax (default: Adam with rate 1e-3); `epochs` over the training rows in batches of `batch_size`;
    `key`, from which every random number follows; `average`, the decay of an exponential moving average of the
    parameters, which then becomes the trained model; `matmul_precision`, of matrix products: "float32", or
    "bfloat16" with sums in float32, for processors that are faster at it (evaluation is always in float32); `out`, a
    folder for metrics, checkpoints and the model; `resume`, go on from its last checkpoint, bit for bit, or with more
    `epochs`, longer; `force`, replace the run that it holds; `about`, more to record in its `run.json`; `callbacks`,
    called with a `Progress` after each chunk; `progress`, show a bar; `monitor`, measure the free-energy gap and
    pseudo-likelihood (of a tractable model the log-likelihood of training and validation rows) between chunks.

    Ctrl-C ends a run after the steps that are running, and the run so far is returned; SIGTERM and SIGHUP do the same
    and then have their way. Raises `InputError` for data that does not fit the model or a folder in use, and
    `NonFiniteLossError`, with the run at its last good point, when the loss is no longer a number.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> hm.fit(rbm, np.eye(4), hm.objectives.CD(), epochs=3, batch_size=2, key=jax.random.key(1)).step
    6
    """
    epochs, batch_size, average = plain(epochs), plain(batch_size), plain(average)
    data = as_dataset(data)
    check_parts(model, objective, optimizer, key)
    check_data(model, data)
    warn_of_training_rows(model, data)
    model = placed(model, data)
    objective = objective.placed(model.layers["v"])
    warn_start(model, data)
    check_settings(epochs, average, matmul_precision)
    if out is not None:
        check_saveable(model)
    optimizer = _adam() if optimizer is None else optimizer
    steps = epochs * data.steps_per_epoch(batch_size)
    placement = Placement(batch_size)
    state = _placed(first_state(model, objective, optimizer, key, average), placement)
    settings = {"epochs": epochs, "batch_size": batch_size, "average": average, "matmul_precision": matmul_precision}
    record = _record(model, data, objective, key, settings) | (about or {})
    held = data.held_by(model.layers["v"])
    about = describe(data, **record) if out else {}
    log = Log.start(out, state, steps=steps, resume=resume, force=force, about=about)
    with ExitStack() as stack:
        listeners = [*callbacks, stack.enter_context(progress_bar(progress and is_main()))]
        events = log.folder.path / "tensorboard" if log.folder and is_main() else None
        listeners.append(stack.enter_context(tensorboard(events)))
        loop = _Loop(
            chunk=partial(run_chunk, Rule(objective, optimizer, held.present, average, matmul_precision), key),
            data=held,
            steps=steps,
            batch_size=batch_size,
            seed=key_data(key)[-1],
            sharding=placement.batches,
            monitor=Monitor.of(model, data, key) if monitor else None,
            listeners=[listener for listener in listeners if listener],
            log=log,
            layers=model.layers,
            less=_log_scale(model, data),
        )
        return loop.run(log.state)


def _log_scale(model: Any, data: Dataset) -> float:
    """What a rule's log-densities of values held exceed those of the data by, in the mean over some rows."""
    return float(np.mean(log_scale_of(model, np.asarray(data.shown(data.train[:1000])))))


def _placed(state: TrainState, placement: Placement) -> TrainState:
    """The state on its devices: chains shared among them, the rest on each."""
    rest, memory = placement.place(dataclasses.replace(state, memory=None), state.memory)
    return dataclasses.replace(rest, memory=memory)


def _record(
    model: Any, data: Dataset, objective: Objective, key: Key[Array, ""], settings: dict[str, Any]
) -> dict[str, Any]:
    """What a run's `run.json` says of its model, settings, labels where they are learned, and random numbers."""
    record = {
        "model": form(model),
        "sizes": sizes(model),
        "settings": {"objective": repr(objective), **settings},
        "seed": key_data(key),
    }
    if own := own_classes(model):
        record["classes"] = own
    if "y" in model.layers and data.train_labels is not None:
        record["labels"] = fingerprint(data.train_labels)
    return record | {"generator": str(jax.random.key_impl(fast_key(key)))}


@cache
def _adam() -> optax.GradientTransformation:
    """The default optimizer, always the same one, so that the next run finds its step compiled."""
    return optax.adam(1e-3)


@dataclass
class _Loop:
    """The loop itself, with what it needs."""

    chunk: Any
    data: Dataset
    steps: int
    batch_size: int
    seed: int
    sharding: Any
    monitor: Monitor | None
    listeners: list[Callback]
    log: Log
    layers: dict[str, Any]
    less: float

    def run(self, state: TrainState) -> Run:
        clock = time.perf_counter()
        with Interrupt() as interrupt:
            for rows in self._chunks(int(state.step)):
                good = _copied(state)
                state, metrics = self.chunk(state, rows)
                metrics = jax.tree.map(np.asarray, metrics)
                if not (np.isfinite(metrics["loss"]).all() and all_finite((state.model, state.memory))):
                    self._fail(good, metrics["loss"])
                self._report(state, metrics, time.perf_counter() - clock)
                self.log.checkpoint(state)
                if anywhere(interrupt.asked):
                    break
            interrupt.writing()
            return self.log.close(state, finished=int(state.step) >= self.steps)

    def _chunks(self, first: int) -> Iterable[Array]:
        row_bytes = self.data.train.nbytes // len(self.data.train) * self.batch_size
        steps = min(self.data.steps_per_epoch(self.batch_size), max(1, CHUNK_BYTES // max(row_bytes, 1)))
        return self.data.chunks(
            seed=self.seed,
            batch_size=self.batch_size,
            steps=steps,
            first_step=first,
            last_step=self.steps,
            sharding=self.sharding,
            labels="y" in self.layers,
        )

    def _report(self, state: TrainState, metrics: Metrics, seconds: float) -> None:
        numbers = {name: float(np.mean(values)) for name, values in metrics.items()}
        for name in DENSITIES & numbers.keys():  # of values held, and not yet of the data's own
            numbers[name] -= self.less
        if self.monitor:
            numbers |= self.monitor(local(state.model))
        step = int(state.step)
        epoch = step / self.data.steps_per_epoch(self.batch_size)
        self.log.add({"step": step, "epoch": epoch, "seconds": round(seconds, 3), **numbers})
        if self.listeners:
            model = _copied(local(final_model(state)))  # the next chunk takes the state's own arrays
            progress = Progress(step, self.steps, epoch, seconds, numbers, model)
            for listener in self.listeners:
                listener(progress)

    def _fail(self, good: TrainState, losses: np.ndarray) -> None:
        finite = np.isfinite(losses)  # where all are, the last step spoiled the parameters
        bad = int(good.step) + (len(finite) if finite.all() else int(np.argmin(finite)) + 1)
        run = self.log.close(good, finished=False)
        where = f"is kept in '{run.folder.path}'" if run.folder else "is in this error's `run`, and nothing was written"
        raise NonFiniteLossError(
            f"The loss is no longer a finite number at step {bad} (seed {self.seed}); the model of step "
            f"{run.step} {where}. "
            "Try a smaller learning rate, clip gradients (optax.clip_by_global_norm), or standardise real inputs.",
            run,
        )


def _copied(tree: PyTree) -> PyTree:
    """The tree with arrays of its own."""
    return jax.tree.map(lambda leaf: jnp.copy(leaf) if eqx.is_array(leaf) else leaf, tree)
