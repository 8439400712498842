"""Protocol of a variational recurrent network on chorales (section 20.10.3): a bound of each frame."""

from __future__ import annotations

import time
from collections.abc import Iterator

import jax
import numpy as np
import optax

from harmonium.data import load
from harmonium.evaluation import log_likelihood, per_frame
from harmonium.models import weights
from harmonium.objectives import ELBO
from harmonium.recipes.published.experiment import best_of
from harmonium.recipes.published.page import Protocol, Result
from harmonium.recipes.sequences import started

EPOCHS, RATE, BATCH, DECAY = 40, 0.004, 8, 0.3
HIDDEN, NETWORKS, LATENT = 200, [100], 16


def _vrnn(seed: int) -> Iterator[Result]:
    data, key, clock = load("jsb"), jax.random.key(seed), time.perf_counter()
    model = started(data, LATENT, HIDDEN, NETWORKS, jax.random.fold_in(key, 1))
    rates = optax.cosine_decay_schedule(RATE, EPOCHS * data.steps_per_epoch(BATCH))
    decayed = optax.adamw(rates, weight_decay=DECAY, mask=weights)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), decayed)
    best = best_of(model, data, ELBO(), data.valid, optimizer=optimizer, epochs=EPOCHS, batch_size=BATCH, key=key)
    took, frames = time.perf_counter() - clock, model.visible.count(np.asarray(data.test))
    published = "published: -6.91 of STORN (Krishnan, Shalit & Sontag 2017, verified), -8.71 of a plain RNN"
    for name, samples in (("variational bound", 1), ("importance-weighted bound, 1000 samples", 1000)):
        found = log_likelihood(best.model, data.test, key=key, samples=samples)
        setting = f"{name} of a frame, {EPOCHS} epochs, best after {best.epoch:.0f}"
        reference = f"required: above -8.0; {published}"
        yield Result(setting, per_frame(found, frames), reference, took + found.settings["seconds"])


PROTOCOLS = {
    "vrnn": Protocol(
        "Variational recurrent network on the JSB chorales, nats for each frame",
        f"{HIDDEN} recurrent units, {LATENT} latent variables a frame, networks of {NETWORKS[0]} tanh units; Adam from "
        f"rate {RATE:g} along a cosine to 0, decoupled weight decay {DECAY:g}, batch {BATCH}, gradients clipped at 1; "
        "validation sequences choose the epoch. The sum of the bounds of all test sequences over the number of their "
        "frames.",
        _vrnn,
    )
}
