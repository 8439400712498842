"""The importance-weighted auto-encoder of pythae (Chadebec, Vincent & Allassonnière 2022), with the same networks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import IWAE, IWAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder

from benchmarks import inputs
from benchmarks.entries.vae import HIDDEN, LATENT

BATCHES = (100, 250, 500, 1000, 2500, 5000)  # of guesses, which divide 5000


def mlp(*sizes: int) -> list[torch.nn.Module]:
    """Layers of tanh units."""
    pairs = itertools.pairwise(sizes)
    return [layer for m, n in pairs for layer in (torch.nn.Linear(m, n), torch.nn.Tanh())]


class Encoder(BaseEncoder):
    """Means and log-variances of the latent variables."""

    def __init__(self, visible: int) -> None:
        super().__init__()
        self.latent_dim = LATENT
        self.body = torch.nn.Sequential(*mlp(visible, *HIDDEN))
        self.mean, self.log_variance = (torch.nn.Linear(HIDDEN[-1], LATENT) for _ in range(2))

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Of rows."""
        h = self.body(x.reshape(len(x), -1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """Probabilities of the pixels."""

    def __init__(self, visible: int) -> None:
        super().__init__()
        last = torch.nn.Linear(HIDDEN[0], visible)
        self.body = torch.nn.Sequential(*mlp(LATENT, *HIDDEN[::-1]), last, torch.nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Of latent variables."""
        return ModelOutput(reconstruction=self.body(z))


def network(settings: dict[str, Any]) -> IWAE:
    """An untrained auto-encoder of the case's size."""
    visible = settings["visible"]
    config = IWAEConfig(
        input_dim=(visible,), latent_dim=LATENT, reconstruction_loss="bce", number_samples=settings["samples"]
    )
    return IWAE(config, encoder=Encoder(visible), decoder=Decoder(visible))


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """Steps of Adam; pythae's own trainer, with its loaders and logs, is left out."""
    model = network(settings)
    x = torch.tensor(inputs.rows(settings), dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def work() -> None:
        for batch in x.split(settings["batch"]):
            optimizer.zero_grad()
            model(BaseDataset(batch, torch.zeros(len(batch)))[:]).loss.backward()
            optimizer.step()

    return work


def bound(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its `get_nll`, which takes rows one by one, of a share of the rows at the fastest of some batch sizes; the time
    is that of all rows."""
    model, samples = network(settings), settings["samples"]
    x = torch.tensor(inputs.held_out_rows(settings), dtype=torch.float32)
    share = x[:: settings["every"]]

    def taken(batch_size: int, rows: torch.Tensor) -> tuple[float, float]:
        clock = time.perf_counter()
        with torch.no_grad():
            value = float(model.get_nll(rows, n_samples=samples, batch_size=batch_size))
        return time.perf_counter() - clock, value

    best = min(BATCHES, key=lambda batch_size: min(taken(batch_size, share[:5])[0] for _ in range(2)))

    def work() -> dict[str, float]:
        seconds, value = taken(best, share)
        return {"seconds": seconds * len(x) / len(share), "value": value, "batch_size": best}

    return work
