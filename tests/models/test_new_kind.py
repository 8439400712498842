"""A model of a new kind, complete in one file outside of the package."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.models import Kind
from harmonium.models.verb import verb

KEY = jax.random.key(0)


@runtime_checkable
class WalkModel(Protocol):
    """A model that is the stationary distribution of a chain."""

    @property
    def layers(self) -> dict[str, hm.units.Unit]: ...

    def step(self, key: jax.Array, x: jax.Array) -> jax.Array: ...


@pytest.fixture
def chained():
    """The kind, its rows and its model; taken away again."""
    kind = Kind("a model defined by a chain", "it is sampled by hm.sample", WalkModel)

    class Walk(eqx.Module):
        model_kind = kind
        flip: jax.Array

        @property
        def layers(self):
            return {"v": hm.units.Bernoulli(3)}

        def step(self, key, x):
            return jnp.where(jax.random.bernoulli(key, self.flip, (3,)), 1 - x, x)

    @hm.sample.register(kind)
    def _by_steps(model, keys, *, steps=10):
        def chain(key):
            return jax.lax.scan(lambda x, k: (model.step(k, x), None), jnp.zeros(3), jax.random.split(key, steps))[0]

        return jax.vmap(chain)(keys)

    @hm.testing.checks_for.register(kind)
    def _checks(model):
        return [hm.testing.structure.check_save_and_load]

    yield Walk(jnp.array(0.5))
    hm.kinds.KINDS.remove(kind)
    for table in (hm.sample, hm.testing.checks_for):
        del table.rows[kind]


def test_it_is_sampled_checked_and_told(chained):
    assert hm.sample(chained, KEY, 200).mean() == pytest.approx(0.5, abs=0.1)
    assert hm.sample(chained, KEY, 2, steps=3).shape == (2, 3)
    for check in hm.testing.checks_for(chained).values():
        check()
    assert str(hm.methods(chained)).splitlines() == [
        "a model defined by a chain",
        f"{'hm.sample':<24}steps=10, given=None, first=0",
    ]


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda m: hm.log_likelihood(m, np.zeros((2, 3))), "not a Walk: it is sampled by hm.sample"),
        (lambda m: hm.encode(m, np.zeros((2, 3))), "not a Walk: it is sampled by hm.sample"),
        (
            lambda m: hm.sample(m, KEY, 2, sweeps=3),
            "of a model defined by a chain has no option 'sweeps'",
        ),
        (lambda m: hm.fit(m, np.zeros((4, 3)), hm.objectives.CD(), epochs=1, key=KEY), "CD trains an energy model"),
    ],
)
def test_what_it_does_not_answer_is_refused(chained, use, words):
    with pytest.raises(hm.InputError, match=words):
        use(chained)


def test_a_second_row_for_a_kind_is_refused():
    with pytest.raises(hm.InputError, match=r"has a row for an energy model .* already: leave one"):
        hm.sample.register(hm.kinds.ENERGY)(print)


def test_a_kind_that_refines_another_answers_as_that_does():
    finer = Kind("a finer network", "it answers all", hm.models.TractableModel, parent=hm.kinds.TRACTABLE)

    class Finer(hm.FVBN):
        model_kind = finer

    @verb("hm.test_only")
    def asked(row, model):
        return row(model)

    asked.register(hm.kinds.TRACTABLE)(lambda model: "tractable")
    try:
        model = Finer(hm.units.Bernoulli(3))
        assert asked(model) == "tractable"
        asked.register(finer)(lambda model: "finer")
        assert asked(model) == "finer"
        assert hm.log_likelihood(model, np.ones((2, 3))).kind == "exact"
    finally:
        hm.kinds.KINDS.remove(finer)
        del hm.models.verb.VERBS["hm.test_only"]
