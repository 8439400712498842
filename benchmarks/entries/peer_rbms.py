"""rbms (Bereux, Decelle et al.): its own steps, without its shuffling, its files and its progress bar."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from rbms.bernoulli_bernoulli.classes import BBRBM
from rbms.partition_function.ais import compute_partition_function_ais
from rbms.partition_function.exact import compute_partition_function_rbm
from rbms.training.pcd import fit_batch_pcd

from benchmarks import inputs

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """Its step for a batch and the optimizer's; chains start at the batch for CD, and go on for PCD."""
    x = torch.tensor(inputs.rows(settings), dtype=torch.float32, device=DEVICE)
    batches, ones = x.split(settings["batch"]), torch.ones(settings["batch"], device=DEVICE)
    model = BBRBM.init_parameters(settings["hidden"], SimpleNamespace(data=x), DEVICE, torch.float32)
    model.init_grad()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, maximize=True)
    chains = [model.init_chains(settings["batch"])]

    @torch.no_grad()
    def work() -> None:
        for v in batches:
            start = chains[0] if settings["rule"] == "PCD" else model.init_chains(len(v), ones, v)
            optimizer.zero_grad(set_to_none=False)
            chains[0], _ = fit_batch_pcd((v, ones), start, model, settings["sweeps"], beta=1.0, centered=False)
            optimizer.step()
        synchronise()

    return work


@torch.no_grad()
def annealing(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its annealed importance sampling."""
    model = trained(settings)
    numbers = {"num_chains": settings["chains"], "num_beta": settings["temperatures"] + 1}
    return torch.no_grad()(lambda: {"value": float(compute_partition_function_ais(params=model, **numbers))})


def enumeration(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its exact partition function; the table of all states is made beforehand."""
    model, hidden = trained(settings), settings["hidden"]
    index = torch.arange(2**hidden, device=DEVICE)[:, None]
    states = ((index >> torch.arange(hidden, device=DEVICE)) & 1).float()
    return torch.no_grad()(lambda: {"value": float(compute_partition_function_rbm(model, states))})


def free_energy(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its energy of visible states."""
    model = trained(settings)
    x = torch.tensor(inputs.held_out_rows(settings), dtype=torch.float32, device=DEVICE)
    return torch.no_grad()(lambda: {"value": float(model.compute_energy_visibles(x).mean())})


def trained(settings: dict[str, Any]) -> BBRBM:
    """The trained machine."""
    W, b, c = (torch.tensor(array, device=DEVICE) for array in inputs.weights(settings).values())
    return BBRBM(weight_matrix=W, vbias=b, hbias=c)


def synchronise() -> None:
    """Wait for the card, where there is one."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
