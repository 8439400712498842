"""Every rule trains, plain and centred: the exact likelihood of the data rises; and each row has its own draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from slopes import KEY, drawn_slopes

from examples import DBMS
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.models import RBM, Centred, Normalised, centred_part
from harmonium.objectives import (
    NCE,
    DenoisingScoreMatching,
    MaximumLikelihood,
    PseudoLikelihood,
    RatioMatching,
    ScoreMatching,
    marginal_noise,
)
from harmonium.training import fit
from harmonium.units import Bernoulli, Gaussian

RNG = np.random.default_rng(0)
SIGNS = RNG.integers(0, 2, (80, 1))
BITS = ((RNG.random((80, 4)) < 0.15) ^ SIGNS).astype(np.float32)[:, [0, 1, 1, 3]]
REALS = (RNG.normal(1.0, 0.5, (80, 2)) + 2 * SIGNS).astype(np.float32)
ADAM = optax.adam(0.05)
BINARY = RBM(Bernoulli(4), Bernoulli(2), key=KEY, scale=0.1)
REAL = RBM(Gaussian(2), Bernoulli(2), key=KEY, scale=0.1)

RULES = {
    "ratio": (RatioMatching(sites=2), BINARY, BITS),
    "score": (ScoreMatching(probes=1), REAL, REALS),
    "denoising": (DenoisingScoreMatching(noise=0.3), REAL, REALS),
    "noise": (NCE(marginal_noise(BINARY, BITS), ratio=2), BINARY, BITS),
    "noise-real": (NCE(marginal_noise(REAL, REALS), ratio=2), REAL, REALS),
    "likelihood": (MaximumLikelihood(), BINARY, BITS),
}


CASES = [(name, centre) for name in RULES for centre in (False, True) if (name, centre) != ("noise-real", False)]


@pytest.mark.parametrize(("name", "centre"), CASES, ids=[f"{n}-{'centred' if c else 'plain'}" for n, c in CASES])
def test_a_rule_raises_the_likelihood(name, centre):
    rule, rbm, rows = RULES[name]
    model = Centred(rbm) if centre else rbm
    model = Normalised(model) if isinstance(rule, NCE) else model
    run = fit(model, rows, rule, optimizer=ADAM, epochs=50, batch_size=40, key=KEY, monitor=False)
    assert run.step == 100
    assert log_likelihood(run.model, rows).value > log_likelihood(model, rows).value + 0.3
    if centre:
        offsets = centred_part(run.model).offsets.value
        middle = jax.tree.leaves(offsets["v"])[0]
        unit = run.model.layers["v"]
        start = 0.0 if unit.scaled else jax.tree.leaves(centred_part(model).offsets.value["v"])[0]
        rows = np.asarray(unit.from_data(rows))
        share = 1 - 0.99**100  # of the way to the data's mean, at the default rate
        np.testing.assert_allclose(middle, start + share * (rows.mean(axis=0) - start), atol=0.05)


@pytest.mark.parametrize("name", ["ratio", "score", "denoising", "noise"])
def test_each_example_has_draws_of_its_own(name):
    """The variance of the mean over 16 equal rows is a sixteenth of that of one."""
    rule, model, rows = RULES[name]
    model = Normalised(model) if isinstance(rule, NCE) else model
    n = 2**11
    one, many = (np.var(drawn_slopes(rule, model, np.tile(rows[:1], (k, 1)), jnp.zeros(n))[0]) for k in (1, 16))
    assert one > 0
    assert 0.8 < 16 * many / one < 1.25  # four standard errors and more of a quotient of variances


DEEP = {"bits": DBMS["dbm-two-layers"], "reals": DBMS["dbm-gaussian"]}
OF_FREE_ENERGIES = {
    "ratio": (RatioMatching(), DEEP["bits"]),
    "pseudo": (PseudoLikelihood(), DEEP["bits"]),
    "score": (ScoreMatching(), DEEP["reals"]),
    "denoising": (DenoisingScoreMatching(noise=0.3), DEEP["reals"]),
    "noise": (NCE(marginal_noise(DEEP["bits"], np.zeros((1, 3)))), Normalised(DEEP["bits"])),
}


@pytest.mark.parametrize("name", OF_FREE_ENERGIES)
def test_hidden_layers_without_a_closed_form_are_refused_with_a_rule_that_does(name):
    rule, model = OF_FREE_ENERGIES[name]
    with pytest.raises(InputError, match=f"{type(rule).__name__} sums the hidden units out.*: use PCD"):
        rule(model, jnp.zeros((1, model.layers["v"].size)), KEY, None)
