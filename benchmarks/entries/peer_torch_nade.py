"""NADE in torch, variable by variable as its equations say: a twin to time the compiled scan against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks import inputs
from benchmarks.entries import nade

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class DoubledRBM(torch.nn.Module):
    """The same network: hidden activations are carried from one variable to the next here too."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        for name, array in nade.arrays(settings).items():
            self.register_parameter(name, torch.nn.Parameter(torch.tensor(array, device=DEVICE)))

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """`log p(x)` of rows, one variable after the other."""
        a, total = self.c.expand(len(x), -1), torch.zeros(len(x), device=DEVICE)
        for d in range(x.shape[1]):
            eta = torch.sigmoid(a) @ self.V[d] + self.b[d]
            total = total - functional.binary_cross_entropy_with_logits(eta, x[:, d], reduction="none")
            a = a + x[:, d : d + 1] * self.W[d]
        return total

    @torch.no_grad()
    def sample(self, n: int) -> torch.Tensor:
        """`n` rows, one variable after the other."""
        a, x = self.c.repeat(n, 1), torch.zeros(n, len(self.b), device=DEVICE)
        for d in range(x.shape[1]):
            x[:, d] = torch.bernoulli(torch.sigmoid(torch.sigmoid(a) @ self.V[d] + self.b[d]))
            a += x[:, d : d + 1] * self.W[d]
        return x


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """Steps of Adam."""
    model = DoubledRBM(settings)
    x = torch.tensor(inputs.rows(settings), dtype=torch.float32, device=DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def work() -> None:
        for batch in x.split(settings["batch"]):
            optimizer.zero_grad()
            (-model.log_prob(batch).mean()).backward()
            optimizer.step()
        synchronise()

    return work


def sampling(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Samples, all at a time."""
    model = DoubledRBM(settings)
    return lambda: {"value": float(model.sample(settings["batch"]).mean())}


def density(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Log-probabilities of rows, a thousand at a time."""
    model = DoubledRBM(settings)
    x = torch.tensor(inputs.held_out_rows(settings), dtype=torch.float32, device=DEVICE)
    return torch.no_grad()(lambda: {"value": float(torch.cat([model.log_prob(part) for part in x.split(1000)]).mean())})


def synchronise() -> None:
    """Wait for the card, where there is one."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
