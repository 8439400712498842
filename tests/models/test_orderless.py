"""Networks of every order: what they say of any variables given any others, against the listed law of each order."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orders import Law, known_first, listed

from examples import SEQUENCES
from harmonium.errors import InputError
from harmonium.evaluation import compare, log_likelihood
from harmonium.models import FVBN, RBM, NADEk, OrderlessNADE, load, save
from harmonium.models.kinds import TRACTABLE
from harmonium.samplers import impute, sample
from harmonium.testing.chains import count_states
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
B = Bernoulli(4)
NAMES = ("orderless-ensemble", "nade-k-bernoulli")
NADE, SIZE = SEQUENCES["nade-spin"], 4  # its order is (2, 0, 3, 1)


@functools.cache
def law_of(name):
    return Law(SEQUENCES[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_density_is_the_mean_over_the_orders(name):
    model, law = SEQUENCES[name], law_of(name)
    found = log_likelihood(model, law.states)
    expected = np.log(np.mean([law.joint(order) for order in np.asarray(model.orders.value)], axis=0))
    np.testing.assert_allclose(found.per_example, expected, rtol=1e-4)
    assert (found.kind, found.method) == ("exact", "the chain rule, mean over 2 orders")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alike", [True, False])
def test_any_columns_given_any_others_are_what_the_joint_of_each_order_says(name, alike):
    model, law, rng = SEQUENCES[name], law_of(name), np.random.default_rng(1)
    rows = law.states.astype(np.float32)
    if alike:
        known = np.arange(rows.shape[1]) == 1
        masks = np.broadcast_to(known, rows.shape)
    else:
        kinds = np.array([rng.permutation([0, 1, 2, rng.integers(3)])[: rows.shape[1]] for _ in rows])
        kinds[:, 0] = np.where((kinds == 1).any(axis=1), kinds[:, 0], 1)  # 0 known, 1 asked for, 2 missing
        masks = known = kinds == 0
        rows[kinds == 2] = np.nan
    found = log_likelihood(model, rows, given=known).per_example
    orders = np.asarray(model.orders.value)
    expected = [
        np.log(np.mean([law.conditional(known_first(order, row, mask), row, mask) for order in orders]))
        for row, mask in zip(rows, masks, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_the_conditional_of_the_mixture_says_so_and_the_mixtures_own_can_be_asked_for(name):
    model = SEQUENCES[name]
    states = listed(model)
    joint = np.exp(log_likelihood(model, states).per_example)
    rows, known = states.astype(np.float32), np.arange(states.shape[1]) == 1
    rows[::2, 0] = np.nan  # of every second row column 0 is summed out
    asked, own = log_likelihood(model, rows, given=known), log_likelihood(model, rows, given=known, orders="own")
    same = states[:, None] == states[None]
    later = np.where(np.isnan(rows[:, :1, None].transpose(0, 2, 1)), True, same[..., :1]).all(axis=2)
    expected = ((later & same[..., 1:].all(axis=2)) @ joint) / (same[..., 1] @ joint)
    np.testing.assert_allclose(np.exp(own.per_example), expected, rtol=1e-4)
    assert (own.kind, "exact_for" in own.settings) == ("exact", False)
    assert "not the conditional of the mixture" in asked.settings["exact_for"]
    assert "known cells first, another model than that of log_prob" in str(asked)
    assert "the first is exact for the network asked in its orders" in compare(asked, own).reason
    assert "exact for" not in compare(asked, asked).reason


def test_the_one_order_that_has_the_known_cells_first_is_that_of_log_prob():
    model = SEQUENCES["orderless-two-layers"].in_first_order()
    first, last = np.asarray(model.orders.value)[0][[0, -1]]
    states = listed(model)
    known, late = (np.arange(states.shape[1]) == i for i in (first, last))
    found, own = (log_likelihood(model, states, given=known, orders=orders) for orders in (None, "own"))
    np.testing.assert_allclose(found.per_example, own.per_example, rtol=1e-4, atol=1e-6)
    assert "exact_for" not in found.settings
    assert "exact_for" in log_likelihood(model, states, given=late).settings


@pytest.mark.parametrize("name", ["nade-spin", "made-bernoulli", "fvbn-categorical"])
def test_the_own_conditional_of_a_network_of_one_order_is_of_any_cells(name):
    model = SEQUENCES[name]
    states = listed(model)
    joint = np.exp(log_likelihood(model, states).per_example)
    known = np.arange(states.shape[1]) == states.shape[1] - 1
    expected = joint / ((states[:, None] == states[None])[..., known].all(axis=2) @ joint)
    found = log_likelihood(model, states, given=known, orders="own")
    np.testing.assert_allclose(np.exp(found.per_example), expected, rtol=1e-4)


def test_orders_are_drawn_where_they_are_asked_for():
    model, law = SEQUENCES["nade-k-bernoulli"], law_of("nade-k-bernoulli")
    drawn = model.with_orders(3, key=KEY)
    found = log_likelihood(model, law.states, orders=3, key=KEY)
    expected = np.mean([law.joint(order) for order in np.asarray(drawn.orders.value)], axis=0)
    np.testing.assert_allclose(np.exp(found.per_example), expected, rtol=1e-4)
    assert found.method == "the chain rule, mean over 3 orders"
    assert found.settings["orders"] == 3


@pytest.mark.parametrize("name", ["nade-spin", "fvbn-bernoulli", "made-bernoulli", "neural"])
def test_a_network_of_one_order_answers_where_its_order_allows_it(name):
    """Column 2 is given, 0 and 3 are asked for, 1 is summed out: the order is (2, 0, 3, 1)."""
    model = SEQUENCES[name]
    states = listed(model)
    joint = np.exp(log_likelihood(model, states).per_example)
    rows, known = np.array(states), np.array([False, False, True, False])
    rows[:, 1] = np.nan
    found = log_likelihood(model, rows, given=known)
    same = states[:, None] == states[None]
    expected = (same[..., [0, 2, 3]].all(axis=2) @ joint) / (same[..., 2] @ joint)
    np.testing.assert_allclose(np.exp(found.per_example), expected, rtol=1e-4)
    assert str(found).startswith("conditional log-likelihood")
    with pytest.raises(InputError, match="cannot be compared"):
        compare(found, log_likelihood(model, states))


@pytest.mark.parametrize("name", ["orderless-two-layers", "orderless-table", "nade-k-table"])
def test_what_is_not_known_has_no_effect(name):
    model, mask = SEQUENCES[name], jnp.array([True, False, False, True])
    found, other, void = _given(model, jnp.array([[1.0, 0, 0, 1], [1, 1, 1, 1], [1, jnp.nan, jnp.nan, 1]]), mask)
    for a, b, c in zip(*map(jax.tree.leaves, (found, other, void)), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def _given(model, rows, mask):
    found = eqx.filter_jit(lambda m, x: jax.vmap(lambda row: m.given(row, mask))(x))(model, rows)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in range(len(rows))]


def test_missing_values_are_drawn_given_the_observed_ones_in_a_random_order():
    model, law = SEQUENCES["orderless-ensemble"], law_of("orderless-ensemble")
    row = np.array([np.nan, 2, np.nan], np.float32)
    filled = impute(model, KEY, np.tile(row, (2**12, 1)))
    assert (filled.dtype, filled.shape) == (np.int32, (2**12, 3))
    known = law.states[:, 1] == 2
    joints = [law.joint(order)[known] for order in ((1, 0, 2), (1, 2, 0))]
    expected = np.mean([joint / joint.sum() for joint in joints], axis=0)
    matches_law(count_states({"v": law.states[known]}, {"v": np.asarray(filled)}), expected, "Imputed values")
    assert impute(model, KEY, row).shape == (3,)


def test_each_kind_of_a_tables_columns_is_filled_in():
    """Columns are a bit, a category of three, a real number and a spin; the category is drawn given all others."""
    model = SEQUENCES["orderless-table"]
    rows = np.array([[1, np.nan, 0.25, -1], [np.nan, 2, np.nan, np.nan]] * 2**11, np.float32)
    filled, known = np.asarray(impute(model, KEY, rows)), ~np.isnan(rows)
    np.testing.assert_array_equal(filled[known], rows[known])
    assert [set(filled[1::2, i].tolist()) for i in (0, 3)] == [{0.0, 1.0}, {-1.0, 1.0}]
    assert len(np.unique(filled[1::2, 2])) > 2**10
    law = np.asarray(model.visible.mean(_given(model, jnp.asarray(rows[:1]), jnp.asarray(known[0]))[0])[1][0])
    matches_law(np.bincount(filled[::2, 1].astype(int), minlength=3), law.astype(np.float64), "Categories")


def test_a_network_of_one_order_fills_in_what_comes_last():
    states = listed(NADE)
    rows = np.tile(np.array([-1, np.nan, 1, np.nan], np.float32), (2**12, 1))
    rows[-1] = np.nan  # a row with nothing observed is a sample
    filled = np.asarray(impute(NADE, KEY, rows))
    assert np.isin(filled, [-1, 1]).all()
    known = (states[:, 0] == -1) & (states[:, 2] == 1)
    joint = np.exp(log_likelihood(NADE, states).per_example)[known]
    matches_law(count_states({"v": states[known]}, {"v": filled[:-1]}), joint / joint.sum(), "Imputed values")
    nothing_missing = np.array([-1.0, 1, 1, 1], np.float32)
    np.testing.assert_array_equal(impute(NADE, KEY, nothing_missing), nothing_missing)


def test_an_ensemble_is_saved_with_its_orders(tmp_path):
    model = SEQUENCES["orderless-two-layers"].with_orders(5, key=KEY)
    loaded = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(loaded.orders.value, model.orders.value)
    assert sorted(np.asarray(loaded.orders.value)[3].tolist()) == [0, 1, 2, 3]


ANY, HALF = SEQUENCES["orderless-two-layers"], np.array([True, True, False, False])
ROWS = np.zeros((3, 4), np.float32)
HOLE = np.array([[0, 0, 0, np.nan]], np.float32)
REAL, WIDE = FVBN(Gaussian(4)), FVBN(Bernoulli(12))


class Opaque(eqx.Module):
    """A user's own model, which says whole rows alone."""

    model_kind = TRACTABLE

    @property
    def layers(self):
        return {"v": B}

    def log_prob(self, x):
        return -4 * jnp.log(2.0)

    def sample(self, key):
        return jax.random.bernoulli(key, 0.5, (4,)).astype(jnp.float32)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: OrderlessNADE(B, [], key=KEY), "list of sizes"),
        (lambda: OrderlessNADE(B, [3], key=KEY, activation="sine"), "no activation 'sine'"),
        (lambda: OrderlessNADE(B, [3], key=KEY, orders=[(0, 1, 1, 3)]), "lacks 2"),
        (lambda: OrderlessNADE(B, [3], key=KEY, orders=[]), "a list of orders"),
        (lambda: OrderlessNADE(B, [3], key=KEY, orders=[(0, 1, 2, 3.0)]), "a list of the variables' numbers"),
        (lambda: NADEk(B, [3], 0, key=KEY), "steps=0"),
        (lambda: NADEk(B, [0], key=KEY), "list of sizes"),
        (lambda: ANY.with_orders(0, key=KEY), "orders=0"),
        (lambda: ANY.with_orders(2.0, key=KEY), "orders=2.0"),
        (lambda: log_likelihood(ANY, ROWS, orders=2), "pass key="),
        (lambda: log_likelihood(ANY, ROWS, orders=0, key=KEY), "orders=0"),
        (lambda: log_likelihood(ANY, ROWS, given=HALF, method="ais"), "has no method 'ais'"),
        (lambda: log_likelihood(ANY, ROWS, given=HALF, chains=3), "no option 'chains'"),
        (lambda: log_likelihood(ANY, ROWS, given=HALF[:3]), r"\[4\] for all rows or \[3, 4\]"),
        (lambda: log_likelihood(ANY, ROWS, given=np.ones((4, 3), bool)), r"shape \(4, 3\)"),  # not one for each row
        (lambda: log_likelihood(ANY, ROWS, given=[0, 1]), "dtype int64"),
        (lambda: log_likelihood(ANY, ROWS, given=np.ones(4, bool)), "nothing is asked for"),
        (lambda: log_likelihood(ANY, HOLE, given=~HALF), "row 0, column 3 is NaN"),
        (lambda: log_likelihood(ANY, HOLE), "nan in row 0"),
        (lambda: log_likelihood(ANY, ROWS + 2, given=HALF), "2 in row 0, column 0"),
        (lambda: log_likelihood(NADE, ROWS + 1, given=HALF), "column 0 is known .* column 2, .* asked for"),
        (lambda: log_likelihood(NADE, HOLE[:, ::-1] + 1, given=ROWS[0] > 0), "after column 0, .* missing: .*Orderless"),
        (lambda: log_likelihood(FVBN(B), ROWS, orders="all", key=KEY), "one order.*OrderlessNADE"),
        (lambda: log_likelihood(ANY, ROWS, orders="all", key=KEY), "orders=all"),
        (lambda: log_likelihood(REAL, ROWS, given=HALF, orders="own"), "column . has no list of them: leave it out"),
        (lambda: log_likelihood(WIDE, np.zeros((1, 12)), given=np.arange(12) < 1, orders="own"), "there are 2,048"),
        (lambda: log_likelihood(FVBN(B), ROWS, orders=2, key=KEY), "one order.*OrderlessNADE"),
        (
            lambda: log_likelihood(RBM(B, B, key=KEY), ROWS, given=HALF),
            "RBM has no option 'given'.*OrderlessNADE",
        ),
        (lambda: log_likelihood(RBM(B, B, key=KEY), ROWS, orders=2, key=KEY), "of an RBM has no option 'orders'"),
        (lambda: log_likelihood(Opaque(), ROWS, given=HALF), "An Opaque does not say.*OrderlessNADE"),
        (
            lambda: impute(Opaque(), KEY, HOLE),
            r"of every order \(an OrderlessNADE.* not an Opaque",
        ),
        (lambda: impute(FVBN(B), KEY, HOLE[:, ::-1]), "column 1 is known and comes after column 0, which is missing"),
        (lambda: impute(ANY, KEY, HOLE + 2), "2 in row 0, column 0"),
        (lambda: impute(ANY, KEY, HOLE[:, :3]), "4 columns"),
        (lambda: sample(ANY, KEY, 3, start=jnp.asarray(ROWS)), "has no option .start.: it takes steps, given, first"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
