"""Parallel tempering: a chain for every model of a ladder, and neighbours that trade places.

Chains of one model may stay in one mode for longer than anyone can wait. Replicas of the state live on all rungs of a
ladder instead; each moves by block Gibbs sampling of its own model, and two neighbours are exchanged with the
probability

    min(1, exp(F_k(x_k) + F_{k+1}(x_{k+1}) - F_k(x_{k+1}) - F_{k+1}(x_k))),

which leaves the product of all rungs' distributions invariant (Swendsen & Wang 1986; Geyer 1991; for learning RBMs
Desjardins, Courville, Bengio, Vincent & Delalleau 2010, and Cho, Raiko & Ilin 2010; book, section 18.2). A state from
the easy end thus finds its way to the target, and new modes with it. `F` is the free energy of the layers that a sweep
draws before its last block: those of the last block are drawn after the exchange, in the model of the new rung, so that
what they were does not stand in the way (where units of the last block act on each other, whole states are exchanged by
their energies). Pairs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... take turns, which carries
states along the ladder faster than pairs chosen at random (Okabe, Kawata, Okamoto & Mikami 2001).
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from harmonium.compiling import jit_entry
from harmonium.errors import InputError, whole
from harmonium.inference import free_energy, layer_stats, natural_parameters
from harmonium.models import Coloured
from harmonium.rng import fast_key
from harmonium.samplers.gibbs import Gibbs, Info, State, initial_state, run_chain, sample_layers
from harmonium.samplers.ladders import Ladder
from harmonium.units import Stats

NOWHERE, TARGET, BASE = 0, 1, 2  # the end that a replica was at last; BASE counts once it has been at TARGET


class Tally(NamedTuple):
    """What happened on a ladder: sweeps; the sum over them of the swap probability of each pair, its turn or not; round
    trips, from the target's rung to the lowest and back, of all replicas together.

    >>> zero_tally(3).accepted
    Array([0., 0.], dtype=float32)
    """

    sweeps: Int[Array, ""]
    accepted: Float[Array, "pairs"]
    round_trips: Int[Array, ""]

    @property
    def swap_rates(self) -> Float[Array, "pairs"]:
        """The mean swap probability of each pair of neighbours, over sweeps and any chains."""
        return jnp.sum(self.accepted.reshape(-1, self.accepted.shape[-1]), axis=0) / jnp.sum(self.sweeps)

    @property
    def round_trips_per_1000(self) -> Float[Array, ""]:
        """Round trips of all replicas of one ladder in a thousand sweeps."""
        return 1000 * jnp.sum(self.round_trips) / jnp.sum(self.sweeps)


class Replicas(eqx.Module):
    """The state of a ladder: `values` `[rungs, size]` by layer; `walker`, the number of the replica on each rung;
    `seen`, which end it was at last; `turn`, whether even or odd pairs are next; and the `tally`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> initial_replicas(hm.samplers.Snapshots.of([rbm, rbm]), jax.random.key(0)).target["v"].shape
    (6,)
    """

    values: State
    walker: Int[Array, "rungs"]
    seen: Int[Array, "rungs"]
    turn: Int[Array, ""]
    tally: Tally

    @property
    def target(self) -> State:
        """The states on the highest rung, by layer."""
        return {name: x[..., -1, :] for name, x in self.values.items()}


class Tempering(eqx.Module):
    """One sweep on every rung of a ladder, with an exchange of neighbours before the last block is drawn.

    Arguments: `ladder`, the models: `Temperatures` or `Snapshots`. The state is `Replicas`. On a ladder of temperatures
    the exchange costs no matrix product beyond those of a Gibbs sweep on every rung.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> ladder = hm.samplers.Snapshots.of([rbm, rbm])                  # the same model twice: swaps never fail
    >>> state, info = Tempering(ladder)(jax.random.key(1), initial_replicas(ladder, jax.random.key(2)))
    >>> state.walker, info["acceptance"]
    (Array([1, 0], dtype=int32), Array([1.], dtype=float32))
    """

    ladder: Ladder

    def __call__(self, key: Key[Array, ""], state: Replicas) -> tuple[Replicas, Info]:
        """The next state of one ladder, and the probability of exchanging each pair of neighbours."""
        move, choose, draw = jax.random.split(key, 3)
        rungs, last = jnp.arange(self.ladder.rungs, dtype=jnp.int32), _last_block(self.ladder)

        def sweep(key: Key[Array, ""], rung: Int[Array, ""], x: State) -> State:
            return Gibbs(self.ladder.at(rung), held=last)(key, x)[0]

        moved = jax.vmap(sweep)(jax.random.split(move, len(rungs)), rungs, state.values)
        views = _views(self.ladder, moved)
        chance = _chances(views)
        swap = (jax.random.uniform(choose, chance.shape, jnp.float32) < chance) & (rungs[:-1] % 2 == state.turn)
        goes = rungs + jnp.pad(swap, (0, 1)) - jnp.pad(swap, (1, 0))  # its own inverse
        eta = _chosen(views, goes - rungs)
        drawn = jax.vmap(lambda k, e: sample_layers(self.ladder.at(rungs[0]), k, e, last))(
            jax.random.split(draw, len(rungs)), eta
        )
        values = {name: x[goes] for name, x in (moved | drawn).items()}
        seen, back = _seen(state.seen[goes])
        tally = Tally(state.tally.sweeps + 1, state.tally.accepted + chance, state.tally.round_trips + back)
        return Replicas(values, state.walker[goes], seen, 1 - state.turn, tally), {"acceptance": chance}


class _View(NamedTuple):
    """Each rung's state as another rung's model sees it: the free energy of the layers that are kept, and the natural
    parameters of those that are drawn last."""

    free_energy: Float[Array, "rungs"]
    eta: dict[str, Stats]


def initial_replicas(ladder: Ladder, key: Key[Array, ""]) -> Replicas:
    """A random state on each rung, from its own model's biases.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> initial_replicas(hm.samplers.Snapshots.of([rbm, rbm]), jax.random.key(0)).values["h"].shape
    (2, 3)
    """
    rungs = jnp.arange(ladder.rungs, dtype=jnp.int32)
    values = jax.vmap(lambda k, i: initial_state(ladder.at(i), k))(jax.random.split(key, len(rungs)), rungs)
    return Replicas(values, rungs, jnp.full_like(rungs, NOWHERE), jnp.zeros((), jnp.int32), zero_tally(len(rungs)))


def zero_tally(rungs: int) -> Tally:
    """A tally in which nothing has happened yet."""
    zero = jnp.zeros((), jnp.int32)
    return Tally(zero, jnp.zeros(rungs - 1, jnp.float32), zero)


def swap_chances(ladder: Ladder, values: State) -> Float[Array, "pairs"]:
    """The probability with which each pair of neighbours would be exchanged.

        min(1, exp(F_k(x_k) + F_{k+1}(x_{k+1}) - F_k(x_{k+1}) - F_{k+1}(x_k)))

    Arguments: `values`, states `[rungs, size]` by layer.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> ladder = hm.samplers.Snapshots.of([rbm, rbm])
    >>> swap_chances(ladder, initial_replicas(ladder, jax.random.key(0)).values)
    Array([1.], dtype=float32)
    """
    return _chances(_views(ladder, values))


def sample_replicas(ladder: Ladder, key: Key[Array, ""], n: int = 1, *, steps: int = 1000) -> Replicas:
    """The end of `n` independent ladders after `steps` sweeps from random states.

    `.target["v"]` `[n, size]` are samples of the model on the highest rung; `.tally.swap_rates` and
    `.tally.round_trips_per_1000` say how far they can be trusted: without round trips, nothing has travelled.
    Raises `InputError` for fewer than one ladder or step.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> base = hm.models.Independent(rbm.layers, rbm.biases)
    >>> ladder = hm.samplers.Temperatures(base, rbm, jnp.linspace(0, 1, 5))
    >>> found = sample_replicas(ladder, jax.random.key(1), 4, steps=10)
    >>> found.target["v"].shape, found.tally.swap_rates.shape
    ((4, 6), (4,))
    """
    if not whole(n, steps):
        raise InputError(f"Sampling needs at least one ladder and one step, not n={n} and steps={steps}.")
    return _sample(ladder, fast_key(key), n, steps)


@jit_entry
def _sample(ladder: Ladder, key: Key[Array, ""], n: int, steps: int) -> Replicas:
    def chain(key: Key[Array, ""]) -> Replicas:
        first, walk = jax.random.split(key)
        return run_chain(Tempering(ladder), walk, initial_replicas(ladder, first), steps)

    return jax.vmap(chain)(jax.random.split(key, n))


def _last_block(ladder: Ladder) -> tuple[str, ...]:
    """The layers that are drawn after the exchange, and summed out of its probability; none where all layers are
    independent of each other, or where the units of the last act on each other: whole states are then exchanged."""
    blocks = ladder.at(jnp.int32(0)).blocks
    return () if len(blocks) == 1 or any(isinstance(name, Coloured) for name in blocks[-1]) else blocks[-1]


def _views(ladder: Ladder, values: State) -> tuple[_View, _View, _View]:
    """Each rung's state in the model one rung below, in its own, and in the one above (at the ends, in its own).

    Not in the order of models but of states: where the models of a ladder share their weights, XLA finds one matrix
    product in all three.
    """
    rungs, last = jnp.arange(ladder.rungs, dtype=jnp.int32), _last_block(ladder)

    def view(rung: Int[Array, ""], x: State) -> _View:
        model = ladder.at(rung)
        kept = {name: value for name, value in x.items() if name not in last}
        return _View(free_energy(model, kept), natural_parameters(model, layer_stats(model, kept), last))

    lower, here, upper = (jnp.clip(rungs + step, 0, len(rungs) - 1) for step in (-1, 0, 1))
    return jax.vmap(view)(lower, values), jax.vmap(view)(here, values), jax.vmap(view)(upper, values)


def _chances(views: tuple[_View, _View, _View]) -> Float[Array, "pairs"]:
    lower, here, upper = (view.free_energy for view in views)
    return jnp.exp(jnp.minimum(here[:-1] + here[1:] - upper[:-1] - lower[1:], 0.0))


def _chosen(views: tuple[_View, _View, _View], step: Int[Array, "rungs"]) -> dict[str, Stats]:
    """Natural parameters of the last block in the model that each state goes to: -1, 0 or 1 rungs on."""

    def pick(*options: Array) -> Array:
        where = (step + 1).reshape(-1, *[1] * (options[0].ndim - 1))
        return jnp.select([where == 0, where == 1], options[:2], options[2])

    return jax.tree.map(pick, *(view.eta for view in views))


def _seen(seen: Int[Array, "rungs"]) -> tuple[Int[Array, "rungs"], Bool[Array, ""]]:
    """The last ends seen, after a look at who stands on them; and whether a round trip ended."""
    back = seen[-1] == BASE
    lowest = jnp.where(seen[0] == TARGET, BASE, seen[0])
    return seen.at[-1].set(TARGET).at[0].set(lowest), back
