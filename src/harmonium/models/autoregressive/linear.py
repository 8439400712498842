"""The linear auto-regressive network, or fully visible belief network (sections 20.10.7 and 20.10.8)."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.data.affine import moments, resolves
from harmonium.data.check import as_numbers
from harmonium.decay import no_decay
from harmonium.errors import InputError
from harmonium.memory import check_weights
from harmonium.models.autoregressive.conditionals import Conditionals
from harmonium.models.autoregressive.order import check_order, earlier, slot
from harmonium.models.validation import check_units
from harmonium.units import Gaussian, GaussianBias, Stats, Unit

ALONE = 1e-12  # of a column's variance that others must leave: less is the rounding of what they determine


class FVBN(Conditionals):
    """Each variable given those before it by a linear model: logistic, softmax or linear-Gaussian, as its units are.

        p(x) = prod_i p(x_i | x_{i-1}, ..., x_1),      eta_i = b_i + sum_{j < i} W_ij T(x_j)

    (Frey 1998; book, sections 20.10.7 and 20.10.8.) Gaussian variables have means that are linear in the others and a
    variance of their own. Arguments: `visible`, the units; `order`, the variables in the order of the chain rule
    (default: their own). Fields: `W` `[width, width]`, of which only what links a variable to earlier ones counts; `b`,
    the biases. All start at zero, which loses nothing: the log-likelihood is concave (for finite units).
    Raises `InputError` for an order that is no permutation.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> round(float(FVBN(hm.units.Bernoulli(3)).log_prob(jnp.ones(3))), 4)                   # -3 log 2
    -2.0794
    """

    visible: Unit
    W: Float[Array, "width width"]
    b: PyTree = no_decay()
    order: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, visible: Unit, *, order: Sequence[int] | np.ndarray | None = None) -> None:
        check_units("An FVBN", visible)
        check_weights("An FVBN", (visible.width, visible.width))
        self.visible = visible
        self.order = check_order(order, visible.size)
        self.W = jnp.zeros((visible.width, visible.width), jnp.float32)
        self.b = visible.bias(visible.neutral_natural())

    def natural(self, x: Array) -> Stats:
        """Natural parameters of all variables, each given those before it, which set the first of its outputs."""
        W = jnp.where(jnp.asarray(earlier(self.visible, self.order)), self.W, 0)
        unit = self.visible
        starts = np.cumsum((0, *unit.out_widths))
        first = np.concatenate([start + np.arange(n) for start, n in zip(starts, unit.widths, strict=False)])
        out = jnp.zeros(unit.num_outputs, jnp.float32).at[first].set(W @ unit.as_input(x))
        return unit.natural_from_output(self.b, out)

    def init_carry(self) -> Float[Array, "width"]:
        """Nothing acts on any variable yet."""
        return jnp.zeros(self.visible.width, jnp.float32)

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Float[Array, "width"]) -> Array:
        """A value of variable `i`."""
        return self.visible.sample_one(key, i, self.b, slot(self.visible.widths, carry, i))

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Float[Array, "width"]) -> Float[Array, ""]:
        """Log-probability of a value of variable `i`."""
        return self.visible.log_prob_one(i, self.b, slot(self.visible.widths, carry, i), value)

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Float[Array, "width"]) -> Float[Array, "width"]:
        """What acts on the variables after `i` (and, to no effect, on those before it)."""
        rows = slot(self.visible.widths, self.W.T, i)
        return carry + self.visible.features_of_one(i, value, rows.shape[0]) @ rows

    def filters(self) -> np.ndarray:
        """Weights that act on each variable, a column for each."""
        return np.where(earlier(self.visible, self.order), np.asarray(self.W, float), 0).T


def linear_gaussian(rows: Array | np.ndarray, *, order: Sequence[int] | np.ndarray | None = None) -> FVBN:
    """The Gaussian FVBN of greatest likelihood, in closed form: least squares of each column on those before it.

        Cov = (I - W)^-1 diag(1 / beta) (I - W)^-T,      the multivariate Gaussian with the rows' moments

    Arguments: `rows` `[n, size]`; `order`, as in `FVBN`. Raises `InputError` where the covariance is singular: for
    no more rows than columns, or columns that others determine; and for values that are missing.

    >>> import numpy as np
    >>> model = linear_gaussian(np.random.default_rng(0).normal(size=(50, 3)))
    >>> model.W.shape, model.order
    ((3, 3), (0, 1, 2))
    """
    x = np.asarray(as_numbers(rows, "The rows"), np.float64)
    if not np.isfinite(x).all():
        raise InputError("A Gaussian takes complete rows, but some values are missing or infinite: leave them out.")
    if x.ndim != 2 or len(x) <= x.shape[1]:
        raise InputError(f"A Gaussian takes more rows than columns, not rows of shape {x.shape}.")
    unit, at_unit_scale = Gaussian(x.shape[1]), moments(x)
    if not resolves(*at_unit_scale):  # then the unit holds what float32 could not
        unit, x = unit.placed(*at_unit_scale), (x - at_unit_scale[0]) / at_unit_scale[1]
    model = FVBN(unit, order=order)
    at = np.asarray(model.order)
    mean, covariance = x.mean(axis=0)[at], np.cov(x[:, at].T, bias=True).reshape(len(at), len(at))
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        root = np.zeros_like(covariance)
    if not (np.ptp(x, axis=0).all() and (np.diag(root) ** 2 > ALONE * np.diag(covariance)).all()):
        raise InputError(
            "The covariance of the columns is singular: drop columns that are constant or that others determine."
        )
    W = np.eye(len(at)) - np.linalg.inv(root / np.diag(root))
    placed, bias, precision = np.zeros_like(W), np.zeros(len(at)), np.zeros(len(at))
    placed[np.ix_(at, at)], bias[at], precision[at] = W, mean - W @ mean, -2 * np.log(np.diag(root))
    b = GaussianBias(jnp.asarray(bias, jnp.float32), jnp.asarray(precision, jnp.float32))
    return eqx.tree_at(lambda m: (m.W, m.b), model, (jnp.asarray(placed, jnp.float32), b))
