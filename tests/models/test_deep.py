"""Deep machines and nets: what they are equal to, how they are put together, what they refuse."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, DBMS, RBMS, randomised
from harmonium.errors import InputError
from harmonium.inference import conditional
from harmonium.models import DBM, DBN, MPDBM, RBM, Centred, load, save, uncentred
from harmonium.testing.enumeration import energies, some_states
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

KEY = jax.random.key(0)


@pytest.mark.parametrize("kind", ["bernoulli-bernoulli", "gaussian-spin", "categorical-categorical"])
def test_a_dbm_of_one_hidden_layer_is_the_rbm(kind):
    rbm = RBMS[f"rbm-{kind}"]
    dbm = eqx.tree_at(lambda m: (m.W, m.b), DBM(rbm.visible, [rbm.hidden], key=KEY), ((rbm.W,), (rbm.b, rbm.c)))
    states = some_states(rbm, np.random.default_rng(0))
    np.testing.assert_allclose(energies(dbm, states), energies(rbm, states), rtol=1e-6)
    assert dbm.blocks == rbm.blocks


@pytest.mark.parametrize("name", CENTRED)
def test_the_uncentred_machine_has_the_same_distribution(name):
    centred = CENTRED[name]
    plain = uncentred(centred)
    assert type(plain) is type(centred.model)
    states = some_states(centred, np.random.default_rng(0), 8)
    difference = energies(plain, states) - energies(centred, states)
    np.testing.assert_allclose(difference, difference[0], atol=2e-5)
    assert uncentred(plain) is plain


@pytest.mark.parametrize("visible", ["bernoulli", "spin", "categorical", "gaussian"])
def test_links_are_the_conditionals_of_the_rbm(visible):
    rbm = RBMS[f"rbm-{visible}-bernoulli"]
    dbn = DBN.stacked([rbm, RBM(Bernoulli(2), Bernoulli(3), key=KEY)])
    h, v = jnp.array([1.0, 0.0]), rbm.visible.sample(KEY, rbm.visible.neutral_natural())
    for found, expected in (
        (dbn.down[0].natural(h), conditional(rbm, "v", {"h": h}).natural),
        (dbn.up[0].natural(v), conditional(rbm, "h", {"v": v}).natural),
    ):
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_layers_are_named_from_the_data_upwards():
    b = Bernoulli(2)
    labels = Categorical(1, states=3)
    assert list(DBM(b, [b, b, b], labels, key=KEY).layers) == ["v", "h1", "h2", "h3", "y"]
    assert list(DBM(b, [b], key=KEY).layers) == ["v", "h"]
    assert list(DBN(b, [b, b, b], labels, key=KEY).layers) == ["v", "h1", "h2", "h3", "y"]
    assert list(DBN(b, [b], key=KEY).layers) == ["v", "h"]
    assert DBM(b, [b, b, b], labels, key=KEY).blocks == (("v", "h2", "y"), ("h1", "h3"))


@pytest.mark.parametrize("model", [
    DBMS["dbm-labels"], randomised(DBN(Gaussian(2), [Spin(2), Bernoulli(3)], Categorical(1, states=3), key=KEY), 1),
    MPDBM(Bernoulli(3), [Bernoulli(2)], Categorical(1, states=2), key=KEY, steps=3),
], ids=["dbm", "dbn", "mp-dbm"])  # fmt: skip
def test_a_file_gives_the_model_back(model, tmp_path):
    found = load(save(model, tmp_path / "model.safetensors"))
    assert jax.tree.structure(found) == jax.tree.structure(model)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(model), strict=True))


def test_centred_machines_stack_as_the_plain_ones_they_are():
    centred = CENTRED["centred-bernoulli-bernoulli"]
    net = DBN.stacked([centred, Centred(RBM(Bernoulli(2), Bernoulli(3), key=KEY))])
    np.testing.assert_array_equal(net.down[0].b, uncentred(centred).b)
    assert isinstance(net.top, RBM)


B = Bernoulli(2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DBM(B, [], key=KEY), "at least one hidden layer"),
        (lambda: DBM(B, B, key=KEY), "give a list of units"),
        (lambda: DBM(6, [B], key=KEY), r"A DBM is made of units, not of 6: .* hm.units.Bernoulli\(6\)"),
        (lambda: DBM(B, [B, 4], key=KEY), "made of units, not of 4"),
        (lambda: DBN(B, B, key=KEY), "give a list of units"),
        (lambda: DBN(6, [B], key=KEY), "A DBN is made of units, not of 6"),
        (lambda: DBN(B, [4], key=KEY), "made of units, not of 4"),
        (lambda: DBN(B, [Bernoulli(0)], key=KEY), r"Every layer of a DBN needs units, not \[2, 0\]: give"),
        (lambda: DBN.stacked(RBM(B, B, key=KEY)), "a list of RBMs, from the data upwards"),
        (lambda: MPDBM(6, B, key=KEY), "give a list of units"),
        (lambda: RBM(6, 3, key=KEY), r"An RBM is made of units, not of 6: .* hm.units.Bernoulli\(6\)"),
        (lambda: RBM(B, None, key=KEY), "made of units, not of None"),
        (lambda: DBM(B, [B, Bernoulli(0)], key=KEY), r"needs units, not \[2, 2, 0\]"),
        (lambda: DBN(B, [], key=KEY), "at least one hidden layer"),
        (lambda: DBN(B, [Gaussian(2), B], key=KEY), "finitely many states"),
        (lambda: MPDBM(B, [B], key=KEY, steps=0), "steps=0"),
        (lambda: DBN.stacked([RBM(B, Bernoulli(3), key=KEY), RBM(B, B, key=KEY)]), "machine 2 must have the visible"),
        (lambda: DBN.stacked([RBM(B, Bernoulli(3), key=KEY), RBM(Spin(3), B, key=KEY)]), "machine 2 must have"),
    ],
)
def test_machines_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
