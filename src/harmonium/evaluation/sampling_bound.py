"""CSL: conservative likelihood from the hidden states that a model's own chains visit.

    log p(v) = log E_h[ p(v | h) ]  >=  E[ log mean_s p(v | h_s) ],      h_s from long Gibbs chains

(Bengio, Yao & Cho 2013, *Bounding the test log-likelihood of generative models*). The bound holds as far as the chains
are the model's. It is loose where a hidden state explains few examples, for none of the samples may then lie near a
given one; and it measures what sampling gives: a model whose chains do not reach the data's modes is told so.
"""

from __future__ import annotations

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.compiling import jit_entry
from harmonium.evaluation.annealed import own_samples
from harmonium.evaluation.estimate import Estimate, at_least_one, one_sided_verdict, standard_error
from harmonium.evaluation.rows import space_under
from harmonium.inference import layer_stats, natural_parameters
from harmonium.models import EnergyModel
from harmonium.rng import fast_key, key_data
from harmonium.samplers import Gibbs, State, run_chain
from harmonium.units import inner

METHOD = "CSL, from the model's own chains"
ROWS = 1000  # rows that are looked at together


def sampling_bound(
    model: EnergyModel, data: np.ndarray, *, key: Key[Array, ""], samples: int = 100_000, chains: int = 100,
    burn_in: int = 1000, thinning: int = 1,
) -> Estimate:  # fmt: skip
    """Mean log-likelihood of examples by CSL: a lower bound in expectation, as far as the chains are the model's.

    Arguments: `data` `[n, size]`; `samples`, hidden states altogether (rounded up to whole rounds of the chains);
    `chains`, parallel chains from random states; `burn_in`, sweeps before the first sample; `thinning`, sweeps from
    one sample of a chain to its next. Memory does not grow with `samples`. The standard error covers the examples and
    the chains; `settings["shared_stderr"]` is the second alone. Raises `InputError` for fewer than one of any.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> found = sampling_bound(rbm, np.ones((4, 6)), key=jax.random.key(1), samples=20, chains=10, burn_in=5)
    >>> found.kind, round(found.value, 4)                       # -6 log 2, whatever the hidden state
    ('lower', -4.1589)
    """
    at_least_one("CSL", samples=samples, chains=chains, burn_in=burn_in, thinning=thinning)
    clock = time.perf_counter()
    begin, walk = jax.random.split(fast_key(key))
    chains = min(chains, samples)
    rounds = math.ceil(samples / chains)
    v = model.layers["v"].from_data(np.asarray(data))
    start = own_samples(model, begin, chains, burn_in)
    by_chain = np.asarray(_by_chain(model, walk, start, v, rounds, thinning), np.float64) - math.log(rounds)
    values, share = _mean_over_chains(by_chain)
    value, error = float(values.mean()), standard_error(share.mean(axis=0))
    settings = {
        "samples": rounds * chains,
        "chains": chains,
        "burn_in": burn_in,
        "thinning": thinning,
        "seed": key_data(key),
        "seconds": round(time.perf_counter() - clock, 2),
        "effective_chains": round(float(np.median(chains**2 / (share**2).sum(axis=1))), 1),
        "shared_stderr": error,
    }
    return Estimate(
        value, math.hypot(standard_error(values), error), "lower", lower=value, method=METHOD, settings=settings,
        space=space_under(model.layers["v"], data), n=len(values), verdict=one_sided_verdict(value), per_example=values,
    )  # fmt: skip


@jit_entry
def _by_chain(
    model: EnergyModel, key: Key[Array, ""], start: State, v: Num[Array, "n size"], rounds: int, thinning: int
) -> Float[Array, "n chains"]:
    """`log sum_s p(v | h_s)` over the samples of each chain, a thousand rows at a time."""
    unit = model.layers["v"]
    chains = len(start["v"])

    def sweep(key: Key[Array, ""], state: State) -> State:
        return run_chain(Gibbs(model), key, state, thinning)

    def given(state: State) -> tuple[Array, Array]:
        stats = layer_stats(model, {name: x for name, x in state.items() if name != "v"})
        eta = natural_parameters(model, stats, ("v",))["v"]
        return eta, unit.log_partition(eta)

    def one_round(carry: tuple[State, Array], key: Key[Array, ""]) -> tuple[tuple[State, Array], None]:
        state, total = carry
        state = jax.vmap(sweep)(jax.random.split(key, chains), state)
        eta, log_partition = jax.vmap(given)(state)

        def log_prob(row: Array) -> Float[Array, "chains"]:
            stats = unit.stats(row)
            return jax.vmap(lambda e: inner(e, stats))(eta) - log_partition

        return (state, jnp.logaddexp(total, jax.lax.map(log_prob, v, batch_size=ROWS))), None

    nothing = jnp.full((len(v), chains), -jnp.inf)
    (_, total), _ = jax.lax.scan(one_round, (start, nothing), jax.random.split(key, rounds))
    return total


def _mean_over_chains(by_chain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`log mean p(v)` of each row `[n]`, and each chain's part in it `[n, chains]`, 1 where all agree."""
    top = by_chain.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # not finite where training diverged
        w = np.exp(by_chain - top)
    mean = w.mean(axis=1, keepdims=True)
    return (top + np.log(mean))[:, 0], w / mean
