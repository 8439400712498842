"""Photographs of natural scenes in grey, as their archives hold them, with the splits of their owners."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from harmonium.data import fetch
from harmonium.data.binarize import SPLITS
from harmonium.data.classes import in_order
from harmonium.data.folders import ENDINGS, IGNORED
from harmonium.data.pictures import grey_levels
from harmonium.data.randomness import SPLIT, generator
from harmonium.errors import InputError, RunError, shown

FOLDER = "natural_images"
VALID_SHARE = 0.1  # of the training images, kept whole for validation


@dataclass(frozen=True)
class Source:
    """A set of images: its `title`, the names its archive may have (`files`), and how many of its images, the last by
    their names, are for test where its folders do not say it."""

    title: str
    files: tuple[str, ...]
    last: int | None = None


SOURCES = {
    "bsds300": Source("BSDS300", ("BSDS300_jpg.tar", "BSDS300-images.tgz")),
    "hyvarinen": Source("Hyvarinen's images", ("hyvarinenBookImages.zip",), last=3),
}


def natural_images(source: str) -> dict[str, list[np.ndarray]]:
    """Grey levels `[rows, columns]`, uint8, of the images of each split.

    `bsds300` is the Berkeley segmentation data set (Martin, Fowlkes, Tal & Malik 2001), 200 training and 100 test
    images in folders `train` and `test` (or `val`) of an archive; `hyvarinen` are the 13 images of Hyvarinen, Hurri &
    Hoyer (2009), of which the last three are for test. The archives `BSDS300_jpg.tar` (or `BSDS300-images.tgz`) and
    `hyvarinenBookImages.zip` are looked for in $HARMONIUM_DATA or its folder `natural_images`. A tenth of the training
    images, the same for everyone, validates.

    Raises:
        InputError: another source, or an archive that holds something else.
        RunError: if the archive is not there: these images have no server of their own.
    """
    if not isinstance(source, str) or source not in SOURCES:
        raise InputError(f"There are no images source={shown(source)}: choose one of {', '.join(map(repr, SOURCES))}.")
    known = SOURCES[source]
    path = fetch.find(FOLDER, *known.files)
    if path is None:
        raise RunError(
            f"The images of {known.title} are not here: set HARMONIUM_DATA to a folder that holds "
            f"{FOLDER}/{known.files[0]}."
        )
    found = {name: grey_levels(file, path / name) for name, file in _members(path)}
    return _by_split([(name, found[name]) for name in in_order(found)], known, path)


def _members(path: Path) -> Iterator[tuple[str, io.BytesIO]]:
    """The pictures of an archive, each with its name."""
    zipped = path.suffix == ".zip"
    try:
        with zipfile.ZipFile(path) if zipped else tarfile.open(path) as archive:
            files = archive.infolist() if zipped else [member for member in archive if member.isfile()]
            for file in files:
                name = PurePosixPath(file.filename if zipped else file.name)
                left = any(part.startswith(".") or part in IGNORED for part in name.parts)
                if name.suffix.lower() in ENDINGS and not left:
                    content = archive.read(file) if zipped else archive.extractfile(file).read()
                    yield str(name), io.BytesIO(content)
    except (OSError, EOFError, RuntimeError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise InputError(f"{str(path)!r} is a damaged archive: replace it.") from error


def _by_split(found: list[tuple[str, np.ndarray]], known: Source, path: Path) -> dict[str, list[np.ndarray]]:
    """The images by split: those in a folder `train`, the last ones, and a tenth of those that are left."""
    if known.last is None:
        inside = [PurePosixPath(name).parent.name == "train" for name, _ in found]
    else:
        inside = [place < len(found) - known.last for place in range(len(found))]
    train = [image for (_, image), learnt in zip(found, inside, strict=True) if learnt]
    test = [image for (_, image), learnt in zip(found, inside, strict=True) if not learnt]
    if len(train) < 2 or not test:
        where = "in folders train and test" if known.last is None else f"(at least {known.last + 2})"
        raise InputError(f"{str(path)!r} holds {len(train) + len(test)} images, not those of {known.title} {where}.")
    held = max(1, round(VALID_SHARE * len(train)))
    order = generator(0, SPLIT).permutation(len(train))  # one split for everyone, whatever the seed
    valid, kept = ([train[i] for i in sorted(part)] for part in (order[:held], order[held:]))
    return dict(zip(SPLITS, (kept, valid, test), strict=True))
