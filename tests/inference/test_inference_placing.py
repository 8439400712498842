"""Real columns anywhere: densities against scipy in float64, draws and filled cells in the data's own values."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import multivariate_normal, norm

import harmonium as hm
from harmonium.inference import exact_log_partition
from harmonium.inference.placing import near, placed
from harmonium.models import linear_gaussian
from harmonium.units import Bernoulli, Columns, Frames, Gaussian, GaussianBias

KEY = jax.random.key(0)
PLACES = [(37.0, 0.5), (101325.0, 50.0), (1.7e9, 3.0), (-1e7, 1.0), (52.52, 1e-3), (1e-9, 1e-12), (1e200, 1e196)]


def column(mean: float, sd: float, n: int = 300) -> np.ndarray:
    return mean + sd * np.random.default_rng(0).normal(size=(n, 1))


def without_weights(model):
    """The model with all its arrays zero: at the marginals each is a normal distribution."""
    return jax.tree.map(lambda x: jnp.zeros_like(x) if eqx.is_inexact_array(x) else x, model)


MODELS = {
    "RBM": lambda: hm.RBM(visible=Gaussian(1), hidden=Bernoulli(2), key=KEY, scale=0.0),
    "DBM": lambda: hm.DBM(Gaussian(1), [Bernoulli(2), Bernoulli(2)], key=KEY, scale=0.0),
    "FVBN": lambda: hm.FVBN(Gaussian(1)),
    "NADE": lambda: without_weights(hm.NADE(Gaussian(1), 3, key=KEY)),
    "OrderlessNADE": lambda: without_weights(hm.OrderlessNADE(Gaussian(1), [3], key=KEY)),
    "MADE": lambda: without_weights(hm.MADE(Gaussian(1), [3], key=KEY)),
    "VAE": lambda: without_weights(hm.VAE(Gaussian(1), Gaussian(1), [3], key=KEY)),
    "Columns": lambda: hm.RBM(visible=Columns([Gaussian(1)]), hidden=Bernoulli(2), key=KEY, scale=0.0),
}


@pytest.mark.parametrize(("mean", "sd"), PLACES)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_at_the_marginals_is_the_normal_distribution(name, mean, sd):
    x = column(mean, sd)
    centre, spread = mean + (x - mean).mean(), sd * ((x - mean) / sd).std()  # whose squares do not overflow
    truth = norm.logpdf((x[:, 0] - centre) / spread) - np.log(spread)
    model = hm.at_marginals(MODELS[name](), x)
    found = hm.log_likelihood(model, x, key=KEY)
    assert abs(found.value - truth.mean()) < 1e-3
    np.testing.assert_allclose(found.per_example, truth, atol=5e-3)
    drawn = np.asarray(hm.sample(model, KEY, 500, steps=2))[:, 0]
    assert abs((drawn - centre).mean()) < 4 * spread / np.sqrt(500)
    assert len(np.unique(drawn)) > 490


@pytest.mark.parametrize(("mean", "sd"), PLACES[:-1])
@pytest.mark.parametrize("make", [hm.InvertibleNet, hm.RNADE, hm.InverseTransform])
def test_flows_and_mixtures_say_of_far_data_what_they_say_of_it_at_unit_scale(make, mean, sd):
    z = np.random.default_rng(0).normal(size=(60, 2))
    x = mean + sd * z
    options = {hm.InvertibleNet: {"hidden": [4], "key": KEY}, hm.RNADE: {"hidden": 4, "key": KEY}}.get(make, {})
    near, far = (make(Gaussian(2, *at), **options) for at in ((None, None), ([mean] * 2, [sd] * 2)))
    expected = hm.log_likelihood(near, (x - mean) / sd).per_example - 2 * np.log(sd)
    np.testing.assert_allclose(hm.log_likelihood(far, x).per_example, expected, atol=1e-3)
    drawn = np.asarray(hm.sample(far, KEY, 50))
    np.testing.assert_allclose((drawn - mean) / sd, hm.sample(near, KEY, 50), atol=1e-3 + np.spacing(abs(mean)) / sd)


@pytest.mark.parametrize(("mean", "sd"), [(37.0, 0.5), (1.7e9, 3.0), (-1e7, 1.0), (1e-9, 1e-12)])
def test_generators_of_moments_are_exact_anywhere(mean, sd):
    rng = np.random.default_rng(0)
    x = mean + sd * rng.normal(size=(200, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    z = (x - mean) / sd
    truth = multivariate_normal(z.mean(0), np.cov(z.T, bias=True)).logpdf(z) - 2 * np.log(sd)
    covariance = np.cov(z.T, bias=True) * sd**2
    for model in (hm.AffineGenerator.from_moments(x.mean(0), covariance), linear_gaussian(x)):
        np.testing.assert_allclose(hm.log_likelihood(model, x).per_example, truth, atol=2e-3)


def far_machine(mean: float, sd: float, pull: bool = True):
    """A machine with its numbers in the data's own values; `pull` keeps its hidden units at work there."""
    rng = np.random.default_rng(1)
    rbm = hm.RBM(visible=Gaussian(2), hidden=Bernoulli(3), key=KEY)
    W = rng.normal(size=(2, 3)) * sd
    c = rng.normal(size=3) - pull * W.T @ np.full(2, mean / sd**2)
    parts = (W, GaussianBias(np.full(2, mean), np.full(2, -2 * np.log(sd))), c)
    put = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), parts)
    return eqx.tree_at(lambda m: (m.W, m.b, m.c), rbm, put)


