"""A folder of pictures: the grey levels of each as a person sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from harmonium.data.arrays import Raw
from harmonium.data.binarize import SPLITS
from harmonium.data.classes import listed
from harmonium.data.folders import listing
from harmonium.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

WHITE, DEEP_WHITE = 255, 65535  # of 8 and of 16 bits
VANISHED = 1 / 8  # of the contrast that the transparency of a picture has
ORIENTATION = 0x0112  # the EXIF tag
GREY_MODES = ("1", "L", "LA")


class Pictures(NamedTuple):
    """What a folder holds: `grey` levels [n, rows, columns] of 8 or 16 bits, `labels` [n] or None, the split of each
    picture, the names of the classes or None, and what is said of them."""

    grey: np.ndarray
    labels: np.ndarray | None
    splits: np.ndarray
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Picture:
    """One picture, or one frame of a file of several; `alpha` [rows, columns] where it is not opaque throughout."""

    path: Path
    grey: np.ndarray
    alpha: np.ndarray | None = None
    coloured: bool = False
    turned: bool = False


def read_pictures(folder: Path) -> Pictures:
    """The pictures of a folder (`listing`), ordered by name, as grey levels.

    They are turned as their files say (EXIF), every frame of a file is a picture, colour becomes grey, and transparent
    pictures are laid on one ground, white or black, on which their ink is seen. 16-bit pictures keep their levels, and
    8-bit ones among them are brought to the same scale. The notes say which of this was done.

    Raises:
        InputError: no pictures, pictures of different sizes, a file that is no picture of 8 or 16 bits, or ink that no
            one ground shows.
    """
    found = listing(folder)
    pictures, counts = [], []
    for path in found.files:
        frames = list(_frames(path))
        for frame in frames:
            _refuse_size(frame, (pictures or frames)[0])
        pictures += frames
        counts.append(len(frames))
    notes = [*found.notes, *_notes(found.files, counts, pictures)]
    ground, said = _ground(pictures)
    levels = [_laid(picture, ground) for picture in pictures]
    deep = [int(level.max()) for level in levels if level.dtype == np.uint16]
    if deep:
        levels = [level if level.dtype == np.uint16 else level * np.uint16(DEEP_WHITE // WHITE) for level in levels]
        said.append(f"{len(deep)} of {len(levels)} pictures of 16 bits, up to {max(deep)} of {DEEP_WHITE}")
    labels = None if found.labels is None else np.repeat(found.labels, counts)
    return Pictures(np.stack(levels), labels, np.repeat(found.splits, counts), found.class_names, (*notes, *said))


def read_folder(folder: Path) -> Raw:
    """The pictures of a folder by split, with the known encoding of their levels.

    Raises:
        InputError: as `read_pictures`.
    """
    found = read_pictures(folder)
    rows = {split: slice(None) if (found.splits == split).all() else found.splits == split for split in SPLITS}
    rows = {split: which for split, which in rows.items() if (found.splits == split).any()}
    return Raw(
        {split: found.grey[which] for split, which in rows.items()},
        {} if found.labels is None else {split: found.labels[which] for split, which in rows.items()},
        divisor=float(WHITE if found.grey.dtype == np.uint8 else DEEP_WHITE),
        notes=found.notes,
        class_names=found.class_names,
    )


def grey_levels(file: IO[bytes], path: Path) -> np.ndarray:
    """The grey levels `[rows, columns]`, uint8, of a picture in an archive (its first frame), as those in a folder are
    read; `path` names it in an error.

    Raises:
        InputError: no picture, or one of more than 8 bits.
    """
    picture = next(_frames(path, file))
    if picture.grey.dtype != np.uint8:
        raise InputError(f"{str(path)!r} has more than 8 bits a value: replace the archive, or save it with 8 bits.")
    return _laid(picture, WHITE)


def _frames(path: Path, file: IO[bytes] | None = None) -> Iterator[_Picture]:
    from PIL import Image, ImageSequence

    try:
        # A name would let Pillow map the file, and mix up the rows of a TIFF that lies on its side.
        with path.open("rb") if file is None else nullcontext(file) as opened, Image.open(opened) as picture:
            if picture.format == "MPO":  # a photograph with a preview or a depth map behind it
                yield _read(picture, path)
                return
            for frame in ImageSequence.Iterator(picture):
                yield _read(frame, path)
    except InputError:
        raise
    except Exception as error:  # Pillow raises whatever its parsers trip over
        raise InputError(f"{str(path)!r} cannot be read as a picture: remove it or save it again.") from error


def _read(picture: Image.Image, path: Path) -> _Picture:
    """The grey levels of a frame, its transparency where it has any, and what has to be said of it."""
    from PIL import ImageOps

    # A TIFF is turned when it is loaded, and would be turned again if its EXIF had been asked for before.
    tags = picture.tag_v2 if picture.format == "TIFF" else picture.getexif()
    turned = tags.get(ORIENTATION, 1) in range(2, 9)
    clear = picture.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in picture.info
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return _Picture(path, _deep(np.asarray(picture), clear, path), turned=turned)
    if picture.mode not in (*GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr"):
        raise InputError(f"{str(path)!r} has colours of mode {picture.mode}: save it as a grey or an RGB picture.")
    full = picture.convert("RGBA") if clear else picture
    grey = np.array(full.convert("L"))
    alpha = np.array(full.getchannel("A")) if clear else np.full(1, WHITE)
    seen = np.ones(grey.shape, bool) if (alpha == WHITE).all() else alpha > 0
    coloured = picture.mode not in GREY_MODES and bool(np.ptp(np.asarray(full.convert("RGB")), axis=2)[seen].any())
    return _Picture(path, grey, None if (alpha == WHITE).all() else alpha, coloured, turned)


def _deep(levels: np.ndarray, clear: bool, path: Path) -> np.ndarray:
    """Levels of 16 bits, which Pillow would cut at 255 without a word."""
    if clear:
        raise InputError(f"{str(path)!r} has 16 bits and is transparent: lay it on a ground, or save it with 8 bits.")
    if levels.dtype.kind == "f" or levels.min() < 0 or levels.max() > DEEP_WHITE:
        raise InputError(f"{str(path)!r} has more than 16 bits a value: save it with 8 or 16 bits, or all as one .npy.")
    return levels.astype(np.uint16)


def _notes(files: Sequence[Path], counts: list[int], pictures: list[_Picture]) -> Iterator[str]:
    """What is said of frames, turns and colours."""
    several = [f"{path.name} ({count})" for path, count in zip(files, counts, strict=True) if count > 1]
    if several:
        yield f"each frame of a file of several is a picture: {listed(several)}"
    for done, words in (("turned", "turned as their files say"), ("coloured", "in colour, made grey")):
        count = sum(getattr(picture, done) for picture in pictures)
        if count:
            yield f"{count} of {len(pictures)} pictures {words}"


def _ground(pictures: list[_Picture]) -> tuple[int, list[str]]:
    """The level on which transparent pictures are laid, and what is said of it: of white and black the one on which
    fewer of them vanish, or else the one farther from their ink."""
    clear = [picture for picture in pictures if picture.alpha is not None]
    if not clear:
        return WHITE, []
    weights = [picture.alpha / WHITE for picture in clear]
    total = sum(weight.sum() for weight in weights)
    ink = sum((weight * picture.grey).sum() for weight, picture in zip(weights, clear, strict=True)) / max(total, 1e-9)
    lost = {ground: [picture for picture in clear if _vanishes(picture, ground)] for ground in (WHITE, 0)}
    ground = min(lost, key=lambda ground: (len(lost[ground]), -abs(ground - ink)))
    if lost[ground]:
        white, black = (str(lost[level][0].path) for level in (WHITE, 0))
        raise InputError(
            f"{white!r} would vanish on a white ground and {black!r} on a black one: lay all pictures on one ground "
            "that shows them, and save them without transparency."
        )
    name = "white" if ground else "black"
    return ground, [f"{len(clear)} of {len(pictures)} pictures transparent, laid on {name} to show their ink"]


def _vanishes(picture: _Picture, ground: int) -> bool:
    """Whether what the transparency shows would hardly be seen on a ground."""
    return np.ptp(_laid(picture, ground)) < VANISHED * np.ptp(picture.alpha)


def _laid(picture: _Picture, ground: int) -> np.ndarray:
    """The levels of a picture over a ground, alpha * ink + (1 - alpha) * ground, rounded."""
    if picture.alpha is None:
        return picture.grey
    cover = picture.alpha.astype(np.uint32)
    return ((cover * picture.grey + (WHITE - cover) * ground + WHITE // 2) // WHITE).astype(np.uint8)


def _refuse_size(picture: _Picture, first: _Picture) -> None:
    if picture.grey.shape != first.grey.shape:
        (rows, columns), (rows0, columns0) = picture.grey.shape, first.grey.shape
        raise InputError(
            f"{str(picture.path)!r} has {rows}x{columns} pixels and {str(first.path)!r} {rows0}x{columns0}: "
            "bring all pictures to one size."
        )
