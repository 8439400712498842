"""The report of a run: every section is there, pictures are pictures, and nothing outside the file is needed."""

from __future__ import annotations

import base64
import html
import io
import re

import jax
import numpy as np
import pytest
from PIL import Image

from harmonium.data import Dataset, from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import Estimate, error_rate, log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import FVBN, NADE, RBM, RNADE, BoltzmannMachine, Centred, Classifier, OrderlessNADE
from harmonium.models.boltzmann.pairs import lattice_edges
from harmonium.nets import MLP
from harmonium.objectives import CD, MaximumLikelihood, Objective, OrderAgnostic
from harmonium.report import write_report
from harmonium.report.head import wall_time
from harmonium.report.look import Look
from harmonium.report.measure import in_deviations, metric, nearest, score_filled
from harmonium.report.subject import Subject, number
from harmonium.training import RunFolder, fit
from harmonium.training.folder import describe
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian, Poisson, Rectified, Spin, Unit

KEY = jax.random.key(0)
TITLES = (
    "Estimates", "Learning curves", "Samples", "Moments", "Filters", "Gibbs chains", "Filling in",
    "Nearest training rows", "Hidden units", "Diagnosis", "How to reproduce",
)  # fmt: skip
EVIL = "<script>alert('x')</script> & \"friends\""


def rows(n: int, size: int, seed: int = 0) -> np.ndarray:
    """Two kinds of binary rows with some noise."""
    random = np.random.default_rng(seed)
    kinds = random.random((2, size)) < 0.5
    return (kinds[random.integers(0, 2, n)] ^ (random.random((n, size)) < 0.1)).astype(np.uint8)


def run_of(path, data: Dataset, visible: Unit, hidden: Unit):
    """The folder and the model of a run that is as good as over."""
    folder = RunFolder.create(path)
    folder.write_about(describe(data, seed=[0, 0], settings={"epochs": 2}))
    folder.write_metrics([{"step": i, "epoch": i / 2, "seconds": 0.1 * i, "loss": 1 / (1 + i)} for i in range(4)])
    return folder, RBM(visible, hidden, key=KEY, scale=0.3)