def true_log_likelihood(rbm, x: np.ndarray, offsets: dict | None = None) -> np.ndarray:
    """In float64: every hidden state is a normal distribution of its own. With `offsets`, of the centred machine."""
    W, c = np.asarray(rbm.W, np.float64), np.asarray(rbm.c, np.float64)
    b, beta = np.asarray(rbm.b.mean, np.float64), np.exp(np.asarray(rbm.b.log_precision, np.float64))
    states = np.array(list(np.ndindex(2, 2, 2)), np.float64)
    h = states if offsets is None else states - np.asarray(offsets["h"], np.float64)
    v = np.zeros(2) if offsets is None else np.asarray(offsets["v"].x, np.float64)
    means = b + h @ W.T
    log_w = states @ c - h @ (W.T @ (beta * v)) + 0.5 * (beta * (means**2 - b**2)).sum(axis=1)
    log_w -= np.logaddexp.reduce(log_w)
    each = [log_w[i] + norm(means[i], beta**-0.5).logpdf(x).sum(axis=1) for i in range(8)]
    return np.logaddexp.reduce(each, axis=0)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (300.0, 0.5), (2000.0, 0.1)])
@pytest.mark.parametrize("wrap", [lambda m: m, hm.Centred, hm.Normalised], ids=["plain", "centred", "normalised"])
def test_a_machine_made_far_from_zero_says_what_its_numbers_say(mean, sd, wrap):
    rbm = far_machine(mean, sd, pull=wrap is not hm.Centred)
    x = np.float32(mean + sd * np.random.default_rng(2).normal(size=(50, 2)))
    whole = wrap(rbm)
    found = hm.log_likelihood(whole, x, method="exact").per_example
    offsets = whole.offsets.value if isinstance(whole, hm.Centred) else None
    truth = true_log_likelihood(rbm, np.float64(x), offsets)
    np.testing.assert_allclose(found, truth, atol=5e-3 * max(1, mean / 300))


def test_a_machine_moved_near_zero_is_the_same():
    rbm = far_machine(20.0, 1.0)
    moved, less = near(rbm)
    assert float(jnp.abs(moved.b.mean).max()) == 0
    assert hm.log_partition(rbm).value == pytest.approx(float(exact_log_partition(moved)) + less)
    assert float(exact_log_partition(rbm)) == pytest.approx(float(exact_log_partition(moved)) + less, abs=1e-3)
    x = np.random.default_rng(0).normal(20, 1, (9, 2))
    straight = [-float(hm.free_energy(rbm, {"v": jnp.asarray(row, jnp.float32)})) for row in x]
    expected = np.array(straight) - float(exact_log_partition(rbm))
    np.testing.assert_allclose(hm.log_likelihood(rbm, x).per_example, expected, atol=2e-3)


