"""Every law of the conformance suite, for every model of `examples.py`."""

from __future__ import annotations

import pytest

from examples import EXAMPLES, HIDDEN, VISIBLE
from harmonium.testing import checks_for

# Long chains take the most time to compile: the pairs of unlike units leave them to the pairs of like ones, whose units
# and kernels are the same, and are held to the exact laws (conditionals, sums, one Gibbs step, gradients).
LONG_CHAINS = {"gibbs_converges", "clamped_gibbs"}
UNLIKE = {f"rbm-{v}-{h}" for v in VISIBLE for h in HIDDEN if v != h} - {"rbm-gaussian-bernoulli"}
# The same holds for machines whose colours others have too.
UNLIKE |= {"machine-visible", "machine-hidden", "centred-machine", "interpolated-machine"}

CHECKS = {name: checks_for(model) for name, model in EXAMPLES.items()}
ROWS = [
    (name, check)
    for name, checks in CHECKS.items()
    for check in checks
    if not (name in UNLIKE and check in LONG_CHAINS)
]

# Of these families and classes another example runs with every suite; they run in its second tier.
VARIANTS = {
    "rnnrbm-low-rank",
    "rnnrbm-lstm",
    "rtrbm-gaussian",
    "crbm-mixed-rows",
    "crbm-real-frames",
    "replicated-softmax-deep",
    "rbm-bernoulli-two-double-rectified",
    "rbm-continuous-bernoulli",
    "vae-binomial",
    "vae-poisson",
    "vae-rectified",
}
# Long chains of the commonest machines run with every suite, those of others in its second tier.
QUICK = {"rbm-bernoulli-bernoulli", "rbm-gaussian-bernoulli", "machine-dense", "own-deep"}
MARKED = [
    pytest.param(
        name, check, id=f"{name}:{check}",
        marks=[pytest.mark.slow] if name in VARIANTS or (check in LONG_CHAINS and name not in QUICK) else [],
    )
    for name, check in ROWS
]  # fmt: skip


@pytest.mark.parametrize(("name", "check"), MARKED)
def test_law_holds(name, check):
    CHECKS[name][check]()
