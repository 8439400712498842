"""RAISE: a conservative estimate of test log-likelihood by annealing from each test example back to the base.

Forward annealing of `K` steps, from exact samples of the base through kernels `T_1, ..., T_K`, is itself a generative
model: its last state has a distribution `p_ann`, which comes as near to the machine's as the steps are fine. `p_ann(v)`
sums over every way to arrive at `v`. Ways are drawn backwards from `v = x_K` by the reverses of `T_K, ..., T_1`, so
that

    p_ann(x_K) = E[w],      log w = -log Z_0 - F_K(x_K) + sum_k F_k(x_{k-1}) - F_{k-1}(x_{k-1})

(Burda, Grosse & Salakhutdinov, AISTATS 2015), the sum over `k = K, ..., 1`: a step with the machine's own kernel comes
before the first weight. By Jensen's inequality `log mean w` lies below `log p_ann(v)` in expectation. The chains hold
the visible block and sum the others out; the kernels are their own reverses. Layers that share the block with the data
start from a mean-field approximation `q` of their posterior, and `-log q` joins the weight.

What is bounded is `log p_ann` and not `log p`. Where the base knows the data, the annealing model may explain the data
better than the machine does; fitted to the machine's own samples, it comes nearer to the machine from below.
"""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.compiling import jit_entry
from harmonium.evaluation.annealed import base_for, mean_weight, own_samples, reverse, transition, visible_block
from harmonium.evaluation.estimate import Estimate, at_least_one, one_sided_verdict, standard_error
from harmonium.evaluation.rows import some_of, space_under
from harmonium.evaluation.watch import Stage, tell
from harmonium.inference import free_energy, layer_stats, mean_field, natural_parameters
from harmonium.models import EnergyModel, Independent
from harmonium.rng import fast_key, key_data
from harmonium.samplers import State
from harmonium.units import Conditional

METHOD = "RAISE, a lower bound for the annealing model"
AT_ONCE = 1000  # chains that run together
BASE_CHAINS, BASE_STEPS = 500, 1000  # chains and sweeps behind the samples that the base is fitted to


def reverse_annealing(
    model: EnergyModel, data: np.ndarray, *, key: Key[Array, ""], chains: int = 10, temperatures: int = 10_000,
    rows: int = 100,
) -> Estimate:  # fmt: skip
    """Mean log-likelihood of test examples by RAISE: a lower bound, in expectation, of that of the annealing model.

    Of the machine itself it is no bound (kind `unordered`): the annealing model nears it as temperatures grow.

    The base is fitted to the model's own samples, for the annealing model must not have seen data.
    Arguments: `data` `[n, size]`; `chains` for each example; `temperatures`, steps of the path; `rows`, how many
    examples, drawn without replacement. Raises `InputError` for fewer than one of any.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> found = reverse_annealing(rbm, np.ones((4, 6)), key=jax.random.key(1), chains=2, temperatures=100)
    >>> found.kind, bool(abs(found.value + 6 * np.log(2)) < 0.2)
    ('unordered', True)
    """
    at_least_one("RAISE", chains=chains, temperatures=temperatures, rows=rows)
    clock = time.perf_counter()
    pick, draw, walk = jax.random.split(fast_key(key), 3)
    chosen = some_of(data, pick, rows)
    base = base_for(model, own_samples(model, draw, BASE_CHAINS, BASE_STEPS)["v"])
    v = model.layers["v"].from_data(np.asarray(chosen))
    means = [mean_weight(log_w) for log_w in log_weights(model, base, walk, v, chains, temperatures)]
    values = np.array([mean.value for mean in means])
    value = float(values.mean())
    settings = {
        "chains": chains,
        "temperatures": temperatures,
        "seed": key_data(key),
        "seconds": round(time.perf_counter() - clock, 2),
        "effective_chains": round(float(np.median([mean.effective for mean in means])), 1),
    }
    return Estimate(
        value, standard_error(values), "unordered", method=METHOD, settings=settings,
        space=space_under(model.layers["v"], chosen), n=len(values),
        verdict=one_sided_verdict(value), per_example=values,
    )  # fmt: skip


def log_weights(
    model: EnergyModel, base: Independent, key: Key[Array, ""], v: Num[Array, "n size"], chains: int, steps: int
) -> np.ndarray:
    """`log w` of every chain of every example `[n, chains]`, in float64; `mean w` is `p_ann(v)` without bias.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> base = base_for(rbm, jnp.full((9, 6), 0.5))
    >>> log_weights(rbm, base, jax.random.key(1), jnp.ones((2, 6)), chains=1, steps=5).round(4)     # -6 log 2
    array([[-4.1589], [-4.1589]])
    """
    known = float(base.log_partition())
    together = max(1, AT_ONCE // chains)
    parts = []
    for i in range(0, len(v), together):
        first, rest = jax.random.split(jax.random.fold_in(key, i))
        some = jnp.repeat(v[i : i + together], chains, axis=0)
        begun, log_start = _first_step(model, first, some)
        log_w = np.asarray(reverse(model, base, rest, begun, steps).log_w, np.float64)
        parts.append(np.asarray(log_start, np.float64) + log_w - known)
        tell(Stage("RAISE", min(i + together, len(v)), len(v)))
    return np.concatenate(parts).reshape(len(v), chains)


@jit_entry
def _first_step(model: EnergyModel, key: Key[Array, ""], v: Num[Array, "n size"]) -> tuple[State, Float[Array, "n"]]:
    """The states before the last step of forward annealing, drawn backwards from `v`, and `-F(x_K) - log q`."""

    def start(key: Key[Array, ""], v: Array) -> tuple[State, Array]:
        complete, move = jax.random.split(key)
        held, log_q = _completed(model, complete, v)
        return transition(model, move, held), -free_energy(model, held) - log_q

    return jax.vmap(start)(jax.random.split(key, len(v)), v)


def _completed(model: EnergyModel, key: Key[Array, ""], v: Num[Array, "size"]) -> tuple[State, Float[Array, ""]]:
    """The visible block with `v` in it, its other layers from their mean-field posterior `q`, and their `log q`."""
    others = tuple(name for name in visible_block(model) if name != "v")
    if not others:
        return {"v": v}, jnp.zeros(())
    given = layer_stats(model, {"v": v})
    beyond = {name: q for name, q in mean_field(model, {"v": v}).items() if name not in others}
    eta = natural_parameters(model, given | beyond, others)
    keys = jax.random.split(key, len(others))
    q = {name: Conditional(model.layers[name], eta[name]) for name in others}
    drawn = {name: q[name].sample(k) for k, name in zip(keys, others, strict=True)}
    return {"v": v} | drawn, sum(q[name].log_prob(drawn[name]) for name in others)