def test_energies_of_a_placed_machine_are_of_the_data():
    unit = Gaussian(2, shift=[1e6, -3.0], scale=[2.0, 0.1])
    rbm = hm.RBM(visible=unit, hidden=Bernoulli(3), key=KEY, scale=0.5)
    x = np.array([1e6 + 1.5, -3.05])
    log_prob = hm.log_likelihood(rbm, x[None]).per_example[0]
    f, log_z = float(hm.free_energy(rbm, {"v": x})), hm.log_partition(rbm).value
    assert log_prob == pytest.approx(-f - log_z, abs=1e-5)
    h = jnp.zeros(3)
    law = hm.conditional(rbm, "v", {"h": h})
    mean = np.asarray(unit.to_data(law.mean.x), np.float64)
    assert float(law.log_prob(x)) == pytest.approx(norm(mean, unit.scale).logpdf(x).sum(), abs=1e-4)
    drawn = np.array([law.sample(k) for k in jax.random.split(KEY, 200)])
    assert np.abs((drawn.mean(0) - mean) / unit.scale).max() < 0.3
    energies = [float(hm.energy(rbm, {"v": x, "h": h})), float(hm.energy(rbm, {"v": x, "h": jnp.ones(3)}))]
    assert f < min(energies)
    np.testing.assert_allclose(hm.mean_field(rbm, {"v": x})["h"], hm.encode(rbm, x[None])[0], atol=1e-6)


def correlated(n: int = 400) -> np.ndarray:
    z = np.random.default_rng(0).normal(size=(n, 2))
    z[:, 1] = 0.9 * z[:, 0] + 0.3 * z[:, 1]
    return np.array([1.7e9, 1e-3]) + np.array([3.0, 1e-7]) * z


@pytest.mark.slow
def test_fit_places_a_model_and_everything_comes_back_in_the_data_s_values():
    x = correlated()
    data = hm.data.from_arrays(x, valid=x[:40], test=x[40:80])
    assert data.space.affine[0] == pytest.approx(x.mean(0).tolist())
    assert data.train.dtype == np.float64
    run = hm.fit(
        hm.NADE(Gaussian(2), 8, key=KEY), data, hm.objectives.MaximumLikelihood(), epochs=20, batch_size=40, key=KEY
    )
    assert run.model.visible.shift == data.space.affine[0]
    held_out = hm.log_likelihood(run.model, data.test)
    valid = hm.log_likelihood(run.model, x[:40]).value
    assert run.metrics[-1]["log_likelihood_valid"] == pytest.approx(valid, abs=1e-3)
    z = (x - x.mean(0)) / x.std(0)
    best = multivariate_normal([0, 0], np.cov(z.T)).logpdf(z[40:80]).mean() - np.log(x.std(0)).sum()
    assert best - 1.5 < held_out.value < best + 0.2
    drawn = hm.sample(run.model, KEY, 400)
    assert drawn.dtype == np.float64
    np.testing.assert_allclose(drawn.mean(0), x.mean(0), atol=4 * 3.0 / 20, rtol=0)
    holes = x[:5].copy()
    holes[:, 1] = np.nan
    filled = hm.impute(run.model, KEY, holes)
    np.testing.assert_array_equal(filled[:, 0], x[:5, 0])
    assert np.abs(filled[:, 1] - 1e-3).max() < 1e-6
    whole = hm.log_likelihood(run.model, x[:9]).per_example
    first = hm.log_likelihood(run.model, np.where([False, True], np.nan, x[:9]), given=np.zeros(2, bool)).per_example
    rest = hm.log_likelihood(run.model, x[:9], given=np.array([True, False])).per_example
    np.testing.assert_allclose(first + rest, whole, atol=1e-4)


def test_a_model_that_has_learned_keeps_its_own_values():
    x = correlated()
    data = hm.data.from_arrays(x)
    rbm = hm.RBM(visible=Gaussian(2), hidden=Bernoulli(3), key=KEY)
    assert placed(rbm, data).visible.scaled
    learned = eqx.tree_at(lambda m: (m.b.mean, m.c), rbm, (jnp.ones(2), jnp.ones(3)))
    assert placed(learned, data).visible.scale == (1.0, 1.0)
    moved = placed(eqx.tree_at(lambda m: m.b.mean, rbm, jnp.asarray([1.7e9, 0.0])), data)
    np.testing.assert_allclose(moved.b.mean, (np.array([1.7e9, 0.0]) - x.mean(0)) / x.std(0), rtol=1e-3)
    assert placed(moved, hm.data.from_arrays(x + 5)).visible == moved.visible
    for centred in (hm.Centred(rbm), hm.Centred(hm.at_marginals(rbm, np.asarray(x)))):
        assert placed(centred, data).model.visible.scaled
    grey = hm.data.from_arrays(np.random.default_rng(0).integers(0, 2, (9, 2)))
    assert placed(rbm, grey).visible.scale == (1.0, 1.0)  # and so stays what it is, whatever it sees next
    assert placed(placed(rbm, grey), data).visible.scale == (1.0, 1.0)


