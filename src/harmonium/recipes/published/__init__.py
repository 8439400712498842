"""Published protocols: run one, and put its number and ours side by side on the results page."""

from __future__ import annotations

from pathlib import Path

from harmonium.errors import InputError
from harmonium.recipes.published import (
    autoregressive,
    classifiers,
    deep,
    directed,
    generator,
    gradients,
    imputation,
    mixtures,
    patches,
    rbm,
    rules,
    sequences,
)
from harmonium.recipes.published.page import Protocol, Result, Row, section, write

PROTOCOLS: dict[str, Protocol] = {
    **rbm.PROTOCOLS, **rules.PROTOCOLS, **deep.PROTOCOLS, **classifiers.PROTOCOLS, **autoregressive.PROTOCOLS,
    **directed.PROTOCOLS, **sequences.PROTOCOLS, **generator.PROTOCOLS, **imputation.PROTOCOLS, **mixtures.PROTOCOLS,
    **gradients.PROTOCOLS, **patches.PROTOCOLS,
}  # fmt: skip

__all__ = ["PROTOCOLS", "Protocol", "Result", "Row", "reproduce"]


def reproduce(name: str, *, seed: int = 0, page: Path | None = None) -> str:
    """Run a protocol; return its section in Markdown, and replace it on the page if one is given.

    Arguments: `name`, one of `PROTOCOLS`; `page`, a Markdown file with or without such a section, beside which pictures
    are kept.
    Raises `InputError` for another name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"There is no published protocol '{name}': choose one of {', '.join(PROTOCOLS)}.")
    protocol = PROTOCOLS[name]
    results = []
    for result in protocol.run(seed):
        print(f"{result}  [{result.seconds:.0f} s]", flush=True)
        results.append(result)
        if page is not None:  # what is done is kept if the rest is interrupted
            write(page, name, protocol, results, seed)
    return section(name, protocol, results, seed)
