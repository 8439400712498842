"""Layers whose units act on each other: what has no closed form, and what is found colour by colour instead."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import MACHINES, randomised
from harmonium.errors import InputError
from harmonium.inference import (
    conditional,
    configurations,
    encode,
    exact_log_partition,
    fixed_point,
    free_energy,
    has_closed_form,
    infer,
    layer_stats,
    log_pseudo_likelihood,
    mean_field,
    variational_free_energy,
)
from harmonium.models import BoltzmannMachine, local_field
from harmonium.testing.enumeration import list_states
from harmonium.units import Bernoulli, Spin

KEY = jax.random.key(0)
DENSE, SEMI, VISIBLE = (MACHINES[f"machine-{name}"] for name in ("dense", "semi-restricted", "visible"))
V = jnp.array([1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: conditional(DENSE, "h", {"v": V}), "units of layer 'h' act on each other.*hm.mean_field.*Gibbs"),
        (lambda: conditional(SEMI, "v", {"h": jnp.ones(2)}), "units of layer 'v' act on each other"),
        (lambda: free_energy(DENSE, {"v": V}), "units of layer h act on each other.*hm.mean_field"),
        (lambda: free_energy(DENSE, {}), "layers v, h depend on each other"),
        (lambda: free_energy(VISIBLE, {}), "units of layer v act on each other"),
    ],
)
def test_what_has_no_closed_form_is_refused_with_the_cure(ask, words):
    with pytest.raises(InputError, match=words):
        ask()


def test_what_can_be_summed_out_is_what_does_not_act_on_itself():
    assert [has_closed_form(model) for model in (DENSE, SEMI, VISIBLE)] == [False, True, True]
    assert [has_closed_form(model, ()) for model in (DENSE, SEMI, VISIBLE)] == [False, False, False]
    assert has_closed_form(DENSE, ("v", "h"))
    assert not has_closed_form(SEMI, ("h",))


# ---- enumeration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "periodic", "count"), [((3, 4), False, 2**6), ((4, 4), True, 2**8), ((5, 5), False, 2**12)]
)
def test_a_lattice_is_summed_by_its_transfer_matrix(shape, periodic, count):
    """Rows of an Ising lattice form a chain of states `s`: `Z = sum prod T(s, s')`, in float64."""
    model = BoltzmannMachine.lattice(Spin(int(np.prod(shape))), shape, periodic, key=KEY, scale=0.5)
    model = randomised(model, 0, 0.3)
    rows, width = shape
    U, b = np.asarray(model.U, np.float64), np.asarray(model.b, np.float64).reshape(shape)
    s = np.stack(np.unravel_index(np.arange(2**width), (2,) * width), axis=1) * 2.0 - 1
    number = np.arange(rows * width).reshape(shape)

    def within(r):
        sites = number[r]
        return s @ b[r] + np.einsum("ki,ij,kj->k", s, np.triu(U[np.ix_(sites, sites)]), s)

    def between(r, t):
        return s @ U[np.ix_(number[r], number[t])] @ s.T

    product = np.eye(2**width)
    for r in range(rows - 1):
        product = product @ (np.exp(within(r))[:, None] * np.exp(between(r, r + 1)))
    last = np.exp(within(rows - 1))
    z = (product * last * (np.exp(between(rows - 1, 0)).T if periodic else 1)).sum()
    assert configurations(model) == pytest.approx(count)
    np.testing.assert_allclose(exact_log_partition(model), np.log(z), rtol=1e-5)


def test_enumeration_visits_what_cannot_be_summed_out():
    counts = {"visible": 2**3, "dense": 2**4, "semi-restricted": 2**3, "hidden": 2**3, "categorical": 18}
    for name, count in counts.items():
        assert configurations(MACHINES[f"machine-{name}"]) == pytest.approx(count), name
    assert configurations(DENSE, ("v",)) == pytest.approx(2)
    assert configurations(SEMI, ("v",)) == 1
    assert configurations(VISIBLE, ("v",)) == 1


def test_a_large_dense_machine_is_not_enumerated():
    with pytest.raises(InputError, match=r"configurations.*two_sided"):
        exact_log_partition(BoltzmannMachine(Bernoulli(40), key=KEY))


# ---- mean field ----------------------------------------------------------------------------------------------

STRONG = randomised(BoltzmannMachine(Bernoulli(3), Bernoulli(5), key=KEY), 8, 1.5)


def test_every_sweep_of_mean_field_raises_the_bound():
    given = {"v": V}

    @functools.partial(eqx.filter_jit)
    def bounds(model):
        found = [fixed_point(model, given, max_steps=steps, tolerance=0.0) for steps in range(1, 8)]
        return jnp.stack([variational_free_energy(model, given, q) for q in found])

    found = np.asarray(bounds(STRONG))
    exact = -list_states(STRONG, {"v": np.asarray(V)[None]}).log_partition[0]
    assert (np.diff(found) < 1e-5).all()
    assert found[0] - found[-1] > 0.01
    assert exact < found[-1] < exact + 1.0


def test_every_update_of_a_colour_raises_the_bound():
    """One sweep by hand, unit by unit: the bound never falls, and the sweep ends where `fixed_point` does."""
    q, stats = jnp.full(5, 0.5), layer_stats(STRONG, {"v": V})

    def bound(q):
        entropy = -jnp.sum(q * jnp.log(q) + (1 - q) * jnp.log(1 - q))
        return float(STRONG.energy(stats | {"h": q}) - entropy)

    bounds = [bound(q)]
    for unit in range(5):
        eta = local_field(STRONG, stats | {"h": q}, "h", jnp.array([unit]))
        q = q.at[unit].set(jax.nn.sigmoid(eta[0]))
        bounds.append(bound(q))
    assert (np.diff(bounds) < 1e-6).all()
    assert bounds[0] - bounds[-1] > 0.01
    np.testing.assert_allclose(fixed_point(STRONG, {"v": V}, max_steps=1).mean["h"], q, rtol=1e-5)


def test_colours_of_unequal_size_are_updated_as_they_are():
    """One sweep by hand, colour by colour; the last unit is of the first colour and the last colour has one unit."""
    edges = [(1, 2), (2, 3), (3, 1), (5, 2), (0, 1)]
    model = randomised(BoltzmannMachine(Bernoulli(1), Bernoulli(5), edges=edges, key=KEY), 9, 2.0)
    colours = jnp.array(model.blocks[1][0].colours)
    assert colours.tolist() == [0, 1, 2, 1, 0]
    U, q = model.U[1:, 1:], jnp.full(5, 0.5)
    for colour in range(3):
        q = jnp.where(colours == colour, jax.nn.sigmoid(model.c + U @ q + model.U[1:, 0]), q)
    found = fixed_point(model, {"v": jnp.ones(1)}, max_steps=1).mean["h"]
    np.testing.assert_allclose(found, q, rtol=1e-5)


def test_natural_parameters_and_means_of_mean_field_belong_together():
    found = fixed_point(DENSE, {"v": V})
    np.testing.assert_allclose(found.mean["h"], jnp.tanh(found.natural["h"]), rtol=1e-6)


def test_features_of_a_machine_are_its_mean_field():
    v = np.array([[1, 0, 1], [0, 0, 1]], np.float32)
    expected = [mean_field(DENSE, {"v": row})["h"] for row in jnp.asarray(v)]
    np.testing.assert_allclose(encode(DENSE, v), np.stack(expected), rtol=1e-5)


def test_inference_with_some_units_observed_is_mean_field_of_the_others():
    """Observed units of a coloured layer keep their values while the others settle, given them."""
    seen = jnp.array([True, False, True, False])
    value = jnp.array([1.0, 0.0, 0.0, 0.0])
    found = infer(VISIBLE, {"v": value}, {"v": seen}, steps=50)
    q = found.stats["v"]
    np.testing.assert_array_equal(q[seen], value[seen])
    eta = VISIBLE.b + VISIBLE.U @ q
    np.testing.assert_allclose(q[~seen], jax.nn.sigmoid(eta)[~seen], rtol=1e-5)
    np.testing.assert_allclose(found.natural["v"][~seen], eta[~seen], rtol=1e-4, atol=1e-5)


# ---- pseudo-likelihood ---------------------------------------------------------------------------------------


def test_the_pseudo_likelihood_of_visible_units_is_their_logistic_regressions():
    v = jnp.array([1.0, 0.0, 1.0, 1.0])
    eta = VISIBLE.b + VISIBLE.U @ v
    expected = jnp.sum(v * eta - jax.nn.softplus(eta))
    assert float(log_pseudo_likelihood(VISIBLE, KEY, v)) == pytest.approx(float(expected), rel=1e-5)
