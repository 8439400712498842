"""Hamiltonian moves of real data on the free energy: for machines whose visible layer is dear to draw, or large."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from harmonium.errors import InputError, plain, real, shown, whole
from harmonium.inference import free_energy, has_closed_form
from harmonium.models.energy import EnergyModel
from harmonium.samplers.gibbs import Info, State, posterior_sample
from harmonium.samplers.mcmc import hamiltonian


class Hamiltonian(eqx.Module):
    """One Hamiltonian move of layer `v` on its free energy, then the other layers given it: a kernel as `Gibbs` is.

        v' ~ a trajectory along -dF/dv, accepted with probability min(1, exp(H - H')),     h ~ p(h | v')

    (Duane et al. 1987; Neal 2011; of machines with a covariance Ranzato & Hinton 2010.) It leaves the machine's
    distribution as it is, whatever the step; `info["acceptance"]` says how probable the move was: steps at which it is
    0.85 to 0.95 move fastest. One of a single leapfrog step is a Langevin move, corrected. Give it to `hm.sample`,
    `hm.objectives.CD` and `PCD` as a function of the model, `kernel=lambda model: Hamiltonian(model, step=0.1)`.

    Arguments: `model`, an energy model whose visible units are real and whose other layers have a closed form given
    them; `step`, of the trajectory, in the scale of the values that units hold; `leapfrog`, how many steps it has.
    Raises `InputError` for other models or numbers.

    >>> import harmonium as hm
    >>> machine = hm.MeanCovarianceRBM(hm.units.Gaussian(4), 2, 3, key=jax.random.key(0))
    >>> state = hm.samplers.initial_state(machine, jax.random.key(1))
    >>> state, info = Hamiltonian(machine, step=0.1)(jax.random.key(2), state)
    >>> state["v"].shape, bool(info["acceptance"] > 0.5)
    ((4,), True)
    """

    model: EnergyModel
    step: Any = 0.1
    leapfrog: int = eqx.field(static=True, converter=plain, default=20)

    def __check_init__(self) -> None:
        name = type(self.model).__name__
        if not self.model.layers["v"].has_score:
            raise InputError(
                f"Hamiltonian moves are for real visible units, and those of this {name} are not: use Gibbs."
            )
        if not has_closed_form(self.model):
            raise InputError(f"The hidden layers of this {name} cannot be summed out given the visible one: use Gibbs.")
        traced = isinstance(self.step, jax.core.Tracer)
        if not whole(self.leapfrog) or not (traced or (real(self.step) and self.step > 0)):
            told = f"step={shown(self.step)} and leapfrog={shown(self.leapfrog)}"
            raise InputError(f"A Hamiltonian move has a positive step and at least one leapfrog step, not {told}.")

    def __call__(self, key: Key[Array, ""], state: State) -> tuple[State, Info]:
        """The next state, and the probability with which the move was accepted."""
        move, draw = jax.random.split(key)
        step, unit = jnp.asarray(self.step, jnp.float32), {"v": jnp.ones_like(state["v"])}
        log_f = lambda values: -free_energy(self.model, values)  # noqa: E731
        moved, chance = hamiltonian(log_f, move, {"v": state["v"]}, step, unit, self.leapfrog)
        return posterior_sample(self.model, draw, moved), {"acceptance": chance}
