"""Grey values to binary ones: four ways, each with a name, because their likelihoods cannot be compared."""

from __future__ import annotations

import numpy as np

from harmonium.data.randomness import BINARIZE, generator
from harmonium.data.storage import Survey, blocks, survey
from harmonium.errors import InputError

BINARIZATIONS = ("fixed", "dynamic", "threshold", "probabilities")
WHITES = (255, 4095, 65535)  # of 8, 12 and 16 bits
FEW_LEVELS = 16  # up to which white is the highest level that occurs
SPLITS = ("train", "valid", "test")

_CHOICES = (
    "binarize='fixed' (sampled once, seeded), 'dynamic' (resampled at each presentation), "
    "'threshold' (x >= 0.5) or 'probabilities' (the grey value as an expectation)"
)


def binarize(grey: np.ndarray, scheme: str, seed: int = 0, *, split: str = "train") -> np.ndarray:
    """Grey values in [0, 1] as the named scheme stores them: uint8 if binary, otherwise float32.

    fixed: x ~ Bernoulli(grey), once, a stream of its own for each split; threshold: x = [grey >= 0.5];
    probabilities: the training rows stay as they are; dynamic: they stay grey too and are sampled whenever they
    are shown. Under both, the other splits are sampled once, so that they have a likelihood (the protocol of
    Burda, Grosse & Salakhutdinov 2016).

    Args:
        grey: [n, ...] in [0, 1].
        scheme: one of BINARIZATIONS.
        seed: of the sampling.
        split: "train", "valid" or "test".

    Raises:
        InputError: an unknown scheme, or values outside [0, 1].

    >>> binarize(np.array([[0.2, 0.5, 1.0]]), "threshold")
    array([[0, 1, 1]], dtype=uint8)
    """
    check_scheme(scheme)
    refuse_outside(survey(grey), "These values")
    if scheme == "threshold":
        return (grey >= 0.5).astype(np.uint8)
    if scheme in ("probabilities", "dynamic") and split == "train":
        return np.asarray(grey, dtype=np.float32)
    return _sampled(grey, generator(seed, BINARIZE, SPLITS.index(split)))


def _sampled(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    bits = np.empty(grey.shape, np.uint8)
    for first, block in blocks(grey):  # since the uniform numbers need four times the room of the bits
        bits[first : first + len(block)] = random.random(block.shape, dtype=np.float32) < block
    return bits


def check_scheme(scheme: str | None) -> None:
    """Raise InputError unless `scheme` is None or one of BINARIZATIONS."""
    if scheme is not None and scheme not in BINARIZATIONS:
        raise InputError(f"There is no binarization {scheme!r}: choose {_CHOICES}.")


def describe(scheme: str, seed: int, split: str = "train") -> str:
    """How the Space of a split names the scheme: what is held out is sampled once under all but `threshold`.

    >>> describe("dynamic", 0, "test")
    'fixed(seed=0)'
    """
    if split != "train" and scheme != "threshold":
        scheme = "fixed"
    return {
        "fixed": f"fixed(seed={seed})",
        "dynamic": f"dynamic(held out at seed={seed})",
        "threshold": "threshold(0.5)",
        "probabilities": f"probabilities(held out at seed={seed})",
    }[scheme]


def white(dtype: np.dtype, highest: float) -> float | None:
    """What grey levels that are to be binarized are divided by, where their dtype tells: 8 bits, or 16 that are used.

    >>> white(np.dtype("uint8"), 200), white(np.dtype("uint16"), 60000), white(np.dtype("uint16"), 4000)
    (255.0, 65535.0, None)
    """
    if highest <= 1:
        return None
    return {"uint8": 255.0, "uint16": 65535.0 if highest > 65535 / 2 else None}.get(dtype.name)


def refuse_outside(found: Survey, what: str) -> None:
    """Raise InputError if values lie outside [0, 1], where no binarization can read them as probabilities."""
    if found.nan or found.inf:
        raise InputError(f"{what} hold NaN or infinity, which cannot be binarized: drop or fill those rows first.")
    if found.lowest < 0 or found.highest > 1:
        levels = [level for level in WHITES if found.integer and FEW_LEVELS < found.highest <= level]
        cure = f"divide them by what is white, for example with scale={(levels or [found.highest])[0]:g},"
        cure = "shift and scale them" if found.lowest < 0 else cure
        raise InputError(
            f"{what} run from {found.lowest:g} to {found.highest:g}, and only values in [0, 1] can be "
            f"binarized: {cure} first."
        )
