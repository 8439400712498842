"""JAX's 64-bit mode, which other libraries set for a whole process: models, draws and numbers stay float32."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

SOURCE = Path(__file__).parents[1] / "src" / "harmonium"

# Made from nothing, and float64 or int64 in 64-bit mode unless the type is said; and where among the arguments it is.
MADE = {"zeros": 1, "ones": 1, "full": 2, "arange": None, "linspace": None, "eye": None}
DRAWN = ("normal", "uniform", "laplace", "logistic", "gumbel", "exponential")

CORE = """
import warnings
import jax, numpy as np, optax
import harmonium as hm

warnings.filterwarnings("error", message=".*(dtype|type)")  # JAX says so where it narrows what it was asked for

def core():
    key, x, ones = jax.random.key(0), np.eye(4).repeat(5, 0), jax.numpy.ones(4)
    rule = {"optimizer": optax.adam(1e-2), "epochs": 2, "batch_size": 4, "key": key}
    unit = hm.units.Bernoulli(4)
    rbm = hm.fit(hm.RBM(unit, hm.units.Bernoulli(3), key=key), x, hm.objectives.PCD(chains=8), **rule).model
    net = hm.fit(hm.OrderlessNADE(unit, [4], key=key), x, hm.objectives.OrderAgnostic(), **rule).model
    vae = hm.fit(hm.VAE(unit, hm.units.Gaussian(2), [4], key=key), x, hm.objectives.ELBO(), **rule).model
    for model in (rbm, net, vae):
        yield {leaf.dtype.name for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.Array)}
        yield jax.tree.map(np.asarray, jax.tree.leaves(model))
        yield hm.log_likelihood(model, x[:4], key=key).value
        yield np.asarray(hm.sample(model, key, 6))
        yield np.asarray(hm.impute(model, key, np.where(x[:4] == 1, np.nan, x[:4]), steps=5))
    yield hm.log_partition(rbm, key=key, method="ais", temperatures=20, chains=8).value
    yield np.asarray(hm.mean_field(rbm, {"v": ones})["h"]), np.asarray(hm.free_energy(rbm, {"v": ones}))

assert jax.numpy.ones(1).dtype == "float64"
with jax.enable_x64(False):
    usual = [*core()]
for a, b in zip(usual, core(), strict=True):
    jax.tree.map(np.testing.assert_array_equal, a, b)
    print(a if isinstance(a, set) else "")
assert jax.numpy.ones(1).dtype == "float64", "what is outside of the library is no longer as it was"
"""


@pytest.mark.slow
def test_the_core_gives_the_numbers_of_the_usual_mode():
    """Trained, measured, drawn from and filled in, to the last digit; the mode is on at import, and set in between."""
    surroundings = os.environ | {
        "JAX_ENABLE_X64": "1",
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    code = "from harmonium.compiling import whole_entries; whole_entries()" + CORE
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {word for word in done.stdout.split("\n") if word} <= {
        "{'float32'}",
        "{'float32', 'int32'}",
        "{'int32', 'float32'}",
    }


def untyped(tree: ast.AST) -> list[int]:
    """The lines of calls that make an array without saying of what type."""
    lines = []
    for node in ast.walk(tree):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        prefix, _, last = name.rpartition(".")
        typed = isinstance(node, ast.Call) and any(word.arg in ("dtype", None) for word in node.keywords)
        if prefix == "jnp" and last in MADE and not typed:
            lines += [node.lineno] if MADE[last] is None or len(node.args) <= MADE[last] else []
        if prefix == "jax.random" and last in DRAWN and not typed and len(node.args) < 3:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("package", ["units", "nets", "models"])
def test_what_models_make_says_its_type(package):
    """Their methods are called by a person's own code too, outside of all that the library compiles."""
    found = {
        f"{path.relative_to(SOURCE)}:{line}"
        for path in sorted((SOURCE / package).rglob("*.py"))
        for line in untyped(ast.parse(path.read_text()))
    }
    assert not found, f"in 64-bit mode these are float64 or int64: add jnp.float32 or dtype=jnp.int32 ({found})"


def test_untyped_calls_are_seen():
    code = "jnp.zeros(3); jnp.zeros(3, jnp.float32); jnp.arange(3); jax.random.normal(key, (2,)); np.zeros(3)"
    assert len(untyped(ast.parse(code))) == 3
