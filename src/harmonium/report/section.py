"""What a page is made of: sections with pictures, tables and the sentences that say how to read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harmonium.errors import InputError
from harmonium.report.figures import Picture
from harmonium.report.subject import Subject


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the cells of the column called `Verdict` are coloured by what they say."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One section: pictures and tables, what they show, how to judge it; or why there are none."""

    title: str = ""
    anchor: str = ""
    shows: str = ""
    judge: str = ""
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    code: str = ""
    skipped: str = ""


def made(title: str, make: Callable[[Subject], Section], subject: Subject) -> Section:
    """The section under its title; where it does not apply, with the reason instead."""
    anchor = title.lower().replace(" ", "-")
    try:
        return replace(make(subject), title=title, anchor=anchor)
    except InputError as error:
        return Section(title, anchor, skipped=str(error).rstrip("."))
