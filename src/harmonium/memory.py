"""What fits: the size of arrays that are asked for, against the memory that there is, before any is made."""

from __future__ import annotations

import math
import os
from pathlib import Path

import jax

from harmonium.errors import InputError

CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int | None:
    """Bytes of memory for arrays: of the accelerator where there is one, else of this machine or its container; None
    where the system does not say.

    >>> memory() is None or memory() > 2**20
    True
    """
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    limits = [Path(path).read_text().strip() for path in CONTAINER_LIMITS if Path(path).is_file()]
    return min([found, *(int(limit) for limit in limits if limit.isdecimal())])


def check_fits(what: str, size: int, cure: str) -> None:
    """Refuse what takes more bytes than the memory has.

    >>> check_fits("A table of 10 x 1000000000000 numbers", 40 * 10**12, "make it smaller")
    Traceback (most recent call last):
    harmonium.errors.InputError: A table of 10 x 1000000000000 numbers takes 37252.9 GiB, and there are ... of memory...
    """
    there = memory()
    if there is not None and size > there:
        raise InputError(f"{what} takes {gib(size)}, and there are {gib(there)} of memory: {cure}.")


def check_weights(model: str, *shapes: tuple[int, ...]) -> None:
    """Refuse a model (its name with an article) whose parameters, of these shapes, the memory cannot hold.

    >>> check_weights("A NADE", (784, 5_000_000_000))
    Traceback (most recent call last):
    harmonium.errors.InputError: A NADE with weights of 784 x 5000000000 takes 14603.1 GiB, and there are ... of ...
    """
    largest = " x ".join(map(str, max(shapes, key=math.prod)))
    check_fits(f"{model} with weights of {largest}", 4 * sum(map(math.prod, shapes)), "give it fewer units")


def gib(size: int) -> str:
    """A number of bytes in words.

    >>> gib(3 * 2**29)
    '1.5 GiB'
    """
    return f"{size / 2**30:.1f} GiB"
