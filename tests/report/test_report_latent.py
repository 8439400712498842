"""The report of directed nets with latent variables."""

from __future__ import annotations

import base64
import io
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from harmonium.data import Dataset, from_arrays
from harmonium.evaluation import log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import VAE, BiHM, HelmholtzMachine, SigmoidBeliefNet
from harmonium.objectives import ELBO, Objective, ReweightedWakeSleep
from harmonium.report import write_report
from harmonium.report.decoding import decoded, reconstructed
from harmonium.report.head import sentence
from harmonium.report.insides import filters
from harmonium.report.latent import latent_variables, reconstructions
from harmonium.report.page import PARTS
from harmonium.report.subject import Subject
from harmonium.training import RunFolder, fit
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
SECTIONS = ["Estimates", "Learning curves", "Samples", "Moments", "Reconstructions", "Latent variables", "Filters",
            "Nearest training rows", "Diagnosis", "How to reproduce"]  # fmt: skip
HIDDEN = [*SECTIONS[:8], "Hidden units", *SECTIONS[8:]]
CHAINS = r"chains|\bchain\b|Gibbs|sweep|\bCD\b"  # of which there are none in a directed net


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Two kinds of binary rows of 16 pixels with some noise."""
    random = np.random.default_rng(seed)
    kinds = random.random((2, 16)) < 0.5
    return (kinds[random.integers(0, 2, n)] ^ (random.random((n, 16)) < 0.1)).astype(np.uint8)


DATA = from_arrays(rows(80), valid_fraction=0.1, test_fraction=0.2, image_shape=(4, 4), labels=np.arange(80) % 3)


def page_of(model, path, data: Dataset, rule: Objective, estimated: bool = False) -> str:
    """The report of a net that was trained for two epochs."""
    run = fit(model, data, rule, epochs=2, batch_size=20, key=KEY, out=path)
    if estimated:
        run.folder.save_estimate("test", log_likelihood(run.model, data, key=KEY, samples=20))
    return write_report(run.folder, run.model, data, key=KEY).read_text()


def sections_of(page: str) -> list[str]:
    """The sections that are shown; all that are named, since what does not apply is left out."""
    named = re.findall(r"<h2>([^<]*)</h2>", page)
    assert named == re.findall(r"<h2>([^<]*)</h2>(?!\s*<p class=\"skipped\">)", page)
    words = re.sub(r'src="[^"]*"', "", page[: page.index("How to reproduce</h2>")])
    assert not re.search(CHAINS, words)
    return named


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(code, validate=True)))) for code in found]
    assert all(np.ptp(image[..., :3]) > 0 for image in images)
    return images


@pytest.mark.slow
def test_two_latent_units_are_shown_as_a_plane(tmp_path):
    model = at_marginals(VAE(Bernoulli(16), Gaussian(2), hidden=[8], key=KEY), DATA.train)
    page = page_of(model, tmp_path / "run", DATA, ELBO(), estimated=True)
    assert sections_of(page) == SECTIONS
    assert "A VAE with 16 Bernoulli visible units and 2 Gaussian latent units" in page
    assert "nats per example over independent units" in page
    assert "A lower bound of them weighs samples of the latent variables" in page
    assert "minus the bound of the batches." in page
    assert "Bound over epochs" in page
    assert "each drawn from the top down" in page
    assert "The weights of 8 hidden units of the decoder&#39;s last hidden layer" in page
    assert "Mean pictures over the plane of the two latent units" in page
    assert "Codes of 16 test rows, by label" in page
    assert "dead hidden units" not in page
    assert len(pictures(page)) == 2 + 2 + 2 + 1 + 2 + 1 + 2


def subject_of(model, path, data: Dataset) -> Subject:
    """What the sections of a report of an untrained net are drawn from."""
    return Subject(RunFolder.create(path), model, data, KEY, 5)


@pytest.mark.slow
def test_many_latent_units_are_traversed_and_their_collapse_is_told(tmp_path):
    data = from_arrays(rows(80), test_fraction=0.2, image_shape=(4, 4))
    model = VAE(Bernoulli(16), Gaussian(12), hidden=[8], key=KEY)
    dull = eqx.tree_at(lambda m: m.up[0].net.W[-1], model, jnp.zeros((8, 24)))
    alive, told = (latent_variables(subject_of(m, tmp_path / str(i), data)) for i, m in enumerate((model, dull)))
    assert "Warning" not in alive.shows
    assert told.shows.startswith("Warning: q(h | x) is close to the prior whatever the row")
    assert "posterior collapse" in told.shows
    assert "0 of 12 latent units are active, their KL divergence 0.00 nats" in told.shows
    assert "one of the 8 units that vary most" in told.shows
    assert [picture.title.split(" ")[0] for picture in told.pictures] == ["Mean", "Codes", "KL"]
    assert told.pictures[1].title == "Codes of 16 test rows"


@pytest.mark.slow
def test_binary_hidden_units_are_counted(tmp_path):
    model = at_marginals(HelmholtzMachine(Bernoulli(16), [Bernoulli(5), Bernoulli(3)], key=KEY), DATA.train)
    page = page_of(model, tmp_path / "run", DATA, ReweightedWakeSleep(samples=2))
    assert sections_of(page) == HIDDEN
    assert "the recognition net learns by another objective" in page
    assert "The weights of 5 hidden units to the visible ones" in page
    assert "Layer h1:" in page
    assert "of 8" in re.search(r"active latent units</th>.*?</tr>", page, re.DOTALL)[0]
    assert "5 Bernoulli hidden units and 3 Bernoulli hidden units" in page


def absent(subject):
    """Sections on latent variables, chains and weights that do not apply."""
    asked = {"Latent variables", "Reconstructions", "Gibbs chains", "Hidden units", "Filters"}
    return asked - {part.title for part in PARTS if part.applies(subject)}


def test_two_nets_that_must_agree_are_shown_by_their_common_one(tmp_path):
    net = HelmholtzMachine(Bernoulli(16), [Bernoulli(5), Bernoulli(3)], key=KEY)
    model = eqx.tree_at(lambda m: m.net, BiHM(Bernoulli(16), [Bernoulli(5), Bernoulli(3)], key=KEY), net)
    both, one = (subject_of(m, tmp_path / str(i), DATA) for i, m in enumerate((model, net)))
    assert absent(both) == absent(one) == {"Gibbs chains"}
    assert latent_variables(both).shows == latent_variables(one).shows
    np.testing.assert_array_equal(model.filters(), net.down[0].W)
    assert sentence(both).startswith("A BiHM with 16 Bernoulli visible units, 5 Bernoulli hidden units and 3")


def test_a_mixed_table_is_reconstructed_by_its_cells(tmp_path):
    random = np.random.default_rng(0)
    kind = random.integers(0, 3, (100, 1))
    table = np.hstack([random.integers(0, 2, (100, 2)), kind, random.normal(size=(100, 2)) + kind])
    data = from_arrays(table, test_fraction=0.2, name="table", standardize="real")
    unit = Columns([Bernoulli(2), Categorical(1, states=3), Gaussian(2)])
    subject = subject_of(VAE(unit, Gaussian(3), hidden=[8], key=KEY), tmp_path / "run", data)
    found = reconstructions(subject).tables[0].rows
    assert len(found) == 5  # two numbers of bits, two of codes, one of real columns
    assert found[2][0] == "cells guessed right, column 2"
    assert [picture.title.split(" ")[0] for picture in latent_variables(subject).pictures] == ["Codes", "KL"]


def test_a_net_without_hidden_layers_has_no_latent_sections(tmp_path):
    subject = subject_of(SigmoidBeliefNet(Bernoulli(16), prior="fvbn", key=KEY), tmp_path / "run", DATA)
    assert absent(subject) == {"Latent variables", "Reconstructions", "Gibbs chains", "Hidden units"}
    assert filters(subject).shows.startswith("What acts on 16 pixels")  # its law is fully visible


@pytest.mark.slow
def test_means_of_the_decoder_and_its_weights():
    """A decoder without hidden layers: its means and weights are known."""
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for unit in (Bernoulli(4), Gaussian(4)):
        vae = VAE(unit, Gaussian(3), hidden=[], key=KEY)
        weights = vae.filters()
        assert weights.shape == (4, 3)
        means = weights @ z.T
        means = 1 / (1 + np.exp(-means)) if isinstance(unit, Bernoulli) else means
        np.testing.assert_allclose(decoded(vae, z), means.T, atol=1e-5)
        eye = jnp.eye(4)
        sure = eqx.tree_at(lambda m: m.up[0].net.b[-1], vae, jnp.tile(jnp.array([0.0, 30.0]), 3))
        _, made = reconstructed(sure, jax.random.split(KEY, 4), eye)
        codes = jax.vmap(sure.up[0].unit.mean)(jax.vmap(sure.encode_features)(eye)).x
        noise = np.exp(-5) * np.linalg.norm(weights, axis=1).max()  # the least that a net gives a code, decoded
        np.testing.assert_allclose(made, decoded(vae, np.asarray(codes)), atol=5 * noise)
