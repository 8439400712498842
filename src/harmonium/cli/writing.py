"""What `harmonium sample`, `impute` and `encode` write: block by block, in the units of the table."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np

from harmonium.cli.rows import OwnUnits, block_rows, counted, given_rows
from harmonium.cli.tables import SMALLEST_CELL, check_out, check_room, table
from harmonium.errors import InputError, whole
from harmonium.inference import encode as hidden_means
from harmonium.models.verb import VERBS
from harmonium.samplers import impute as fill
from harmonium.samplers import known_layers
from harmonium.samplers import sample as draw
from harmonium.training import RunFolder
from harmonium.units import Unit


def write_samples(
    folder: RunFolder, model: Any, n: int, out: Path, *, steps: int, label: int | None, seed: int, force: bool
) -> str:
    """Draw `n` rows, of a class where there is a `label`, into a file; returns what to say of it. Raises `InputError`
    where there is no room for it."""
    check_out(out, force)
    VERBS["hm.sample"].dispatch(model)
    if not whole(n, steps):
        raise InputError(f"Sampling needs at least one chain and one step, not n={n} and steps={steps}.")
    units, size = OwnUnits(folder, model.layers["v"]), block_rows(model, n)
    given = None if label is None else {"y": label}
    known_layers(model, given, 1)
    check_room(out, n * model.layers["v"].size * _cell_bytes(out, units.cell_bytes))
    with table(out, n, units.names) as write:
        for first in counted(n, size):
            rows = np.asarray(draw(model, jax.random.key(seed), size, steps=steps, given=given, first=first))[
                : n - first
            ]
            write(units.to_table(rows))
    return f"{n} samples: {out}{units.said()}"


def write_filled(folder: RunFolder, model: Any, source: Path, out: Path, *, steps: int, seed: int, force: bool) -> str:
    """Fill the missing cells of a file's rows into another file; returns what to say of it."""
    check_out(out, force)
    VERBS["hm.impute"].dispatch(model)
    given = given_rows(folder, model.layers["v"], source)
    n, units, count = len(given.rows), OwnUnits(folder, model.layers["v"]), 0
    check_room(out, n * given.rows.shape[1] * _cell_bytes(out, given.rows.itemsize))
    with table(out, n, given.names) as write:
        for first, rows in given.blocks(block_rows(model, n)):
            _refuse_grey(folder, rows)
            with given.counting_from(first):
                drawn = fill(model, jax.random.key(seed), units.to_model(rows), steps=steps, first=first)
            missing, filled = np.isnan(rows), units.to_table(drawn)
            found = np.where(missing, filled, rows) if rows.dtype.kind == "f" else rows  # whole numbers miss nothing
            write(given.in_own_order(found[: n - first]))  # without the rows that fill up the last block
            count += int(missing[: n - first].sum())
    return f"{count} cells filled: {out}{given.said()}{units.said() if count else ''}"


def write_features(folder: RunFolder, model: Any, source: Path, out: Path, *, layer: str | None, force: bool) -> str:
    """Write what the hidden units are expected to be given a file's rows; returns what to say of it."""
    check_out(out, force)
    VERBS["hm.encode"].dispatch(model)
    hidden = [name for name in model.layers if name != "v"]
    if layer is not None and layer not in hidden:
        raise InputError(f"There is no hidden layer '{layer}': choose --layer {' or '.join(hidden)}, or leave it out.")
    given = given_rows(folder, model.layers["v"], source)
    n, units = len(given.rows), OwnUnits(folder, model.layers["v"])
    widths = {name: _features(model.layers[name]) for name in ([layer] if layer else hidden)}
    names = [f"{name}_{i}" for name, width in widths.items() for i in range(width)]
    check_room(out, n * len(names) * _cell_bytes(out, 4))
    with table(out, n, names) as write:
        for first, rows in given.blocks(block_rows(model, n)):
            _refuse_missing(source, first, rows[: n - first])
            with given.counting_from(first):
                found = hidden_means(model, units.to_model(rows))
            means = found if isinstance(found, dict) else {hidden[0]: found}
            parts = [np.asarray(part) for name in widths for part in jax.tree.leaves(means[name])]
            write(np.concatenate([part.reshape(len(rows), -1) for part in parts], axis=1)[: n - first])
    return f"{n} rows of {len(names)} features ({_where(widths)}): {out}{given.said()}"


def _cell_bytes(out: Path, binary: int) -> int:
    """What a cell takes at least."""
    return SMALLEST_CELL if out.suffix == ".csv" else binary


def _features(unit: Unit) -> int:
    """How many numbers the expected values of a layer are."""
    found = jax.eval_shape(lambda: unit.expected_value(unit.mean(unit.neutral_natural())))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(found))


def _where(widths: dict[str, int]) -> str:
    ends = itertools.accumulate(widths.values())
    return ", ".join(
        f"{name}: {end - width} to {end - 1}" for (name, width), end in zip(widths.items(), ends, strict=True)
    )


# ---- what is refused on the way ------------------------------------------------------------------------------


def _refuse_missing(source: Path, first: int, rows: np.ndarray) -> None:
    bad = np.isnan(rows)
    if bad.any():
        raise InputError(
            f"Row {first + int(bad.any(axis=1).argmax())} of '{source}' (counted from 0) has a missing cell, of which "
            "there are no features: fill it with `harmonium impute` first."
        )


def _refuse_grey(folder: RunFolder, rows: np.ndarray) -> None:
    """Refuse grey values of a run that was trained on zeros and ones made of such, for there is no one way to them."""
    scheme = folder.about.get("data", {}).get("space", {}).get("binarization")
    others = rows[(rows != 0) & (rows != 1) & ~np.isnan(rows)]
    if scheme is not None and others.size:
        raise InputError(
            f"The run was trained on grey values made zeros and ones ({scheme}), but --input holds {others[0]:g}: give "
            "rows of 0 and 1, such as 1 where a grey value is at least a half."
        )
