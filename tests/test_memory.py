"""What the memory cannot hold is refused before any of it is made, with its size and the cure."""

from __future__ import annotations

import jax
import pytest

import harmonium as hm
from harmonium import nets, units
from harmonium.errors import InputError

KEY = jax.random.key(0)
HUGE = 10**12  # as an integer: no array of this size is ever made
MANY, FEW, REAL = units.Bernoulli(HUGE), units.Bernoulli(4), units.Gaussian(4)

MODELS = {
    "RBM, visible": lambda: hm.RBM(visible=MANY, hidden=FEW, key=KEY),
    "RBM, hidden": lambda: hm.RBM(visible=FEW, hidden=MANY, key=KEY),
    "RBM, categorical": lambda: hm.RBM(visible=FEW, hidden=units.Categorical(10**6, states=10**6), key=KEY),
    "DBM": lambda: hm.DBM(FEW, [FEW, MANY], key=KEY),
    "DBM, product": lambda: hm.DBM(FEW, [units.Bernoulli(10**6), units.Bernoulli(10**6)], key=KEY),
    "Boltzmann machine": lambda: hm.BoltzmannMachine(units.Bernoulli(10**6), key=KEY),
    "DBN": lambda: hm.DBN(FEW, [units.Bernoulli(10**6), units.Bernoulli(10**6)], key=KEY),
    "SBN": lambda: hm.SigmoidBeliefNet(FEW, [units.Bernoulli(10**6), units.Bernoulli(10**6)], key=KEY),
    "VAE": lambda: hm.VAE(FEW, units.Gaussian(2), hidden=[10**6, 10**6], key=KEY),
    "VAE, latent": lambda: hm.VAE(FEW, units.Gaussian(HUGE), hidden=[3], key=KEY),
    "FVBN": lambda: hm.FVBN(units.Bernoulli(10**6)),
    "NADE": lambda: hm.NADE(FEW, HUGE, key=KEY),
    "MADE": lambda: hm.MADE(FEW, [HUGE], key=KEY),
    "Neural": lambda: hm.NeuralAutoregressive(FEW, HUGE, key=KEY),
    "RNADE": lambda: hm.RNADE(REAL, HUGE, key=KEY),
    "Orderless": lambda: hm.OrderlessNADE(FEW, [HUGE], key=KEY),
    "NADE-k": lambda: hm.NADEk(FEW, [HUGE], key=KEY),
    "generator": lambda: hm.models.directed.AffineGenerator(units.Gaussian(10**6)),
    "MLP": lambda: nets.MLP([4, HUGE, 3], key=KEY),
    "GRU": lambda: nets.GRU(4, HUGE, key=KEY),
    "LSTM": lambda: nets.LSTM(4, HUGE, key=KEY),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_does_not_fit_is_refused_with_its_size(name):
    with pytest.raises(InputError, match=r"takes [\d.]+ GiB, and there are [\d.]+ GiB of memory: give it fewer units"):
        MODELS[name]()
