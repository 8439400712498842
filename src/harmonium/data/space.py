"""The space that examples live on: what has to agree before two log-likelihoods may be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from harmonium.data.affine import Affine
from harmonium.records import unfit

# The parts of a space that must agree, each with the words that name it in a sentence.
_COMPARED = {
    "support": "supports",
    "dimensions": "numbers of dimensions",
    "dataset": "data sets",
    "binarization": "binarizations",
    "scaling": "scalings",
    "dequantization": "dequantizations",
    "measure": "measures",
    "split": "splits",
}


@dataclass(frozen=True)
class Space:
    """The space of some examples: it travels with data, estimates and tables.

    Args:
        support: "binary", "real", "unit interval" or "integers 0..15".
        shape: of one example, (28, 28) for images, (d,) for flat tables.
        dataset: name of the data set.
        binarization: how grey values became 0 and 1, e.g. "fixed(seed=0)"; None where nothing was done.
        scaling: what the stored values were divided by, e.g. "divided by 255".
        dequantization: the noise added to discrete values, if any.
        measure: what a model weighs the values by where the support does not say it: "densities" of Gaussian units on
            zeros and ones, say, which no probability of them compares with.
        split: "train", "valid" or "test"; None if the examples are no split of anything.
        affine: shift and scale of each column, by which a model holds real values at unit scale; log-likelihoods are of
            the values themselves, so that spaces may differ in it.
        copied: the share of a held-out split's rows that also stand in the training rows; None if none does or none was
            counted.
        hash: first 16 hex digits of the SHA-256 of the values; None if not computed.
        n: number of examples; None if not counted.

    >>> Space("binary", (28, 28), "mnist", "fixed(seed=0)", split="test", n=10000).dimensions
    784
    """

    support: str
    shape: tuple[int, ...]
    dataset: str
    binarization: str | None = None
    scaling: str | None = None
    dequantization: str | None = None
    measure: str | None = None
    split: str | None = None
    affine: Affine | None = None
    copied: float | None = None
    hash: str | None = None
    n: int | None = None

    @property
    def dimensions(self) -> int:
        """Number of values in one example."""
        return math.prod(self.shape)

    @property
    def copies(self) -> str | None:
        """How many of a split's rows are copies of training rows, in words; None where none are.

        >>> Space("real", (12,), "wine", split="test", copied=0.35).copies
        '35 % are copies of training rows'
        """
        if not self.copied:
            return None
        share = f"{100 * self.copied:.0f}" if self.copied >= 0.01 else "under 1"
        return f"{share} % are copies of training rows"

    def why_incomparable(self, other: Space) -> str | None:
        """One sentence naming what differs, or None if log-likelihoods on the two spaces may be compared.

        Densities on different spaces cannot be compared (Deep Learning, section 20.14). An unknown hash
        agrees with any.

        >>> a = Space("binary", (2,), "coins", "fixed(seed=0)")
        >>> a.why_incomparable(Space("binary", (2,), "coins", "fixed(seed=1)"))
        "The binarizations differ ('fixed(seed=0)' and 'fixed(seed=1)'), and log-likelihoods on different ...
        """
        for part, words in _COMPARED.items():
            mine, theirs = getattr(self, part), getattr(other, part)
            if mine != theirs:
                return _sentence(words, mine, theirs)
        if None not in (self.hash, other.hash) and self.hash != other.hash:
            return _sentence("examples themselves", f"hash {self.hash}", f"hash {other.hash}")
        return None

    def to_dict(self) -> dict[str, object]:
        """A dict that JSON can hold; `Space.from_dict` reads it back."""
        affine = None if self.affine is None else [list(part) for part in self.affine]
        return {**asdict(self), "shape": list(self.shape), "affine": affine}

    @classmethod
    def from_dict(cls, values: Mapping) -> Space:
        """The inverse of `to_dict`. Raises `TypeError` for a value of another kind.

        >>> space = Space("real", (3,), "wine")
        >>> Space.from_dict(space.to_dict()) == space
        True
        """
        if wrong := unfit(values, cls):
            raise TypeError(wrong)
        affine = values.get("affine")
        known = None if affine is None else tuple(tuple(part) for part in affine)
        return cls(**{**values, "shape": tuple(values["shape"]), "affine": known})

    def __str__(self) -> str:
        name = self.dataset if self.split is None else f"{self.dataset} {self.split}"
        count = "" if self.n is None else f"{self.n} x "
        shape = "x".join(map(str, self.shape)) or "1"
        told = (self.binarization, self.scaling, self.dequantization, self.measure, self.copies)
        extras = [x for x in told if x is not None]
        mark = "" if self.hash is None else f" [{self.hash}]"
        return ", ".join([name, f"{count}{shape} {self.support}", *extras]) + mark


def _sentence(what: str, mine: object, theirs: object) -> str:
    return (
        f"The {what} differ ({_shown(mine)} and {_shown(theirs)}), and log-likelihoods on different spaces "
        "cannot be compared (Deep Learning, section 20.14)."
    )


def _shown(value: object) -> str:
    return "none" if value is None else repr(value)
