"""What arrays, files and folders are usually called: the split, and what of it they hold."""

from __future__ import annotations

import re

SPLIT_NAMES = {
    "train": ("train", "training", "tr", "trn"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing", "te", "tst", "ts"),
}
PART_NAMES = {
    "data": ("", "x", "data", "images", "inputs", "features", "samples", "set"),
    "labels": ("y", "labels", "label", "targets", "target", "classes", "class"),
    "lengths": ("lengths", "length"),
}
ALONE = {
    "classnames": ("train", "class_names"),
    "labelnames": ("train", "class_names"),
    "targetnames": ("train", "class_names"),
    "nvars": ("train", "columns"),
}


def _known() -> dict[str, tuple[str, str]]:
    """Each name, without capitals and marks between words, with its split and part: trainx and xtrain alike."""
    found = {}
    for split, splits in SPLIT_NAMES.items():
        for part, parts in PART_NAMES.items():
            for first, second in ((a, b) for a in splits for b in parts):
                found |= {first + second: (split, part), second + first: (split, part)}
    found |= {name: ("train", part) for part, names in PART_NAMES.items() for name in names if name}
    return found | ALONE


KNOWN = _known()


def role_of(name: str) -> tuple[str, str] | None:
    """The split that an array's name means, and which part of it: "data", "labels", "lengths"; None of other names.

    >>> role_of("x_train"), role_of("valLabels"), role_of("Y"), role_of("weights")
    (('train', 'data'), ('valid', 'labels'), ('train', 'labels'), None)
    """
    return KNOWN.get(re.sub(r"[-_. ]", "", name.lower()))


def split_of(name: str) -> str | None:
    """The split that a folder's name means.

    >>> split_of("Validation"), split_of("cats")
    ('valid', None)
    """
    return next((split for split, names in SPLIT_NAMES.items() if name.lower() in names), None)
