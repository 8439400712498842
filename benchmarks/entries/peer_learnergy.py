"""learnergy (de Rosa & Papa): the lines of its `fit`, without its data loader and its pseudo-likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from learnergy.models.bernoulli import RBM

from benchmarks import inputs


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """CD-k as its `fit` does it."""
    model = machine(settings)
    x = torch.tensor(inputs.rows(settings), dtype=torch.float32, device=model.device)
    batches = x.split(settings["batch"])

    def work() -> None:
        for v in batches:
            states = model.gibbs_sampling(v)[-1].detach()
            cost = torch.mean(model.energy(v)) - torch.mean(model.energy(states))
            model.optimizer.zero_grad()
            cost.backward()
            model.optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return work


@torch.no_grad()
def free_energy(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its `energy`, which is the free energy."""
    model = machine(settings)
    arrays = inputs.weights(settings)
    for parameter, name in ((model.W, "W"), (model.a, "b"), (model.b, "c")):
        parameter.copy_(torch.tensor(arrays[name]))
    x = torch.tensor(inputs.held_out_rows(settings), dtype=torch.float32, device=model.device)
    return torch.no_grad()(lambda: {"value": float(model.energy(x).mean())})


def machine(settings: dict[str, Any]) -> RBM:
    """An untrained machine, on the card where there is one."""
    sizes = {"n_visible": settings["visible"], "n_hidden": settings["hidden"]}
    return RBM(**sizes, steps=settings.get("sweeps", 1), learning_rate=0.05, use_gpu=torch.cuda.is_available())
