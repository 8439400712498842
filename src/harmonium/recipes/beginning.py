"""A run that begins with the model of another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import equinox as eqx

from harmonium.errors import InputError
from harmonium.models.kinds import ORDERLESS, is_kind
from harmonium.training import RunFolder, form, sizes


def begun_from(
    run: str | Path, model: Any, out: Path | RunFolder | None, *, resume: bool = False
) -> tuple[Any, dict[str, Any]]:
    """The model of another run, in the place of one of the same form, and what `run.json` says of it.

    Arguments: `run`, the folder of the other run; `model`, as the recipe's arguments make it; `out`, the folder of this
    one, or None; `resume`, whether it goes on: from its first checkpoint on the other run is not needed any more.
    Raises `InputError` where the other run has no model, or one of another form, or is this one.

    >>> begun_from("nowhere", None, None)
    Traceback (most recent call last):
    harmonium.errors.InputError: 'nowhere' holds no run (no run.json): give the folder that training wrote.
    """
    here = None if out is None else RunFolder(out.path if isinstance(out, RunFolder) else out)
    if here and here.path.resolve() == Path(run).resolve():
        raise InputError(
            f"--from begins another run, and '{run}' is this one: choose another --out, or train it longer with "
            "--resume and more --epochs."
        )
    if here and resume and here.last_step is not None:
        return model, {}
    other = RunFolder.open(run)
    found = other.load_model()
    if is_kind(found, ORDERLESS) and is_kind(model, ORDERLESS):  # whose orders are not learned
        found = eqx.tree_at(lambda net: net.orders, found, model.orders, is_leaf=lambda orders: orders is None)
    theirs, ours = (f"{form(net)} of {sizes(net)}" for net in (found, model))
    if theirs != ours:
        raise InputError(
            f"The run in '{run}' has {theirs}, and this one would train {ours}: give it the same layers and units."
        )
    mark = hashlib.sha256((other.path / "model.safetensors").read_bytes()).hexdigest()[:16]
    return found, {"from": {"run": str(Path(run).resolve()), "sha256": mark}}
