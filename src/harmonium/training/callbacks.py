"""What may listen to a run: a callback is `callback(progress)`, called after every chunk."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `step` of `steps`, the seconds since it started (or resumed), the newest metrics, the model.

    `model` is a copy of the model as it would be returned if training ended here: a callback may keep it, and a list of
    them is what `method="trajectory"` of `hm.log_partition` anneals along.

    >>> progress = Progress(step=50, steps=200, epoch=2.0, seconds=1.5, metrics={"loss": 0.3})
    >>> f"{progress.step / progress.steps:.0%}, loss {progress.metrics['loss']}"
    '25%, loss 0.3'
    """

    step: int
    steps: int
    epoch: float
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    model: Any = field(default=None, repr=False)


Callback = Callable[[Progress], None]


@contextmanager
def progress_bar(enabled: bool) -> Iterator[Callback | None]:
    """A bar with the loss, the pseudo-likelihood or free-energy gap, and the time left."""
    if not enabled:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _line_in_notebook() if console.is_jupyter else _bar(console) as show:
        yield show


@contextmanager
def _bar(console: Any) -> Iterator[Callback]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("epoch {task.fields[epoch]:.0f}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[numbers]}", markup=False), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("train", total=None, epoch=0.0, numbers="compiling")

        def show(progress: Progress) -> None:
            numbers = _short(progress.metrics)
            bar.update(task, total=progress.steps, completed=progress.step, epoch=progress.epoch, numbers=numbers)

        yield show


@contextmanager
def _line_in_notebook() -> Iterator[Callback]:
    """One line that is rewritten in its place: Rich needs ipywidgets for that, and shows nothing without them."""
    from IPython.display import display  # which is what runs the notebook

    handle = display({"text/plain": "compiling"}, raw=True, display_id=True)
    first: list[Progress] = []

    def show(progress: Progress) -> None:
        first.extend([] if first else [progress])
        done = progress.step - first[0].step  # a resumed run does not start from its first step
        parts = [f"epoch {progress.epoch:.0f}", f"{progress.step / progress.steps:.0%}", _short(progress.metrics)]
        parts.append(str(timedelta(seconds=round(progress.seconds))))
        if done:
            seconds = (progress.seconds - first[0].seconds) / done * (progress.steps - progress.step)
            parts.append(f"left {timedelta(seconds=round(seconds))}")
        handle.update({"text/plain": "  ".join(part for part in parts if part)}, raw=True)

    yield show


def _short(metrics: dict[str, float]) -> str:
    names = {"loss": "loss", "log_pseudo_likelihood": "pseudo-ll", "free_energy_gap": "gap",
             "log_likelihood_valid": "valid"}  # fmt: skip
    return "  ".join(f"{short} {metrics[name]:.2f}" for name, short in names.items() if name in metrics)


@contextmanager
def tensorboard(folder: Path | None) -> Iterator[Callback | None]:
    """Scalars for TensorBoard in `folder`, where the package tensorboardX is installed."""
    if folder is None or importlib.util.find_spec("tensorboardX") is None:
        yield None
        return
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(progress: Progress) -> None:
            for name, value in progress.metrics.items():
                writer.add_scalar(name, value, progress.step)

        yield write
