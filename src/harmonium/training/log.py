"""What a run leaves behind: the trained model, its metrics, and checkpoints where it has a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmonium.errors import InputError
from harmonium.evaluation import ErrorRate, Estimate
from harmonium.training.checkpoint import Checkpoints
from harmonium.training.devices import anywhere, is_main, local
from harmonium.training.folder import RunFolder
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
        cls, out: str | Path | RunFolder | None, state: TrainState, *, resume: bool, force: bool, about: dict[str, Any]
    ) -> Log:
        """Open the folder anew or where it was left."""
        if out is None:
            if resume:
                raise InputError("Only a run in a folder can be resumed: say in which, with out=...")
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


def _refuse_other(folder: RunFolder, about: dict[str, Any]) -> None:
    """Refuse to go on with a run under other settings than those it was started with; `epochs` may differ."""

    def parts(record: dict[str, Any]) -> dict[str, Any]:
        settings = {"products": "float32"} | record.get("settings", {})
        same = {name: settings.get(name) for name in ("objective", "batch_size", "average", "products")}
        return same | {
            "seed": record.get("seed"),
            "generator": record.get("generator"),
            "data": record.get("data", {}).get("space"),
        }

    old, new = parts(folder.about), parts(about)
    for name in ("model", "labels"):  # of which runs of earlier versions say nothing
        if name in folder.about:
            old, new = old | {name: folder.about[name]}, new | {name: about.get(name)}
    for name in (name for name in old if old[name] != new[name]):
        raise InputError(
            f"The run in '{folder.path}' was started with {'other' if name == 'labels' else 'another'} {name} "
            f"({old[name]}, now {new[name]}): "
            "resume with the arguments that it was started with, or start another run in another folder."
        )
