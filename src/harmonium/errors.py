"""What can go wrong, as one sentence with the cure: the only exceptions that a person should ever see."""

from __future__ import annotations

import math
import operator
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from harmonium.catalogue import ENTRIES


class HarmoniumError(Exception):
    """Anything this library refuses or reports; the command line prints it in one line, without a traceback."""


class InputError(HarmoniumError, ValueError):
    """Bad input, refused at the door before any work is done (exit code 2)."""


class IncomparableError(InputError):
    """Two estimates live on different spaces, so that no comparison of their values means anything."""


class NotFiniteError(InputError):
    """What a model answers is no finite number, in a row that is named: nothing is returned in its place."""


class RunError(HarmoniumError, RuntimeError):
    """A run that started and failed (exit code 1)."""


class NonFiniteLossError(RunError):
    """Training met a loss that is not a number; `run` holds the model as it was at the last good point."""

    def __init__(self, message: str, run: object | None = None) -> None:
        super().__init__(message)
        self.run = run


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the person's own code, however deep in the library the matter is found.

    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always"); warn("few rows")
    >>> [str(warning.message) for warning in found]
    ['few rows']
    """
    level, frame = 1, sys._getframe(0)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


OURS = (
    "harmonium",
    "functools",
    "contextlib",
    "equinox",
    "jax",
    "jaxtyping",
    "beartype",
)  # packages whose lines are nobody's own code


def articled(name: str) -> str:
    """A name with its article; names in capitals are read letter by letter, except for those that are read as words.

    >>> articled("RBM"), articled("DBM"), articled("EnergyModel"), articled("Classifier"), articled("NADE")
    ('an RBM', 'a DBM', 'an EnergyModel', 'a Classifier', 'a NADE')
    """
    spelt = len(name) > 1 and name[:2].isupper() and not (name in ENTRIES and ENTRIES[name].spoken)
    spelt |= name.startswith("nd")  # an ndarray
    return f"{'an' if name[:1].upper() in ('AEFHILMNORSX' if spelt else 'AEIOUaeiou') else 'a'} {name}"


def whole(*numbers: object, least: int = 1) -> bool:
    """Whether all are whole numbers, none below `least`; what is no number at all is not.

    >>> whole(1, 2), whole(0), whole(2.0), whole("3"), whole(1, least=2), whole(True)
    (True, False, False, False, False, False)
    """
    try:
        return all(not isinstance(number, bool) and operator.index(number) >= least for number in numbers)
    except TypeError:
        return False


def plain(value: Any) -> Any:
    """A number of NumPy or JAX as Python's own, which compiled functions take for a constant; all else as it is.

    >>> import numpy as np
    >>> plain(np.int64(3)), plain(np.array([3]))
    (3, array([3]))
    """
    dtype = getattr(value, "dtype", None)
    single = getattr(value, "shape", None) == () and getattr(value, "is_fully_addressable", True)
    return value.item() if single and getattr(dtype, "kind", "O") in "biuf" else value


def real(value: object, least: float = -math.inf, below: float = math.inf) -> bool:
    """Whether a value is a finite number from `least` to less than `below`.

    >>> real(1), real(float("nan")), real("a"), real(True), real(0.5, below=0.5)
    (True, False, False, False, False)
    """
    if isinstance(value, bool) or getattr(value, "shape", ()) != ():
        return False
    try:
        return math.isfinite(number := float(value)) and not isinstance(value, str) and least <= number < below
    except (TypeError, ValueError, OverflowError):
        return False


def in_words(names: Sequence[str]) -> str:
    """Names in a row, as a sentence has them.

    >>> in_words(["3"]), in_words(["3", "5"]), in_words(["3", "5", "7"])
    ('3', '3 and 5', '3, 5 and 7')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def shown(value: object) -> str:
    """A value of the wrong kind, as a sentence names it: itself where that is short, else what it is.

    >>> shown(3), shown("adam"), shown(int), shown(len), shown([1])
    ('3', "'adam'", 'the class int', 'the function len', 'a list')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    name = getattr(value, "__name__", None)
    return f"the function {name}" if callable(value) and name else articled(type(value).__name__)
