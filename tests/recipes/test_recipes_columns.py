"""Tables of mixed columns: which units they get, what is refused, and what a run of them records."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.models import FVBN, NADE, RBM, OrderlessNADE
from harmonium.objectives import MaximumLikelihood
from harmonium.recipes import recipe
from harmonium.recipes.common import data_of
from harmonium.recipes.layers import column_units, real_unit, table_unit
from harmonium.recipes.networks import ensemble, random_order
from harmonium.recipes.optimizers import annealed
from harmonium.recipes.rules import learning_rule
from harmonium.training import fit
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian, Spin

RANDOM = np.random.default_rng(0)
N = 60
BITS, CODES, REAL = RANDOM.integers(0, 2, (N, 2)), np.arange(N)[:, None] % 3, RANDOM.normal(500, 20, (N, 2))
TABLE = np.hstack([BITS, CODES, REAL, REAL[:, :1] / 7, CODES])
UNITS = (Bernoulli(2), Categorical(1, states=3), Gaussian(3), Categorical(1, states=3))


def kinds(unit) -> list[tuple]:
    return [(type(part), part.size, part.states) for part in (unit.parts if isinstance(unit, Columns) else (unit,))]


def test_neighbours_of_one_kind_are_one_part():
    found = column_units(from_arrays(TABLE))
    assert isinstance(found, Columns)
    assert kinds(found) == kinds(Columns(UNITS))
    assert isinstance(column_units(from_arrays(BITS)), Bernoulli)
    other = np.hstack([CODES, np.arange(N)[:, None] % 4])
    assert kinds(column_units(from_arrays(other))) == [(Categorical, 1, 3), (Categorical, 1, 4)]


def test_what_was_standardized_is_real():
    constant = np.hstack([BITS, np.full((N, 1), 3.7)])  # 0 once it is standardized
    for rows in (TABLE, constant):
        assert kinds(column_units(from_arrays(rows, standardize="real"))) == kinds(column_units(from_arrays(rows)))
    assert kinds(column_units(from_arrays(TABLE, standardize=True))) == [(Gaussian, 7, None)]


@pytest.mark.parametrize(
    ("data", "unit"),
    [
        (from_arrays(TABLE), Columns(UNITS)),
        (from_arrays(BITS), Bernoulli(2)),
        (from_arrays(REAL), Gaussian(2)),
        (from_arrays(2 * BITS - 1), Spin(2)),
        (from_arrays(np.hstack([CODES, CODES])), Categorical(2, states=3)),
        (from_arrays(np.hstack([BITS, CODES]).reshape(N, 1, 3)), Categorical(3, states=3)),  # pictures
        (from_arrays(np.hstack([BITS, REAL / 1000]), binarize="fixed"), Bernoulli(4)),
    ],
    ids=["mixed", "bits", "real", "signs", "codes", "pictures", "binarized"],
)
def test_auto_looks_at_each_column_of_a_mixed_table_alone(data, unit):
    assert kinds(table_unit(data, "auto")) == kinds(unit)


def test_columns_that_may_be_grey_are_for_their_owner_to_say():
    grey = from_arrays(np.hstack([BITS, REAL / 1000]), name="t.csv")
    with pytest.raises(InputError, match=r"'t.csv' holds columns of zeros and ones .* --visible columns .* --binarize"):
        table_unit(grey, "auto")
    assert kinds(table_unit(grey, "columns")) == kinds(Columns([Bernoulli(2), Gaussian(2)]))
    levels = from_arrays(np.hstack([BITS, [[255]] * N]), name="t.csv")
    with pytest.raises(InputError, match="--binarize for grey values"):
        table_unit(levels, "auto")


def test_a_category_that_no_training_row_has_is_refused_before_training():
    unseen = TABLE[:3].copy()
    unseen[1, 2] = 3
    said = r"whole numbers from 0 to 2, but the data holds 3 in row 1, column 2"
    model = FVBN(column_units(from_arrays(TABLE)))
    for split in ("valid", "test"):
        with pytest.raises(InputError, match=said) as told:
            fit(model, from_arrays(TABLE, **{split: unseen}), MaximumLikelihood(), batch_size=9, key=jax.random.key(0))
        assert split == "valid" or "The test rows of 'array' do not fit" in str(told.value)
    with pytest.raises(InputError, match=said):
        log_likelihood(model, unseen)


def test_rules_that_are_for_one_kind_of_unit_are_refused():
    rbm = RBM(Columns([Bernoulli(1), Gaussian(1)]), Bernoulli(2), key=jax.random.key(0))
    for name in ("pseudo", "ratio", "score", "denoising"):
        with pytest.raises(InputError, match="columns are of several: choose --objective pcd"):
            learning_rule({"objective": name}, rbm, np.zeros((4, 2)))


@pytest.mark.slow
def test_a_run_of_a_mixed_table_finds_its_data_again(tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    np.save(tmp_path / "t.npy", np.tile(TABLE, (2, 1)))
    options = {"epochs": 1, "batch_size": 10, "order_seed": 3, "out": tmp_path / "run"}
    copy = "Column 5 of 't.npy' is a linear function of column 3"
    with pytest.warns(UserWarning, match=copy):
        run = recipe("fvbn")(str(tmp_path / "t.npy"), standardize=True, **options)
    assert run.model.order == tuple(random_order(3, 7).tolist())
    assert (run.estimate.kind, run.estimate.method) == ("exact", "the chain rule")
    assert {"log_likelihood_train", "log_likelihood_valid"} <= set(run.metrics[-1])
    assert data_of(run.folder).space.scaling == "real columns standardized by the training rows"
    with pytest.warns(UserWarning, match=copy):
        far = recipe("fvbn")(str(tmp_path / "t.npy"), **options, force=True)
    stds = np.log(TABLE[:, 3:6].std(axis=0)).sum()  # of densities per unit of the table, and of standard deviations
    assert far.estimate.value == pytest.approx(run.estimate.value - stds, abs=0.3)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("nade", {"hidden": 0}, "hidden=0"),
        ("nade", {"activation": "sine"}, "no activation 'sine'"),
        ("made", {"hidden": "4,x"}, "with commas"),
        ("neural", {"group": 0}, "group=0"),
        ("fvbn", {"order_seed": -1}, "from 0, not -1"),
        ("fvbn", {"weight_decay": -1.0}, "A weight decay is a number from 0"),
        ("fvbn", {"learning_rate": 0.0}, "positive learning rate"),
        ("fvbn", {"visible": "column"}, "no units called 'column'"),
        ("orderless", {"orders": 0}, "at least one order, in whole numbers, not orders=0"),
        ("orderless", {"hidden": "4,x"}, "with commas"),
        ("nadek", {"steps": 0}, "at least one step, not steps=0"),
        ("rnade", {}, "Column 0 of 'digits' holds zeros and ones, of which there is no density"),
    ],
)
def test_what_a_network_cannot_do_is_refused_before_it_starts(name, options, said, tmp_path):
    with pytest.raises(InputError, match=said):
        recipe(name)(**{"epochs": 1, "out": tmp_path / "run"} | options)
    assert not (tmp_path / "run").exists()


def test_a_density_is_of_measurements_alone(tmp_path):
    np.save(tmp_path / "t.npy", np.tile(TABLE, (2, 1)))
    with pytest.raises(InputError, match=r"Column 0 of 't.npy' holds zeros and ones, .* train a nade"):
        recipe("rnade")(str(tmp_path / "t.npy"), standardize=True)  # codes stay codes
    with pytest.raises(InputError, match="Column 1 of 'array' holds codes 0 to 2"):
        real_unit(from_arrays(np.hstack([REAL[:, :1], CODES])))
    assert kinds(real_unit(from_arrays(REAL / 1000))) == [(Gaussian, 2, None)]  # whatever may be grey


def test_an_ensemble_has_random_orders_and_the_weights_of_one_network():
    def make(orders, seed=0):
        alone = lambda unit, key: OrderlessNADE(unit, [3], key=key)  # noqa: E731
        return ensemble(alone, orders)(Bernoulli(6), jax.random.key(seed), None)

    two, four = make(2), make(4)
    assert four.orders.value.shape == (4, 6)
    assert len(np.unique(np.asarray(four.orders.value), axis=0)) == 4
    np.testing.assert_array_equal(two.W[0], four.W[0])
    assert (np.asarray(make(4, seed=1).orders.value) != np.asarray(four.orders.value)).any()


def test_decay_reaches_all_weights_and_no_bias():
    nade = NADE(Bernoulli(3), 2, key=jax.random.key(0))
    rule = annealed(0.1, 10, weight_decay=0.5)
    zero = jax.tree.map(lambda leaf: 0 * leaf, nade)
    step, _ = rule.update(zero, rule.init(nade), nade)
    assert all((np.asarray(x) != 0).all() for x in (step.W, step.V))
    assert not np.any(step.b)
    assert not np.any(step.c)
