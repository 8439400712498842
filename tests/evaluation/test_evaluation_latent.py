"""Likelihood of directed nets: bounds below what is exact, which they meet, and what an estimate says of itself."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import LATENT, randomised
from harmonium.errors import InputError
from harmonium.evaluation.latent import MOST, SETTLED
from harmonium.inference.latent import exact_log_prob, guessed_means, latent_count, latent_states
from harmonium.nets import MLP
from harmonium.testing.latent import exact_law
from harmonium.testing.statistics import matches_means
from harmonium.training.monitor import Monitor, mean_bound
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
NET = LATENT["helmholtz-one-layer"]  # 4 visible units, 3 hidden ones
FAR = eqx.tree_at(lambda m: m.up[0].b, NET, jnp.array([2.5, -2.5, 2.5]))  # it guesses what is not so
BIHM = LATENT["bihm-one-layer"]
VAE = LATENT["vae-bernoulli"]
ROW = np.array([[1, 0, 1, 1]], np.float32)
ROWS = np.repeat(ROW, 1000, axis=0)


def law_of(net, row):
    """The logarithms of `p(v, h)` and `q(h | v)` of a row, at every latent state."""
    law = exact_law(net)
    i = int((law.v == row).all(axis=1).argmax())
    return law.log_joint[i], law.log_q[i]


def test_few_latent_states_are_summed():
    found = hm.log_likelihood(NET, ROWS[:50])
    assert (found.kind, found.sure, found.n, found.method) == ("exact", True, 50, "the sum over latent states")
    exact = np.logaddexp.reduce(law_of(NET, ROW)[0])
    np.testing.assert_allclose(found.per_example, exact, rtol=1e-5)
    assert found.lower == found.upper == found.value
    np.testing.assert_allclose(exact_log_prob(NET, jnp.asarray(ROW[0])), exact, rtol=1e-5)
    assert hm.log_likelihood(NET, ROWS[:50], method="exact").value == pytest.approx(found.value)


def test_latent_states_are_every_one_once():
    states = latent_states(LATENT["vae-discrete"])  # a categorical unit of three states, and two bits
    rows = np.hstack([np.asarray(states["z1"]), np.asarray(states["z2"])])
    assert len(rows) == len(np.unique(rows, axis=0)) == latent_count(LATENT["vae-discrete"]) == 12
    assert latent_count(VAE) == math.inf
    assert latent_count(LATENT["sbn-alone"]) == 1


def test_the_bound_of_one_guess_is_the_evidence_lower_bound_in_the_mean():
    found = hm.log_likelihood(NET, ROWS, key=KEY, samples=1)
    log_p, log_q = law_of(NET, ROW)
    assert (found.kind, found.settings["samples"], found.sure) == ("lower", 1, False)
    assert found.method.startswith("variational bound, 1 sample")
    assert "samples" not in found.method
    matches_means(found.per_example[:, None], np.array([np.exp(log_q) @ (log_p - log_q)]), "ELBO")


def test_the_bound_of_many_guesses_is_below_the_likelihood_and_meets_it():
    exact = np.logaddexp.reduce(law_of(FAR, ROW)[0])
    few, many = (hm.log_likelihood(FAR, ROWS[:200], key=KEY, method="importance", samples=k) for k in (7, 6000))
    errors = [found.per_example.std() / np.sqrt(200) for found in (few, many)]
    assert few.value < exact - 4 * errors[0]
    assert few.value < many.value < exact + 4 * errors[1]
    assert many.value == pytest.approx(exact, abs=0.02)
    assert few.settings["samples"] == 7
    assert many.settings["samples"] == 6000
    assert 1 <= few.settings["effective_samples"] < many.settings["effective_samples"] < 6000
    assert few.value == pytest.approx(few.lower)
    assert few.upper == math.inf
    assert few.n == 200


def test_guesses_are_doubled_until_the_bound_settles():
    good, bad = (hm.log_likelihood(net, ROWS[:50], key=KEY, method="importance") for net in (NET, FAR))
    assert good.settings["samples"] == 100
    assert good.verdict == "trust"
    assert 100 < bad.settings["samples"] <= MOST
    assert math.log2(bad.settings["samples"] / 50).is_integer()
    assert bad.settings["rise_of_last_doubling"] < SETTLED or bad.settings["samples"] == MOST


def test_the_verdict_tells_a_bound_that_still_rises_or_is_no_number():
    steep = eqx.tree_at(lambda m: m.down[0].W, NET, 8 * NET.down[0].W)
    rising = hm.log_likelihood(steep, ROWS[:100], key=KEY, samples=2)
    assert rising.settings["rise_of_last_doubling"] > 0.5
    assert rising.verdict.startswith("do not report: the last doubling of the samples raised the bound by")
    broken = eqx.tree_at(lambda m: m.down[0].b, NET, jnp.full(4, jnp.nan))
    found = hm.log_likelihood(broken, ROWS[:2], key=KEY, samples=2)
    assert found.verdict == "do not report: the weights are not finite"


def test_a_key_gives_its_own_guesses_and_rows_their_own():
    a, b, c = (
        hm.log_likelihood(VAE, ROWS[:100, :3], key=jax.random.key(seed), samples=4).per_example for seed in (1, 1, 2)
    )
    assert (a == b).all()
    assert (a != c).mean() > 0.9
    assert len(np.unique(a)) > 90  # the same row many times, in two blocks, and other guesses for each


class Seen:
    """A list that may stand in the structure of a module."""

    def __init__(self, rows):
        self.append = rows.append


class Counting(eqx.Module):
    """An encoder that tells how often it runs."""

    net: MLP
    seen: Seen = eqx.field(static=True)

    def __call__(self, x):
        jax.debug.callback(lambda _: self.seen.append(1), x[0])
        return self.net(x)


def test_the_encoder_sees_each_row_once():
    seen = []
    encoder = Counting(MLP([3, 4], key=KEY), Seen(seen))
    vae = hm.VAE(Bernoulli(3), Gaussian(2), hidden=[4], encoder=encoder, key=KEY)
    found = hm.log_likelihood(vae, ROWS[:50, :3], key=KEY, samples=100)
    jax.effects_barrier()
    assert found.settings["samples"] == 100
    assert len(seen) == 50


def test_the_space_of_real_rows_is_a_density():
    net = LATENT["vae-gaussian"]
    law = exact_law(net)
    middle, cell = len(law.v) // 2, law.v[1, 0] - law.v[0, 0]
    expected = np.logaddexp.reduce(law.log_joint[middle]) - np.log(cell)
    rows = np.repeat(law.v[middle : middle + 1], 50, axis=0)
    found = hm.log_likelihood(net, rows, key=KEY, samples=2000)
    error = found.per_example.std() / 50**0.5
    assert found.value == pytest.approx(expected, abs=4 * error + 0.002)  # the bound is a little lower
    assert error < 0.01
    assert found.space == hm.log_likelihood(hm.FVBN(Gaussian(1)), rows).space


def test_the_bound_of_a_bidirectional_machine_and_its_log_partition():
    """`2 log E sqrt(w)` is met from below, and `log Z` is within its interval."""
    row = ROW[:, :3]
    log_p, log_q = law_of(BIHM.net, row)
    exact = 2 * np.logaddexp.reduce(0.5 * (log_p + log_q))
    one, many = (hm.log_likelihood(BIHM, np.repeat(row, 200, 0), key=KEY, samples=k) for k in (1, 3000))
    assert one.value < exact < 0
    assert one.value == pytest.approx(np.exp(log_q) @ (log_p - log_q), abs=4 * one.per_example.std() / 200**0.5)
    assert many.value == pytest.approx(exact, abs=0.02)
    assert many.kind == "lower"
    assert "log Z <= 0 left out" in many.method
    law = exact_law(BIHM.net)
    log_z = 0.5 * np.logaddexp.reduce(2 * np.logaddexp.reduce(0.5 * (law.log_joint + law.log_q), axis=1))
    found = hm.log_partition(BIHM, key=KEY)
    assert found.lower <= log_z <= found.upper == 0
    assert found.settings["log_partition"]["sampled"] == pytest.approx(log_z, abs=4 * found.stderr)
    with pytest.raises(InputError, match="has no option 'method': it takes draws, guesses"):
        hm.log_partition(BIHM, key=KEY, method="bold")


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        (VAE, {"method": "exact"}, "The method 'exact' sums at most 1,024 latent states"),
        (BIHM, {"method": "exact"}, "of a BiHM has no method 'exact': choose one of auto, importance"),
        (VAE, {"method": "bold", "key": KEY}, "of a VAE has no method 'bold': choose one of auto, importance"),
        (VAE, {"method": "raise", "rows": 3, "key": KEY}, "of a VAE has no method 'raise'"),
        (VAE, {}, r"draws samples: pass key=jax.random.key\(seed\)"),
        (VAE, {"key": KEY, "samples": 0}, "samples=0"),
        (VAE, {"key": KEY, "samples": 2.5}, "samples=2.5"),
        (VAE, {"key": KEY, "temperatures": 10}, "The method 'auto' has no option 'temperatures': it takes samples"),
        (VAE, {"key": KEY, "given": np.zeros(3, bool)}, "it is for auto-regressive networks"),
    ],
)
def test_bad_options_are_refused(model, options, match):
    with pytest.raises(InputError, match=match) as caught:
        hm.log_likelihood(model, ROWS[:2, :3], **options)
    assert ". " not in str(caught.value)


def test_the_monitor_watches_bounds():
    data = hm.data.from_arrays(ROWS[:20, :3], valid=ROWS[:10, :3], name="rows")
    found = Monitor.of(VAE, data, KEY)(VAE)
    assert set(found) == {"bound_train", "bound_valid"}
    exact = hm.log_likelihood(NET, ROW).value
    log_p, log_q = law_of(NET, ROW)
    bound = eqx.filter_jit(mean_bound)
    value = float(bound(NET, KEY, jnp.asarray(ROWS), guesses=10))
    assert np.exp(log_q) @ (log_p - log_q) + 0.01 < value < exact
    half = float(bound(BIHM, KEY, jnp.asarray(ROWS[:, :3]), guesses=300))
    log_p, log_q = law_of(BIHM.net, ROW[:, :3])
    assert half == pytest.approx(2 * np.logaddexp.reduce(0.5 * (log_p + log_q)), abs=0.02)


@pytest.mark.slow
def test_guessed_means_are_those_of_the_recognition_net():
    net = randomised(hm.HelmholtzMachine(Bernoulli(3), [Bernoulli(2), Bernoulli(2)], key=KEY), 810)
    found = guessed_means(net, KEY, jnp.asarray(ROW[0, :3]))
    law = exact_law(net)
    i = int((law.v == ROW[0, :3]).all(axis=1).argmax())
    for name, atol in (("h1", 1e-5), ("h2", 0.2)):  # the second from 100 guesses
        np.testing.assert_allclose(found[name], np.exp(law.log_q[i]) @ law.latents[name], atol=atol)
