"""Annealed importance sampling on the posterior: the likelihood of each example under a net of latent variables.

For an example `x`, chains of latent variables walk from a start that is known to the posterior,

    log f_b(h) = (1 - b) log q0(h) + b log p(x, h),      0 = b_0 < ... < b_K = 1,
    log w = sum_k (b_k - b_{k-1}) (log p(x, h_{k-1}) - log q0(h_{k-1})),      E[w] = p(x)

from `h_0 ~ q0` through moves that leave each `f_b` invariant (Neal 2001; Wu, Burda, Salakhutdinov & Grosse, ICLR 2017).
`q0` is the recognition network's `q(h | x)`, or the prior. By Jensen's inequality `log mean w` lies below
`log p(x)` in expectation. Walked backwards from an exact sample of the posterior the mean weight is `1 / p(x)`, and
`-log mean w` lies above (Grosse, Ghahramani & Adams 2015). One temperature is importance sampling.

Layers of finite units move unit by unit, real ones by Hamiltonian dynamics. A first run of other chains, from starts of
their own and thrown away, finds the step size of each temperature: sizes that followed from a chain's own past, or from
its start, would not leave `f_b` invariant.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import space_of
from harmonium.errors import InputError, articled, shown
from harmonium.evaluation.annealed import mean_weight
from harmonium.evaluation.estimate import Estimate, at_least_one, mean_estimate
from harmonium.evaluation.watch import Stage, tell
from harmonium.models import HierarchicalLatentModel, LatentModel, Latents
from harmonium.models.directed.passes import log_prob_of
from harmonium.models.kinds import LATENT, is_kind
from harmonium.rng import check_key, fast_key, key_data
from harmonium.samplers.mcmc import LogDensity, hamiltonian, sweep_sites
from harmonium.units import Frames, Gaussian

METHOD = "AIS on the posterior"
STARTS = ("guess", "prior")
AT_ONCE = 1000  # chains that run together
ACCEPTED = 0.65  # of Hamiltonian moves, near the best (Neal 2011)
FIRST_STEP, GAIN = 0.5, 0.3  # of the first run: its step size at the start, and how fast it follows acceptance
SPREAD = 32  # draws of the start from which the unit of length of each real latent variable is taken
STEEP = 4.0  # of the sigmoid that spaces the temperatures


class Walk(NamedTuple):
    """Log-weights `[n, chains]`, the Hamiltonian moves' step sizes `[n, K + 1]`, as logarithms, and their acceptance.

    >>> Walk(jnp.zeros((3, 2)), jnp.zeros((3, 6)), jnp.ones(())).log_w.shape
    (3, 2)
    """

    log_w: Float[Array, "n chains"]
    log_steps: Float[Array, "n temperatures"]
    acceptance: Float[Array, ""]


class Ends(NamedTuple):
    """Log-weights `[n, chains]` of both directions in float64, the second where it was asked for, and the acceptance.

    >>> Ends(np.zeros((3, 2)), None, 0.65).forward.shape
    (3, 2)
    """

    forward: np.ndarray
    backward: np.ndarray | None
    acceptance: float


def posterior_annealing(
    model: LatentModel, rows: np.ndarray, *, key: Key[Array, ""] | None, chains: int = 16, temperatures: int = 500,
    leapfrog: int = 10, start: str = "guess",
) -> Estimate:  # fmt: skip
    """A lower bound, in expectation, of `log p(x)` of each row `[n, size]`, and its mean, in nats.

        log p(x) >= E log (1/c) sum_i w_i                        (Wu, Burda, Salakhutdinov & Grosse, ICLR 2017)

    Book: sections 18.7.1 and 20.10.3. Arguments: `chains` for each row, `c`; `temperatures`, the number of steps of
    the path; `leapfrog`, steps of each Hamiltonian move of real latent variables; `start`, "guess" of the recognition
    model or "prior". Raises `InputError` for a missing key, numbers below one, another start, or latent layers that no
    move is known for.

    >>> import harmonium as hm, jax, numpy as np
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> found = posterior_annealing(net, np.ones((3, 6)), key=jax.random.key(1), chains=2, temperatures=5)
    >>> found.kind, round(found.value, 4)                                                    # -6 log 2
    ('lower', -4.1589)
    """
    check_annealed(model, key, start, chains=chains, temperatures=temperatures, leapfrog=leapfrog)
    clock = time.perf_counter()
    ends = annealed(model, key, rows, None, chains, temperatures, leapfrog, start)
    values = np.array([mean_weight(log_w).value for log_w in ends.forward])
    settings = settings_of(model, key, ends, chains, temperatures, leapfrog, start)
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    return mean_estimate(values, "lower", METHOD, settings, space_of(rows))


def check_annealed(model: Any, key: Any, start: Any, **numbers: int) -> None:
    """Refuse a model, a key, a start or numbers with which there is no posterior to anneal to.

    >>> check_annealed("a VAE", None, "guess")
    Traceback (most recent call last):
    harmonium.errors.InputError: AIS on the posterior takes a directed model of latent variables (a VAE, ...), not ...
    """
    if not is_kind(model, LATENT) or isinstance(model, type):
        raise InputError(
            f"{METHOD} takes a directed model of latent variables (a VAE, ...), not {shown(model)}: "
            "use hm.log_likelihood, which chooses a method for each model."
        )
    if key is None:
        raise InputError(f"{METHOD} draws random numbers: pass key=jax.random.key(seed).")
    check_key(key)
    at_least_one(METHOD, **numbers)
    if start not in STARTS:
        raise InputError(f"{METHOD} starts from the recognition network's 'guess' or from the 'prior', not {start!r}.")
    if start == "prior" and not isinstance(model, HierarchicalLatentModel):
        raise InputError(
            f"{METHOD} knows the prior of nets made of links, which {articled(type(model).__name__)} is not: use "
            "start='guess'."
        )
    latent = list(model.layers.items())[1:]
    if not latent:
        raise InputError(
            f"This {type(model).__name__} has no latent variables to anneal: leave the method out for its exact "
            "log-likelihood."
        )
    for name, unit in latent:
        if unit.states is None and isinstance(unit, Frames):
            raise InputError(
                f"{METHOD} moves finite or Gaussian latent units, not real ones of frames: take the "
                "bound by importance of hm.log_likelihood."
            )
        if unit.states is None and not isinstance(unit, Gaussian):
            raise InputError(
                f"{METHOD} moves finite or Gaussian latent units, not the {type(unit).__name__} units of layer "
                f"'{name}': give them layers of their own."
            )


def annealed(
    model: LatentModel, key: Key[Array, ""], rows: np.ndarray, posterior: PyTree, chains: int, temperatures: int,
    leapfrog: int, start: str,
) -> Ends:  # fmt: skip
    """Log-weights of every chain of every row, and of chains backwards from posterior samples `[n, ...]` if given."""
    prior, betas = start == "prior", jnp.asarray(schedule(temperatures), jnp.float32)
    together = min(len(rows), max(1, AT_ONCE // chains))
    real = any(unit.states is None for unit in list(model.layers.values())[1:])
    parts = []
    for i in range(0, len(rows), together):
        draw, pilot, there, back = jax.random.split(jax.random.fold_in(fast_key(key), i), 4)
        padded = np.minimum(np.arange(i, i + together), len(rows) - 1)  # one shape is compiled once
        x = model.layers["v"].from_data(np.asarray(rows)[padded])
        begun, scale = _begin(model, prior, draw, x, chains)
        log_steps = jnp.full((together, len(betas)), math.log(FIRST_STEP))
        if real:
            own, pilot = jax.random.split(pilot)
            gain, others = jnp.asarray(GAIN), _begin(model, prior, own, x, chains)[0]
            log_steps = _walk(model, prior, pilot, x, others, scale, betas, log_steps, gain, leapfrog).log_steps
        still = jnp.zeros(())
        walk = _walk(model, prior, there, x, begun, scale, betas, log_steps, still, leapfrog)
        ends = [walk.log_w]
        if posterior is not None:
            known = jax.tree.map(lambda h: jnp.repeat(h[padded][:, None], chains, axis=1), posterior)  # noqa: B023
            turned = (betas[::-1], log_steps[:, ::-1])
            ends.append(_walk(model, prior, back, x, known, scale, *turned, still, leapfrog).log_w)
        parts.append(([np.asarray(e, np.float64)[: len(rows) - i] for e in ends], float(walk.acceptance)))
        tell(Stage(METHOD, min(i + together, len(rows)), len(rows)))
    forward, *backward = (np.concatenate(e) for e in zip(*(ends for ends, _ in parts), strict=True))
    return Ends(forward, backward[0] if backward else None, float(np.mean([accepted for _, accepted in parts])))


def schedule(count: int) -> np.ndarray:
    """`count` + 1 temperatures from 0 to 1, dense near both ends: a sigmoid of equal steps.

        b_k = (s(4 (2 k / K - 1)) - s(-4)) / (s(4) - s(-4)),      s(a) = 1 / (1 + exp(-a))

    (Grosse, Ghahramani & Adams 2015.)

    >>> schedule(4).round(3)
    array([0.   , 0.105, 0.5  , 0.895, 1.   ])
    """
    s = 1 / (1 + np.exp(-STEEP * np.linspace(-1, 1, count + 1)))
    return (s - s[0]) / (s[-1] - s[0])


def settings_of(
    model: LatentModel, key: Key[Array, ""], ends: Ends, chains: int, temperatures: int, leapfrog: int, start: str
) -> dict[str, Any]:
    """How the numbers were made: options, seed, the median of effective chains, and what Hamiltonian moves did."""
    effective = float(np.median([mean_weight(log_w).effective for log_w in ends.forward]))
    settings = {"chains": chains, "temperatures": temperatures, "start": start, "seed": key_data(key)}
    settings |= {"effective_chains": round(effective, 1)}
    if any(unit.states is None for unit in list(model.layers.values())[1:]):
        settings |= {"leapfrog": leapfrog, "accepted": round(ends.acceptance, 3)}
    return settings


def log_densities(
    model: LatentModel, prior: bool, x: Array, encoded: PyTree, h: Latents
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`log q0(h)` and `log p(x, h)`."""
    joint = model.log_joint(x, h)
    if prior:
        return joint - log_prob_of(model.down[0], x, h[list(model.layers)[1]]), joint
    return model.log_q(h, encoded), joint


