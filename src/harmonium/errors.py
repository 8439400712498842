"""What can go wrong, as one sentence with the cure: the only exceptions that a person should ever see."""

from __future__ import annotations


class HarmoniumError(Exception):
    """Anything this library refuses or reports; the command line prints it in one line, without a traceback."""


class InputError(HarmoniumError, ValueError):
    """Bad input, refused at the door before any work is done (exit code 2)."""


class IncomparableError(InputError):
    """Two estimates live on different spaces, so that no comparison of their values means anything."""


class RunError(HarmoniumError, RuntimeError):
    """A run that started and failed (exit code 1)."""


class NonFiniteLossError(RunError):
    """Training met a loss that is not a number; `run` holds the model as it was at the last good point."""

    def __init__(self, message: str, run: object | None = None) -> None:
        super().__init__(message)
        self.run = run
