"""Training for every order at once: some of the variables tell of the others."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from harmonium.models import Orderless
from harmonium.models.kinds import ORDERLESS, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require, rows_only
from harmonium.units import Conditional


class OrderAgnostic(Objective):
    """Minus the log-probability of a row under an order drawn at random, estimated from one of its conditionals.

        L = E_d E_m [ D / (D - d) sum_{i not in m} -log p(x_i | x_m) ] = E_o[ -log p(x | o) ]

    with `d` drawn uniformly from 0 to `D - 1` and `m` uniformly from the subsets of `d` of the `D` variables, anew for
    each row (Uria, Murray & Larochelle 2014; book, section 20.10.10). Of a NADE-k the mean over its steps is learned
    (Raiko, Yao, Cho & Bengio 2014). The metric is `log_likelihood`, the batch's estimate of `E_o[log p(x | o)]` by the
    last step, in nats per example. Raises `InputError` for a model of one order.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> model = hm.OrderlessNADE(hm.units.Bernoulli(6), [4], key=jax.random.key(0))
    >>> loss, (_, metrics) = OrderAgnostic()(model, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ORDERLESS,)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch and the refinements, in nats per example."""
        require(self, model)
        rows = rows_only(self, batch)
        weighed = jax.vmap(lambda x, mask: _weighed(model, x, mask))(rows, subsets(key, *rows.shape))
        log_prob = jnp.mean(weighed, axis=0)
        return -jnp.mean(log_prob), (StepMemory(), {"log_likelihood": log_prob[-1]})


def subsets(key: Key[Array, ""], n: int, size: int) -> Bool[Array, "n size"]:
    """For each row a random subset of the variables, whose number is uniform from 0 to `size` - 1.

    One variable by lot is outside, and each of the others inside with a chance that is uniform for the row: their
    number is then uniform, and so is the subset of that number, without a sort.

    >>> subsets(jax.random.key(0), 3, 1).tolist()
    [[False], [False], [False]]
    """
    outside, share, draw = jax.random.split(key, 3)
    never = jax.random.randint(outside, (n, 1), 0, size, jnp.int32)
    inside = jax.random.uniform(draw, (n, size), jnp.float32) < jax.random.uniform(share, (n, 1), jnp.float32)
    return inside & (jnp.arange(size) != never)


def _weighed(model: Orderless, x: Array, mask: Bool[Array, "size"]) -> Float[Array, "refinements"]:
    """`D / (D - d) sum_{i not in m} log p(x_i | x_m)` by each refinement."""
    each = jax.vmap(lambda eta: Conditional(model.visible, eta).log_probs(x))(model.refinements(x, mask))
    return len(x) / jnp.sum(~mask) * jnp.sum(jnp.where(mask, 0.0, each), axis=1)
