"""Machines of real data (section 20.5) against their closed forms, and against each other where they are the same."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import harmonium as hm
from examples import REAL, randomised
from harmonium.errors import InputError
from harmonium.inference import exact_log_partition, free_energy
from harmonium.inference.enumeration import exact_free_energy
from harmonium.units import Bernoulli, Gaussian, GaussianBias, SpikeSlab

KEY = jax.random.key(0)
ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(20, 4)), jnp.float32)
SIGMOID, SOFTPLUS = jax.nn.sigmoid, jax.nn.softplus


def differences(f, g, rows=ROWS):
    """By how much two functions of rows differ, less what they differ by at the first: constants do not count."""
    gap = jax.vmap(f)(rows) - jax.vmap(g)(rows)
    return np.abs(gap - gap[0]).max()


def of_v(model):
    return lambda v: free_energy(model, {"v": v})


SPIKES = randomised(hm.SpikeSlabRBM(Gaussian(4), SpikeSlab(3), key=KEY), 1, 0.3)
FREE = randomised(hm.SpikeSlabRBM(Gaussian(4), SpikeSlab(3), key=KEY, phi="free"), 1, 0.3)
POOLED = randomised(hm.SpikeSlabRBM(Gaussian(4), SpikeSlab(6, slabs=2), key=KEY), 2, 0.2)


@pytest.mark.parametrize("machine", [SPIKES, FREE, POOLED])
def test_the_free_energy_of_a_spike_and_slab_rbm_is_that_of_the_paper(machine):
    beta, alpha, k = jnp.exp(machine.b.log_precision), jnp.exp(machine.c.log_precision), machine.hidden.slabs

    def formula(v):
        a = v @ machine.W
        slab = (machine.c.mean * a + a**2 / (2 * alpha)).reshape(-1, k).sum(axis=1)
        odds = machine.c.log_odds + slab - 0.5 * (v**2) @ machine.Phi
        return 0.5 * beta @ v**2 - (beta * machine.b.mean) @ v - SOFTPLUS(odds).sum()

    assert differences(formula, of_v(machine)) < 1e-4


def test_without_phi_it_is_an_rbm_of_gaussian_and_spike_and_slab_units():
    machine = randomised(hm.SpikeSlabRBM(Gaussian(4), SpikeSlab(3), key=KEY, phi=None), 3, 0.3)
    rbm = hm.RBM(machine.visible, machine.hidden, key=KEY)
    W = machine.W / jnp.exp(machine.b.log_precision)[:, None]
    rbm = eqx.tree_at(lambda m: (m.W, m.b, m.c), rbm, (W, machine.b, machine.c))
    assert differences(of_v(rbm), of_v(machine)) < 1e-5


def test_its_covariance_given_the_spikes_is_that_of_the_paper():
    """(20.54), by the second moments of exact samples of the slabs and the data."""
    on = np.array([1.0, 0.0, 1.0], np.float32)
    alpha = np.exp(np.asarray(SPIKES.c.log_precision))
    W, Phi = np.asarray(SPIKES.W), np.asarray(SPIKES.Phi)
    base = np.diag(np.exp(np.asarray(SPIKES.b.log_precision)) + Phi @ on)
    C = np.linalg.inv(base - (W * on / alpha) @ W.T)
    a = np.diag(alpha)[np.ix_(on > 0, on > 0)]
    joint = np.block([[base, -W[:, on > 0]], [-W[:, on > 0].T, a]])
    np.testing.assert_allclose(np.linalg.inv(joint)[:4, :4], C, rtol=1e-4)


def test_a_machine_that_cannot_be_normalised_is_named():
    wild = eqx.tree_at(lambda m: m.W, FREE, 30 * FREE.W)
    assert FREE.unbounded() is None
    assert eqx.tree_at(lambda m: m.W, SPIKES, 30 * SPIKES.W).unbounded() is None  # whatever the weights are
    assert eqx.tree_at(lambda m: m.W, POOLED, 30 * POOLED.W).unbounded() is None
    assert "spikes on" in wild.unbounded()
    assert "eigenvalue -" in hm.log_partition(wild).verdict
    assert "eigenvalue -" in hm.log_partition(wild, key=KEY, method="two_sided").verdict


def test_more_spikes_are_not_always_worse():
    """All spikes on is not the worst pattern once there is Phi: the search finds another one."""
    machine = hm.SpikeSlabRBM(Gaussian(2), SpikeSlab(2), key=KEY, phi="free")
    W, raw = jnp.array([[2.0, 0.0], [0.0, 0.0]]), jnp.array([[-9.0, 9.0], [-9.0, 9.0]])
    machine = eqx.tree_at(lambda m: (m.W, m.raw), machine, (W, raw))
    both = np.diag(1 + np.asarray(machine.Phi).sum(axis=1)) - np.asarray(W @ W.T) / math.e
    assert np.linalg.eigvalsh(both).min() > 0
    assert "with 1 of 2 spikes on" in machine.unbounded()


S3C = randomised(hm.S3C(Gaussian(4), SpikeSlab(3), key=KEY), 4, 0.3)


def test_sparse_coding_is_a_mixture_of_gaussians_and_its_log_z_is_known():
    beta, alpha = np.exp(np.asarray(S3C.b.log_precision, float)), np.exp(np.asarray(S3C.c.log_precision, float))
    W, mu = np.asarray(S3C.W, float), np.asarray(S3C.c.mean, float)
    odds = np.asarray(S3C.c.log_odds, float)

    def log_density(v):
        found = []
        for code in np.ndindex(2, 2, 2):
            h = np.array(code, float)
            mean, cov = np.asarray(S3C.b.mean) + W @ (h * mu), np.diag(1 / beta) + (W * h / alpha) @ W.T
            gap = v - mean
            density = -0.5 * (4 * math.log(2 * math.pi) + np.linalg.slogdet(cov)[1] + gap @ np.linalg.solve(cov, gap))
            found.append(density + (h * odds - np.logaddexp(0, odds)).sum())
        return np.logaddexp.reduce(found)

    assert float(exact_log_partition(S3C)) == pytest.approx(float(S3C.known_log_partition()), abs=1e-4)
    expected = [log_density(np.asarray(v, float)) for v in ROWS[:5]]
    np.testing.assert_allclose(hm.log_prob(S3C, ROWS[:5]), expected, atol=2e-4)


def test_its_bound_is_tight_where_causes_do_not_explain_away():
    apart = eqx.tree_at(lambda m: m.W, S3C, jnp.eye(4, 3))
    for v in ROWS[:5]:
        bound = hm.inference.variational_free_energy(apart, {"v": v})
        assert float(bound) == pytest.approx(float(exact_free_energy(apart, {"v": v})), abs=1e-3)


MC = randomised(hm.MeanCovarianceRBM(Gaussian(4), 3, 2, factors=5, key=KEY), 5, 0.3)


def test_the_free_energy_of_a_mean_covariance_rbm_is_that_of_the_paper():
    beta = jnp.exp(MC.b.log_precision)

    def formula(v):
        hidden = SOFTPLUS(MC.c + (beta * v) @ MC.W).sum() + SOFTPLUS(MC.d - 0.5 * (v @ MC.C) ** 2 @ MC.P).sum()
        return 0.5 * beta @ v**2 - (beta * MC.b.mean) @ v - hidden

    assert differences(formula, of_v(MC)) < 1e-4


def test_without_its_covariance_part_it_is_a_gaussian_rbm():
    flat = eqx.tree_at(lambda m: m.raw, MC, jnp.full_like(MC.raw, -60.0))
    rbm = eqx.tree_at(lambda m: (m.W, m.b, m.c), hm.RBM(Gaussian(4), Bernoulli(3), key=KEY), (MC.W, MC.b, MC.c))
    assert differences(of_v(rbm), of_v(flat)) < 1e-5


def test_orthogonal_filters_have_a_closed_log_z():
    machine = hm.MeanCovarianceRBM(Gaussian(3), 0, 3, key=KEY)
    d, P = jnp.array([0.5, -1.0, 2.0]), jnp.diag(jnp.array([0.5, 1.0, 3.0]))
    raw = jnp.where(P > 0, jnp.log(jnp.expm1(jnp.where(P > 0, P, 1.0))), -60.0)
    bias = GaussianBias(jnp.zeros(3), jnp.zeros(3))
    machine = eqx.tree_at(lambda m: (m.C, m.raw, m.b, m.d), machine, (jnp.eye(3), raw, bias, d))
    expected = np.sum(0.5 * math.log(2 * math.pi) + np.log1p(np.exp(d) / np.sqrt(1 + np.diag(P))))
    assert float(exact_log_partition(machine)) == pytest.approx(float(expected), abs=1e-4)


POT = randomised(hm.MeanProductOfStudentT(Gaussian(4), 3, 5, key=KEY), 6, 0.3)


def test_the_free_energy_of_a_product_of_student_t_is_that_of_the_paper():
    beta, gamma = jnp.exp(POT.b.log_precision), jnp.exp(POT.log_gamma)

    def formula(v):
        experts = gamma @ jnp.log1p(0.5 * (v @ POT.C) ** 2)
        return 0.5 * beta @ v**2 - (beta * POT.b.mean) @ v - SOFTPLUS(POT.c + (beta * v) @ POT.W).sum() + experts

    assert differences(formula, of_v(POT)) < 1e-4


def test_the_more_a_filter_is_violated_the_less_it_weighs():
    """(20.50): the mean of `u` given `v` is `gamma / (1 + q / 2)`."""
    mean = hm.conditional(POT, "hc", {"v": ROWS[0], "hm": jnp.zeros(3)}).mean.x
    expected = jnp.exp(POT.log_gamma) / (1 + 0.5 * (ROWS[0] @ POT.C) ** 2)
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["rbm-gaussian-spike-slab", "spike-slab-rbm", "s3c", "mc-rbm"])
def test_annealing_from_both_sides_holds_the_exact_log_z(name):
    model = REAL[name]
    both = hm.log_partition(model, key=KEY, method="two_sided", chains=200, temperatures=400, burn_in=100)
    exact = float(exact_log_partition(model))
    assert both.lower - 0.05 <= exact <= both.upper + 0.05
    assert both.upper - both.lower < 0.5


@pytest.mark.parametrize("machine", [SPIKES, POOLED, S3C, MC, POT, hm.ProductOfStudentT(Gaussian(4), 5, key=KEY)])
def test_columns_far_from_zero_and_of_odd_scales_are_modelled_as_others_are(machine):
    rows = np.asarray(ROWS, float)
    far = rows * [1e-3, 1.0, 50.0, 1e6] + [101_325, 0.0, -7.0, 1e9]
    options = {"epochs": 1, "batch_size": 10, "key": KEY, "monitor": False}
    near, moved = (hm.fit(machine, x, hm.objectives.PCD(chains=4), **options).model for x in (rows, far))
    assert np.isfinite(hm.sample(moved, KEY, 3, steps=2)).all()
    assert moved.layers["v"].scaled
    assert near.layers["v"].scaled


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: hm.SpikeSlabRBM(Bernoulli(4), SpikeSlab(3), key=KEY),
            "visible layer of a spike-and-slab RBM is of Ga",
        ),
        (lambda: hm.SpikeSlabRBM(Gaussian(4), Bernoulli(3), key=KEY), "hidden layer .* is of SpikeSlab units"),
        (lambda: hm.SpikeSlabRBM(Gaussian(4), SpikeSlab(3), key=KEY, phi=True), "phi is 'dominant', 'free' or None"),
        (lambda: hm.S3C(Gaussian(4), SpikeSlab(4, slabs=2), key=KEY), "not pools of 2"),
        (lambda: hm.MeanCovarianceRBM(Gaussian(4), 2, 0, key=KEY), "covariances=0"),
        (lambda: hm.MeanCovarianceRBM(Gaussian(4), -1, 2, key=KEY), "means=-1"),
        (lambda: hm.ProductOfStudentT(Gaussian(4), 0, key=KEY), "factors=0"),
        (lambda: hm.MeanCovarianceRBM(4, 2, 2, key=KEY), "not 4: use hm.units.Gaussian"),
        (lambda: SpikeSlab(5, slabs=2), "no pools of 2"),
    ],
)
def test_machines_of_other_parts_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_missing_values_are_drawn_from_the_conditional_of_a_covariance():
    """Two of four values known: means and covariance of the others are those of the model given these."""
    machine = eqx.tree_at(lambda m: m.d, MC, jnp.full(2, 50.0))  # every constraint is on, no mean unit is
    machine = eqx.tree_at(lambda m: (m.c, m.W), machine, (jnp.full(3, -50.0), 0 * machine.W))
    C, beta = np.asarray(machine.C), np.exp(np.asarray(machine.b.log_precision))
    precision = np.diag(beta) + (C * np.asarray(machine.P).sum(axis=1)) @ C.T
    known, values = np.array([True, False, True, False]), np.array([1.5, 0.0, -0.5, 0.0])
    part = precision[np.ix_(~known, ~known)]
    mean = np.linalg.solve(
        part, (beta * np.asarray(machine.b.mean))[~known] - precision[np.ix_(~known, known)] @ values[known]
    )
    drawn = np.asarray(hm.sample(machine, KEY, 20_000, given=np.where(known, values, np.nan), steps=5))
    assert (drawn[:, known] == values[known].astype(np.float32)).all()
    free = drawn[:, ~known]
    np.testing.assert_allclose(free.mean(axis=0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(free.T), np.linalg.inv(part), atol=0.05)


def test_a_known_slab_says_whether_its_pool_is_on():
    unit = SpikeSlab(4, slabs=2)
    known, value = jnp.array([True, False, False, True]), jnp.array([2.0, 0.0, 0.0, 0.0])
    drawn = jax.vmap(lambda k: unit.sample_given(k, unit.neutral_natural(), known, value))(jax.random.split(KEY, 50))
    assert (np.asarray(drawn)[:, 0] == 2).all()
    assert (np.asarray(drawn)[:, 1] != 0).all()
    assert (np.asarray(drawn)[:, 2:] == 0).all()


def test_variational_learning_raises_the_bound_and_needs_a_known_log_z():
    rows = np.random.default_rng(0).normal(size=(200, 3)) @ np.array([[1, 0, 2.0, 0], [0, 1, 0, 1], [1, 1, 0, 0]])
    rows = rows * (np.random.default_rng(1).random((200, 1)) < 0.5) + 0.3 * np.random.default_rng(2).normal(
        size=(200, 4)
    )
    start, rule = hm.S3C(Gaussian(4), SpikeSlab(5), key=KEY), hm.objectives.Variational()
    short = hm.fit(start, rows, rule, epochs=1, batch_size=200, key=KEY)
    run = hm.fit(start, rows, rule, epochs=60, batch_size=50, key=KEY, optimizer=optax.adam(0.02))
    assert hm.log_likelihood(run.model, rows).value > hm.log_likelihood(short.model, rows).value + 0.5
    exact = hm.log_likelihood(run.model, rows)
    assert exact.kind == "exact"
    placed = run.model
    values = jnp.asarray(placed.layers["v"].from_data(rows[:50]))
    _, (_, metrics) = hm.objectives.Variational()(placed, values, KEY, None)
    scale = placed.layers["v"].log_scale()
    assert float(metrics["bound"]) - scale <= hm.log_likelihood(placed, rows[:50]).value + 1e-3
    with pytest.raises(InputError, match="log partition function that is known, and that of an RBM is not"):
        hm.fit(hm.RBM(Gaussian(4), Bernoulli(2), key=KEY), rows, hm.objectives.Variational(), epochs=1, key=KEY)
