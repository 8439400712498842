"""Grey values to binary ones: four ways, each with a name, because their likelihoods cannot be compared."""

from __future__ import annotations

import numpy as np

from harmonium.data.randomness import BINARIZE, generator
from harmonium.data.space import Space
from harmonium.data.storage import Survey, blocks, survey
from harmonium.errors import InputError

BINARIZATIONS = ("fixed", "dynamic", "threshold", "probabilities")
SPLITS = ("train", "valid", "test")

_CHOICES = (
    "binarize='fixed' (sampled once, seeded), 'dynamic' (resampled at each presentation), "
    "'threshold' (x >= 0.5) or 'probabilities' (the grey value as an expectation)"
)


def binarize(grey: np.ndarray, scheme: str, seed: int = 0, *, split: str = "train") -> np.ndarray:
    """Grey values in [0, 1] as the named scheme stores them: uint8 if binary, otherwise float32.

    fixed: x ~ Bernoulli(grey), once, a stream of its own for each split; threshold: x = [grey >= 0.5];
    probabilities: unchanged; dynamic: the training rows stay grey and are sampled whenever they are shown,
    the others are sampled once (the protocol of Burda, Grosse & Salakhutdinov 2016).

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
    if scheme == "probabilities" or (scheme == "dynamic" and split == "train"):
        return np.asarray(grey, dtype=np.float32)
    return _sampled(grey, generator(seed, BINARIZE, SPLITS.index(split)))


def _sampled(grey: np.ndarray, random: np.random.Generator) -> np.ndarray:
    bits = np.empty(grey.shape, np.uint8)
    for first, block in blocks(
        grey
    ):  # in blocks, since the uniform numbers need four times the room of the bits
        bits[first : first + len(block)] = random.random(block.shape, dtype=np.float32) < block
    return bits


def check_scheme(scheme: str | None) -> None:
    """Raise InputError unless `scheme` is None or one of BINARIZATIONS."""
    if scheme is not None and scheme not in BINARIZATIONS:
        raise InputError(f"There is no binarization {scheme!r}: choose {_CHOICES}.")


def describe(scheme: str, seed: int) -> str:
    """How a Space names the scheme.

    >>> describe("fixed", 0)
    'fixed(seed=0)'
    """
    return {
        "fixed": f"fixed(seed={seed})",
        "dynamic": f"dynamic(evaluated at seed={seed})",
        "threshold": "threshold(0.5)",
    }.get(scheme, scheme)


def refuse_outside(found: Survey, what: str) -> None:
    """Raise InputError if values lie outside [0, 1], where no binarization can read them as probabilities."""
    if found.nan or found.inf:
        raise InputError(
            f"{what} hold NaN or infinity, which cannot be binarized: drop or fill those rows first."
        )
    if found.lowest < 0 or found.highest > 1:
        cure = f"divide them, for example with scale={found.highest:g},"
        cure = "shift and scale them" if found.lowest < 0 else cure
        raise InputError(
            f"{what} run from {found.lowest:g} to {found.highest:g}, and only values in [0, 1] can be "
            f"binarized: {cure} first."
        )


def refuse_grey(x: np.ndarray, space: Space) -> None:
    """Raise InputError, listing the four choices, if Bernoulli units would be shown values between 0 and 1.

    Values declared binary or as probabilities pass. Ask with the space of the data set before training on
    it, and with `space_of(x)` before evaluating `x`.

    Args:
        x: [n, ...].
        space: the space declared for the rows.

    >>> refuse_grey(np.eye(3), Space("real", (3,), "identity"))
    """
    if space.support == "binary" or space.binarization == "probabilities":
        return
    found = survey(np.asarray(x))
    if found.binary:
        return
    if (space.binarization or "").startswith("dynamic"):
        raise InputError(
            f"The training rows of {space.dataset!r} are stored grey, to be sampled at each presentation: "
            "evaluate the valid or test rows, which were sampled once, or sample these with "
            "harmonium.data.binarize.binarize(x, 'fixed', seed)."
        )
    raise InputError(_grey_message(x, space, found))


def _grey_message(x: np.ndarray, space: Space, found: Survey) -> str:
    kind = "grey" if found.lowest >= 0 and found.highest <= 1 else "not binary"
    scaled = np.asarray(x).dtype == np.uint8 or kind == "grey"  # 8-bit values are divided by 255 on the way
    first = "" if scaled else "scale them into [0, 1] first, then "
    example = "" if (value := _neither(x)) is None else f", for example {value:.3g}"
    return (
        f"The values of {space.dataset!r} are {kind} ({_number(found.lowest)} to "
        f"{_number(found.highest)}{example}), which "
        f"Bernoulli units cannot take as they are: {first}say how with {_CHOICES}."
    )


def _number(value: float) -> str:
    return f"{value:.1f}" if value.is_integer() else f"{value:.3g}"


def _neither(x: np.ndarray) -> float | None:
    """The first value of `x` that is neither 0 nor 1."""
    for _, block in blocks(np.asarray(x)):
        other = block[(block != 0) & (block != 1)]
        if other.size:
            return float(other[0])
    return None