def test_a_streamed_file_far_from_zero_is_shown_at_unit_scale(tmp_path):
    np.save(tmp_path / "x.npy", correlated())
    data = hm.data.from_arrays(np.load(tmp_path / "x.npy", mmap_mode="r"))
    unit = placed(hm.RBM(visible=Gaussian(2), hidden=Bernoulli(1), key=KEY), data).visible
    held = data.held_by(unit)
    rows = next(iter(held.chunks(seed=0, batch_size=400, steps=1, first_step=0, last_step=1)))
    np.testing.assert_allclose(np.asarray(rows[0]).std(0), 1, atol=1e-3)


def test_columns_and_frames_move_their_real_parts_alone():
    unit = Columns([Bernoulli(1), Gaussian(2)]).placed(np.array([0.5, 10.0, 20.0]), np.array([0.1, 2.0, 4.0]))
    x = np.array([[1.0, 12.0, 12.0]])
    np.testing.assert_array_equal(unit.from_data(x), [[1.0, 1.0, -2.0]])
    np.testing.assert_array_equal(unit.to_data(unit.from_data(x)), x)
    assert unit.log_scale() == pytest.approx(np.log(8.0))
    frames = Frames(Gaussian(1), 3).placed(np.array([10.0]), np.array([2.0]))
    rows = frames.rows([[[12.0], [8.0]], [[10.0]]])
    held = np.asarray(frames.from_data(rows))
    np.testing.assert_array_equal(held[0, :2], [1.0, -1.0])
    assert (held == frames.absent).sum() == 3
    np.testing.assert_array_equal(frames.to_data(held), rows)
    np.testing.assert_allclose(frames.log_scale(rows), np.log(2.0) * np.array([2, 1]))


def test_a_placed_model_is_saved_with_its_map(tmp_path):
    rbm = hm.RBM(visible=Gaussian(1, [1.7e9 + 0.25], [3.0]), hidden=Bernoulli(1), key=KEY)
    assert hm.load(hm.save(rbm, tmp_path / "m.safetensors")).visible.shift == (1.7e9 + 0.25,)


def test_a_shift_or_scale_that_cannot_be_is_refused():
    for wrong in (([np.nan], [1.0]), ([0.0], [0.0]), ([0.0], None)):
        with pytest.raises(hm.InputError, match="shift"):
            Gaussian(1, *wrong)


def test_classes_of_far_columns_are_told_as_at_unit_scale():
    labels = hm.units.Categorical(1, states=3)
    unit = Gaussian(2, 1.7e9, 3.0)
    near, far = (hm.DBM(u, [Bernoulli(3)], labels, key=KEY, scale=1.0) for u in (Gaussian(2), unit))
    z = np.random.default_rng(0).normal(size=(80, 2))
    x, y = 1.7e9 + 3 * z, np.random.default_rng(1).integers(0, 3, 80)
    np.testing.assert_allclose(hm.classify(far, x), hm.classify(near, z), atol=1e-4)
    assert hm.error_rate(far, x, y).errors == hm.error_rate(near, z, y).errors
    whole = np.rint(x).astype(np.int64)
    np.testing.assert_array_equal(hm.classify(far, whole), hm.classify(far, whole.astype(np.float64)))


def test_held_out_rows_choose_in_the_data_s_own_nats():
    x = correlated()
    data = hm.data.from_arrays(x, valid=x[:50])
    best = hm.training.Best(data.valid)
    run = hm.fit(
        hm.FVBN(Gaussian(2)), data, hm.objectives.MaximumLikelihood(), epochs=3, batch_size=100, key=KEY,
        callbacks=[best],
    )  # fmt: skip
    assert best.value == pytest.approx(hm.log_likelihood(best.model, data.valid).value, abs=1e-3)
    assert abs(run.metrics[-1]["log_likelihood"] - run.metrics[-1]["log_likelihood_train"]) < 1