def pictures(page: str) -> list[np.ndarray]:
    """The page's pictures as arrays."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(code, validate=True)))) for code in found]


def check_page(page: str, shown: set[str]) -> None:
    """The page holds every section, shows those of `shown`, and needs nothing else to be read."""
    for title in TITLES:
        assert f"<h2>{title}</h2>" in page
    skipped = set(re.findall(r"<h2>([^<]*)</h2>\s*<p class=\"skipped\">Not shown: \w", page))
    assert set(TITLES) - skipped == shown
    assert "://" not in page
    assert "<script" not in page
    assert "<link" not in page
    assert set(re.findall(r'\b(?:src|href)="([#\w:]+)', page)) <= {
        "data:image",
        *(f"#{t.lower().replace(' ', '-')}"[:1] + t.lower().split(" ")[0] for t in TITLES),
    }
    images = pictures(page)
    assert images
    assert all(np.ptp(image[..., :3]) > 0 for image in images)


@pytest.fixture(scope="module")
def image_run(tmp_path_factory):
    data = from_arrays(rows(80, 16), valid_fraction=0.1, test_fraction=0.2, name=EVIL, image_shape=(4, 4))
    model = Centred(RBM(Bernoulli(16), Bernoulli(5), key=KEY))
    path = tmp_path_factory.mktemp("runs") / "digits"
    run = fit(model, data, CD(), epochs=3, batch_size=20, key=KEY, out=path, monitor=False)
    folder, model = run.folder, run.model
    folder.save_estimate("test", log_likelihood(model, data))
    path = write_report(folder, model, data, key=KEY, steps=20)
    return data, folder, model, path


@pytest.mark.slow
def test_pictures_show_every_section(image_run):
    _, folder, _, path = image_run
    assert path == folder.path / "report.html"
    page = path.read_text()
    check_page(page, set(TITLES))
    assert len(pictures(page)) >= 2 + 2 + 2 + 1 + 1 + 2 + 2 + 1
    assert [p.name for p in folder.path.iterdir() if p.name.endswith(".tmp")] == []
    assert len(page) < 2_000_000


def test_the_head_carries_the_verdict_and_the_gain(image_run):
    _, folder, _, path = image_run
    page = path.read_text()
    estimate = folder.estimates["test"]
    assert f"{estimate.value:.2f}".replace("-", "−") in page
    assert '<p class="verdict trust">number: trust</p>' in page
    assert "nats per example over independent units" in page


def test_names_are_escaped(image_run):
    page = image_run[3].read_text()
    assert EVIL not in page
    assert html.unescape(page).count(EVIL) >= 2


def test_a_doubtful_interval_is_told_and_broken_metrics_do_no_harm(image_run, tmp_path):
    data, _, model, _ = image_run
    folder = RunFolder.create(tmp_path / "run")
    folder.write_about({"recipe": "rbm", "arguments": {"data": "x.npy", "centred": False}, "git_commit": None})
    folder.write_metrics([
        {"step": 1, "epoch": 1.0, "seconds": 1.0, "loss": float("nan"), "other": 1.0, "never": float("nan")},
        {"step": 2, "epoch": 2.0, "seconds": 2.0, "loss": float("inf")},
    ])  # fmt: skip
    verdict = "do not report: the ends are 9.0 nats apart; use more temperatures"
    folder.save_estimate("test", Estimate(-8.0, 1.0, "interval", lower=-12.5, upper=-3.5, verdict=verdict, n=16))
    page = write_report(folder, model, data, key=KEY, steps=20).read_text()
    check_page(page, set(TITLES))
    assert f'<p class="verdict doubt">{verdict}</p>' in page
    assert "−12.50 to\u00a0−3.50" in page
    assert "over independent units" not in page
    assert "harmonium train rbm --data x.npy --no-centred" in page


@pytest.mark.slow
def test_a_table_and_an_empty_folder(tmp_path):
    data = from_arrays(rows(60, 6).astype(np.float32) * 2 - 1, name="table")
    folder = RunFolder.create(tmp_path / "run")
    folder.write_about({})
    model = RBM(Spin(6), Gaussian(2), key=KEY)
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    check_page(page, set(TITLES) - {"Learning curves", "Hidden units"})
    assert "not yet estimated" in page
    assert "cells guessed right" in page


@pytest.mark.slow
def test_real_and_categorical_pictures(tmp_path):
    real = np.random.default_rng(0).normal(size=(60, 2, 3, 3)).astype(np.float32)
    codes = np.random.default_rng(0).integers(0, 3, (60, 3, 3))
    cases = {"real": (real, Gaussian(18), Bernoulli(3)), "codes": (codes, Categorical(9, states=3), Spin(3))}
    for name, (x, visible, hidden) in cases.items():
        data = from_arrays(x, test_fraction=0.3, name=name)
        folder, model = run_of(tmp_path / name, data, visible, hidden)
        page = write_report(folder, model, data, key=KEY, steps=5).read_text()
        check_page(page, set(TITLES))
        assert "Right half missing" in page


@pytest.mark.slow
def test_grey_rows_are_sampled_before_they_are_shown(tmp_path):
    grey = np.random.default_rng(0).random((60, 9))
    data = from_arrays(grey, test_fraction=0.3, binarize="dynamic", image_shape=(3, 3))
    folder, model = run_of(tmp_path / "run", data, Bernoulli(9), Bernoulli(3))
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    check_page(page, set(TITLES))
    assert "Euclidean" in page  # the training rows are grey
    untested = from_arrays(grey, binarize="probabilities", image_shape=(3, 3))
    subject = Subject(folder, model, untested, KEY, 5)
    assert subject.held_name == "training"
    assert set(np.unique(subject.held)) == {0, 1}


def shown_of(page: str) -> list[str]:
    return re.findall(r"<h2>([^<]*)</h2>(?!\s*<p class=\"skipped\">)", page)


def test_a_classifier_has_mistakes_and_no_samples(tmp_path):
    x, labels = rows(80, 16), np.array(["ant", "bee", "cat"])[np.arange(80) % 3]
    data = from_arrays(x, test_fraction=0.3, labels=labels, image_shape=(4, 4))
    model = Classifier(MLP([16, 5, 3], key=KEY))
    folder, _ = run_of(tmp_path / "run", data, Bernoulli(16), Bernoulli(2))
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    assert "not yet estimated" in page
    rate = error_rate(model, data.test, data.test_labels)
    folder.save_error_rate("test", rate)
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    assert re.findall("<h2>([^<]*)</h2>", page) == shown_of(page)  # nothing that it has not is spoken of
    assert shown_of(page) == ["Estimates", "Learning curves", "Classes", "Filters", "How to reproduce"]
    assert f"{100 * rate.value:.2f}\u00a0%" in page
    assert f"{rate.errors} of 24 rows named wrongly" in page
    assert "A Classifier with 16 inputs, 5 hidden relu units and 3 classes" in page
    assert "Log-likelihood" not in page
    table = re.search(r"True classes.*?</table>", page, re.DOTALL)[0]
    counts = [int(n) if n != "·" else 0 for n in re.findall(r"<td>(·|\d+)</td>", table)]
    assert all(f"class {name}" in table for name in ("0 (ant)", "1 (bee)", "2 (cat)"))
    confusions = np.reshape(counts, (3, 3))
    assert confusions.sum() == 24
    assert confusions.sum() - np.trace(confusions) == rate.errors
    assert (confusions.sum(1) == np.bincount(data.test_labels)).all()


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [None, Bernoulli(3)])
def test_a_boltzmann_machine_shows_its_couplings(hidden, tmp_path):
    data = from_arrays(rows(60, 16), test_fraction=0.3, image_shape=(4, 4))
    folder, _ = run_of(tmp_path / "run", data, Bernoulli(16), Bernoulli(2))
    edges = lattice_edges((4, 4), periodic=False)
    model = BoltzmannMachine(Bernoulli(16), hidden, edges=edges, key=KEY, scale=0.5)
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    assert "Couplings" in shown_of(page)
    assert "24 pairs of visible units" in page
    assert "Couplings with the pixel below" in page
    assert ("Filters" in shown_of(page)) == (hidden is not None)


SEQUENCE = ["Estimates", "Learning curves", "Samples", "Moments", "Variable by variable", "Filters",
            "Nearest training rows", "How to reproduce"]  # fmt: skip
CHAINS = r"chains|\bchain(?! rule)|Gibbs|sweep|steps? from"  # of which there are none in a network


def network_run(model, path, data: Dataset, rule: Objective | None = None):
    """The page of a network that was trained for two epochs."""
    run = fit(model, data, rule or MaximumLikelihood(), epochs=2, batch_size=20, key=KEY, out=path)
    run.folder.save_estimate("test", log_likelihood(run.model, data))
    return run, write_report(run.folder, run.model, data, key=KEY).read_text()


def test_a_network_shows_samples_and_variables_and_no_chains(tmp_path):
    data = from_arrays(rows(80, 16), valid_fraction=0.1, test_fraction=0.2, image_shape=(4, 4))
    model = at_marginals(NADE(Bernoulli(16), 5, key=KEY, scale=0.3), data.train)
    run, page = network_run(model, tmp_path / "run", data)
    assert re.findall("<h2>([^<]*)</h2>", page) == shown_of(page) == SEQUENCE
    assert "A NADE with 16 Bernoulli visible units and 5 hidden sigmoid units" in page
    told = page[: page.index("How to reproduce</h2>")]
    assert not re.search(CHAINS, told)
    exact = number(run.folder.estimates["test"].value)
    assert exact.lstrip("−") + " nats together" in page  # the variables add up to the whole
    assert "exact; ±" in page
    assert "64 independent samples" in page
    assert "The weights of 5 hidden units" in page
    assert "Log likelihood over epochs" in page
    images = pictures(page)
    assert len(images) == 2 + 2 + 2 + 2 + 1 + 2
    assert all(np.ptp(image[..., :3]) > 0 for image in images)


def mixed(n: int) -> np.ndarray:
    random = np.random.default_rng(0)
    bits, kind = random.integers(0, 2, (n, 2)), random.integers(0, 3, (n, 1))
    return np.hstack([bits, kind, random.normal([500.0, 1e-3], [20.0, 1e-4], (n, 2)) + [20.0, 1e-4] * kind])


MIXED = Columns([Bernoulli(2), Categorical(1, states=3), Gaussian(2)])


@pytest.mark.slow
def test_a_mixed_table_is_shown_column_by_column(tmp_path):
    data = from_arrays(mixed(100), valid_fraction=0.1, test_fraction=0.2, name="table", standardize="real")
    model = at_marginals(FVBN(MIXED, order=(4, 0, 1, 2, 3)), data.train)
    run, page = network_run(model, tmp_path / "run", data)
    assert shown_of(page) == SEQUENCE
    assert "An FVBN with 2 Bernoulli, 1 Categorical (3 states) and 2 Gaussian visible units" in page
    assert "Each column has its own scale" in page
    table = re.search(r"Columns, counted from 0.*?</table>", page, re.DOTALL)[0]
    cells = re.findall(r'<th scope="row">(\d)</th>\s*<td>([^<]*)</td>\s*<td>(\d)</td>', table)
    assert cells[2:4] == [("2", "Categorical, 3 states", "4"), ("3", "Gaussian", "5")]
    assert "mixed distance" in page
    assert "acts on those after it" in page
    again = from_arrays(mixed(100), valid_fraction=0.1, test_fraction=0.2, name="table", standardize="real")
    raw = Subject(run.folder, run.model, again, KEY, 5).scaled(data.test)
    assert raw[:, :2].max() == 1
    assert raw[:, 2].max() == 1


FILLED = [*SEQUENCE[:6], "Filling in", *SEQUENCE[6:]]


@pytest.mark.slow
def test_a_network_of_every_order_fills_in_halves_of_pictures_without_chains(tmp_path):
    data = from_arrays(rows(80, 16), valid_fraction=0.1, test_fraction=0.2, image_shape=(4, 4))
    model = OrderlessNADE(Bernoulli(16), [5, 4], key=KEY).with_orders(2, key=KEY)
    run, page = network_run(at_marginals(model, data.train), tmp_path / "run", data, OrderAgnostic())
    assert shown_of(page) == FILLED
    assert "An OrderlessNADE with 16 Bernoulli visible units, 5 hidden relu units and 4 hidden relu units" in page
    told = page[: page.index("How to reproduce</h2>")]
    assert not re.search(CHAINS, told)
    assert "3 independent completions, drawn pixel by pixel in random orders" in page
    assert "given those before it, in the first of the network&#39;s orders" in page
    assert "by the chain rule, mean over 2 orders" in page
    assert "The weights of 5 hidden units" in page
    assert "Exact, of 100 rows of each split" in page
    images = pictures(page)
    assert len(images) == 2 + 2 + 2 + 2 + 1 + 2 + 2
    assert all(np.ptp(image[..., :3]) > 0 for image in images)
    subject = Subject(run.folder, run.model, data, KEY, 5)
    original, hidden = subject.to_fill
    drawn = subject.filled(())
    assert drawn.shape == (3, *original.shape)
    np.testing.assert_array_equal(drawn[:, ~hidden], np.broadcast_to(original[~hidden], (3, (~hidden).sum())))
    assert len({draw.tobytes() for draw in drawn}) == 3


@pytest.mark.slow
def test_hidden_cells_of_a_mixed_table_are_scored_without_chains(tmp_path):
    data = from_arrays(mixed(300), valid_fraction=0.1, test_fraction=0.3, name="table", standardize="real")
    model = at_marginals(OrderlessNADE(MIXED, [4], key=KEY), data.train)
    _, page = network_run(model, tmp_path / "run", data, OrderAgnostic())
    assert shown_of(page) == FILLED
    assert not re.search(CHAINS, page[: page.index("How to reproduce</h2>")])
    assert "drawn 50 times from the model given the rest: one cell after the other in random orders." in page
    cells = re.findall(r'<th scope="row">([^<]*, columns? [^<]*)</th>\s*<td>([^<]*)</td>\s*<td>([^<]*)</td>', page)
    assert len(cells) == 5  # two numbers of bits, two of codes, one of real columns
    for name, ours, marginal in cells:  # after two epochs it knows about as much as the marginals do
        ours, marginal = (float(text.strip("%").replace("−", "-")) for text in (ours, marginal))
        assert ours == pytest.approx(marginal, rel=0.5), name


@pytest.mark.slow
def test_a_network_of_densities_is_shown_by_its_mixtures(tmp_path):
    data = from_arrays(mixed(100)[:, 3:], valid_fraction=0.1, test_fraction=0.2, name="table", standardize=True)
    run, page = network_run(RNADE(Gaussian(2), 4, components=2, key=KEY, order=(1, 0)), tmp_path / "run", data)
    assert shown_of(page) == SEQUENCE
    assert "An RNADE with 2 Gaussian visible units and 4 hidden relu units" in page
    assert number(run.folder.estimates["test"].value).lstrip("−") + " nats together" in page
    assert "the 4 hidden units with the largest weights" in page
    assert re.search(r'<th scope="row">0</th>\s*<td>Gaussian</td>\s*<td>2</td>', page)


@pytest.mark.slow
def test_a_machine_of_mixed_columns_fills_each_kind_by_its_own_measure(tmp_path):
    data = from_arrays(mixed(100), test_fraction=0.3, name="table")
    folder, _ = run_of(tmp_path / "run", data, Bernoulli(2), Bernoulli(2))
    model = at_marginals(RBM(MIXED, Bernoulli(3), key=KEY), data.train)
    page = write_report(folder, model, data, key=KEY, steps=5).read_text()
    check_page(page, set(TITLES))
    assert "cells guessed right, column 2" in page
    assert "root mean squared error, columns 3 to 4 (standard deviations)" in page


def test_zero_steps_are_refused(image_run):
    data, folder, model, _ = image_run
    with pytest.raises(InputError, match="at least one Gibbs step"):
        write_report(folder, model, data, key=KEY, steps=0)


# ---- numbers ---------------------------------------------------------------------------------------------------


def test_nearest_rows_and_their_distances():
    train = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1]])
    for unit in (Bernoulli(3), Categorical(3, states=2)):
        found, far = nearest(unit, np.array([[1, 1, 1]]), train, 2, "Hamming")
        assert found.tolist() == [[1, 2]]
        assert far.tolist() == [[0, 1]]
    _, far = nearest(Gaussian(2), np.array([[3.0, 4.0]]), np.zeros((1, 2)), 5, "Euclidean")
    assert far.tolist() == [[5.0]]


def test_a_mixed_distance_counts_cells_and_deviations():
    unit = Columns([Bernoulli(1), Spin(1), Categorical(1, states=4), Gaussian(1)])
    train = np.array([[0, -1, 0, 100.0], [1, 1, 3, 120.0]])  # a mean of 110 and a deviation of 10
    assert metric(unit, train) == "mixed"
    a, b = in_deviations(unit, np.array([[0, -1, 0, 100.0]]), train), in_deviations(unit, train, train)
    found, far = nearest(unit, a, b, 2, "mixed")
    assert found.tolist() == [[0, 1]]
    np.testing.assert_allclose(far, [[0, (1 + 1 + 1 + 2**2) ** 0.5]], atol=1e-6)


def test_a_model_that_knows_nothing_fills_in_like_the_marginals():
    train = rows(500, 5)
    hidden = np.ones((40, 5), bool)
    drawn = np.stack([train[i : i + 40] for i in range(0, 400, 40)])
    right = np.repeat(train[None, :40], 10, axis=0)
    knows = score_filled(Bernoulli(5), right, train[:40], hidden, train)
    guesses = score_filled(Bernoulli(5), drawn[1:], train[:40], hidden, train)
    assert knows.model == 1.0
    assert knows.model_log_prob > -0.1 > guesses.model_log_prob
    assert abs(guesses.model_log_prob - guesses.marginal_log_prob) < 0.2
    real = score_filled(Gaussian(5), np.zeros((2, 4, 5)), np.ones((4, 5)), np.ones((4, 5), bool), np.ones((9, 5)))
    assert (real.model, real.marginal) == (1.0, 0.0)


def test_missing_values_have_a_colour_of_their_own():
    look = Look(0.0, 1.0, "gray_r", (1, 3))
    black_missing_white = look.pictures(np.array([1.0, np.nan, 0.0]))
    assert black_missing_white[0].tolist() == [[0, 0, 0], [244, 162, 89], [255, 255, 255]]
    assert Look(0.0, 1.0, "gray", (2, 2, 3)).pictures(np.zeros((7, 12))).shape == (7, 2, 2, 3)


@pytest.mark.parametrize("family", [Gaussian, Rectified, Poisson])
def test_values_without_a_list_are_drawn_over_their_own_range(family):
    rows = np.random.default_rng(0).poisson(40, size=(200, 4)).astype(np.float32)
    model = RBM(family(4), Bernoulli(2), key=jax.random.key(0))
    data = from_arrays(rows)
    look = Subject(None, model, data, jax.random.key(0), 1).look
    np.testing.assert_allclose((look.low, look.high), np.percentile(rows, [1, 99]), rtol=0.05)


def test_wall_time_adds_what_a_resumed_run_counted_anew():
    assert wall_time([{"seconds": 1.0}, {"seconds": 2.0}, {"seconds": 0.5}]) == 2.5
