"""Features: what the hidden layers are expected to be, given data."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from harmonium.compiling import in_float32
from harmonium.inference.mean_field import mean_field
from harmonium.models.energy import EnergyModel


@eqx.filter_jit
@in_float32
def encode(model: EnergyModel, x: Num[Array | np.ndarray, "*batch size"]) -> Array | dict[str, Array]:
    """Expected values of the hidden units given rows of data: exact for an RBM, by mean field for deeper models.

    Arguments: `x` `[n, size]` or `[size]`, values of layer `v`. Returns `[n, hidden]` (`[n, hidden, states]` for
    categorical units), or a dict of such arrays by layer where there are several hidden layers.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.encode(rbm, jnp.zeros((5, 6))).shape
    (5, 3)
    """
    x = jnp.asarray(x)

    def one(v: Array) -> dict[str, Array]:
        means = mean_field(model, {"v": v})
        return {name: model.layers[name].expected_value(mean) for name, mean in means.items()}

    hidden = one(x) if x.ndim == 1 else jax.vmap(one)(x)
    return next(iter(hidden.values())) if len(hidden) == 1 else hidden
