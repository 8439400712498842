"""The general Boltzmann machine: which units are coupled, what that costs, and which colours they get."""

from __future__ import annotations

import itertools
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import EDGES, MACHINES, RBMS, randomised
from harmonium.errors import InputError
from harmonium.inference import exact_free_energy, exact_log_partition
from harmonium.models import BoltzmannMachine, load, save, trainable
from harmonium.models.boltzmann.pairs import Pairs, colouring, lattice_edges
from harmonium.testing.enumeration import energies, list_states, some_states, stats_of
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

KEY = jax.random.key(0)
B3 = Bernoulli(3)


# ---- the energy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["machine-dense", "machine-edges", "machine-lattice", "machine-categorical"])
def test_every_pair_counts_once(name):
    """(20.2) and (20.3) written out, over the coordinates of one configuration at a time."""
    model = MACHINES[name]
    states = some_states(model, np.random.default_rng(0), 10)
    stats = stats_of(model, states)
    x = np.hstack([stats[layer].reshape(10, -1) for layer in model.layers]).astype(np.float64)
    bias = np.concatenate([np.asarray(model.biases[layer]).reshape(-1) for layer in model.layers])
    U, n = np.asarray(model.U, np.float64), x.shape[1]
    by_hand = -x @ bias - sum(U[i, j] * x[:, i] * x[:, j] for i in range(n) for j in range(i + 1, n))
    np.testing.assert_allclose(energies(model, states), by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", ["bernoulli", "categorical"])
def test_the_mask_of_an_rbm_gives_the_rbm(hidden):
    rbm = RBMS[f"rbm-bernoulli-{hidden}"]
    n, m = rbm.visible.size, rbm.hidden.size
    mask = np.zeros((n + m, n + m), bool)
    mask[:n, n:] = mask[n:, :n] = True
    machine = BoltzmannMachine(rbm.visible, rbm.hidden, mask=mask, key=KEY)
    assert machine.blocks == rbm.blocks
    assert [type(name) for block in machine.blocks for name in block] == [str, str]
    assert machine.weights.size == rbm.W.size
    machine = eqx.tree_at(lambda m: (m.weights, m.b, m.c), machine, (rbm.W.reshape(-1), rbm.b, rbm.c))
    np.testing.assert_array_equal(machine.U[: rbm.W.shape[0], rbm.W.shape[0] :], rbm.W)
    states = some_states(rbm, np.random.default_rng(0))
    np.testing.assert_allclose(energies(machine, states), energies(rbm, states), rtol=1e-5, atol=1e-6)


def test_only_what_the_mask_allows_is_learned():
    model = MACHINES["machine-edges"]
    assert model.weights.shape == (len(EDGES),)
    assert [leaf.shape for leaf in jax.tree.leaves(eqx.filter(model, trainable(model)))] == [(len(EDGES),), (4,), (2,)]
    for number, (i, j) in enumerate(EDGES):
        assert model.U[i, j] == model.U[j, i] == model.weights[number]
    allowed = np.zeros((6, 6), bool)
    allowed[tuple(np.transpose(EDGES))] = True
    assert not np.asarray(model.U)[~(allowed | allowed.T)].any()


def test_the_rule_for_a_weight_is_local():
    """`d log p(v) / d U_ij = <x_i x_j>_data - <x_i x_j>_model`: from the two units' statistics alone (section 20.1)."""
    model = MACHINES["machine-edges"]
    v = np.array([[1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1]], np.float32)

    def log_likelihood(model):
        f = jnp.stack([exact_free_energy(model, {"v": row}) for row in jnp.asarray(v)])
        return -f.mean() - exact_log_partition(model)

    slope = eqx.filter_jit(eqx.filter_grad(log_likelihood))(model)

    def together(truth):
        """`<x_i x_j>` of all pairs, averaged over the given configurations."""
        x = np.concatenate([truth.values["v"], truth.values["h"]], axis=-1)
        return np.einsum("mn,mni,mnj->ij", truth.probability, x, x) / len(x)

    data, free = list_states(model, {"v": v}), list_states(model)
    for number, (i, j) in enumerate(EDGES):
        hebb = together(data)[i, j] - together(free)[i, j]
        assert float(slope.weights[number]) == pytest.approx(hebb, abs=1e-5)
    assert float(slope.b[2]) == pytest.approx(together(data)[2, 2] - together(free)[2, 2], abs=1e-5)


# ---- pairs and their products --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_rows_and_lists_of_neighbours_are_one_matrix(seed):
    rng = np.random.default_rng(seed)
    ends = np.argwhere(np.triu(rng.random((9, 9)) < 0.3, 1))
    ends = np.where(rng.random((len(ends), 1)) < 0.5, ends, ends[:, ::-1])  # an edge has no direction
    weights, x = jnp.asarray(rng.normal(size=len(ends)), jnp.float32), jnp.asarray(rng.normal(size=9), jnp.float32)
    dense, sparse = (Pairs(ends, 9, sparse=which) for which in (False, True))
    assert (dense.others is None, sparse.others is None) == (True, False)
    U = np.zeros((9, 9))
    U[ends[:, 0], ends[:, 1]] = U[ends[:, 1], ends[:, 0]] = weights
    chosen = jnp.array([5, 0, 5])
    for pairs in (dense, sparse):
        np.testing.assert_allclose(pairs.matrix(weights), U, rtol=1e-6)
        np.testing.assert_allclose(pairs.product(weights, x), U @ x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(pairs.product(weights, x, chosen), (U @ x)[chosen], rtol=1e-4, atol=1e-5)
        slope = jax.grad(lambda w, pairs=pairs: pairs.product(w, x) @ x / 2)(weights)
        np.testing.assert_allclose(slope, x[ends[:, 0]] * x[ends[:, 1]], rtol=1e-4, atol=1e-5)


def test_large_lattices_hold_no_matrix():
    model = BoltzmannMachine.lattice(Spin(60 * 60), (60, 60), key=KEY)
    assert max(leaf.size for leaf in jax.tree.leaves(model)) < 5 * 60 * 60
    assert BoltzmannMachine(Spin(40), key=KEY).pairs.others is None


def test_a_machine_without_edges_is_independent_units():
    model = randomised(BoltzmannMachine(B3, Spin(2), edges=[], key=KEY), 0)
    known = jnp.sum(jax.nn.softplus(model.b)) + Spin(2).log_partition(model.c)
    assert float(exact_log_partition(model)) == pytest.approx(float(known), rel=1e-5)
    assert model.blocks == (("v",), ("h",))
    assert not np.asarray(model.U).any()


# ---- lattices and colours ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "periodic", "count"),
    [((5,), True, 5), ((5,), False, 4), ((3, 4), True, 24), ((3, 4), False, 17), ((2, 2), True, 4), ((2, 3), True, 9),
     ((1, 3), True, 3), ((1, 1), True, 0), ((3, 3, 3), True, 81), ((2, 2, 2), False, 12)],
)  # fmt: skip
def test_a_lattice_joins_nearest_neighbours_once(shape, periodic, count):
    edges = lattice_edges(shape, periodic)
    places = np.stack(np.unravel_index(edges, shape), axis=-1)
    apart = np.abs(places[:, 0] - places[:, 1])
    apart = np.minimum(apart, np.array(shape) - apart) if periodic else apart
    assert (apart.sum(axis=1) == 1).all()
    assert len(np.unique(np.sort(edges, axis=1), axis=0)) == len(edges) == count


@pytest.mark.parametrize(
    ("shape", "periodic", "colours"), [((4, 6), True, 2), ((3, 5), False, 2), ((4, 4, 4), True, 2), ((3,), True, 3)]
)
def test_a_lattice_has_two_colours_unless_a_ring_is_odd(shape, periodic, colours):
    size = int(np.prod(shape))
    (layer,) = BoltzmannMachine.lattice(Spin(size), shape, periodic, key=KEY).blocks[0]
    assert sorted(set(layer.colours)) == list(range(colours))


def test_a_dense_layer_has_a_colour_for_each_unit():
    (v,), (h,) = BoltzmannMachine(B3, Bernoulli(4), key=KEY).blocks
    assert (v.colours, h.colours) == ((0, 1, 2), (0, 1, 2, 3))
    assert v.members.tolist() == [[0], [1], [2]]


@pytest.mark.parametrize("seed", range(3))
def test_no_edge_joins_two_units_of_one_colour(seed):
    edges = np.argwhere(np.triu(np.random.default_rng(seed).random((30, 30)) < 0.2, 1))
    colours = np.array(colouring(30, edges))
    assert (colours[edges[:, 0]] != colours[edges[:, 1]]).all()
    assert set(colours) == set(range(colours.max() + 1))
    degrees = np.bincount(edges.reshape(-1), minlength=30)
    assert colours.max() <= degrees.max()  # greedy colouring: at most the largest degree and one


def test_edges_and_the_mask_they_make_give_one_machine():
    mask = np.zeros((6, 6), bool)
    mask[tuple(np.transpose(EDGES))] = True
    listed = BoltzmannMachine(Bernoulli(4), Bernoulli(2), edges=np.array(EDGES), key=KEY)
    masked = BoltzmannMachine(Bernoulli(4), Bernoulli(2), mask=mask | mask.T, key=KEY)
    np.testing.assert_array_equal(listed.U != 0, masked.U != 0)
    np.testing.assert_array_equal(masked.U != 0, mask | mask.T)


def test_the_library_for_graphs_is_only_loaded_to_colour_one():
    run = "import sys, harmonium as hm; hm.BoltzmannMachine; assert 'networkx' not in sys.modules"
    subprocess.run([sys.executable, "-c", run], check=True)


@pytest.mark.parametrize("name", ["machine-edges", "machine-categorical", "machine-visible"])
def test_a_file_gives_the_machine_back(name, tmp_path):
    found = load(save(MACHINES[name], tmp_path / "machine"))
    assert jax.tree.structure(found) == jax.tree.structure(MACHINES[name])
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(MACHINES[name]), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


# ---- what is refused -----------------------------------------------------------------------------------------

TWO = np.array([[False, True], [True, False]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BoltzmannMachine(Bernoulli(0), key=KEY), r"needs units, not \[0\]"),
        (lambda: BoltzmannMachine(B3, Bernoulli(0), key=KEY), r"needs units, not \[3, 0\]"),
        (lambda: BoltzmannMachine(4, key=KEY), r"made of units, not of 4: .* hm.units.Bernoulli\(4\)"),
        (lambda: BoltzmannMachine(B3, 3, key=KEY), "made of units, not of 3"),
        (lambda: BoltzmannMachine(Gaussian(2), key=KEY), "not Gaussian ones: use an RBM"),
        (lambda: BoltzmannMachine(B3, Gaussian(2), key=KEY), "not Gaussian ones"),
        (lambda: BoltzmannMachine(Bernoulli(2), mask=TWO, edges=[(0, 1)], key=KEY), "`mask` or `edges`, not both"),
        (lambda: BoltzmannMachine(B3, mask=TWO, key=KEY), r"shape \(3, 3\), not bool of shape \(2, 2\)"),
        (lambda: BoltzmannMachine(Bernoulli(2), mask=0.5 * TWO, key=KEY), "not float64"),
        (lambda: BoltzmannMachine(Bernoulli(2), mask=TWO | np.eye(2, dtype=bool), key=KEY), "unit 0 to itself"),
        (lambda: BoltzmannMachine(Bernoulli(2), mask=np.triu(TWO), key=KEY), r"\[0, 1\] is not \[1, 0\]"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 3)], key=KEY), r"Edge \(0, 3\).*numbered 0 to 2"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 1), (-1, 1)], key=KEY), r"Edge \(-1, 1\) names"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 1), (2, 2)], key=KEY), r"Edge \(2, 2\) couples a unit to itself"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 1), (2, 1), (1, 0)], key=KEY), r"Edge \(0, 1\) is given twice"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 1, 2)], key=KEY), r"pairs of unit numbers, not int64 of shape \(1, 3"),
        (lambda: BoltzmannMachine(B3, edges=[(0.5, 1.0)], key=KEY), "pairs of unit numbers, not float64"),
        (lambda: BoltzmannMachine(B3, edges=[(0, 1), (2,)], key=KEY), "pairs of unit numbers"),
        (lambda: BoltzmannMachine(B3, edges=3, key=KEY), "pairs of unit numbers"),
        (lambda: BoltzmannMachine.lattice(6, (2, 3), key=KEY), "A lattice is made of units, not of 6"),
        (lambda: BoltzmannMachine.lattice(Spin(4), 4.0, key=KEY), r"whole numbers, such as \(4, 4\), not 4.0"),
        (lambda: BoltzmannMachine.lattice(Spin(4), (2.5, 2.0), key=KEY), r"whole numbers, .* not \(2.5, 2.0\)"),
        (lambda: BoltzmannMachine.lattice(Spin(4), "2x2", key=KEY), "whole numbers, .* not '2x2'"),
        (lambda: BoltzmannMachine.lattice(Spin(5), (2, 3), key=KEY), r"shape \(2, 3\) has not the 5 places"),
        (lambda: BoltzmannMachine.lattice(Spin(1), (), key=KEY), "has not the 1 places"),
    ],
)
def test_machines_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_edges_may_come_one_by_one():
    edges = [(0, 1), (1, 2)]
    drawn = BoltzmannMachine(B3, edges=(edge for edge in edges), key=KEY)
    np.testing.assert_array_equal(drawn.U, BoltzmannMachine(B3, edges=np.array(edges), key=KEY).U)


def test_every_pair_of_states_of_categories_has_a_weight():
    machine = BoltzmannMachine(Categorical(2, states=3), B3, edges=[(3, 1), (0, 1), (2, 4)], key=KEY)
    expected = [(7, 3 + s) for s in range(3)] + list(itertools.product(range(3), range(3, 6))) + [(6, 8)]
    assert machine.pairs.ends.tolist() == [list(pair) for pair in expected]
