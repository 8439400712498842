"""`hm.log_likelihood` of belief nets, tractable models and directed nets with latent variables."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.evaluation.conditional import exact_likelihood
from harmonium.evaluation.estimate import Estimate
from harmonium.evaluation.importance import belief_net_bound
from harmonium.evaluation.latent import importance_bound, summed_likelihood, summed_or_bounded
from harmonium.evaluation.likelihood import log_likelihood
from harmonium.evaluation.mean_field import mean_field_bound
from harmonium.evaluation.posterior_annealing import posterior_annealing
from harmonium.evaluation.rows import rows_of, space_under
from harmonium.models import BeliefNet, BiHM, EnergyModel, LatentModel, TractableModel
from harmonium.models.kinds import BELIEF_NET, BIDIRECTIONAL, LATENT, TRACTABLE


def _net_bounded(method: str) -> Callable[..., Estimate]:
    """The row of a belief net whose top machine has its `log Z` by a method."""

    def row(
        net: BeliefNet, data: Dataset | Array, key: Key[Array, ""] | None, *, samples: int = 10, chains: int = 100,
        temperatures: int = 10_000, burn_in: int = 1000, snapshots: Sequence[EnergyModel] | None = None,
    ) -> Estimate:  # fmt: skip
        rows = rows_of(net, data)
        options = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, "snapshots": snapshots}
        found = belief_net_bound(net, rows, key, method, samples=samples, **options)
        return dataclasses.replace(found, space=space_under(net.layers["v"], rows))

    return row


for _method in ("auto", "ais", "reverse_ais", "two_sided", "trajectory"):
    log_likelihood.register(BELIEF_NET, method=_method)(_net_bounded(_method))


@log_likelihood.register(TRACTABLE, method="exact")
@log_likelihood.register(TRACTABLE, method="auto")
def _exactly(
    model: TractableModel, data: Dataset | Array, key: Key[Array, ""] | None, *, given: Any = None,
    orders: int | Literal["own"] | None = None,
) -> Estimate:  # fmt: skip
    return exact_likelihood(model, data, given, orders, key)


def _of_directed(answer: Callable[..., Estimate]) -> Callable[..., Estimate]:
    """The row of an estimator of rows under a directed net, which has its options."""

    @functools.wraps(answer)
    def row(model: LatentModel | BiHM, data: Dataset | Array, key: Key[Array, ""] | None, **options: Any) -> Estimate:
        rows = rows_of(model, data)
        return dataclasses.replace(answer(model, rows, key=key, **options), space=space_under(model.layers["v"], rows))

    return row


for _kind, _methods in (
    (LATENT, {"auto": summed_or_bounded, "importance": importance_bound, "exact": summed_likelihood,
              "ais": posterior_annealing, "mean_field": mean_field_bound}),
    (BIDIRECTIONAL, {"auto": importance_bound, "importance": importance_bound}),
):  # fmt: skip
    for _method, _answer in _methods.items():
        log_likelihood.register(_kind, method=_method)(_of_directed(_answer))
