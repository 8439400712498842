"""The products that `products:training` times, in torch: the limit of the peers that are built on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.entries import products


@torch.no_grad()
def training(settings: dict[str, Any]) -> Callable[[], None]:
    """CD-k or PCD-k: `2 k + 3` products a step."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arrays = (
        products.orthonormal(settings["visible"], settings["hidden"]),
        products.some_rows(settings["batch"], settings["visible"]),
    )
    W, rows = (torch.tensor(np.asarray(array), device=device) for array in arrays)

    @torch.no_grad()
    def work() -> None:
        for _ in range(settings["rows"] // settings["batch"]):
            h = positive = rows @ W
            for _ in range(settings["sweeps"]):
                v = h @ W.T
                h = v @ W
            W.add_(rows.T @ positive - v.T @ h, alpha=1e-9)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return work
