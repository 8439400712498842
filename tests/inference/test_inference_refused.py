"""What functions of a model say to a model of another kind, and to rows that are none."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from scipy.sparse import csr_array

import harmonium as hm
from harmonium.errors import InputError
from harmonium.models import DBM, DBN, RBM, Classifier
from harmonium.units import Bernoulli, Categorical

ONE = {"v": jnp.zeros(6)}
KEY = jax.random.key(0)
ASKED = {
    "hm.log_partition": lambda model: hm.log_partition(model),
    "hm.free_energy": lambda model: hm.free_energy(model, ONE),
    "hm.mean_field": lambda model: hm.mean_field(model, ONE),
    "hm.energy": lambda model: hm.energy(model, ONE),
    "hm.conditional": lambda model: hm.conditional(model, "h", ONE),
    "hm.log_pseudo_likelihood": lambda model: hm.log_pseudo_likelihood(model, KEY, ONE["v"]),
    "hm.at_marginals": lambda model: hm.at_marginals(model, np.zeros((4, 6))),
    "hm.Centred": lambda model: hm.Centred(model),
    "hm.Normalised": lambda model: hm.Normalised(model),
}
OF_NETS = {
    "hm.log_likelihood": lambda model: hm.log_likelihood(model, np.zeros((4, 6)), key=KEY),
    "hm.sample": lambda model: hm.sample(model, KEY, 2),
    "hm.encode": lambda model: hm.encode(model, np.zeros((4, 6))),
}
OF_LABELS = {
    "hm.classify": lambda model: hm.classify(model, np.zeros((4, 6))),
    "hm.error_rate": lambda model: hm.error_rate(model, np.zeros((4, 6)), np.zeros(4, int)),
}
NET = DBN(Bernoulli(6), [Bernoulli(3), Bernoulli(2)], key=KEY)
JUDGE = Classifier(hm.nets.MLP([6, 3], key=KEY))


@pytest.mark.parametrize("name", ASKED)
def test_a_belief_net_has_no_energy_and_is_told_what_it_has(name):
    with pytest.raises(InputError, match=rf"^{name} .* not a DBN: .*log_likelihood.* model\.top"):
        ASKED[name](NET)


@pytest.mark.parametrize("name", ASKED | OF_NETS)
def test_a_classifier_has_no_energy_and_is_told_what_it_has(name):
    with pytest.raises(InputError, match=rf"^{name} takes a.* model .*, not a Classifier: .* hm\.classify"):
        (ASKED | OF_NETS)[name](JUDGE)


@pytest.mark.parametrize("name", ASKED | OF_NETS | OF_LABELS)
def test_what_is_no_model_is_refused(name):
    for thing, words in (("rbm", "'rbm': pass the model"), (RBM, "the class RBM: make one"), (None, "None: pass")):
        with pytest.raises(InputError, match=rf"^{name} takes a.* model .*, not {words}"):
            (ASKED | OF_NETS | OF_LABELS)[name](thing)


LABELLED = DBM(Bernoulli(2), [Bernoulli(3)], Categorical(1, states=2), key=KEY)
TAKES_ROWS = {
    "classify": lambda x: hm.classify(LABELLED, x),
    "error_rate": lambda x: hm.error_rate(LABELLED, x, [0]),
    "log_likelihood": lambda x: hm.log_likelihood(LABELLED, x),
    "encode": lambda x: hm.encode(LABELLED, x),
    "at_marginals": lambda x: hm.at_marginals(LABELLED, x),
    "impute": lambda x: hm.impute(LABELLED, KEY, x),
    "sample": lambda x: hm.sample(LABELLED, KEY, 1, start=x),
}
NO_ROWS = {
    "none": (np.zeros((0, 2)), r"2 columns, one for each unit, and at least one row, but have shape \(0, 2\): reshape"),
    "objects": (np.array([[None, 1.0]]), "dtype object, which is not a number: convert"),
    "texts": ([["a", "b"]], "dtype <U1, which is not a number: convert"),
    "complex": (np.ones((1, 2), complex), "dtype complex128, which is not a number: convert"),
    "ragged": ([[1], [1, 0]], "not a table of numbers: give every row"),
    "wide": (np.zeros((1, 3)), r"2 columns.* choose the columns, or make a model for 3"),
    "a model": (LABELLED, "a DBM, which is no array: pass an array of numbers"),
    "sparse": (csr_array(np.eye(2)), r"a csr_array, which is no array: pass x.toarray\(\)"),
    "a key": (KEY, "which is no array of numbers"),
}
DATA = hm.data.from_arrays(np.eye(2))
TAKES_DATA = ("log_likelihood", "error_rate")  # of which the test rows are taken
TAKES_PICTURES = ("log_likelihood",)
TAKES_A_ROW = ("classify", "encode", "impute")


@pytest.mark.parametrize("name", TAKES_ROWS)
def test_what_is_no_table_of_numbers_is_refused(name):
    for rows, words in NO_ROWS.values():
        with pytest.raises(InputError, match=words):
            TAKES_ROWS[name](rows)


@pytest.mark.parametrize("name", [name for name in TAKES_ROWS if name not in TAKES_DATA])
def test_a_data_set_is_asked_for_its_rows(name):
    with pytest.raises(InputError, match=r"not a Dataset: pass those of one split, such as data\.train"):
        TAKES_ROWS[name](DATA)


@pytest.mark.parametrize("name", [name for name in TAKES_ROWS if name not in TAKES_A_ROW])
def test_the_cure_of_a_single_row_cures(name):
    row = np.ones(2)
    with pytest.raises(InputError, match=r"have shape \(2,\): pass x\[None\] for a single row"):
        TAKES_ROWS[name](row)
    TAKES_ROWS[name](row[None])


@pytest.mark.parametrize("name", [name for name in TAKES_ROWS if name not in TAKES_PICTURES])
def test_the_cure_of_pictures_cures(name):
    x = np.ones((1, 2, 1))
    with pytest.raises(InputError, match=r"pass x.reshape\(len\(x\), -1\)"):
        TAKES_ROWS[name](x)
    TAKES_ROWS[name](x.reshape(len(x), -1))


@pytest.fixture
def unchecked(monkeypatch):
    """As a person calls the library: without the type checks of the tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


