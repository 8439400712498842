"""Bounds that are raised along the path to real latent variables: what they are in a linear Gaussian net."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.decomposition import PCA
from slopes import KEY, assert_equal_trees, assert_unbiased, loss_and_slope

import harmonium as hm
from examples import LATENT, randomised
from harmonium.models import SigmoidBeliefNet
from harmonium.objectives import ELBO, IWAE
from harmonium.rng import fast_key
from harmonium.units import Gaussian

LINEAR = randomised(SigmoidBeliefNet(Gaussian(3), [Gaussian(2)], key=KEY), 801, 0.3)
REAL_ROWS = jnp.array([[0.5, -1.0, 0.3], [1.5, 0.2, -0.7]])
BITS = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def test_importance_weighting_of_one_guess_is_the_evidence_lower_bound():
    net = LATENT["vae-bernoulli"]
    one, other = (loss_and_slope(rule, net, BITS) for rule in (IWAE(samples=1), ELBO()))
    assert float(one[0]) == pytest.approx(float(other[0]), rel=1e-6)
    assert_equal_trees(one[1], other[1])


def linear_bound(net, rows):
    """The evidence lower bound of a net of two layers of Gaussian units with diagonal precisions, in closed form."""
    (down,), (up,), prior = net.down, net.up, net.prior.b
    beta, gamma, tau = (jnp.exp(b.log_precision) for b in (down.b, up.b, prior))
    m = rows @ up.W.T + up.b.mean
    misfit = (rows - down.b.mean - m @ down.W.T) ** 2 + (down.W**2) @ (1 / gamma)
    bound = 0.5 * jnp.sum(jnp.log(beta / (2 * jnp.pi)) - beta * misfit, axis=1)
    bound += 0.5 * jnp.sum(jnp.log(tau / (2 * jnp.pi)) - tau * ((m - prior.mean) ** 2 + 1 / gamma), axis=1)
    return jnp.mean(bound) + 0.5 * jnp.sum(1 + jnp.log(2 * jnp.pi / gamma))


def linear_log_prob(net, rows):
    """`log N(v; mean + W mean_z, W V_z W^T + V_v)` of each row."""
    (down,), prior = net.down, net.prior.b
    W = np.asarray(down.W, np.float64)
    covariance = W @ np.diag(np.exp(-prior.log_precision)) @ W.T + np.diag(np.exp(-down.b.log_precision))
    left = np.asarray(rows, np.float64) - down.b.mean - W @ prior.mean
    power = np.einsum("ni,ij,nj->n", left, np.linalg.inv(covariance), left)
    return -0.5 * (power + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_the_path_to_real_latent_variables_gives_the_gradient_of_the_bound():
    """ELBO against its closed form, in loss and gradient, for a linear Gaussian net."""
    expected = eqx.filter_value_and_grad(lambda m: -linear_bound(m, REAL_ROWS))(LINEAR)
    assert float(-expected[0]) < linear_log_prob(LINEAR, REAL_ROWS).mean() - 0.05
    assert_unbiased(ELBO(), LINEAR, REAL_ROWS, expected)


def test_importance_weighting_rises_with_the_guesses_and_meets_the_likelihood():
    exact, n = linear_log_prob(LINEAR, REAL_ROWS).mean(), 2**9
    keys = jax.random.split(fast_key(KEY), n)
    bounds = {}
    for k in (1, 3, 20, 500):
        losses = jax.jit(jax.vmap(lambda key, k=k: IWAE(samples=k)(LINEAR, REAL_ROWS, key, None)[0]))(keys)
        losses = np.asarray(losses, np.float64)
        bounds[k] = (-losses.mean(), losses.std() / np.sqrt(n))
    values = [value for value, _ in bounds.values()]
    errors = [error for _, error in bounds.values()]
    for i in range(3):
        assert values[i + 1] - values[i] > 4 * np.hypot(errors[i], errors[i + 1]), bounds
    assert values[3] < exact + 4 * errors[3]
    assert values[3] == pytest.approx(exact, abs=0.01 + 4 * errors[3])
    assert values[0] == pytest.approx(float(linear_bound(LINEAR, REAL_ROWS)), abs=4 * errors[0])


def a_plane(n=400):
    """Rows in four dimensions near a plane, with noise of one variance, and their probabilistic PCA."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 4)) + [1.0, -2.0, 0.0, 0.5] + 0.5 * rng.normal(size=(n, 4))
    return x.astype(np.float32), PCA(n_components=2).fit(x.astype(np.float64))


def linear_vae():
    return hm.VAE(Gaussian(4), Gaussian(2), hidden=[], key=KEY)


def pairs(mean, log_precision):
    """Outputs for the means and log-precisions of Gaussian units, unit by unit."""
    return jnp.asarray(np.stack([mean, log_precision], axis=-1).reshape(*np.shape(mean)[:-1], -1), jnp.float32)


def test_a_linear_auto_encoder_at_the_solution_of_probabilistic_pca_has_its_likelihood():
    """With the exact posterior for a guess every guess has the weight `p(v)`: the bound is the likelihood."""
    x, pca = a_plane()
    noise, var = pca.noise_variance_, pca.explained_variance_
    W = pca.components_.T * np.sqrt(var - noise)  # [4, 2], with W^T W + s^2 I = diag(var)
    back = W / var  # the posterior's mean is back^T (x - mean), its variance s^2 / var
    where = lambda m: [m.down[0].net.W[0], m.down[0].net.b[0], m.up[0].net.W[0], m.up[0].net.b[0]]  # noqa: E731
    values = [
        pairs(W.T, np.zeros((2, 4))),
        pairs(pca.mean_, np.full(4, -np.log(noise))),
        pairs(back, np.zeros((4, 2))),
        pairs(-pca.mean_ @ back, np.log(var / noise)),
    ]
    vae = eqx.tree_at(where, linear_vae(), values)
    each = eqx.filter_jit(jax.vmap(lambda key, v: vae.importance_sample(key, v, vae.encode_features(v)).log_weight))(
        jax.random.split(KEY, len(x)), jnp.asarray(x)
    )
    np.testing.assert_allclose(each, pca.score_samples(x), atol=1e-3)
    assert float(jnp.mean(each)) == pytest.approx(pca.score(x), abs=1e-4)


def test_a_linear_net_learns_probabilistic_pca():
    """Links give their Gaussian units means that are affine and a precision each: the variance is one number here."""
    x, pca = a_plane()
    net = SigmoidBeliefNet(Gaussian(4), [Gaussian(2)], key=KEY)
    options = {"optimizer": optax.adam(optax.cosine_decay_schedule(0.05, 300)), "epochs": 15, "batch_size": len(x)}
    run = hm.fit(net, np.tile(x, (20, 1)), ELBO(samples=2), **options, key=KEY, monitor=False)
    unit = run.model.layers["v"]
    z, less = unit.from_data(x), unit.log_scale()
    bound = float(linear_bound(run.model, z)) - less
    assert bound == pytest.approx(pca.score(x), abs=0.05)
    assert bound <= linear_log_prob(run.model, np.asarray(z)).mean() - less + 1e-4
