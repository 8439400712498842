"""The rules under `fit`: what they learn, against the exact log-likelihood, and that interrupted runs go on."""

from __future__ import annotations

import itertools
import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harmonium.inference import exact_log_partition, free_energy
from harmonium.models import DBM, RBM, Centred
from harmonium.objectives import FPCD, PCD, MaxNorm, Sparse, TemperedPCD, TrajectoryPCD
from harmonium.training import fit
from harmonium.units import Bernoulli

KEY = jax.random.key(3)
X = (np.random.default_rng(0).random((80, 8)) < np.linspace(0.1, 0.9, 8)).astype(np.float32)
RBM8 = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))

RULES = {
    "fast-weights": (Centred(RBM8, rate=0.1), FPCD(chains=6)),
    "temperatures": (Centred(RBM8, rate=0.1, follow="both"), TemperedPCD(chains=6, temperatures=3)),
    "trajectory": (DBM(Bernoulli(8), [Bernoulli(3)] * 2, key=KEY), TrajectoryPCD(1, 6, 3, threshold=0.9)),
    "wrapped": (Centred(RBM8, rate=0.1), MaxNorm(Sparse(FPCD(chains=6), target=0.2, strength=0.5), limit=0.4)),
}


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_an_interrupted_run_goes_on_bit_for_bit(name, tmp_path):
    model, rule = RULES[name]
    options = {"optimizer": optax.adam(0.05), "epochs": 4, "batch_size": 20, "key": KEY, "monitor": False}

    def interrupt(progress):
        if progress.step == 8:
            signal.raise_signal(signal.SIGINT)

    whole = fit(model, X, rule, **options)
    half = fit(model, X, rule, **options, out=tmp_path / "run", callbacks=[interrupt])
    assert (half.finished, half.step) == (False, 8)
    rest = fit(model, X, rule, **options, out=tmp_path / "run", resume=True)
    assert (rest.finished, rest.step) == (True, 16)
    assert bits(rest.state) == bits(whole.state)
    assert len(bits(rest.state.memory)) > 3
    if name == "trajectory":
        assert 0 < int(half.state.memory.own.taken) < int(rest.state.memory.own.taken)


# ---- what is learned -----------------------------------------------------------------------------------------


def bars_and_stripes(n: int = 3) -> np.ndarray:
    """All pictures `n` by `n` of rows, or of columns, that are each full or empty: 14 for `n = 3`."""
    lines = np.array(list(itertools.product([0, 1], repeat=n)), np.float32)
    bars = np.repeat(lines[:, None, :], n, axis=1).reshape(-1, n * n)
    stripes = np.repeat(lines[:, :, None], n, axis=2).reshape(-1, n * n)
    return np.unique(np.concatenate([bars, stripes]), axis=0)


BARS = bars_and_stripes()


@eqx.filter_jit
def log_likelihood(model):
    return -jnp.mean(jax.vmap(lambda v: free_energy(model, {"v": v}))(BARS)) - exact_log_partition(model)


def learned(rule) -> float:
    """The exact log-likelihood per example after 4,000 steps; the most that can be is -log 14 = -2.64."""
    rbm, rows = RBM(Bernoulli(9), Bernoulli(8), key=jax.random.key(0), scale=0.1), np.tile(BARS, (400, 1))
    run = fit(Centred(rbm), rows, rule, optimizer=optax.sgd(0.05), epochs=10, batch_size=14, key=jax.random.key(0),
              monitor=False)  # fmt: skip
    return float(log_likelihood(run.model))


@pytest.fixture(scope="module")
def by_pcd() -> float:
    return learned(PCD(chains=20))


FASTER = {
    "fast-weights": FPCD(chains=20, fast_rate=0.4),
    "temperatures": TemperedPCD(chains=20, temperatures=8),
    "trajectory": TrajectoryPCD(chains=20, snapshots=4),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", FASTER.values(), ids=FASTER)
def test_what_is_learned_is_no_less_likely_than_by_pcd(rule, by_pcd):
    assert by_pcd <= learned(rule) <= -np.log(14)
