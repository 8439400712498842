"""Signals that end a process: held back while a run comes to its end, and turned into an exit by the command line."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C, what batch systems and `docker stop` send, and a terminal that is closed (which Windows does not tell).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def listened_to() -> dict[int, Any]:
    """The handlers of these signals, except for those that are ignored (as under `nohup`) or no handlers of Python's;
    none outside of the main thread, which alone may change them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}


class Leaving(SystemExit):
    """A signal that ends the command, with the exit code that a shell gives it; `words` say so.

    >>> Leaving(signal.SIGINT).code, Leaving(signal.SIGTERM).words
    (130, 'stopped by SIGTERM before it was done')
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.words = f"stopped by {name} before it was done"


@contextmanager
def leaving() -> Iterator[None]:
    """Within it a signal raises `Leaving`.

    >>> with leaving():
    ...     signal.raise_signal(signal.SIGTERM)
    Traceback (most recent call last):
    harmonium.signals.Leaving: 143
    """

    def leave(number: int, _: object) -> None:
        raise Leaving(number)

    old = listened_to()
    for number in old:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Interrupt:
    """Holds signals back while a run comes to its end: `with Interrupt() as interrupt:`, in the main thread.

    The first asks the run to stop after the steps that are running (`asked`), and the next stops it at once. From
    `writing()` on the next one is held back, too, and only one more stops it. On leaving, the handlers of before are
    there again, and the signal is handed to them: by default a process ends by it. Ctrl-C alone is not handed to
    Python's own handler, for the run that stopped is what is wanted then. Signals that are ignored stay ignored.

    >>> with Interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupt.asked
    True
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the first signal
        self._old: dict[int, Any] = {}
        self._left = 1  # signals, from the first on, that do not stop the run at once
        self._writing = False

    @property
    def asked(self) -> bool:
        """Whether the run should stop."""
        return self.number is not None

    def writing(self) -> None:
        """From now on the last checkpoint is written."""
        self._writing, self._left = True, self._left + 1

    def __enter__(self) -> Interrupt:
        self._old = listened_to()
        for number in self._old:
            signal.signal(number, self._held)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._restore()
        if kind is None and self.number is not None and not self._stays_with_the_run(self.number):
            signal.raise_signal(self.number)

    def _stays_with_the_run(self, number: int) -> bool:
        return self._old.get(number, signal.default_int_handler) is signal.default_int_handler

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _held(self, number: int, _: object) -> None:
        self.number = self.number or number
        self._left -= 1
        if self._left < 0:
            self._restore()
            signal.raise_signal(number)
        else:
            _say("writing the checkpoint" if self._writing else "stopping after the steps that are running", self._left)


def _say(what: str, left: int) -> None:
    """A line on standard error, past Python's buffers: these may be in use where a signal comes in."""
    again = "" if left else "; once more stops at once"
    os.write(2, f"\nharmonium: {what}{again}\n".encode())
