"""The lines of a text table, and the cells in each: encodings, comments, quotes and separators."""

from __future__ import annotations

import codecs
import csv
import re
import string
from collections.abc import Sequence
from pathlib import Path

from harmonium.data.cells import is_word
from harmonium.errors import InputError

Record = tuple[int, str]  # the number of a line, from 1, and its text

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_LEFT_OPEN = re.compile(r'(?:^|[\t;, ])"(?:[^"]|"")*$')  # a quote that begins a cell and is not closed in its line
_BLANK = "".join(set(string.whitespace) - {"\t"})
_SPACED = re.compile(r'"(?:[^"]|"")*"|\S+')


def decoded(path: Path) -> tuple[str, list[str]]:
    """The text of a file, and a note where its encoding had to be assumed.

    Raises:
        InputError: a file that is no text, or is not encoded as its first bytes say.
    """
    content, notes = path.read_bytes(), []
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        if marked:
            raise InputError(f"{str(path)!r} begins as {marked} text but is not: save it as UTF-8.") from error
        notes = ["letters that are not UTF-8 were read as Windows-1252"]
        text = _western(content)
    if "\0" in text:
        raise InputError(f"{str(path)!r} is not a text table: give a text file, or name it by what it is.")
    return text, notes


def _western(content: bytes) -> str:
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:  # which leaves five bytes undefined
        return content.decode("latin-1")


def records(text: str, name: str) -> list[Record]:
    """The lines that are not empty, with their numbers; the lines of one quoted cell are one.

    A line of tabs stays, since it may be a row whose cells are all missing.

    Raises `InputError`, with the `name` of the file, for a quote that opens a cell and is never closed.

    >>> records('a,"b\\nin kg"\\n\\n1,2', "x.csv")
    [(1, 'a,"b\\nin kg"'), (4, '1,2')]
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if '"' not in text:
        return [(number, line) for number, line in enumerate(lines, 1) if line.strip(_BLANK)]
    odd = [number for number, line in enumerate(lines) if line.count('"') % 2]  # of quotes: one begins or ends there
    found, first, ends = [], 0, iter(odd)
    end = next(ends, None)
    while first < len(lines):
        last = first
        if first == end:
            end = next(ends, None)
            if _LEFT_OPEN.search(lines[first]):
                if end is None:
                    raise InputError(
                        f"{name!r} has a quote in line {first + 1} that is not closed: close or remove it."
                    )
                last, end = end, next(ends, None)
        line = "\n".join(lines[first : last + 1])
        if line.strip(_BLANK):
            found.append((first + 1, line))
        first = last + 1
    return found


def uncommented(lines: list[Record]) -> tuple[list[Record], list[str]]:
    """The lines after those at the top that begin with #, and a note of what was left out.

    The last of these stays if it has as many cells as the rows have, words among them: it is then the names as
    `np.savetxt` writes them. Between spaces, any sentence has cells: there it must be the only one.

    >>> uncommented([(1, "# by hand"), (2, "# a,b"), (3, "1,2")])
    ([(2, ' a,b'), (3, '1,2')], ['1 line that begins with # was left out'])
    """
    count = next((i for i, (_, line) in enumerate(lines) if not line.lstrip().startswith("#")), len(lines))
    kept = lines[count:]
    if not count or not kept:
        return kept, []
    number, line = lines[count - 1]
    line, separator = line.lstrip().lstrip("#"), separator_of([kept[0][1]])
    names = cells_of(line, separator)
    as_many = len(names) == len(cells_of(kept[0][1], separator))
    if as_many and (separator or count == 1) and any(map(is_word, names)):
        kept, count = [(number, line), *kept], count - 1
    some = "1 line that begins with # was" if count == 1 else f"{count} lines that begin with # were"
    return kept, [f"{some} left out"] if count else []


def separator_of(lines: Sequence[str]) -> str | None:
    """The first of tab, semicolon and comma that parts two lines into as many cells, or else that occurs; None for
    spaces. What stands in quotes parts nothing.

    >>> separator_of(['"length; cm",b', "0,0"])
    ','
    """
    bare = [_QUOTED.sub("", line) for line in lines]
    found = [mark for mark in "\t;," if any(mark in line for line in bare)]
    return next((mark for mark in found if bare[0].count(mark) == bare[-1].count(mark)), (*found, None)[0])


def cells_of(line: str, separator: str | None) -> list[str]:
    """The cells of a line, without quotes and outer spaces. Raises `csv.Error` for one of more than 131072 letters.

    >>> cells_of('"a, b", c', ","), cells_of('"a b"  c', None)
    (['a, b', 'c'], ['a b', 'c'])
    """
    if separator is None:
        return [_unquoted(cell) for cell in _SPACED.findall(line)]
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"').strip() if _QUOTED.fullmatch(cell) else cell
