"""`hm.fit`: the only training loop. One compiled scan over a chunk of steps; between chunks, everything else."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key

from harmonium.data import Dataset, as_dataset
from harmonium.errors import InputError, NonFiniteLossError
from harmonium.evaluation import Estimate
from harmonium.objectives import Metrics, Objective
from harmonium.rng import cheap, words
from harmonium.training.callbacks import Callback, Interrupt, Progress, progress_bar, tensorboard
from harmonium.training.checkpoint import Checkpoints
from harmonium.training.devices import Placement, anywhere, is_main, local
from harmonium.training.folder import RunFolder, describe
from harmonium.training.monitor import Monitor
from harmonium.training.state import TrainState, all_finite, compile_chunk, final_model, first_state

CHUNK_BYTES = 2**27  # of stored rows that one compiled scan takes in
CHECKPOINT_SECONDS = 60.0  # between checkpoints; one more is written at the end and at Ctrl-C


@dataclass
class Run:
    """What `fit` returns: the trained model, the metrics by chunk, and how far it came.

    >>> run = Run(model="an RBM", metrics=[{"loss": 0.7}, {"loss": 0.5}], step=2)
    >>> run.metrics[-1]["loss"], run.finished, run.folder
    (0.5, True, None)
    """

    model: Any
    metrics: list[dict[str, float]]
    step: int
    finished: bool = True
    folder: RunFolder | None = None
    state: TrainState | None = field(default=None, repr=False)
    estimate: Estimate | None = None


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
    out: str | Path | RunFolder | None = None,
    resume: bool = False,
    force: bool = False,
    about: dict[str, Any] | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = False,
    monitor: bool = True,
) -> Run:
    """Train a model on data with a learning rule.

    Arguments: `data`, a `Dataset` or rows `[n, size]`; `objective`, the rule; `optimizer`, from Optax (default:
    Adam with rate 1e-3); `epochs` over the training rows in batches of `batch_size`; `key`, from which every random
    number follows; `average`, the decay of an exponential moving average of the parameters, which then becomes the
    trained model; `out`, a folder for metrics, checkpoints and the model; `resume`, go on from its last checkpoint,
    bit for bit; `force`, replace the run that it holds; `about`, more to record in its `run.json`; `callbacks`, called
    with a `Progress` after each chunk; `progress`, show a bar; `monitor`, measure the free-energy gap and
    pseudo-likelihood between chunks.

    Raises `InputError` for data that does not fit the model or a folder in use, and `NonFiniteLossError`, with the
    run at its last good point, when the loss is no longer a number.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> hm.fit(rbm, np.eye(4), hm.objectives.CD(), epochs=3, batch_size=2, key=jax.random.key(1)).step
    6
    """
    data = as_dataset(data)
    check_data(model, data)
    if epochs < 1:
        raise InputError(f"Training takes at least one epoch, not epochs={epochs}.")
    if average is not None and not 0 <= average < 1:
        raise InputError(f"The decay of an average lies from 0 to below 1, such as 0.999, not average={average}.")
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    steps = epochs * data.steps_per_epoch(batch_size)
    placement = Placement(batch_size)
    state = first_state(model, objective, optimizer, key, average)
    placed, memory = placement.place(dataclasses.replace(state, memory=None), state.memory)
    state = dataclasses.replace(placed, memory=memory)
    settings = {"objective": repr(objective), "epochs": epochs, "batch_size": batch_size, "average": average}
    record = {
        "settings": settings,
        "seed": words(key),
        "generator": str(jax.random.key_impl(cheap(key))),
        **(about or {}),
    }
    log = _Log.start(out, state, resume=resume, force=force, about=describe(data, **record) if out else {})
    with ExitStack() as stack:
        listeners = [*callbacks, stack.enter_context(progress_bar(progress and is_main()))]
        events = log.folder.path / "tensorboard" if log.folder and is_main() else None
        listeners.append(stack.enter_context(tensorboard(events)))
        chunk = compile_chunk(objective, optimizer, data, key, average)
        loop = _Loop(
            chunk=chunk,
            data=data,
            steps=steps,
            batch_size=batch_size,
            seed=words(key)[-1],
            sharding=placement.batches,
            monitor=Monitor(data, key, model.layers["v"].dtype) if monitor else None,
            listeners=[listener for listener in listeners if listener],
            log=log,
        )
        return loop.run(log.state)


def check_data(model: Any, data: Dataset) -> None:
    """Refuse data that does not fit the visible units, before any work is done.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> check_data(rbm, hm.data.from_arrays(np.eye(3)))
    Traceback (most recent call last):
    harmonium.errors.InputError: The model has 4 visible units, but ... has 3 columns: ...
    """
    unit = model.layers["v"]
    if data.train.shape[1] != unit.size:
        raise InputError(
            f"The model has {unit.size} visible units, but '{data.name}' has {data.train.shape[1]} columns: "
            f"make the model with {data.train.shape[1]} visible units or choose the columns."
        )
    expectation = data.binarization in ("dynamic", "probabilities")
    for rows, as_shown in ((data.train, data.shown), (data.valid, np.asarray)):
        for i in range(0, 0 if rows is None else len(rows), 10_000):
            unit.check(as_shown(rows[i : i + 10_000]), expectation=expectation)
    if unit.states is None and not data.streamed:
        _warn_constant(data)


def _warn_constant(data: Dataset) -> None:
    constant = np.flatnonzero(np.ptp(np.asarray(data.train), axis=0) == 0)
    if constant.size:
        warnings.warn(
            f"{constant.size} columns of '{data.name}' are constant (the first is column {constant[0]}): a density has "
            "no upper limit there, and training may diverge; drop such columns.",
            stacklevel=3,
        )


@dataclass
class _Log:
    """What a run leaves behind: metrics in memory, and on disk where there is a folder."""

    state: TrainState
    metrics: list[dict[str, float]]
    folder: RunFolder | None = None
    checkpoints: Checkpoints | None = None
    saved_at: float = field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls, out: str | Path | RunFolder | None, state: TrainState, *, resume: bool, force: bool, about: dict[str, Any]
    ) -> _Log:
        """Open the folder anew or where it was left."""
        if out is None:
            return cls(state, [])
        path = out.path if isinstance(out, RunFolder) else out
        if resume:
            folder = RunFolder.open(path)
            _refuse_other(folder, about)
            checkpoints = Checkpoints(folder.path / "checkpoints")
            state = checkpoints.restore(state)
            metrics = [m for m in folder.metrics if m["step"] <= int(state.step)]
        else:
            folder = out if isinstance(out, RunFolder) else RunFolder.create(path, force=force)
            checkpoints, metrics = Checkpoints(folder.path / "checkpoints"), []
            if is_main():
                folder.write_about(about)
        if is_main():
            folder.write_metrics(metrics)
        return cls(state, metrics, folder, checkpoints)

    def add(self, record: dict[str, float]) -> None:
        self.metrics.append(record)
        if self.folder and is_main():
            self.folder.append_metrics(record)

    def checkpoint(self, state: TrainState, *, now: bool = False) -> None:
        """Write a checkpoint where one is due."""
        if self.checkpoints and (now or anywhere(time.monotonic() - self.saved_at > CHECKPOINT_SECONDS)):
            self.checkpoints.save(int(state.step), state, wait=now)
            self.saved_at = time.monotonic()

    def close(self, state: TrainState, *, finished: bool) -> Run:
        """The last checkpoint, and the model where the run is at its end."""
        self.checkpoint(state, now=True)
        if self.checkpoints:
            self.checkpoints.close()
        model = local(final_model(state))
        if self.folder and finished and is_main():
            self.folder.save_model(model)
        return Run(model, self.metrics, int(state.step), finished, self.folder, state)


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
    log: _Log

    def run(self, state: TrainState) -> Run:
        clock = time.perf_counter()
        with Interrupt() as interrupt:
            for rows in self._chunks(int(state.step)):
                good = jax.tree.map(lambda a: jnp.copy(a) if eqx.is_array(a) else a, state)
                state, metrics = self.chunk(state, rows)
                metrics = jax.tree.map(np.asarray, metrics)
                if not (np.isfinite(metrics["loss"]).all() and all_finite((state.model, state.memory))):
                    self._fail(good, metrics["loss"])
                self._report(state, metrics, time.perf_counter() - clock)
                self.log.checkpoint(state)
                if anywhere(interrupt.asked):
                    break
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
        )

    def _report(self, state: TrainState, metrics: Metrics, seconds: float) -> None:
        numbers = {name: float(np.mean(values)) for name, values in metrics.items()}
        if self.monitor:
            numbers |= self.monitor(local(state.model))
        step = int(state.step)
        epoch = step / self.data.steps_per_epoch(self.batch_size)
        self.log.add({"step": step, "epoch": epoch, "seconds": round(seconds, 3), **numbers})
        for listener in self.listeners:
            listener(Progress(step, self.steps, epoch, seconds, numbers))

    def _fail(self, good: TrainState, losses: np.ndarray) -> None:
        finite = np.isfinite(losses)  # where all are, the last step spoiled the parameters
        bad = int(good.step) + (len(finite) if finite.all() else int(np.argmin(finite)) + 1)
        run = self.log.close(good, finished=False)
        kept = f"the checkpoint of step {run.step} in '{run.folder.path}'" if run.folder else f"step {run.step}"
        raise NonFiniteLossError(
            f"The loss is no longer a finite number at step {bad} (seed {self.seed}); the model is kept as of {kept}. "
            "Try a smaller learning rate, clip gradients (optax.clip_by_global_norm), or standardise real inputs.",
            run,
        )


def _refuse_other(folder: RunFolder, about: dict[str, Any]) -> None:
    """Refuse to go on with a run under other settings than those it was started with; `epochs` may differ."""

    def parts(record: dict[str, Any]) -> dict[str, Any]:
        settings = record.get("settings", {})
        same = {name: settings.get(name) for name in ("objective", "batch_size", "average")}
        return same | {"seed": record.get("seed"), "data": record.get("data", {}).get("space")}

    old, new = parts(folder.about), parts(about)
    for name in (name for name in old if old[name] != new[name]):
        raise InputError(
            f"The run in '{folder.path}' was started with another {name} ({old[name]}, now {new[name]}): "
            "resume with the arguments that it was started with, or start another run in another folder."
        )
