"""The mean-field bound of sigmoid belief nets against enumeration, and against another optimiser."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

import harmonium as hm
from examples import randomised
from harmonium.errors import InputError
from harmonium.evaluation import mean_field_bound
from harmonium.inference.belief_net_mean_field import Factors, belief_mean_field, saul_bound

B = hm.units.Bernoulli
KEY = jax.random.key(0)
ROWS = np.array(list(itertools.product([0, 1], repeat=4)), np.float32)
STATES = np.array(list(itertools.product([0, 1], repeat=5)), np.float64)  # of hidden layers of 3 and 2 units


def net(seed: int, scale: float = 1.0, **options):
    return randomised(hm.SigmoidBeliefNet(B(4), [B(3), B(2)], key=KEY, scale=0.0, **options), seed, scale)


NETS = {f"scale {scale}": net(seed, scale) for seed, scale in enumerate([0.5, 1.0, 3.0, 8.0])}
bounds = eqx.filter_jit(lambda net, rows: jax.vmap(lambda v: belief_mean_field(net, v))(rows))
at = eqx.filter_jit(saul_bound)


def parameters(net):
    return [np.asarray(p, np.float64) for link in net.down for p in (link.W, link.b)] + [np.asarray(net.prior.b)]


def log_bernoulli(x, a):
    return (log_expit(a) * x + log_expit(-a) * (1 - x)).sum(-1)


def log_joint(net, v):
    """`log p(v, h)` at every hidden state, from the formula of the model."""
    W1, b1, W2, b2, b = parameters(net)
    h1, h2 = STATES[:, :3], STATES[:, 3:]
    return log_bernoulli(v, h1 @ W1.T + b1) + log_bernoulli(h1, h2 @ W2.T + b2) + log_bernoulli(h2, b)


def log_factorial(mu):
    with np.errstate(divide="ignore"):
        return np.where(STATES == 1, np.log(mu), np.log1p(-mu)).sum(-1)


def by_enumeration(net, v, mu, xi1, xi2):
    """The bound at `mu` and `xi`, its expectations sums over every state."""
    W1, b1, W2, b2, b = parameters(net)
    h1, h2, q = STATES[:, :3], STATES[:, 3:], np.exp(log_factorial(mu))
    total = q @ (log_bernoulli(h2, b) - log_factorial(mu))
    for a, below, xi in ((h1 @ W1.T + b1, np.tile(v, (32, 1)), xi1), (h2 @ W2.T + b2, h1, xi2)):
        ceiling = q @ (xi * a) + np.log(q @ (np.exp(-xi * a) + np.exp((1 - xi) * a)))
        total += q @ (below * a).sum(1) - ceiling.sum()
    return total


@pytest.mark.parametrize("name", NETS)
def test_the_bound_lies_below_the_exact_likelihood(name):
    model = NETS[name]
    means, bound = bounds(model, jnp.asarray(ROWS))
    exact = np.array([logsumexp(log_joint(model, v)) for v in ROWS])
    mu = np.hstack([means["h1"], means["h2"]]).astype(np.float64).clip(1e-7, 1 - 1e-7)
    q = [log_factorial(m) for m in mu]
    free = np.array([np.exp(log_q) @ (log_joint(model, v) - log_q) for v, log_q in zip(ROWS, q, strict=True)])
    slack = 1e-5 * np.abs(exact) + 1e-5  # rounding of float32
    assert (bound <= free + slack).all()  # Saul's step costs something beyond the factorial bound ...
    assert (free <= exact + slack).all()  # ... which itself lies below
    assert (exact - bound).mean() < 0.5 * np.abs(exact).mean()


def test_the_formula_is_the_enumerated_one():
    rng = np.random.default_rng(3)
    for model in NETS.values():
        mu, xi1, xi2 = rng.uniform(0.05, 0.95, 5), rng.uniform(-0.2, 1.2, 4), rng.uniform(0, 1, 3)
        odds = jnp.asarray(np.log(mu / (1 - mu)), jnp.float32)
        factors = Factors((odds[:3], odds[3:]), (jnp.asarray(xi1, jnp.float32), jnp.asarray(xi2, jnp.float32)))
        found = at(model, jnp.asarray(ROWS[5]), factors)
        assert float(found) == pytest.approx(by_enumeration(model, ROWS[5], mu, xi1, xi2), rel=1e-4, abs=1e-4)


def at_point(x, net, v):
    """Minus the bound at unconstrained numbers `x`: log-odds of the five means, then of the seven `xi`."""
    return -saul_bound(net, v, Factors((x[:3], x[3:5]), (jax.nn.sigmoid(x[5:9]), jax.nn.sigmoid(x[9:]))))


@pytest.mark.parametrize("name", ["scale 1.0", "scale 3.0"])
def test_it_gets_as_high_as_half_the_starts_of_another_optimiser(name):
    loss, rng = eqx.filter_jit(jax.value_and_grad(at_point)), np.random.default_rng(0)
    _, bound = bounds(NETS[name], jnp.asarray(ROWS))
    for k in (6, 13):
        v = jnp.asarray(ROWS[k])

        def both(x, v=v):
            return [np.asarray(part, np.float64) for part in loss(jnp.asarray(x, jnp.float32), NETS[name], v)]

        others = [-minimize(both, rng.normal(size=12), jac=True, method="L-BFGS-B").fun for _ in range(3)]
        assert float(bound[k]) > np.median(others) - 1e-3


def test_without_weights_it_is_exact():
    model = net(1)
    model = eqx.tree_at(lambda m: [link.W for link in m.down], model, replace_fn=jnp.zeros_like)
    means, bound = bounds(model, jnp.asarray(ROWS))
    exact = np.array([logsumexp(log_joint(model, v)) for v in ROWS])
    np.testing.assert_allclose(bound, exact, atol=2e-5)
    np.testing.assert_allclose(
        means["h2"], np.tile(expit(parameters(model)[-1]), (16, 1)), atol=1e-3
    )  # the root of float32's rounding


def test_what_the_estimate_says():
    model = NETS["scale 1.0"]
    found = mean_field_bound(model, np.tile(ROWS, (2, 1))[:30])
    _, bound = bounds(model, jnp.asarray(ROWS))
    assert (found.kind, found.sure, found.n, found.verdict) == ("lower", True, 30, "trust")
    assert (found.value, found.upper) == (found.lower, np.inf)
    np.testing.assert_allclose(found.per_example, np.tile(bound, 2)[:30], atol=1e-4)
    machine = hm.HelmholtzMachine(B(4), [B(3)], key=KEY, recognition=[5], scale=0.0)
    assert mean_field_bound(machine, ROWS[:2]).value == pytest.approx(-4 * np.log(2), abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(lambda: hm.RBM(B(4), B(3), key=KEY), "takes a sigmoid belief net .*, not an RBM: pass one"),
     (lambda: hm.SigmoidBeliefNet(hm.units.Spin(4), [B(3)], key=KEY), "not the Spin units of layer 'v'"),
     (lambda: hm.SigmoidBeliefNet(B(4), [hm.units.Gaussian(3)], key=KEY), "not the Gaussian units of layer 'h'"),
     (lambda: hm.SigmoidBeliefNet(B(4), key=KEY), "which this SigmoidBeliefNet has none of"),
     (lambda: hm.VAE(B(4), B(3), [5], key=KEY), "not for the decoders of a VAE"),
     (lambda: net(0, prior="fvbn"), "prior='factorial', not an FVBN on the top layer")],
)  # fmt: skip
def test_other_nets_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        mean_field_bound(wrong(), ROWS)


def test_a_value_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"of shape \(4,\), not \(3,\)"):
        belief_mean_field(NETS["scale 1.0"], jnp.ones(3))
