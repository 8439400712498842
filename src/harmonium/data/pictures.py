"""A folder of pictures, in sub-folders if they have classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harmonium.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp")


def read_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey levels [n, rows, columns] of the pictures in a folder, ordered by name, and labels [n] or None.

    If the folder itself holds no picture, each of its sub-folders is a class, numbered in the order of their
    names.

    Raises:
        InputError: no pictures, pictures of different sizes, or a file that is no 8-bit picture.
    """
    files, labels = _inside(folder), None
    if not files:
        classes = [found for sub in _visible(folder) if sub.is_dir() and (found := _inside(sub))]
        files = [path for found in classes for path in found]
        labels = np.repeat(np.arange(len(classes)), [len(found) for found in classes])
    if not files:
        raise InputError(
            f"The folder {str(folder)!r} holds no pictures: give one with files ending in {', '.join(ENDINGS)}."
        )
    first = _grey(files[0])
    stack = np.empty((len(files), *first.shape), np.uint8)
    for i, path in enumerate(files):
        stack[i] = _same_size(_grey(path), first, path, files[0])
    return stack, labels


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _inside(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.suffix.lower() in ENDINGS and path.is_file()]


def _grey(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode.startswith(("I", "F")):  # Pillow would clip these to 255 without a word
                raise InputError(f"{str(path)!r} has more than 8 bits a value: save it as an 8-bit picture.")
            return np.asarray(picture.convert("L"))
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a picture: remove it or save it again.") from error


def _same_size(picture: np.ndarray, first: np.ndarray, path: Path, first_path: Path) -> np.ndarray:
    if picture.shape != first.shape:
        (rows, columns), (rows0, columns0) = picture.shape, first.shape
        raise InputError(
            f"{str(path)!r} has {rows}x{columns} pixels and {str(first_path)!r} {rows0}x{columns0}: "
            "bring all pictures to one size."
        )
    return picture
