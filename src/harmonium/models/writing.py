"""Files written beside their places and moved there when they are whole, so that what was there is never lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from harmonium.errors import RunError


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there, so that the old one stays whole if anything fails.

    Raises `RunError` where writing fails, such as on a full disk.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"; write_atomically(path, b"whole"); path.read_text()
    'whole'
    """
    write_together({path: data})


@contextmanager
def written_aside(*paths: Path) -> Iterator[list[BinaryIO]]:
    """Files to write to, beside their places: they are moved there when the block ends well, and removed when not.

    Raises `RunError` where writing fails.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with written_aside(path) as (file,): _ = file.write(b"whole")
    >>> path.read_text(), [found.name for found in path.parent.iterdir()]
    ('whole', ['note.txt'])
    """
    scratch = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths}
    path = paths[0]
    try:
        with ExitStack() as opened:
            files = []
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                files.append(opened.enter_context(scratch[path].open("wb")))
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path in paths:
            scratch[path].replace(path)
    except OSError as error:
        raise RunError(
            f"'{path}' could not be written ({error.strerror or error}): free some space or choose another place; "
            "what was there is unchanged."
        ) from error
    finally:
        for file in (file for file in scratch.values() if file.exists()):
            file.unlink()


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files beside their places, and move them there when all are written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()); write_together({folder / "a": b"1", folder / "b": b"2"})
    >>> sorted(path.name for path in folder.iterdir())
    ['a', 'b']
    """
    with written_aside(*contents) as files:
        for file, data in zip(files, contents.values(), strict=True):
            file.write(data)
