"""What a run leaves behind: the trained model, its metrics, and checkpoints where it has a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmonium.errors import InputError
from harmonium.evaluation import ErrorRate, Estimate
from harmonium.training.checkpoint import Checkpoints
from harmonium.training.devices import anywhere, is_main, local, together
from harmonium.training.folder import RunFolder
from harmonium.training.longer import continue_to
from harmonium.training.state import TrainState, final_model

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
    estimate: Estimate | ErrorRate | None = None
    baseline: Estimate | None = None  # of independent units, on the rows of the estimate


@dataclass
class Log:
    """What a run leaves behind: metrics in memory, and on disk where there is a folder."""

    state: TrainState
    metrics: list[dict[str, float]]
    folder: RunFolder | None = None
    checkpoints: Checkpoints | None = None
    saved_at: float = field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls, out: str | Path | RunFolder | None, state: TrainState, *, steps: int, resume: bool, force: bool,
        about: dict[str, Any],
    ) -> Log:  # fmt: skip
        """Open the folder anew or where it was left: at its last checkpoint, or at the beginning where it was stopped
        before it had one."""
        if out is None:
            if resume:
                raise InputError("Only a run in a folder can be resumed: say in which, with out=...")
            return cls(state, [])
        if resume:
            return cls._gone_on(RunFolder.open(out.path if isinstance(out, RunFolder) else out), state, steps, about)
        folder = out if isinstance(out, RunFolder) else RunFolder.create(out, about, force=force)
        return cls._begun(folder, state, about)

    @classmethod
    def _begun(cls, folder: RunFolder, state: TrainState, about: dict[str, Any]) -> Log:
        if is_main():
            folder.write_about(about)
            folder.write_metrics([])
        return cls(state, [], folder, Checkpoints(folder.path / "checkpoints"))

    @classmethod
    def _gone_on(cls, folder: RunFolder, state: TrainState, steps: int, about: dict[str, Any]) -> Log:
        _refuse_other(folder, about)
        if folder.last_step is None:
            _refuse_finished(folder)
            return cls._begun(folder, state, about)
        checkpoints = Checkpoints(folder.path / "checkpoints")
        state = checkpoints.restore(state)
        step = int(state.step)
        if step > steps:
            raise InputError(
                f"The run in '{folder.path}' has come to step {step}, and {about['settings']['epochs']} epochs are "
                f"{steps} steps: give more epochs, or as many as it was started with."
            )
        metrics = [m for m in folder.metrics if m["step"] <= step]
        together("read the checkpoint")  # before the first process writes
        if is_main():
            folder.sweep()
            continue_to(folder, about, step, steps)
            folder.write_metrics(metrics)
        return cls(state, metrics, folder, checkpoints)

    def add(self, record: dict[str, float]) -> None:
        """Keep one line of metrics."""
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


def _refuse_finished(folder: RunFolder) -> None:
    """Refuse to train a model again that is there, because its checkpoints are not."""
    if (folder.path / "model.safetensors").is_file():
        raise InputError(
            f"The run in '{folder.path}' has its model but no checkpoint any more, so it cannot go on: start another "
            "run from its model (--from), or replace it with --force."
        )


def _refuse_other(folder: RunFolder, about: dict[str, Any]) -> None:
    """Refuse to go on with a run under other settings than those it was started with; `epochs` may differ."""

    def parts(record: dict[str, Any]) -> dict[str, Any]:
        settings = {"matmul_precision": "float32"} | record.get("settings", {})
        same = {name: settings.get(name) for name in ("objective", "batch_size", "average", "matmul_precision")}
        return same | {
            "seed": record.get("seed"),
            "generator": record.get("generator"),
            "data": record.get("data", {}).get("space"),
        }

    old, new = parts(folder.about), parts(about)
    for name in ("model", "sizes", "labels"):  # of which runs of earlier versions say nothing
        if name in folder.about:
            old, new = old | {name: folder.about[name]}, new | {name: about.get(name)}
    if "from" in folder.about and "from" in about:
        old, new = old | {"from": folder.about["from"]["sha256"]}, new | {"from": about["from"]["sha256"]}
    for name in (name for name in old if old[name] != new[name]):
        other = "other" if name in ("labels", "sizes") else "another"
        raise InputError(
            f"The run in '{folder.path}' was started with {other} {name} ({old[name]}, now {new[name]}): "
            "resume with the arguments that it was started with, or start another run in another folder."
        )
