"""Which files of a folder are pictures, and of which split and class: what is left out is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harmonium.data.classes import in_order, listed, titled
from harmonium.data.names import split_of
from harmonium.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pbm")
IGNORED = ("__MACOSX",)  # what archives of other systems leave behind, beside names that begin with a point


@dataclass(frozen=True)
class Listing:
    """Pictures in the order of their names.

    Attributes:
        files: their paths.
        splits: "train", "valid" or "test" of each.
        labels: the class of each, or None where there are no classes.
        class_names: of the classes 0, 1, ..., or None.
        notes: what was assumed or left out.
    """

    files: tuple[Path, ...]
    splits: tuple[str, ...]
    labels: tuple[int, ...] | None
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Folder:
    """The pictures, other files and folders in a folder."""

    path: Path
    pictures: list[Path]
    others: list[Path]
    folders: list[_Folder]

    @cached_property
    def all_pictures(self) -> list[Path]:
        """Those at any depth."""
        return self.pictures + [path for folder in self.folders for path in folder.all_pictures]

    @cached_property
    def all_others(self) -> list[Path]:
        """The other files at any depth."""
        return self.others + [path for folder in self.folders for path in folder.all_others]


def listing(path: Path) -> Listing:
    """The pictures of a folder, of its class folders, or of the class folders of its splits.

    Sub-folders are classes, numbered in the order of their names, empty ones too, so that a class has the same number
    in every folder that has its name; pictures at any depth below belong to them. Sub-folders that are called train,
    valid and test, or by another of their usual names, are splits, each of which may hold classes.

    Raises:
        InputError: no pictures, or as many beside the sub-folders as in them, or classes in some splits alone.
    """
    folder = _read(path)
    if not folder.all_pictures:
        raise InputError(
            f"The folder {str(path)!r} holds no pictures: give one with files ending in {', '.join(ENDINGS)}."
        )
    splits, notes = _splits(folder)
    for part in splits.values():
        _refuse_undecided(part)
    names, labels = _numbered(list(splits.values()), path)
    files = [(split, file) for split, part in splits.items() for file in _files(part)]
    notes += [note for part in splits.values() for note in _notes(part, path)]
    if names is not None:
        bare = [titled(names, place) for place in sorted({*range(len(names))} - {*labels})]
        notes.append(f"classes, numbered from 0: {listed(names)}")
        notes += [f"without a picture: class {listed(bare)}"] * bool(bare)
    return Listing(tuple(file for _, file in files), tuple(split for split, _ in files), labels, names, tuple(notes))


def _splits(folder: _Folder) -> tuple[dict[str, _Folder], list[str]]:
    """The folder of each split, the folder itself as "train" if it has none; and what is said of it.

    Folders called train and test are splits, whatever lies beside them; one called train alone, beside other folders
    of pictures, is a class.
    """
    filled = [sub for sub in folder.folders if sub.all_pictures]
    found = {split_of(sub.path.name): sub for sub in filled if split_of(sub.path.name)}
    one_each = len(found) == sum(split_of(sub.path.name) is not None for sub in filled)
    if "train" not in found or not one_each or (len(found) == 1 and len(filled) > 1):
        return {"train": folder}, []
    rest = [sub for sub in folder.folders if sub not in found.values() and (sub.all_pictures or sub.all_others)]
    beside = folder.pictures + folder.others + [sub.path for sub in rest]
    left = [f"left out beside the splits: {_named(beside, folder.path)}"] if beside else []
    return found, [f"splits are the folders {listed(sub.path.name for sub in found.values())}", *left]


def _classes(folder: _Folder) -> list[_Folder] | None:
    """The class folders: those of pictures, and empty ones; None if no sub-folder holds a picture."""
    if not any(sub.all_pictures for sub in folder.folders):
        return None
    return [sub for sub in folder.folders if sub.all_pictures or not sub.all_others]


def _files(folder: _Folder) -> list[Path]:
    classes = _classes(folder)
    return folder.pictures if classes is None else [file for sub in classes for file in sub.all_pictures]


def _refuse_undecided(folder: _Folder) -> None:
    """Refuse a folder that could as well be meant itself as its sub-folders."""
    within = len(folder.all_pictures) - len(folder.pictures)
    if within and len(folder.pictures) >= within:
        subs = listed(sub.path.name for sub in folder.folders if sub.all_pictures)
        raise InputError(
            f"The folder {str(folder.path)!r} holds {_counted(len(folder.pictures), 'picture')} itself and {within} in "
            f"sub-folders ({subs}), which would be classes: move the ones or the others elsewhere."
        )


def _numbered(parts: list[_Folder], path: Path) -> tuple[tuple[str, ...] | None, tuple[int, ...] | None]:
    """The names of the classes of all splits together, and the class of each picture."""
    classes = [_classes(part) for part in parts]
    if all(found is None for found in classes):
        return None, None
    if None in classes:
        raise InputError(f"Some splits in {str(path)!r} have class folders and others none: give all of them or none.")
    subs = [sub for found in classes for sub in found]
    names = in_order(sub.path.name for sub in subs)
    places = {name: place for place, name in enumerate(names)}
    return names, tuple(places[sub.path.name] for sub in subs for _ in sub.all_pictures)


def _notes(folder: _Folder, path: Path) -> Iterator[str]:
    """What is said of the files of one split, below the folder that was given."""
    classes = _classes(folder)
    if classes is not None:
        if folder.pictures:
            count = _counted(len(folder.pictures), "picture")
            yield f"left out beside the class folders: {count} ({_named(folder.pictures, path)})"
        deeper = {file.parent for sub in classes for file in sub.all_pictures if file.parent != sub.path}
        if deeper:
            yield f"pictures in folders of a class folder belong to it: {_named(sorted(deeper), path)}"
    if folder.all_others:
        count = _counted(len(folder.all_others), "file")
        yield f"left out as no pictures: {count} ({_named(folder.all_others, path)})"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n > 1)}"


def _named(paths: list[Path], folder: Path) -> str:
    return listed(str(path.relative_to(folder)) for path in paths)


def _read(path: Path, above: tuple[str, ...] = ()) -> _Folder:
    """A folder and those below, except for links to folders above; a link to nothing is refused where it is read."""
    found, above = _Folder(path, [], [], []), (*above, os.path.realpath(path))
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"The folder {str(path)!r} cannot be read ({error.strerror}): allow it.") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        if entry.is_dir():
            if os.path.realpath(entry.path) not in above:
                found.folders.append(_read(path / entry.name, above))
        elif entry.name.lower().endswith(ENDINGS) and (entry.is_file() or entry.is_symlink()):
            found.pictures.append(path / entry.name)
        else:
            found.others.append(path / entry.name)
    return found
