"""The supervised generator of Dosovitskiy, Springenberg & Brox (section 20.10.2): from a known code to its picture."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from harmonium.compiling import jit_entry
from harmonium.data import shapes, space_of
from harmonium.data.shapes import KINDS, SIDE
from harmonium.evaluation.estimate import mean_estimate
from harmonium.inference.marginals import marginal_bias
from harmonium.models import ConditionalGenerator
from harmonium.nets import MLP
from harmonium.objectives import Supervised
from harmonium.recipes.published.experiment import BATCH, fitted
from harmonium.recipes.published.page import Protocol, Result
from harmonium.units import Categorical, Columns, Gaussian

NOISE = 0.05  # standard deviation of what is added to each pixel: without it a density of drawings has no upper limit
TRAIN, HELD = 20_000, 1000
HIDDEN = (256, 512)
EPOCHS, RATE = 60, 1e-3
PICTURE = Path("docs/pictures/generator.png")
SHOWN = 10  # held-out codes in the picture
CODE = Columns([Categorical(1, states=len(KINDS)), Gaussian(6)])


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Codes `[n, 7]`, their renderings `[n, 1024]`, and these with noise, which are the data."""

    codes: np.ndarray
    clean: np.ndarray
    noisy: np.ndarray

    @classmethod
    def drawn(cls, n: int, seed: int, stream: int) -> Shapes:
        """A set of shapes; every `stream` of a seed has others."""
        rng = np.random.default_rng([seed, stream])
        codes, clean = shapes(n, int(rng.integers(2**31)))
        noisy = clean + NOISE * rng.normal(size=clean.shape).astype(np.float32)
        return cls(codes, clean, noisy)


def _generator(seed: int) -> Iterator[Result]:
    train, held = Shapes.drawn(TRAIN, seed, 0), Shapes.drawn(HELD, seed, 1)
    yield from compared(train, held, seed, EPOCHS, PICTURE)


def compared(train: Shapes, held: Shapes, seed: int, epochs: int, picture: Path | None) -> Iterator[Result]:
    """What needs no net, then the generator, then the renderer itself; each with its squared error per pixel."""
    clock = time.perf_counter()
    mean, deviation = train.noisy.mean(axis=0), train.noisy.std(axis=0)
    yield _result("each pixel's mean and variance, whatever the code", held, mean, deviation, clock)

    clock = time.perf_counter()
    near = train.clean[nearest(train.codes, held.codes)]  # without its noise, which is more than a model is given
    others = Shapes.drawn(len(held.codes), seed, 2)
    spread = np.sqrt(np.mean((others.noisy - train.clean[nearest(train.codes, others.codes)]) ** 2))
    yield _result("the rendering of the nearest training code, one variance", held, near, spread, clock)

    clock = time.perf_counter()
    model = trained(train, seed, epochs)
    mean, deviation = (np.asarray(x) for x in _moments(model, jnp.asarray(held.codes)))
    setting = f"generator, {' and '.join(map(str, HIDDEN))} relu units, a mean and a variance for each pixel"
    yield _result(setting, held, mean, deviation, clock)
    if picture is not None:
        beside(held, mean, near, picture)

    clock = time.perf_counter()
    yield _result("the renderer itself: the most that any model can expect", held, held.clean, NOISE, clock)


def trained(train: Shapes, seed: int, epochs: int) -> ConditionalGenerator:
    """A net of the codes, whose outputs start at the pixels' own mean and variance."""
    key, unit = jax.random.key(seed), Gaussian(SIDE * SIDE)
    net = MLP([CODE.width, *HIDDEN, unit.num_outputs], key=jax.random.fold_in(key, 1))
    net = eqx.tree_at(lambda n: n.W[-1], net, 0.1 * net.W[-1])
    model = ConditionalGenerator(unit, CODE, net, marginal_bias(unit, train.noisy))
    rows = np.hstack([train.codes, train.noisy])
    rate = optax.cosine_decay_schedule(RATE, epochs * (len(rows) // BATCH))
    optimizer = optax.chain(optax.clip_by_global_norm(100.0), optax.adam(rate))
    return fitted(model, rows, Supervised(), optimizer=optimizer, epochs=epochs, key=key)


def nearest(codes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """For each code that is asked for, the index of the nearest one of the same kind (of discs, whatever the angle)."""

    def placed(code: np.ndarray) -> np.ndarray:
        turned = np.where(code[:, :1] == KINDS.index("disc"), 0.0, code[:, 5:])
        return np.hstack([100.0 * code[:, :1], code[:, 1:5], turned])  # kinds are far apart

    a, b = placed(codes), placed(asked)
    return np.argmin(np.sum(a * a, axis=1) - 2 * b @ a.T, axis=1)


@jit_entry
def _moments(model: ConditionalGenerator, codes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of each pixel, `[n, size]`."""
    natural = jax.vmap(lambda c: model.conditional(c).natural)(codes)
    precision = -2 * natural.square
    return natural.x / precision, 1 / jnp.sqrt(precision)


def _result(setting: str, held: Shapes, mean: np.ndarray, deviation: np.ndarray | float, clock: float) -> Result:
    """How likely held-out pictures are under normal pixels, exactly, and how far the means are from the renderings."""
    deviation = np.asarray(deviation, np.float64)
    z = (held.noisy - mean) / deviation
    values = np.sum(-0.5 * z * z - np.log(deviation) - 0.5 * math.log(2 * math.pi), axis=1)
    space = dataclasses.replace(
        space_of(held.noisy), shape=(SIDE, SIDE), dataset="shapes", dequantization=f"noise {NOISE:g}", split="test"
    )
    estimate = mean_estimate(values, "exact", "its formula", {}, space, quantity="conditional_log_likelihood")
    error = float(np.mean((held.clean - mean) ** 2))
    return Result(setting, estimate, f"squared error per pixel {error:.5f}", time.perf_counter() - clock)


def beside(held: Shapes, mean: np.ndarray, near: np.ndarray, path: Path) -> None:
    """A picture of three lines: renderings of held-out codes, the generator's, the nearest training code's."""
    lines = [rows[:SHOWN].reshape(-1, SIDE, SIDE) for rows in (held.clean, mean, near)]
    framed = [np.pad(np.clip(line, 0, 1), ((0, 0), (1, 1), (1, 1)), constant_values=0.5) for line in lines]
    sheet = np.vstack([np.hstack(list(line)) for line in framed])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * sheet).round().astype(np.uint8)).resize(
        (2 * sheet.shape[1], 2 * sheet.shape[0]), Image.Resampling.NEAREST
    ).save(path)


PROTOCOLS = {
    "generator": Protocol(
        "A generator net trained on known codes, after Dosovitskiy, Springenberg & Brox (2015), on shapes drawn here",
        f"Squares, discs and triangles of 32 x 32 pixels, antialiased, from a code of their kind, position, size, "
        f"shade and angle (`hm.data.shapes`), with Gaussian noise of deviation {NOISE:g}; {TRAIN:,} training and "
        f"{HELD:,} held-out codes. Adam at rate {RATE:g}, falling to 0 (cosine), batches of {BATCH}, {EPOCHS} epochs. "
        f"Log-likelihood of noisy pictures given their codes, exact, in nats per picture; squared errors are those of "
        f"means from renderings without noise. The picture `{PICTURE}` has renderings of held-out codes above what the "
        "generator gives, and the rendering of the nearest training code below. The paper's chairs are another data "
        "set: it has no number to compare with.",
        _generator,
    ),
}
