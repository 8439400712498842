"""What is shown while a finished run is measured: one line that says what is done and about how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harmonium.evaluation import Stage


class Line:
    """One line about the stage that a command is in, made anew whenever it is shown.

    The time left is that of the whole stage at its rate so far, less the time gone by since that was known.
    Arguments: `clock`, seconds from any moment on.

    >>> now = iter([0.0, 10.0, 20.0])
    >>> line = Line(clock=lambda: next(now))
    >>> line.show(Stage("measuring", 0, 3)); line.show(Stage("measuring", 1, 3)); line.text()
    'measuring: about 10 s left'
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = Stage("", 0, 0)
        self._begun = self._ends = 0.0

    def show(self, stage: Stage) -> None:
        """Take note of how far the stage is; a stage of another name begins now."""
        now = self._clock()
        if stage.what != self._stage.what:
            self._begun = now
        self._stage = stage
        self._ends = self._begun + (now - self._begun) * stage.total / stage.done if stage.done else 0.0

    def text(self) -> str:
        """The line as it is now."""
        if not self._ends:
            return f"{self._stage.what} ..." if self._stage.what else ""
        most = "at most " if self._stage.until_settled else ""
        return f"{self._stage.what}: {most}about {duration(self._ends - self._clock())} left"

    def __rich__(self) -> str:
        return self.text()


def duration(seconds: float) -> str:
    """Seconds, or minutes where they are many.

    >>> duration(-0.3), duration(41.2), duration(200.0)
    ('1 s', '41 s', '3 min')
    """
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"


@contextmanager
def waiting(enabled: bool) -> Iterator[Callable[[Stage], None]]:
    """A line on the standard error stream while it lasts, gone afterwards; what it gives is told of every stage.

    >>> with waiting(False) as show:
    ...     show(Stage("measuring the test rows", 1, 3))
    """
    if not enabled:
        yield lambda stage: None
        return
    from rich.console import Console
    from rich.live import Live

    line = Line()
    with Live(line, console=Console(stderr=True, markup=False, highlight=False), transient=True, refresh_per_second=2):
        yield line.show