@jit_entry
def _begin(
    model: LatentModel, prior: bool, key: Key[Array, ""], x: Array, chains: int
) -> tuple[PyTree, dict[str, Array]]:
    """Starts `[n, chains, ...]` of the chains, and by other draws the scale `[n, ...]` of real latent variables."""

    def row(key: Key[Array, ""], x: Array) -> tuple[PyTree, dict[str, Array]]:
        encoded = model.encode_features(x)
        keys = jax.random.split(key, chains + SPREAD)
        drawn = jax.vmap(lambda k: model.simulate(k)[1] if prior else model.sample_posterior(k, encoded))(keys)
        real = {name: drawn[name][chains:] for name, unit in model.layers.items() if name != "v" and not unit.states}
        spread = {name: jnp.maximum(jnp.std(h, axis=0), 1e-6) for name, h in real.items()}
        return jax.tree.map(lambda h: h[:chains], drawn), spread

    return jax.vmap(row)(jax.random.split(key, len(x)), x)


@jit_entry
def _walk(
    model: LatentModel, prior: bool, key: Key[Array, ""], x: Array, start: PyTree, scale: dict[str, Array],
    betas: Float[Array, "temperatures"], log_steps: Float[Array, "n temperatures"], gain: Float[Array, ""],
    leapfrog: int,
) -> Walk:  # fmt: skip
    """Chains through the temperatures `betas` in the order given, their sums compensated (Kahan 1965).

    With `gain` above 0 the step sizes follow the acceptance of each row's chains.
    """
    finite = {name: unit for name, unit in model.layers.items() if name != "v" and unit.states}

    def move(log_f: LogDensity, key: Key[Array, ""], h: Latents, scale: Latents, step: Array) -> tuple[Latents, Array]:
        sites, dynamics = jax.random.split(key)
        h = sweep_sites(log_f, finite, sites, h) if finite else h
        if not scale:
            return h, jnp.ones(())
        moved, accepted = hamiltonian(lambda z: log_f(h | z), dynamics, {n: h[n] for n in scale}, step, scale, leapfrog)
        return h | moved, accepted

    def row(key: Key[Array, ""], x: Array, start: PyTree, scale: Latents, log_steps: Array) -> tuple[Array, ...]:
        encoded = model.encode_features(x)
        chains = jax.tree.leaves(start)[0].shape[0]

        def log_f(beta: Array, h: Latents) -> Array:
            start_log, joint = log_densities(model, prior, x, encoded, h)
            return (1 - beta) * start_log + beta * joint

        def log_ratio(h: Latents) -> Array:
            start_log, joint = log_densities(model, prior, x, encoded, h)
            return joint - start_log

        def step(carry: PyTree, xs: tuple[Array, ...]) -> tuple[PyTree, tuple[Array, Array]]:
            h, total, lost, drift = carry
            number, old, new, log_step = xs
            corrected = (new - old) * jax.vmap(log_ratio)(h) - lost
            new_total = total + corrected
            keys = jax.random.split(jax.random.fold_in(key, number), chains)
            size = jnp.exp(log_step + drift)
            h, accepted = jax.vmap(lambda k, h: move(lambda h: log_f(new, h), k, h, scale, size))(keys, h)
            accepted = jnp.mean(accepted)
            carry = (h, new_total, (new_total - total) - corrected, drift + gain * (accepted - ACCEPTED))
            return carry, (log_step + drift, accepted)

        zero = jnp.zeros(chains)
        xs = (jnp.arange(len(betas) - 1), betas[:-1], betas[1:], log_steps[1:])
        (_, total, _, _), (used, accepted) = jax.lax.scan(step, (start, zero, zero, jnp.zeros(())), xs)
        return total, jnp.concatenate([used[:1], used]), jnp.mean(accepted)

    total, used, accepted = jax.vmap(row)(jax.random.split(key, len(x)), x, start, scale, log_steps)
    return Walk(total, used, jnp.mean(accepted))