def test_one_number_stands_for_all_columns_and_others_are_counted():
    x = 1e9 + 2 * np.random.default_rng(0).normal(size=(50, 3))
    found = hm.log_likelihood(hm.FVBN(Gaussian(3, 1e9, [2.0])), x).value
    assert found == pytest.approx(norm(1e9, 2).logpdf(x).sum(axis=1).mean(), abs=1e-3)
    with pytest.raises(hm.InputError, match="3 real columns have 3 shifts"):
        Gaussian(3, [1e9, 1.0], [1.0, 1.0, 1.0])


def test_one_unit_of_two_layers_is_placed_in_one():
    unit = Gaussian(2)
    rbm = placed(hm.RBM(visible=unit, hidden=unit, key=KEY), hm.data.from_arrays(correlated()))
    assert rbm.visible.scaled
    assert not rbm.hidden.scaled


def test_noise_that_was_made_before_is_placed_with_the_model():
    x = correlated()
    rbm = hm.RBM(visible=Gaussian(2), hidden=Bernoulli(2), key=KEY)
    rule = hm.objectives.NCE(hm.objectives.marginal_noise(rbm, x[:, :] / 1e9))
    run = hm.fit(hm.Normalised(rbm), x / 1e9, rule, epochs=1, batch_size=100, key=KEY)
    assert run.step == 4


def test_a_generator_of_codes_gives_the_data_s_own_values():
    rng = np.random.default_rng(0)
    c = rng.integers(0, 2, 400)
    rows = np.c_[c, 1.7e9 + 3 * rng.normal(size=400) + 10 * c]
    model = hm.ConditionalGenerator(Gaussian(1), Bernoulli(1), hm.nets.MLP([1, 8, 2], key=jax.random.key(1)))
    options = {"optimizer": optax.adam(0.02), "epochs": 60, "batch_size": 100, "key": KEY}
    run = hm.fit(model, rows, hm.objectives.Supervised(), **options)
    for code in (0, 1):
        there = rows[c == code, 1]
        law = run.model.conditional(jnp.array([float(code)]))
        assert abs(float(run.model.mean(jnp.array([float(code)]))[0]) - there.mean()) < 2
        truth = norm(there.mean(), there.std()).logpdf(there).mean()
        assert np.mean([law.log_prob(there[i : i + 1]) for i in range(60)]) == pytest.approx(truth, abs=0.4)
    assert run.metrics[-1]["log_likelihood"] == pytest.approx(truth, abs=0.5)


def test_traced_rows_that_float32_cannot_hold_are_refused():
    rbm = hm.RBM(visible=Gaussian(2, 1.7e9, 3.0), hidden=Bernoulli(2), key=KEY)
    with pytest.raises(hm.InputError, match=r"Inside jax\.vmap"):
        jax.vmap(lambda v: hm.free_energy(rbm, {"v": v}))(jnp.asarray(correlated()[:3]))
    near = hm.RBM(visible=Gaussian(2, 3.0, 2.0), hidden=Bernoulli(2), key=KEY)
    x = np.random.default_rng(0).normal(3, 2, (4, 2)).astype(np.float32)
    each = [float(hm.free_energy(near, {"v": row})) for row in x]
    np.testing.assert_allclose(jax.vmap(lambda v: hm.free_energy(near, {"v": v}))(x), each, atol=1e-5)


@pytest.mark.slow
def test_sequences_of_unlike_length_far_from_zero():
    rng = np.random.default_rng(0)
    frames = Frames(Gaussian(1), 5)
    parts = [rng.normal(size=(n, 1)) for n in rng.integers(1, 6, 30)]
    near = hm.VariationalRNN(frames, Gaussian(1), 4, sizes=[3], key=KEY)
    far = hm.VariationalRNN(frames.placed(np.array([1.7e9]), np.array([500.0])), Gaussian(1), 4, sizes=[3], key=KEY)
    a = hm.log_likelihood(near, frames.rows(parts), key=KEY, samples=5)
    rows = np.full((30, 5), frames.absent)
    for i, part in enumerate(parts):
        rows[i, : len(part)] = 1.7e9 + 500 * part[:, 0]
    b = hm.log_likelihood(far, rows, key=KEY, samples=5)
    expected = a.per_example - np.log(500.0) * np.array([len(part) for part in parts])
    np.testing.assert_allclose(b.per_example, expected, atol=1e-3)
    assert b.stderr == pytest.approx(b.per_example.std(ddof=1) / np.sqrt(30), rel=1e-6)
