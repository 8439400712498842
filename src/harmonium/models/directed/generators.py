"""Generator nets that need no learning to be inverted: an affine map, and inverse transform sampling (20.10.2)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.data.affine import resolves
from harmonium.decay import no_decay
from harmonium.errors import InputError, shown, whole
from harmonium.memory import check_weights
from harmonium.models.kind import Kind
from harmonium.models.tractable import TRACTABLE
from harmonium.models.validation import check_units
from harmonium.units import Gaussian, Unit

HALVINGS = 64  # of a bracket: the last ones move nothing in float32


@runtime_checkable
class Invertible(Protocol):
    """A generator net `x = g(z)` that can be inverted: a tractable model by the change of variables (20.74)."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, real columns."""

    def forward(self, z: Array) -> Float[Array, "size"]:
        """`g(z)`."""

    def inverse(self, x: Array) -> Float[Array, "size"]:
        """`g^-1(x)`."""

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`."""


INVERTIBLE = Kind(
    "a generator net that can be inverted",
    "a generator net that can be inverted is sampled by hm.sample and weighed, exactly, by hm.log_likelihood",
    Invertible,
    parent=TRACTABLE,
)


def check_real(model: str, visible: Any, least: int = 1) -> None:
    """Refuse visible units of a generator net (its name with an article) that are not `least` real columns.

    >>> import harmonium as hm
    >>> check_real("An AffineGenerator", hm.units.Bernoulli(3))
    Traceback (most recent call last):
    harmonium.errors.InputError: An AffineGenerator gives real values: make it with hm.units.Gaussian(n), not ...
    """
    check_units(model, visible)
    if not isinstance(visible, Gaussian):
        raise InputError(f"{model} gives real values: make it with hm.units.Gaussian(n), not {shown(visible)}.")
    if not whole(visible.size, least=least):
        raise InputError(f"{model} needs {least} columns or more, not {visible.size}.")


def standard_normal(z: Float[Array, "size"]) -> Float[Array, ""]:
    """`log N(z; 0, I)`, in nats.

    >>> round(float(standard_normal(jnp.zeros(2))), 4)                                        # -log 2 pi
    -1.8379
    """
    return -0.5 * jnp.sum(z * z + math.log(2 * math.pi))


class AffineGenerator(eqx.Module):
    """The smallest generator net, one affine layer: what standard procedures draw normal numbers with.

        x = g(z) = mu + L z,      z ~ N(0, I),      so that x ~ N(mu, L L^T)                   # (20.72)
        log p(x) = log N(L^-1 (x - mu); 0, I) - sum_i log L_ii                               # (20.74)

    (Book, section 20.10.2.) `L` is lower triangular with a positive diagonal, as the Cholesky decomposition of a
    covariance is, so that each covariance has one `L`. It starts as the standard normal distribution; what
    `from_moments` makes of the moments of data is where maximum likelihood ends.

    Arguments: `visible`, `Gaussian(n)` for `n` columns. Fields: `mu` `[size]`; `lower` `[size, size]`, of which the
    part below the diagonal is that of `L`, and the rest nothing; `log_diagonal` `[size]`.
    Raises `InputError` for other units.

    >>> import harmonium as hm, jax
    >>> AffineGenerator(hm.units.Gaussian(3)).sample(jax.random.key(0)).shape
    (3,)
    """

    model_kind: ClassVar[Kind] = INVERTIBLE

    visible: Unit
    mu: Float[Array, "size"] = no_decay()
    lower: Float[Array, "size size"] = no_decay()
    log_diagonal: Float[Array, "size"] = no_decay()

    def __init__(self, visible: Any) -> None:
        check_real("An AffineGenerator", visible)
        check_weights("An AffineGenerator", (visible.size, visible.size))
        self.visible = visible
        self.mu, self.log_diagonal = jnp.zeros(visible.size, jnp.float32), jnp.zeros(visible.size, jnp.float32)
        self.lower = jnp.zeros((visible.size, visible.size), jnp.float32)

    @classmethod
    def from_moments(cls, mean: Any, covariance: Any) -> AffineGenerator:
        """The generator of a normal distribution: `L` is the Cholesky decomposition of its covariance.

        Arguments: `mean` `[size]`; `covariance` `[size, size]`. Raises `InputError` for other shapes, or a covariance
        that is not symmetric and positive definite.

        >>> AffineGenerator.from_moments(np.zeros(2), np.diag([4.0, 9.0])).L.tolist()
        [[2.0, 0.0], [0.0, 3.0]]
        """
        mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        if mean.ndim != 1 or not mean.size or covariance.shape != (mean.size, mean.size):
            raise InputError(
                f"A mean [n] goes with a covariance [n, n], not {list(mean.shape)} with {list(covariance.shape)}."
            )
        if not np.isfinite(mean).all():
            raise InputError("The mean holds numbers that are not finite: leave out rows with NaN before taking it.")
        try:
            found = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            found = None
        if found is None or not np.isfinite(found).all() or not np.allclose(covariance, covariance.T):
            raise InputError("The covariance is not symmetric and positive definite: add some variance to each column.")
        unit, deviation = Gaussian(mean.size), np.sqrt(np.diag(covariance))
        if not resolves(mean, deviation):  # then the unit holds what float32 could not
            unit, mean, found = unit.placed(mean, deviation), np.zeros_like(mean), found / deviation[:, None]
        parts = (mean, np.tril(found, -1), np.log(np.diag(found)))
        return eqx.tree_at(
            lambda m: (m.mu, m.lower, m.log_diagonal), cls(unit),
            tuple(jnp.asarray(x, jnp.float32) for x in parts),
        )  # fmt: skip

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    @property
    def L(self) -> Float[Array, "size size"]:
        """The lower triangular matrix."""
        return jnp.tril(self.lower, -1) + jnp.diag(jnp.exp(self.log_diagonal))

    def forward(self, z: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x = mu + L z`. # (20.72)"""
        return self.mu + self.L @ z

    def inverse(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`z = L^-1 (x - mu)`."""
        return jax.scipy.linalg.solve_triangular(self.L, x - self.mu, lower=True)

    def log_prob(self, x: Float[Array, "size"]) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""
        self.visible.check_shape(x, "v")
        return standard_normal(self.inverse(x)) - jnp.sum(self.log_diagonal)  # (20.74)

    def sample(self, key: Key[Array, ""]) -> Float[Array, "size"]:
        """A value `[size]`."""
        return self.forward(jax.random.normal(key, self.mu.shape, jnp.float32))


class LogisticMixture(eqx.Module):
    """The cumulative function of a mixture of logistic distributions for each column, as its logits.

        F(x) = sum_k alpha_k sigmoid((x - m_k) / s_k),      alpha = softmax(u),      G(x) = logit F(x)

    Arguments: `size`, the columns; `components` of each. Fields: `u`, `m` and `log_s`, `[size, components]`; means
    start apart, over the range of standardised columns. Raises `InputError` for no columns or components.

    >>> abs(LogisticMixture(2, components=3)(jnp.zeros(2)).round(4)).tolist()                  # at their medians
    [0.0, 0.0]
    """

    model_kind: ClassVar[Kind] = TRACTABLE

    u: Float[Array, "size components"] = no_decay()
    m: Float[Array, "size components"] = no_decay()
    log_s: Float[Array, "size components"] = no_decay()

    def __init__(self, size: int, components: int = 1) -> None:
        if not whole(size, components):
            raise InputError(f"A mixture needs columns and components, not size={size} and components={components}.")
        self.u = jnp.zeros((size, components), jnp.float32)
        self.m = jnp.tile(2 * (jnp.arange(components, dtype=jnp.float32) + 0.5) / components - 1, (size, 1))
        self.log_s = jnp.full((size, components), -0.5 * np.log(components), jnp.float32)

    def __call__(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`logit F(x)` of each column, in which neither tail is lost to rounding."""
        a = (x[:, None] - self.m) * jnp.exp(-self.log_s)
        log_alpha = jax.nn.log_softmax(self.u)
        below, above = (jax.nn.logsumexp(log_alpha + jax.nn.log_sigmoid(s * a), axis=1) for s in (1, -1))
        return below - above


class InverseTransform(eqx.Module):
    """Independent real columns, each drawn by its quantile function from a uniform number.

        x = g(z) = F^-1(z),   z ~ U(0, 1),      F(x) = sigmoid(G(x)),      p(x) = F'(x) = F (1 - F) G'(x)

    (Devroye 1986, section II.2; book, section 20.10.2.) `G = logit F` is what is given: any function that rises from
    minus infinity to infinity, column by column. It says the same as `F`, and in float32 it says it of both tails. The
    density is its slope, found by differentiation, and `F^-1` by bisection, so that `G` is all there is to write.

    Arguments: `visible`, `Gaussian(n)` for `n` columns; `logit`, a module from `[size]` to `[size]`, whose arrays are
    learned (default: a `LogisticMixture` of one component). Raises `InputError` for other units, for a function of
    another shape, or for one that at zero does not rise with its own column, or moves with another's.

    >>> import harmonium as hm, jax
    >>> model = InverseTransform(hm.units.Gaussian(2)); model.forward(jnp.array([0.25, 0.75])).round(4)   # log 3
    Array([-1.0986,  1.0986], dtype=float32)
    """

    model_kind: ClassVar[Kind] = INVERTIBLE

    visible: Unit
    logit: eqx.Module

    def __init__(self, visible: Any, logit: Any = None) -> None:
        check_real("An InverseTransform", visible)
        self.visible = visible
        self.logit = LogisticMixture(visible.size) if logit is None else logit
        _check_logit(self.logit, visible.size)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    def forward(self, z: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x = F^-1(z)`, the quantile function of each column, `z` between 0 and 1 (excluded)."""
        return self._where(jax.scipy.special.logit(z))

    def inverse(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`z = F(x)`, the probability of less, of each column."""
        return jax.nn.sigmoid(self.logit(x))

    def log_prob(self, x: Float[Array, "size"]) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""
        self.visible.check_shape(x, "v")
        g, slope = jax.jvp(self.logit, (x,), (jnp.ones_like(x),))
        return jnp.sum(jax.nn.log_sigmoid(g) + jax.nn.log_sigmoid(-g) + jnp.log(slope))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "size"]:
        """A value `[size]`: the logit of a uniform number is a logistic one, drawn without rounding near 0 and 1."""
        return self._where(jax.random.logistic(key, (self.visible.size,), jnp.float32))

    def _where(self, g: Float[Array, "size"]) -> Float[Array, "size"]:
        """Where `G(x) = g`, by bisection of a bracket that is doubled until it holds it."""

        def outside(reach: Float[Array, "size"]) -> Array:
            return (self.logit(-reach) > g) | (self.logit(reach) < g)

        reach = jax.lax.while_loop(
            lambda r: jnp.any(outside(r) & (r < 1e30)), lambda r: jnp.where(outside(r), 2 * r, r), jnp.ones_like(g)
        )

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            below = self.logit(middle) < g
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        low, high = jax.lax.fori_loop(0, HALVINGS, halve, (-reach, reach))
        return 0.5 * (low + high)


def _check_logit(logit: Any, size: int) -> None:
    """Refuse what is no function of columns that rises with each alone."""
    if not callable(logit):
        raise InputError(f"A cumulative function is a module that can be called, not {shown(logit)}.")
    try:
        slopes = np.asarray(jax.jacfwd(logit)(jnp.zeros(size, jnp.float32)))
    except (TypeError, ValueError) as error:
        raise InputError(f"The cumulative function does not take {size} columns: make it of as many.") from error
    if slopes.shape != (size, size):
        raise InputError(f"The cumulative function gives {slopes.shape[0]} numbers for {size} columns: give one each.")
    if not (np.diag(slopes) > 0).all() or (slopes - np.diag(np.diag(slopes))).any():
        raise InputError(
            "A cumulative function rises with its own column and moves with no other, and this one does not at zero: "
            "give G = logit F of each column alone."
        )
