"""One device, two devices and two processes give the same run; chains are split and not copied."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from plainly import FLAGS

RUN = """
import sys
out, port, rank = sys.argv[1:]
import jax
jax.config.update("jax_platforms", "cpu")
if port != "alone":
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", 2, int(rank))
import numpy as np, optax
from harmonium.compiling import whole_entries
from harmonium.data import from_arrays
from harmonium.models import RBM, Centred
from harmonium.objectives import PCD
from harmonium.training import fit
from harmonium.units import Bernoulli

whole_entries()

def run(epochs, **options):
    x = (np.random.default_rng(0).random((80, 8)) < 0.4).astype(np.float32)
    model = Centred(RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0)))
    return fit(model, from_arrays(x, x[:20]), PCD(1, 16), optimizer=optax.adam(0.01), epochs=epochs, batch_size=20,
               key=jax.random.key(3), average=0.9, **options)

if __name__ == "__main__":
    assert jax.device_count() == 2
    run(2, out=out + "/run")
    done = run(5, out=out + "/run", resume=True)
    assert done.step == 20
    chains = done.state.memory.chains["v"]
    assert {shard.data.shape for shard in chains.addressable_shards} == {(8, 8)}, "chains are not split"
    assert len(chains.sharding.device_set) == 2
    arrays = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(done.model))}
    np.savez(f"{out}/{rank}.npz", **arrays, loss=[line["loss"] for line in done.metrics],
             gap=[line["free_energy_gap"] for line in done.metrics])
"""


@pytest.fixture(scope="module")
def alone():
    scope = {"__name__": "alone"}
    code = RUN.replace("out, port, rank = sys.argv[1:]", "port = 'alone'").replace(
        'jax.config.update("jax_platforms", "cpu")', ""
    )
    exec(compile(code, "run", "exec"), scope)
    return scope["run"](5)


def started(script: Path, *arguments: object, devices: int) -> subprocess.Popen:
    flags = {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {FLAGS}",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | flags, stderr=subprocess.PIPE, text=True)


def finished(*processes: subprocess.Popen) -> None:
    try:
        errors = [process.communicate(timeout=150)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(e[-2000:] for e in errors)


def agree(path: Path, run) -> None:
    found = np.load(path)
    for i, leaf in enumerate(jax.tree.leaves(run.model)):
        np.testing.assert_allclose(found[str(i)], leaf, atol=1e-4)
    np.testing.assert_allclose(found["loss"], [line["loss"] for line in run.metrics], atol=1e-4)
    np.testing.assert_allclose(found["gap"], [line["free_energy_gap"] for line in run.metrics], atol=1e-4)


@pytest.mark.slow
def test_two_devices_give_the_run_of_one(alone, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    finished(started(script, tmp_path, "alone", 0, devices=2))
    agree(tmp_path / "0.npz", alone)


@pytest.mark.slow
def test_two_processes_give_the_run_of_one(alone, tmp_path):
    """They write one folder together, and go on from its checkpoint."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    finished(*(started(script, tmp_path, port, rank, devices=1) for rank in (0, 1)))
    for rank in (0, 1):
        agree(tmp_path / f"{rank}.npz", alone)
    assert {"run.json", "metrics.jsonl", "model.safetensors"} <= {p.name for p in (tmp_path / "run").iterdir()}
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 5
