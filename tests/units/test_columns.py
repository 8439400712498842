"""Columns of several families: what is computed by family is what the columns give one by one."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import randomised
from harmonium.units import Bernoulli, Categorical, Columns, Conditional, Gaussian, Spin, kinds_of, parts_of

PARTS = [Gaussian(1), Bernoulli(2), Categorical(1, states=3), Gaussian(2), Spin(1), Categorical(2, states=2),
         Bernoulli(1), Categorical(1, states=3)]  # fmt: skip
UNIT = Columns(PARTS)
X = jnp.array([0.3, 1.0, 0.0, 2.0, -1.1, 0.7, -1.0, 1.0, 0.0, 1.0, 1.0])
OUT = jnp.asarray(np.random.default_rng(0).normal(size=UNIT.num_outputs), jnp.float32)
BIAS = randomised(UNIT.bias(UNIT.neutral_natural()), 1)


def by_part(bias) -> list:
    """The bias of each part, which `Columns` keep by kind."""
    found, ends = {}, np.cumsum([part.size for part in PARTS])
    for kind, own in zip(UNIT.kinds, bias, strict=True):
        for k, end in enumerate(ends):
            inside = np.isin(kind.columns, np.arange(end - PARTS[k].size, end))
            if inside.any():
                found[k] = jax.tree.map(lambda leaf, at=inside: leaf[at], own)
    return [found[k] for k in range(len(PARTS))]


def shares(x, widths) -> list:
    return np.split(x, np.cumsum(widths)[:-1])


def test_parts_of_one_family_are_one_kind():
    assert [(type(k.unit), k.unit.states, k.columns.tolist()) for k in UNIT.kinds] == [
        (Gaussian, None, [0, 4, 5]), (Bernoulli, 2, [1, 2, 9]), (Categorical, 3, [3, 10]), (Spin, 2, [6]),
        (Categorical, 2, [7, 8]),
    ]  # fmt: skip
    assert [part for part, _ in parts_of(UNIT)] == PARTS
    assert kinds_of(PARTS[1])[0].columns.tolist() == [0, 1]


@pytest.mark.slow
def test_what_a_net_says_of_the_columns_is_what_it_says_of_each_part():
    """`log_prob`, whole and column by column, features, and the order of a network's outputs."""
    eta = UNIT.natural_from_output(BIAS, OUT)
    outs, values = shares(OUT, [p.num_outputs for p in PARTS]), shares(X, [p.size for p in PARTS])
    each = [
        Conditional(part, part.natural_from_output(bias, jnp.asarray(out))).log_probs(jnp.asarray(value, part.dtype))
        for part, bias, out, value in zip(PARTS, by_part(BIAS), outs, values, strict=True)
    ]
    expected = np.concatenate(each)
    np.testing.assert_allclose(Conditional(UNIT, eta).log_probs(X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(UNIT.log_prob(eta, X), expected.sum(), rtol=1e-5)
    most = max(UNIT.out_widths)
    for i, (out, value) in enumerate(zip(shares(OUT, UNIT.out_widths), X, strict=True)):
        padded = jnp.pad(jnp.asarray(out), (0, most - len(out)))
        found = UNIT.log_prob_one(jnp.int32(i), BIAS, padded, value)
        np.testing.assert_allclose(found, expected[i], rtol=1e-5, atol=1e-6)
    features = [part.as_input(jnp.asarray(v, part.dtype)) for part, v in zip(PARTS, values, strict=True)]
    np.testing.assert_array_equal(UNIT.as_input(X), np.concatenate(features))
    ones = [UNIT.features_of_one(jnp.int32(i), X[i], 3)[:width] for i, width in enumerate(UNIT.widths)]
    np.testing.assert_array_equal(np.concatenate(ones), np.concatenate(features))


def test_log_partition_and_means_are_the_parts_own():
    """The energy's `<eta, T(x)> - A(eta)` with `T` and `eta` of all columns, and the mean of every statistic."""
    eta = UNIT.natural(BIAS)
    own = [part.natural(bias) for part, bias in zip(PARTS, by_part(BIAS), strict=True)]
    total = sum(float(part.log_partition(e)) for part, e in zip(PARTS, own, strict=True))
    assert float(UNIT.log_partition(eta)) == pytest.approx(total, rel=1e-5)
    means = [part.mean(e) for part, e in zip(PARTS, own, strict=True)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), by_part(UNIT.mean(eta)), means)


def test_draws_stand_in_their_columns():
    """4000 draws, failure rate 1e-3: no mean of a column is further than 5 standard errors from its own."""
    eta = UNIT.natural(BIAS)
    drawn = np.asarray(jax.jit(jax.vmap(lambda k: UNIT.sample(k, eta)))(jax.random.split(jax.random.key(5), 4000)))
    keys = jax.random.split(jax.random.key(6), 4000)
    column = lambda i: jax.vmap(lambda k: UNIT.sample_one(k, i, BIAS, jnp.zeros(3)))(keys)  # noqa: E731
    one = np.asarray(jax.jit(jax.vmap(column))(jnp.arange(UNIT.size)))
    for part, at in parts_of(UNIT):
        part.check(drawn[:, at])
    error = np.sqrt((drawn.var(0) + np.var(one, axis=1)) / 4000)
    assert (abs(drawn.mean(0) - np.mean(one, axis=1)) < 5 * error).all()


@pytest.mark.parametrize("build", [
    lambda unit: hm.NADE(unit, 4, key=jax.random.key(0)),
    lambda unit: hm.RBM(visible=unit, hidden=Bernoulli(3), key=jax.random.key(0)),
    lambda unit: hm.VAE(unit, Gaussian(2), [4], key=jax.random.key(0)),
], ids=["nade", "rbm", "vae"])  # fmt: skip
def test_a_program_does_not_grow_with_the_alternation_of_kinds(build):
    """The operations of a step of learning on 80 columns, alternating and sorted."""

    def operations(parts: list) -> int:
        model = build(Columns(parts))
        x = jnp.zeros(80)

        def loss(model):
            if isinstance(model, hm.NADE):
                return model.log_prob(x)
            if isinstance(model, hm.RBM):
                return hm.free_energy(model, {"v": x})
            return model.importance_sample(jax.random.key(0), x, model.encode_features(x)).log_weight

        return str(jax.make_jaxpr(jax.grad(loss, allow_int=True))(model)).count(" = ")

    assert operations([Bernoulli(1), Gaussian(1)] * 40) < 1.2 * operations([Bernoulli(40), Gaussian(40)])


def test_a_file_of_before_with_a_bias_for_each_part_is_read(tmp_path):
    """Version 0.1.0 kept parts of one family apart; what it saved gives the same numbers."""
    old = Columns(PARTS)
    object.__setattr__(old, "joined", False)
    assert len(old.kinds) == len(PARTS)
    rbm = randomised(hm.RBM(visible=old, hidden=Bernoulli(3), key=jax.random.key(0)), 3)
    path = hm.save(rbm, tmp_path / "old.safetensors")
    about = json.loads(path.with_suffix(".json").read_text())
    assert about["model"]["fields"]["visible"]["fields"].pop("joined") == {"value": False}
    del about["structure_sha256"]  # files of then have none
    about["version"] = 1
    path.with_suffix(".json").write_text(json.dumps(about))
    read = hm.load(path)
    assert len(read.b) == len(PARTS)
    kinds = [[k for k, part in enumerate(PARTS) if part.family == kind.unit.family] for kind in UNIT.kinds]
    b = tuple(jax.tree.map(lambda *own: jnp.concatenate(own), *(rbm.b[k] for k in members)) for members in kinds)
    new = hm.RBM(visible=UNIT, hidden=Bernoulli(3), key=jax.random.key(0))
    for name, value in {"W": rbm.W, "b": b, "c": rbm.c}.items():
        object.__setattr__(new, name, value)
    np.testing.assert_allclose(hm.free_energy(read, {"v": X}), hm.free_energy(new, {"v": X}), rtol=1e-5)
    assert hm.load(hm.save(new, tmp_path / "new.safetensors")).visible.joined
