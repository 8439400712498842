"""Train, measure and report machines of real data (section 20.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import jax
import optax

from harmonium.data import Dataset
from harmonium.models import S3C, MeanCovarianceRBM, MeanProductOfStudentT, ProductOfStudentT, SpikeSlabRBM
from harmonium.objectives import PCD, Objective, Variational
from harmonium.recipes import flags
from harmonium.recipes.common import begun, opened, trained
from harmonium.recipes.layers import real_unit
from harmonium.recipes.optimizers import annealed
from harmonium.recipes.settings import Annealing, command
from harmonium.training import Run
from harmonium.units import Gaussian, SpikeSlab

CLIP = 10.0  # norm of the gradient


@dataclass(frozen=True, kw_only=True)
class RealSettings(Annealing):
    """The flags of machines of real data: those of Adam, and of annealed importance sampling at the end."""

    learning_rate: flags.AdamRate = 0.003
    weight_decay: flags.WeightDecay = 0.0

    def optimizer(self, data: Dataset) -> optax.GradientTransformation:
        """Adam whose gradients are clipped: those of weights that set precisions are large at times."""
        steps = annealed(self.learning_rate, self.steps(data), weight_decay=self.weight_decay)
        return optax.chain(optax.clip_by_global_norm(CLIP), steps)


def machine(settings: RealSettings, asked: tuple[Any, Objective]) -> Run:
    """The run of a machine that is made of the columns of a table of measurements."""
    make, rule = asked
    settings, data = opened(settings)
    model = make(real_unit(data), jax.random.fold_in(jax.random.key(settings.seed), 1))
    return trained(settings, begun(model, data), data, rule, settings.optimizer(data))


of_real_data = command(
    RealSettings, machine, without=("binarize", "visible"), data="patches", epochs=60, batch_size=100, average=0.999
)
Means = Annotated[int, "hidden units that set the mean"]


@of_real_data
def ssrbm(
    *,
    hidden: Annotated[int, "slabs"] = 144,
    slabs: Annotated[int, "slabs that share a spike (a pool)"] = 1,
    phi: Annotated[
        str, "how spikes raise the precision of the data: dominant (enough to keep it normalisable), free or none"
    ] = "dominant",
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
) -> tuple[Any, Objective]:
    """Train a spike-and-slab RBM (section 20.5.3 of the book) on measurements, measure its held-out log-likelihood,
    write a report."""
    unit, chosen = SpikeSlab(hidden, slabs=slabs), None if phi == "none" else phi
    return lambda visible, key: SpikeSlabRBM(visible, unit, phi=chosen, key=key), PCD(steps, chains)


@of_real_data
def mcrbm(
    *,
    hidden: Annotated[int, "hidden units that set the covariance"] = 144,
    means: Means = 36,
    factors: Annotated[int | None, "filters (default: one for each covariance unit)"] = None,
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
) -> tuple[Any, Objective]:
    """Train a mean and covariance RBM (section 20.5.2 of the book) on measurements, measure its held-out
    log-likelihood, write a report."""

    def make(visible: Gaussian, key: Any) -> MeanCovarianceRBM:
        return MeanCovarianceRBM(visible, means, hidden, factors=factors, key=key)

    return make, PCD(steps, chains)


@of_real_data
def pot(
    *,
    factors: Annotated[int, "filters, each with an expert"] = 144,
    means: Annotated[int, "hidden units that set the mean (mPoT)"] = 0,
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
) -> tuple[Any, Objective]:
    """Train a product of Student-t experts, with mean units the mPoT (section 20.5.2 of the book), on measurements,
    measure its held-out log-likelihood, write a report."""

    def make(visible: Gaussian, key: Any) -> MeanProductOfStudentT:
        return MeanProductOfStudentT(visible, means, factors, key=key) if means else ProductOfStudentT(
            visible, factors, key=key
        )  # fmt: skip

    return make, PCD(steps, chains)


@of_real_data
def s3c(
    *,
    hidden: Annotated[int, "causes, each a spike and a slab"] = 72,
    mean_field_steps: Annotated[int, "mean-field sweeps per row and update"] = 8,
) -> tuple[Any, Objective]:
    """Train spike-and-slab sparse coding (section 20.5.3 of the book) by its evidence lower bound on measurements,
    measure a bound of its held-out log-likelihood, write a report."""
    return lambda visible, key: S3C(visible, SpikeSlab(hidden), key=key), Variational(mean_field_steps)
