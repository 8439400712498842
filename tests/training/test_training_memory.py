"""Memory on two devices: chains are shared among them, fast weights and snapshots are on each, and the run is that of
one device."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from test_training_devices import finished, started

RUN = """
import sys
out, devices = sys.argv[1], int(sys.argv[2])
import jax
jax.config.update("jax_platforms", "cpu")
import numpy as np, optax
from harmonium.models import RBM, Centred
from harmonium.objectives import FPCD, MaxNorm, TrajectoryPCD
from harmonium.training import fit
from harmonium.units import Bernoulli

x = (np.random.default_rng(0).random((80, 8)) < 0.4).astype(np.float32)
model = Centred(RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0)))
rules = {"fast": MaxNorm(FPCD(1, 16), 0.5), "trail": TrajectoryPCD(1, 16, snapshots=4, threshold=0.9)}

def copied(tree):
    return all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(tree))

def run(rule, epochs=5, **options):
    return fit(model, x, rule, optimizer=optax.adam(0.05), epochs=epochs, batch_size=20, key=jax.random.key(3),
               monitor=False, **options)

for name, rule in rules.items():
    if devices == 1:
        done = run(rule)
    else:
        run(rule, 2, out=f"{out}/{name}")
        done = run(rule, out=f"{out}/{name}", resume=True)
    memory = done.state.memory
    values = memory.chains["v"] if name == "fast" else memory.chains.values["v"]
    if devices == 2:
        assert {shard.data.shape[0] for shard in values.addressable_shards} == {8}, "chains are not split"
        assert all(len(leaf.sharding.device_set) == 2 for leaf in jax.tree.leaves(memory))
        assert copied(memory.own) and copied(memory.means), "more than chains is split"
        assert {leaf.shape[0] % 2 for leaf in jax.tree.leaves(memory.own) if leaf.ndim} == {0}
    if name == "trail":
        assert int(memory.own.taken) > 0
    arrays = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves((done.model, memory.own)))}
    np.savez(f"{out}/{name}{devices}.npz", **arrays, loss=[line["loss"] for line in done.metrics])
"""


@pytest.mark.slow
def test_two_devices_share_chains_and_nothing_else(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    finished(*(started(script, tmp_path, count, devices=count) for count in (1, 2)))
    for name in ("fast", "trail"):
        one, two = (np.load(tmp_path / f"{name}{count}.npz") for count in (1, 2))
        assert jax.tree.all({key: one[key].shape == two[key].shape for key in one.files})
        for key in one.files:
            np.testing.assert_allclose(one[key], two[key], atol=1e-4, err_msg=f"{name} {key}")
