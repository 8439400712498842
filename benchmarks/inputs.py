"""What all contestants of a run share: rows of binarized MNIST and two trained machines, made once, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

import harmonium as hm
from harmonium.errors import HarmoniumError

VISIBLE, ROWS = 784, 60_000


def prepare(folder: Path) -> str:
    """Write `rows.npy`, `test.npy`, and `rbm500.npz` and `rbm20.npz` (`W`, `b`, `c`); return what the rows are."""
    rows, test, what = _rows()
    np.save(folder / "rows.npy", rows)
    np.save(folder / "test.npy", test)
    for hidden in (500, 20):
        key = jax.random.key(hidden)
        rbm = hm.RBM(visible=hm.units.Bernoulli(VISIBLE), hidden=hm.units.Bernoulli(hidden), key=key)
        rule = hm.objectives.PCD(steps=1, chains=100)
        model = hm.fit(rbm, rows, rule, optimizer=optax.sgd(0.05), epochs=5, key=key, monitor=False).model
        np.savez(folder / f"rbm{hidden}.npz", W=model.W, b=model.b, c=model.c)
    return what


def rows(settings: dict[str, Any]) -> np.ndarray:
    """The first `settings["rows"]` rows `[rows, 784]` of whole numbers."""
    return np.load(Path(settings["folder"]) / "rows.npy")[: settings["rows"]]


def held_out_rows(settings: dict[str, Any]) -> np.ndarray:
    """The first `settings["images"]` test rows `[images, 784]` of whole numbers."""
    return np.load(Path(settings["folder"]) / "test.npy")[: settings["images"]]


def weights(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """`W`, `b` and `c` of the trained machine with `settings["hidden"]` hidden units."""
    return dict(np.load(Path(settings["folder"]) / f"rbm{settings['hidden']}.npz"))


def trained(settings: dict[str, Any]) -> hm.RBM:
    """The trained machine itself."""
    arrays = weights(settings)
    units = [hm.units.Bernoulli(len(arrays[name])) for name in ("b", "c")]
    rbm = hm.RBM(visible=units[0], hidden=units[1], key=jax.random.key(0))
    values = [jax.numpy.asarray(arrays[name]) for name in ("W", "b", "c")]
    return eqx.tree_at(lambda machine: [machine.W, machine.b, machine.c], rbm, values)


def _rows() -> tuple[np.ndarray, np.ndarray, str]:
    try:
        data = hm.data.load("mnist", binarize="fixed")
    except HarmoniumError as error:
        random = np.random.default_rng(0)
        pictures = (random.random((ROWS + 10_000, VISIBLE)) < 0.13).astype(np.uint8)
        return pictures[:ROWS], pictures[ROWS:], f"random rows, for MNIST could not be loaded ({error})"
    rows = np.concatenate([data.train, data.valid]).astype(np.uint8)
    return rows[:ROWS], np.asarray(data.test, np.uint8), "fixed-binarized MNIST"
