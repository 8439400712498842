"""Messages of the library as a person at the command line knows them: its arguments are flags there, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable


def legible(text: str) -> str:
    r"""A text that quotes a file, as a terminal may show it: what is no character to look at is escaped.

    >>> print(legible("no column '\x1b[31m\ufeffa'"))
    no column '\x1b[31m\ufeffa'
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def as_flags(text: str, names: Iterable[str]) -> str:
    """The text with arguments of these names written as flags, where it gives them a value or they are no plain word.

    >>> as_flags("choose a batch_size from 1 to 40, and whole epochs, not epochs=0", ["batch_size", "epochs"])
    'choose a --batch-size from 1 to 40, and whole epochs, not --epochs 0'
    """
    for name in names:
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        text = re.sub(rf"(?<![\w.-]){name}=(?=[^\s=])", f"{flag} ", text)
        if "_" in name.rstrip("_"):
            text = re.sub(rf"(?<![\w.-]){name}(?![\w=(])", flag, text)
    return text