COUNTS = {
    "samples": lambda n: hm.sample(LABELLED, KEY, n),
    "sweeps of samples": lambda n: hm.sample(LABELLED, KEY, 1, steps=n),
    "sweeps of gaps": lambda n: hm.impute(LABELLED, KEY, np.zeros((1, 2)), steps=n),
    "chains of AIS": lambda n: hm.log_partition(LABELLED, key=KEY, method="ais", chains=n),
    "temperatures": lambda n: hm.log_partition(LABELLED, key=KEY, method="ais", temperatures=n),
    "samples of a bound": lambda n: hm.log_likelihood(NET, np.zeros((4, 6)), key=KEY, samples=n),
    "CD": lambda n: hm.objectives.CD(steps=n),
    "PCD": lambda n: hm.objectives.PCD(chains=n),
    "FPCD": lambda n: hm.objectives.FPCD(chains=n),
    "TemperedPCD": lambda n: hm.objectives.TemperedPCD(temperatures=n),
    "TrajectoryPCD": lambda n: hm.objectives.TrajectoryPCD(snapshots=n),
    "PseudoLikelihood": lambda n: hm.objectives.PseudoLikelihood(sites=n),
    "RatioMatching": lambda n: hm.objectives.RatioMatching(sites=n),
    "ScoreMatching": lambda n: hm.objectives.ScoreMatching(probes=n),
    "UpDown": lambda n: hm.objectives.UpDown(steps=n),
    "MPDBM": lambda n: hm.MPDBM(Bernoulli(2), [Bernoulli(2)], steps=n, key=KEY),
    "NADE": lambda n: hm.NADE(Bernoulli(2), n, key=KEY),
    "NeuralAutoregressive": lambda n: hm.NeuralAutoregressive(Bernoulli(2), n, key=KEY),
    "MADE": lambda n: hm.MADE(Bernoulli(2), [n], key=KEY),
    "states": lambda n: RBM(Categorical(2, states=n), Bernoulli(2), key=KEY),
}


