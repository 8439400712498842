"""Numbers of NumPy and JAX count as Python's own where a whole number is taken; what no run counts to is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError

KEY = jax.random.key(0)
B = hm.units.Bernoulli
RBM = hm.RBM(B(4), B(3), key=KEY)
ROWS = np.eye(4)[[0, 1, 2, 3] * 3]
USES = {
    "sample": lambda i: hm.sample(RBM, KEY, i, steps=i, first=i),
    "impute": lambda i: hm.impute(RBM, KEY, np.full(4, np.nan), steps=i),
    "ais": lambda i: hm.log_likelihood(RBM, ROWS, key=KEY, method="ais", chains=i, temperatures=i, burn_in=i),
    "raise": lambda i: hm.log_likelihood(RBM, ROWS, key=KEY, method="raise", chains=i, temperatures=i, rows=i),
    "csl": lambda i: hm.log_likelihood(RBM, ROWS, key=KEY, method="csl", samples=i, chains=i, burn_in=i, thinning=i),
    "diagnose": lambda i: hm.diagnose(RBM, ROWS, key=KEY, chains=i, sweeps=i, rows=i),
    "fit": lambda i: hm.fit(RBM, ROWS, hm.objectives.PCD(i, i), epochs=i, batch_size=i, key=KEY).model,
    "units": lambda i: hm.sample(hm.RBM(B(i), B(i), key=KEY), KEY, 2, steps=2),
    "orders": lambda i: hm.log_likelihood(hm.OrderlessNADE(B(4), [4], key=KEY), ROWS, key=KEY, orders=i),
    "bound": lambda i: hm.log_likelihood(hm.VAE(B(4), hm.units.Gaussian(2), [4], key=KEY), ROWS, key=KEY, samples=i),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [np.int64, np.uint8, jnp.int32])
def test_whole_numbers_of_any_make_count_alike(use, kind):
    def told(number):
        found = USES[use](number)
        return [found.value] if hasattr(found, "value") else jax.tree.leaves(found)

    number = 8 if use == "diagnose" else 3
    for ours, theirs in zip(told(kind(number)), told(number), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("option", ["steps", "first"])
def test_numbers_that_nobody_counts_to_are_refused(option):
    with pytest.raises(InputError, match=f"does not count as far as {option}=1180591620717411303424"):
        hm.sample(RBM, KEY, 2, **{option: 2**70})


@pytest.mark.parametrize(
    "ask",
    [lambda: hm.log_partition(RBM, key=KEY, method="reverse_ais", data="a", chains=4, temperatures=5, burn_in=1),
     lambda: hm.log_partition(RBM, key=KEY, method="trajectory", snapshots=3),
     lambda: hm.log_likelihood(RBM, ROWS, method=np.array(["ais"])),
     lambda: hm.encode(RBM, ROWS, tolerance=float("nan")),
     lambda: hm.objectives.MaxNorm(hm.objectives.CD(), float("inf")),
     lambda: hm.objectives.Sparse(hm.objectives.CD(), float("nan"), strength=1.0)],
)  # fmt: skip
def test_what_is_no_number_is_refused(ask):
    with pytest.raises(InputError):
        ask()


def test_an_objective_accepts_a_tuple_of_kinds():
    class Own(hm.objectives.CD):
        accepts = hm.kinds.ENERGY

    with pytest.raises(InputError, match="a tuple of kinds"):
        hm.fit(RBM, ROWS, Own(), epochs=1, key=KEY)
