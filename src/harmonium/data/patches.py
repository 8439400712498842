"""Patches of natural images, the data of section 20.5's machines, as Sohl-Dickstein & Culpepper (2012) prepare them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harmonium.data.arrays import Raw, assemble
from harmonium.data.dataset import Dataset
from harmonium.data.natural_images import SOURCES, natural_images
from harmonium.data.randomness import PATCHES, generator
from harmonium.data.whitening import Whitening, whitening
from harmonium.errors import InputError, real, shown, whole

NAME = "patches"
ABOUT = "16x16 patches of natural images (BSDS300), log intensity, PCA-whitened to 36 real columns, 10000/1000/1000"
DARK = 8.0  # added to grey levels before their logarithm
DECIMALS = 4  # kept, so that rows and their hash do not hang on the last digits of a processor


def natural_patches(
    binarize: str | None = None,
    seed: int = 0,
    *,
    side: int = 16,
    whiten: int | None = 36,
    contrast: float | None = None,
    count: int = 10_000,
    source: str = "bsds300",
) -> Dataset:
    """Square patches of natural images, at random places, as many of each image.

    A patch is `x = log(grey + u + 8)`, with grey levels 0 to 255 and `u ~ U(0, 1)`, less the mean of its own pixels;
    then perhaps `x / sqrt(|x|^2 / d + c)`, of `d` pixels; then perhaps whitened, by the training patches. Validation
    and test patches come from images of their own (`natural_images`). Where patches are not whitened they are pictures;
    where they are, `whitening` of the data set leads from pixels to columns and back.

    Args:
        binarize: None: these are real values.
        seed: of the places and the noise.
        side: of a patch, in pixels.
        whiten: dimensions `k`, less than `side^2`, that principal components whiten to; None for none.
        contrast: `c` > 0 of the contrast normalisation; None for none.
        count: of training patches; validation and test have a tenth as many each.
        source: of the images, "bsds300" or "hyvarinen".

    Raises:
        InputError: an option of another kind, or images that are too small.
        RunError: if the images are not there.
    """
    _check(binarize, side, whiten, contrast, count)
    images = natural_images(source)
    _check_size(side, [image for part in images.values() for image in part], SOURCES[source].title)
    counts = {"train": count, "valid": max(1, count // 10), "test": max(1, count // 10)}
    rows = {
        split: _normalised(_drawn(part, counts[split], side, generator(seed, PATCHES, place)), contrast)
        for place, (split, part) in enumerate(images.items())
    }
    white = None if whiten is None else whitening(rows["train"], whiten, (side, side))
    stored = {split: np.round(x if white is None else white(x), DECIMALS) for split, x in rows.items()}
    raw = Raw(stored, image_shape=(side, side) if white is None else None, notes=_notes(images, side, white))
    data = assemble(raw, NAME).declared(
        dataset=f"{side}x{side} patches of {SOURCES[source].title}",
        scaling=_scaling(side, whiten, contrast),
        dequantization=f"grey + U(0, 1), seed={seed}",
    )
    return replace(data, whitening=white)


def _check(binarize: object, side: object, whiten: object, contrast: object, count: object) -> None:
    """Refuse what can be refused without the images."""
    if binarize is not None:
        raise InputError(f"{NAME!r} are real values, so that binarize={binarize!r} does not apply: leave it out.")
    if not whole(side, least=2):
        raise InputError(f"A patch has a side of two pixels at least, not side={shown(side)}: give a whole number.")
    if whiten is not None and not (whole(whiten) and whiten < side**2):
        raise InputError(
            f"Patches of {side}x{side} pixels less their mean have {side**2 - 1} dimensions, which cannot become "
            f"whiten={shown(whiten)}: choose a whole number from 1 to {side**2 - 1}, or None."
        )
    if contrast is not None and not (real(contrast, least=0) and contrast > 0):
        raise InputError(f"contrast={shown(contrast)} cannot stand below a patch: give a positive number, or None.")
    if not whole(count, least=2):
        raise InputError(f"There cannot be count={shown(count)} training patches: give a whole number from 2.")
    if whiten is not None and count <= whiten:
        raise InputError(f"count={count} patches cannot be whitened to {whiten} dimensions: give more of them.")


def _check_size(side: int, images: list[np.ndarray], title: str) -> None:
    smallest = min(images, key=lambda image: min(image.shape))
    if side > min(smallest.shape):
        raise InputError(
            f"side={side} is too large for the images of {title}, of which one has "
            f"{smallest.shape[0]}x{smallest.shape[1]} pixels: choose {min(smallest.shape)} at most."
        )


def _drawn(images: list[np.ndarray], n: int, side: int, random: np.random.Generator) -> np.ndarray:
    """Log intensities `[n, side^2]`, dequantised, of patches at random places; patch i is of image i % len(images)."""
    found = np.empty((n, side * side))
    for place, image in enumerate(images[:n]):
        rows = slice(place, None, len(images))
        many = len(range(n)[rows])
        down, right = (random.integers(0, size - side + 1, many) for size in image.shape)
        patches = np.lib.stride_tricks.sliding_window_view(image, (side, side))[down, right]
        found[rows] = np.log(patches.reshape(many, -1) + random.random((many, side * side)) + DARK)
    return found


def _normalised(rows: np.ndarray, contrast: float | None) -> np.ndarray:
    """Patches less their means, and over the root of their mean square and `contrast`."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows if contrast is None else rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + contrast)


def _scaling(side: int, whiten: int | None, contrast: float | None) -> str:
    """What was done to the grey levels, in words."""
    done = [f"log(grey + {DARK:g}) less each patch's mean"]
    done += [] if contrast is None else [f"over sqrt(|x|^2 / {side**2} + {contrast:g})"]
    done += [] if whiten is None else [f"PCA-whitened to {whiten} of {side**2} dimensions by the training patches"]
    return ", ".join(done)


def _notes(images: dict[str, list[np.ndarray]], side: int, white: Whitening | None) -> tuple[str, ...]:
    counts = "/".join(str(len(part)) for part in images.values())
    notes = (f"patches of {counts} images for training, validation and test",)
    if white is None:
        notes += (f"the {side**2} pixels of a patch add up to 0, so that densities have no upper limit: whiten them",)
    return notes
