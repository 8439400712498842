"""What directed nets and their rules refuse, each in one sentence that says the cure."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError
from harmonium.nets import MLP
from harmonium.objectives import (
    CD,
    ELBO,
    IWAE,
    NVIL,
    REINFORCE,
    VIMCO,
    Bidirectional,
    ReweightedWakeSleep,
)
from harmonium.units import Bernoulli, Columns, Gaussian

KEY = jax.random.key(0)
B3, B2, G2 = Bernoulli(3), Bernoulli(2), Gaussian(2)
VAE = hm.VAE(B3, G2, hidden=[4], key=KEY)
REAL = hm.VAE(G2, Gaussian(1), hidden=[3], key=KEY)
NET = hm.HelmholtzMachine(B3, [B2], key=KEY)
BIHM = hm.BiHM(B3, [B2], key=KEY)
BITS = np.eye(3, dtype=np.float32)


def step(rule, model, batch=None):
    return rule(model, jnp.eye(3) if batch is None else batch, KEY, rule.init(model, KEY))


def fit(model, data, rule):
    return hm.fit(model, data, rule, epochs=1, batch_size=2, key=KEY)


RULES = {
    "vimco-alone": (lambda: VIMCO(samples=1), r"VIMCO needs at least 2 samples .* samples=1: each is held against"),
    "leave-one-out-alone": (lambda: REINFORCE(samples=1, baseline="leave_one_out"), "at least 2 samples"),
    "others-of-one": (lambda: hm.gradients.leave_one_out(jnp.zeros(1)), "needs at least 2 of them, not 1"),
    "signals-of-one": (lambda: hm.gradients.vimco_signals(jnp.zeros(1)), "needs at least 2 of them, not 1"),
    "no-guess": (lambda: ELBO(samples=0), "ELBO needs at least one sample for each row, not samples=0"),
    "nobody-learns": (lambda: ReweightedWakeSleep(wake=False, sleep=False), "leave one of them on"),
    "bidirectional": (lambda: Bidirectional(samples=-1), "not samples=-1"),
    "baseline": (lambda: REINFORCE(baseline="best"), "no baseline 'best': choose one of none, moving, leave_one_out"),
    "baseline-nan": (lambda: REINFORCE(baseline=float("nan")), "no baseline nan"),
    "decay": (lambda: REINFORCE(decay=1.0), "decays by 0 to below 1, not decay=1.0"),
    "hidden": (lambda: NVIL(hidden=0), "hidden=0"),
    "rate": (lambda: NVIL(rate=-1.0), "rate=-1.0"),
}
MODELS = {
    "hidden-no-list": (lambda: hm.SigmoidBeliefNet(B3, B2, key=KEY), "are a list of units, from the data upwards"),
    "hidden-sizes": (lambda: hm.SigmoidBeliefNet(B3, [2], key=KEY), "made of units, not of 2"),
    "hidden-none": (lambda: hm.HelmholtzMachine(B3, [], key=KEY), "needs at least one hidden layer"),
    "hidden-text": (lambda: hm.HelmholtzMachine(B3, "two", key=KEY), "needs at least one hidden layer"),
    "scale": (lambda: hm.SigmoidBeliefNet(B3, [B2], key=KEY, scale=-1.0), "standard deviation from 0.*scale=-1.0"),
    "bihm-none": (lambda: hm.BiHM(B3, [], key=KEY), "needs at least one hidden layer"),
    "no-units": (lambda: hm.HelmholtzMachine(B3, [Bernoulli(0)], key=KEY), "needs units"),
    "visible": (lambda: hm.SigmoidBeliefNet(6, key=KEY), "made of units, not of 6"),
    "prior": (lambda: hm.SigmoidBeliefNet(B3, prior="none", key=KEY), "no prior 'none': choose one of factorial"),
    "prior-list": (lambda: hm.SigmoidBeliefNet(B3, prior=["fvbn"], key=KEY), "no prior a list: choose"),
    "recognition": (lambda: hm.HelmholtzMachine(B3, [B2], recognition=8, key=KEY), r"such as \[200\], not 8"),
    "recognition-empty": (lambda: hm.HelmholtzMachine(B3, [B2], recognition=[0], key=KEY), r"not \[0\]"),
    "activation": (
        lambda: hm.HelmholtzMachine(B3, [B2], recognition=[4], activation="swish", key=KEY),
        "no activation 'swish'",
    ),
    "vae-visible": (lambda: hm.VAE(784, G2, key=KEY), r"made of units, not of 784"),
    "vae-latent": (lambda: hm.VAE(B3, 2, key=KEY), "made of units, not of 2"),
    "vae-no-latent": (lambda: hm.VAE(B3, [], key=KEY), "at least one latent layer"),
    "vae-hidden": (lambda: hm.VAE(B3, G2, hidden=200, key=KEY), r"a list of sizes, such as \[200, 200\], not 200"),
    "vae-hidden-zero": (lambda: hm.VAE(B3, G2, hidden=[8, 0], key=KEY), r"not \[8, 0\]"),
    "decoder": (
        lambda: hm.VAE(B3, G2, decoder=MLP([2, 8, 5], key=KEY), key=KEY), r"takes 2 numbers and gives 3, .* \(5,\)"
    ),
    "decoder-input": (
        lambda: hm.VAE(B3, G2, decoder=MLP([3, 8, 3], key=KEY), key=KEY), "takes 2 numbers and gives 3, but .* not take"
    ),
    "decoder-means": (
        lambda: hm.VAE(Gaussian(3), G2, decoder=MLP([2, 3], key=KEY), key=KEY), r"6, .* \(3,\): .*real units take two"
    ),
    "encoder": (
        lambda: hm.VAE(B3, G2, encoder=MLP([3, 2], key=KEY), key=KEY), r"takes 3 numbers and gives 4, .*\(2,\)"
    ),
    "encoder-text": (lambda: hm.VAE(B3, G2, encoder="mlp", key=KEY), "A net is a module that can be called.*'mlp'"),
}  # fmt: skip
KINDS = {
    "elbo-discrete": (
        lambda: step(ELBO(), NET), "layer h of this HelmholtzMachine has Bernoulli units: train it by NVIL, VIMCO"
    ),
    "iwae-discrete": (lambda: step(IWAE(samples=2), NET), "train it by NVIL, VIMCO"),
    "elbo-partly": (
        lambda: step(ELBO(), hm.VAE(B3, Columns([G2, B2]), hidden=[3], key=KEY)), "layer z .* Bernoulli units: train"
    ),
    "fit-discrete": (lambda: fit(NET, BITS, ELBO()), "train it by NVIL, VIMCO"),
    "elbo-rbm": (lambda: step(ELBO(), hm.RBM(B3, B2, key=KEY)), "ELBO trains a directed net with latent variables"),
    "fit-rbm": (lambda: fit(hm.RBM(B3, B2, key=KEY), BITS, NVIL()), "NVIL trains a directed net"),
    "elbo-fvbn": (lambda: step(VIMCO(), hm.FVBN(B3)), "VIMCO trains a directed net with latent variables"),
    "elbo-bihm": (lambda: step(ELBO(), BIHM), "ELBO trains a directed net with latent variables.*BiHM"),
    "bidirectional": (lambda: step(Bidirectional(), NET), "trains a bidirectional .*, not a HelmholtzM"),
    "labels": (lambda: step(ELBO(), VAE, {"v": jnp.eye(3), "y": jnp.zeros((3, 1))}), "learns without labels"),
    "cd": (lambda: fit(VAE, BITS, CD()), "choose another objective or model"),
}  # fmt: skip
GREY, HOLES = np.full((4, 3), 0.4, np.float32), np.array([[0.0, np.nan], [1.0, 2.0]], np.float32)
DATA = {
    "grey-fit": (lambda: fit(VAE, GREY, ELBO()), "the data is grey .*: choose binarize="),
    "grey-fit-net": (lambda: fit(NET, GREY, ReweightedWakeSleep()), "the data is grey .*: choose binarize="),
    "grey-fit-bihm": (lambda: fit(BIHM, GREY, Bidirectional()), "the data is grey .*: choose binarize="),
    "grey": (lambda: hm.log_likelihood(VAE, GREY, key=KEY), "the data is grey .*: choose binarize="),
    "grey-exact": (lambda: hm.log_likelihood(NET, GREY), "the data is grey .*: choose binarize="),
    "nan-fit": (lambda: fit(REAL, HOLES, ELBO()), "hold NaN 1 time, first in row 0, column 1"),
    "inf-fit": (lambda: fit(REAL, np.where(np.isnan(HOLES), np.inf, HOLES), ELBO()), "hold infinity 1 time"),
    "nan": (lambda: hm.log_likelihood(REAL, HOLES, key=KEY), "holds nan"),
    "nan-bits": (lambda: hm.log_likelihood(NET, np.full((2, 3), np.nan)), "The data holds nan in row 0, column 0"),
    "width": (lambda: hm.log_likelihood(VAE, np.zeros((2, 4)), key=KEY), "4"),
    "width-fit": (lambda: fit(VAE, np.eye(4), ELBO()), "3 visible units, but .* has 4 columns"),
}
REFUSED = {f"{group}:{name}": row for group, rows in (
    ("rule", RULES), ("model", MODELS), ("kind", KINDS), ("data", DATA)
) for name, row in rows.items()}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_one_sentence(name):
    act, match = REFUSED[name]
    with pytest.raises(InputError, match=match) as caught:
        act()
    text = str(caught.value)
    assert text.endswith("."), text
    assert ". " not in text.replace("...", ""), text