@pytest.mark.parametrize("what", COUNTS)
@pytest.mark.parametrize("number", [0, -1, 2.5, "3"])
def test_what_is_counted_is_counted_in_whole_numbers(what, number, unchecked):
    with pytest.raises(InputError) as caught:
        COUNTS[what](number)
    assert "\n" not in str(caught.value)


MADE_WITH = {
    "RBM": lambda key, unit: RBM(unit, Bernoulli(3), key=key),
    "DBM": lambda key, unit: DBM(unit, [Bernoulli(3)], key=key),
    "MPDBM": lambda key, unit: hm.MPDBM(unit, [Bernoulli(3)], key=key),
    "DBN": lambda key, unit: DBN(unit, [Bernoulli(3)], key=key),
    "BoltzmannMachine": lambda key, unit: hm.BoltzmannMachine(unit, key=key),
    "NADE": lambda key, unit: hm.NADE(unit, 3, key=key),
    "MADE": lambda key, unit: hm.MADE(unit, [3], key=key),
    "NeuralAutoregressive": lambda key, unit: hm.NeuralAutoregressive(unit, 3, key=key),
}


@pytest.mark.parametrize("name", MADE_WITH)
def test_a_machine_is_made_of_units_with_a_key(name, unchecked):
    for key in (0, None, 1.5, "key", jax.random.split(KEY)):
        with pytest.raises(InputError, match=r"follow from (a|one) key, not from"):
            MADE_WITH[name](key, Bernoulli(2))
    with pytest.raises(InputError, match="made of units, not of 6"):
        MADE_WITH[name](KEY, 6)


def test_values_are_given_by_layer(unchecked):
    for ask in (hm.free_energy, hm.energy, hm.mean_field, lambda model, v: hm.conditional(model, "y", v)):
        for values in (jnp.zeros(2), None, "v"):
            with pytest.raises(InputError, match=r"by layer, such as \{'v': v\}, not as"):
                ask(LABELLED, values)


@pytest.mark.parametrize("classes", [1, 2.5, "3", None])
def test_classes_of_a_classifier_are_counted(classes, unchecked):
    with pytest.raises(InputError, match="at least two classes"):
        hm.classifier_from_dbn(NET, classes, key=KEY)
    with pytest.raises(InputError, match="a key, not from 0"):
        hm.classifier_from_dbn(NET, 3, key=0)


SWAPPED = {
    r"hm.sample\(model, jax.random.key\(0\), n\)": lambda key: hm.sample(LABELLED, 64, key),
    r"hm.impute\(model, jax.random.key\(0\), x\)": lambda key: hm.impute(LABELLED, np.ones((3, 2)), key),
    r"hm.log_pseudo_likelihood\(model, jax.random.key\(0\), v\)": lambda key: hm.log_pseudo_likelihood(
        LABELLED, np.ones(2), key
    ),
}


@pytest.mark.parametrize("call", SWAPPED)
@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(0)], ids=["key", "raw key"])
def test_a_key_in_another_place_is_told_its_own(call, key, unchecked):
    with pytest.raises(InputError, match=f"follow from a key, not from .*: call {call}") as caught:
        SWAPPED[call](key)
    assert "\n" not in str(caught.value)


def test_chains_start_from_one_key(unchecked):
    with pytest.raises(InputError, match="one key, not from 2 of them: pass a single one"):
        hm.sample(LABELLED, jax.random.split(KEY), 1)


def test_mean_field_takes_a_sweep_at_least(unchecked):
    for options in ({"max_steps": 0}, {"max_steps": 2.5}, {"tolerance": -1.0}, {"tolerance": float("nan")}):
        with pytest.raises(InputError, match="at least one sweep and no negative tolerance"):
            hm.mean_field(LABELLED, {"v": jnp.zeros(2)}, **options)
