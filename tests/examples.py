"""One tiny instance of every model: each inherits the whole conformance suite (`test_conformance.py`)."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from harmonium.models import (
    DBM,
    DBN,
    DRAW,
    FVBN,
    MADE,
    MPDBM,
    NADE,
    RBM,
    RNADE,
    RNNRBM,
    RTRBM,
    S3C,
    VAE,
    AffineGenerator,
    BiHM,
    BoltzmannMachine,
    Centred,
    Classifier,
    ConditionalGenerator,
    ConditionalRBM,
    DoubledRBM,
    HelmholtzMachine,
    Independent,
    Interpolated,
    InverseTransform,
    InvertibleNet,
    LayerStats,
    LogisticMixture,
    MeanCovarianceRBM,
    MeanProductOfStudentT,
    NADEk,
    NeuralAutoregressive,
    Normalised,
    OrderlessNADE,
    ProductOfStudentT,
    ReplicatedSoftmax,
    SigmoidBeliefNet,
    SpikeSlabRBM,
    VariationalRNN,
)
from harmonium.models.boltzmann import Pairs
from harmonium.nets import MLP
from harmonium.units import (
    Bernoulli,
    Binomial,
    Categorical,
    Columns,
    ContinuousBernoulli,
    DoubleRectified,
    Frames,
    Gamma,
    Gaussian,
    Poisson,
    Rectified,
    SpikeSlab,
    Spin,
    Unit,
    Words,
)

VISIBLE = {
    "bernoulli": Bernoulli(3),
    "spin": Spin(3),
    "categorical": Categorical(2, states=3),
    "gaussian": Gaussian(2),
}
HIDDEN = {
    "bernoulli": Bernoulli(2),
    "spin": Spin(2),
    "categorical": Categorical(1, states=3),
    "gaussian": Gaussian(1),
}


def randomised(model: PyTree, seed: int, scale: float = 0.5) -> PyTree:
    """The model with every parameter moved by a normal number of this scale."""
    rng = np.random.default_rng(seed)

    def move(leaf: jax.Array) -> jax.Array:
        return leaf + np.float32(scale) * rng.normal(size=leaf.shape).astype(np.float32)

    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(move, parameters), rest)


def tiny_rbm(visible: str, hidden: str, seed: int = 0) -> RBM:
    """An RBM of these kinds of units; smaller weights beside Gaussian ones, so that chains mix."""
    scale = {0: 0.5, 1: 0.3, 2: 0.2}[(visible == "gaussian") + (hidden == "gaussian")]
    rbm = RBM(VISIBLE[visible], HIDDEN[hidden], key=jax.random.key(seed), scale=0.0)
    return randomised(rbm, seed, scale)


def tiny_independent(visible: Unit, hidden: Unit, seed: int) -> Independent:
    """Two layers in one block."""
    biases = {"v": visible.bias(visible.neutral_natural()), "h": hidden.bias(hidden.neutral_natural())}
    return randomised(Independent({"v": visible, "h": hidden}, biases), seed)


class Deep(eqx.Module):
    """A user's own machine, `v - h1 - h2`: what it takes to inherit the suite is this class."""

    W1: Float[Array, "visible hidden1"]
    W2: Float[Array, "hidden1 hidden2"]
    b: Float[Array, "hidden1"]

    @property
    def layers(self) -> dict[str, Unit]:
        return {"v": Bernoulli(3), "h1": Spin(2), "h2": Bernoulli(2)}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v", "h2"), ("h1",))

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        h1 = stats["h1"]
        return -stats["v"] @ self.W1 @ h1 - h1 @ self.W2 @ stats["h2"] - self.b @ h1


RBMS = {f"rbm-{v}-{h}": tiny_rbm(v, h, seed) for seed, (v, h) in enumerate(itertools.product(VISIBLE, HIDDEN))}
CENTRED = {
    f"centred-{v}-{h}": randomised(Centred(RBMS[f"rbm-{v}-{h}"]), 100, 0.1)
    for v, h in (
        ("bernoulli", "bernoulli"),
        ("spin", "categorical"),
        ("categorical", "spin"),
        ("gaussian", "bernoulli"),
    )
}
REAL = {
    "rbm-gaussian-spike-slab": randomised(RBM(Gaussian(1), SpikeSlab(2), key=jax.random.key(0), scale=0.0), 160, 0.3),
    "spike-slab-rbm": randomised(SpikeSlabRBM(Gaussian(1), SpikeSlab(2), key=jax.random.key(0), scale=0.0), 161, 0.3),
    "spike-slab-free": randomised(
        SpikeSlabRBM(Gaussian(1), SpikeSlab(2), key=jax.random.key(0), phi="free", scale=0.0), 168, 0.3
    ),
    "spike-slab-pooled": randomised(
        SpikeSlabRBM(Gaussian(1), SpikeSlab(2, slabs=2), key=jax.random.key(0), phi=None, scale=0.0), 162, 0.3
    ),
    "rbm-bernoulli-rectified": randomised(RBM(Bernoulli(3), Rectified(2), key=jax.random.key(0)), 170, 0.4),
    "rbm-bernoulli-double-rectified": randomised(
        RBM(Bernoulli(3), DoubleRectified(1), key=jax.random.key(0)), 171, 0.4
    ),
    "rbm-bernoulli-two-double-rectified": randomised(
        RBM(Bernoulli(3), DoubleRectified(2), key=jax.random.key(0)), 171, 0.4
    ),
    "rbm-continuous-bernoulli": randomised(RBM(ContinuousBernoulli(2), Bernoulli(2), key=jax.random.key(0)), 172, 0.8),
    "rbm-bernoulli-continuous": randomised(RBM(Bernoulli(3), ContinuousBernoulli(2), key=jax.random.key(0)), 173, 0.8),
    "s3c": randomised(S3C(Gaussian(1), SpikeSlab(2), key=jax.random.key(0)), 163, 0.3),
    "mc-rbm": randomised(MeanCovarianceRBM(Gaussian(2), 2, 2, factors=3, key=jax.random.key(0)), 164, 0.3),
    "mc-rbm-without-means": randomised(MeanCovarianceRBM(Gaussian(2), 0, 2, key=jax.random.key(0)), 165, 0.3),
    "product-of-student-t": randomised(ProductOfStudentT(Gaussian(1), 1, key=jax.random.key(0)), 166, 0.2),
    "mean-product-of-student-t": randomised(MeanProductOfStudentT(Gaussian(1), 1, 1, key=jax.random.key(0)), 167, 0.2),
}
COUNTS = {
    "rbm-binomial-bernoulli": randomised(RBM(Binomial(2, trials=4), Bernoulli(2), key=jax.random.key(0)), 180),
    "rbm-bernoulli-binomial": randomised(RBM(Bernoulli(3), Binomial(2, trials=3), key=jax.random.key(0)), 181),
    "machine-binomial": randomised(
        BoltzmannMachine(Binomial(3, trials=2), Binomial(1, trials=3), key=jax.random.key(0)), 182, 0.3
    ),
}
COUNTS |= {
    "rbm-poisson-bernoulli": randomised(RBM(Poisson(2), Bernoulli(2), key=jax.random.key(0)), 183, 0.3),
    "rbm-bernoulli-poisson": randomised(RBM(Bernoulli(2), Poisson(2), key=jax.random.key(0)), 184, 0.3),
}
NORMALISED = {
    "normalised-bernoulli-bernoulli": randomised(Normalised(RBMS["rbm-bernoulli-bernoulli"]), 150),
    "normalised-centred-gaussian-bernoulli": randomised(Normalised(CENTRED["centred-gaussian-bernoulli"]), 151, 0.1),
}
OTHERS = {
    "independent-finite": tiny_independent(Categorical(2, states=3), Spin(2), 200),
    "independent-mixed": tiny_independent(Bernoulli(2), Gaussian(2), 201),
    "interpolated-bernoulli": Interpolated(
        tiny_independent(VISIBLE["bernoulli"], HIDDEN["bernoulli"], 202), RBMS["rbm-bernoulli-bernoulli"], 0.4
    ),
}
OTHERS["own-deep"] = randomised(Deep(*(jnp.zeros(shape, jnp.float32) for shape in ((3, 2), (2, 2), (2,)))), 203)
B2, KEY = Bernoulli(2), jax.random.key(0)
DBMS = {
    "dbm-two-layers": DBM(Bernoulli(3), [B2, Spin(2)], key=KEY, scale=0.0),
    "dbm-three-layers": DBM(Spin(2), [B2, Categorical(1, states=3), B2], key=KEY, scale=0.0),
    "dbm-gaussian": DBM(Gaussian(1), [B2, B2], key=KEY, scale=0.0),
    "dbm-labels": DBM(Bernoulli(3), [B2, B2], Categorical(1, states=3), key=KEY, scale=0.0),
}
DBMS = {name: randomised(model, 300 + i) for i, (name, model) in enumerate(DBMS.items())}
DBMS |= {f"twin-{of}": randomised(DoubledRBM(RBM(Bernoulli(2), B2, key=KEY, scale=0.0), of), 320) for of in ("v", "h")}
DBMS["twin-labels"] = randomised(
    DoubledRBM(DBM(Bernoulli(2), [B2], Categorical(1, states=3), key=KEY, scale=0.0), "h"), 321
)
DBMS["centred-dbm"] = randomised(Centred(DBMS["dbm-two-layers"]), 310, 0.1)


def semi_restricted(visible: int, hidden: int) -> np.ndarray:
    """The mask of a machine without connections between hidden units."""
    mask = ~np.eye(visible + hidden, dtype=bool)
    mask[visible:, visible:] = False
    return mask


EDGES = [(0, 1), (1, 2), (3, 1), (4, 0), (2, 4), (4, 5)]  # a star of four visible units, and two hidden ones
MACHINES = {
    "machine-visible": BoltzmannMachine(Bernoulli(4), key=KEY),
    "machine-lattice": BoltzmannMachine.lattice(Spin(6), (2, 3), key=KEY),
    "machine-dense": BoltzmannMachine(Bernoulli(3), Spin(2), key=KEY),
    "machine-semi-restricted": BoltzmannMachine(Spin(3), B2, mask=semi_restricted(3, 2), key=KEY),
    "machine-hidden": BoltzmannMachine(B2, Bernoulli(3), mask=semi_restricted(3, 2)[::-1, ::-1], key=KEY),
    "machine-edges": BoltzmannMachine(Bernoulli(4), B2, edges=EDGES, key=KEY),
    "machine-categorical": BoltzmannMachine(Categorical(3, states=3), Bernoulli(1), key=KEY),
}
MACHINES = {name: randomised(model, 400 + i) for i, (name, model) in enumerate(MACHINES.items())}
MACHINES["machine-edges"] = eqx.tree_at(
    lambda m: m.pairs, MACHINES["machine-edges"], Pairs(np.array(EDGES), 6, sparse=True)
)
CENTRED["centred-machine"] = randomised(Centred(MACHINES["machine-dense"]), 410, 0.1)
MACHINES["interpolated-machine"] = Interpolated(
    tiny_independent(Bernoulli(3), Spin(2), 411), MACHINES["machine-dense"], 0.6
)
DBMS["mpdbm"] = randomised(MPDBM(Bernoulli(3), [B2, B2], Categorical(1, states=3), key=KEY), 311)
NETS = {
    "dbn": DBN(Bernoulli(3), [B2, B2], key=KEY),
    "dbn-one-layer": DBN(Spin(3), [B2], key=KEY),
    "dbn-three-layers": DBN(Spin(2), [Categorical(1, states=3), B2, Spin(2)], key=KEY),
    "dbn-labels": DBN(Bernoulli(3), [B2, B2], Categorical(1, states=3), key=KEY),
    "dbn-gaussian": DBN(Gaussian(2), [B2, B2], key=KEY),
}
NETS = {name: randomised(net, 500 + i) for i, (name, net) in enumerate(NETS.items())}
TABLE = Columns([Bernoulli(1), Categorical(1, states=3), Gaussian(1), Spin(1)])
ORDER = (2, 0, 3, 1)
SEQUENCES = {
    "fvbn-bernoulli": FVBN(Bernoulli(4), order=ORDER),
    "fvbn-categorical": FVBN(Categorical(3, states=3)),
    "fvbn-gaussian": FVBN(Gaussian(2), order=(1, 0)),
    "fvbn-table": FVBN(TABLE, order=ORDER),
    "nade-spin": NADE(Spin(4), 3, key=KEY, order=ORDER),
    "nade-blocks": NADE(Bernoulli(8), 2, key=KEY),
    "nade-table": NADE(TABLE, 3, key=KEY, order=ORDER, activation="tanh"),
    "made-bernoulli": MADE(Bernoulli(4), [5, 6], key=KEY, order=ORDER),
    "made-one-layer": MADE(Categorical(3, states=3), [7], key=KEY, direct=False),
    "made-table": MADE(TABLE, [6], key=KEY, order=ORDER, activation="tanh"),
    "orderless-two-layers": OrderlessNADE(Bernoulli(4), [5, 4], key=KEY, orders=[ORDER]),
    "orderless-ensemble": OrderlessNADE(Categorical(3, states=3), [4], key=KEY, orders=[(2, 0, 1), (0, 1, 2)]),
    "orderless-gaussian": OrderlessNADE(Gaussian(2), [3], key=KEY, orders=[(1, 0)], activation="tanh"),
    "orderless-table": OrderlessNADE(TABLE, [4], key=KEY, orders=[ORDER], activation="tanh"),
    "nade-k-bernoulli": NADEk(Bernoulli(4), [4, 3], 3, key=KEY, orders=[ORDER, (0, 1, 2, 3)]),
    "nade-k-table": NADEk(TABLE, [4], 2, key=KEY, orders=[ORDER]),
    "neural": NeuralAutoregressive(Bernoulli(4), 2, key=KEY, order=ORDER),
    "fvbn-poisson": FVBN(Columns([Bernoulli(2), Poisson(1)])),
    "fvbn-gamma": FVBN(Columns([Bernoulli(1), Gamma(1)])),
}
SEQUENCES = {name: randomised(model, 600 + i) for i, (name, model) in enumerate(SEQUENCES.items())}
# Components neither so narrow that they fall between the points of the grid of integration, nor beyond its ends.
SEQUENCES |= {
    f"rnade-{kind}": randomised(
        RNADE(Gaussian(2), 3, components=2, kind=kind, key=KEY, order=(1, 0), activation="tanh"), 654 + i, 0.3
    )
    for i, kind in enumerate(("gaussian", "laplace"))
}
G2 = Gaussian(2)
GENERATORS = {
    "affine-generator": randomised(AffineGenerator(G2), 700),
    "inverse-transform": randomised(InverseTransform(G2, LogisticMixture(2, components=2)), 701, 0.2),
    "invertible-net": randomised(InvertibleNet(G2, [4], couplings=3, key=KEY), 702, 0.2),
}
LATENT = {
    "sbn-alone": SigmoidBeliefNet(Bernoulli(3), key=KEY),
    "sbn-alone-fvbn": SigmoidBeliefNet(Bernoulli(3), key=KEY, prior="fvbn"),
    "sbn-one-layer": SigmoidBeliefNet(Bernoulli(3), [Spin(2)], key=KEY, prior="fvbn"),
    "sbn-two-layers": SigmoidBeliefNet(Categorical(2, states=3), [B2, Categorical(1, states=3)], key=KEY),
    "sbn-gaussian": SigmoidBeliefNet(Gaussian(2), [B2], key=KEY),
    "sbn-mixed": SigmoidBeliefNet(Bernoulli(2), [Gaussian(1), B2], key=KEY),
    "helmholtz-one-layer": HelmholtzMachine(Bernoulli(4), [Bernoulli(3)], key=KEY),
    "helmholtz-deep": HelmholtzMachine(Spin(3), [B2, Spin(2)], key=KEY, recognition=[3], prior="fvbn"),
    "vae-bernoulli": VAE(Bernoulli(3), Gaussian(2), hidden=[4], key=KEY),
    "vae-gaussian": VAE(Gaussian(1), Gaussian(1), hidden=[3, 2], key=KEY, activation="softplus"),
    "vae-two-layers": VAE(Categorical(1, states=3), [Gaussian(1), Gaussian(1)], hidden=[3], key=KEY),
    "vae-discrete": VAE(Bernoulli(3), [Categorical(1, states=3), B2], hidden=[3], key=KEY),
    "draw": DRAW(Bernoulli(2), Gaussian(1), hidden=3, steps=2, key=KEY),
    "bihm-one-layer": BiHM(Bernoulli(3), [Bernoulli(3)], key=KEY),
    "bihm-deep": BiHM(Spin(3), [B2, Categorical(1, states=3)], key=KEY, recognition=[3]),
    "vae-binomial": VAE(Binomial(1, trials=3), Gaussian(1), hidden=[2], key=KEY),
    "vae-poisson": VAE(Poisson(1), Gaussian(1), hidden=[2], key=KEY),
    "vae-rectified": VAE(Rectified(1), Gaussian(1), hidden=[2], key=KEY),
    "vae-continuous-bernoulli": VAE(ContinuousBernoulli(1), Gaussian(1), hidden=[2], key=KEY),
}
# Real units move less, so that no guess of one lies beyond the grid of integration.
LATENT = {
    name: randomised(net, 700 + i, 0.15 if name in ("vae-gaussian", "vae-poisson", "vae-rectified") else 0.3)
    for i, (name, net) in enumerate(LATENT.items())
}
PICTURED = MLP([3, 4], key=KEY)
UNLISTED = {
    "vrnn": VariationalRNN(Frames(Bernoulli(2), 3), Gaussian(1), 3, sizes=[3], key=KEY),
    "conditional-generator": ConditionalGenerator(Bernoulli(4), Categorical(1, states=3), PICTURED),
    "classifier": Classifier(MLP([4, 3, 2], key=KEY)),
}
# Values given a context, each context with a machine of its own.
CONTEXTS = {
    "rnnrbm-tanh": RNNRBM(Frames(Bernoulli(2), 3), Bernoulli(3), 2, key=KEY),
    "rnnrbm-low-rank": RNNRBM(Frames(Spin(1), 3), B2, 2, cell="gru", rank=1, key=KEY),
    "rnnrbm-lstm": RNNRBM(Frames(Categorical(1, states=3), 3), B2, 2, cell="lstm", key=KEY),
    "rtrbm": RTRBM(Frames(Bernoulli(2), 3), B2, key=KEY),
    "rtrbm-gaussian": RTRBM(Frames(Gaussian(1), 2), B2, key=KEY),
    "crbm-rows": ConditionalRBM(Bernoulli(2), B2, given=Categorical(1, states=3), key=KEY),
    "crbm-mixed-rows": ConditionalRBM(Gaussian(1), B2, given=Columns([Gaussian(1), Bernoulli(1)]), key=KEY),
    "crbm-frames": ConditionalRBM(Frames(Bernoulli(2), 4), B2, order=1, key=KEY),
    "crbm-real-frames": ConditionalRBM(Frames(Gaussian(1), 3), B2, order=2, key=KEY),
}
CONTEXTS |= {
    "replicated-softmax": ReplicatedSoftmax(Words(2, most=3), B2, key=KEY),
    "replicated-softmax-deep": ReplicatedSoftmax(Words(2, most=3), [B2, Bernoulli(1)], key=KEY),
}
CONTEXTS = {name: randomised(model, 850 + i, 0.5) for i, (name, model) in enumerate(CONTEXTS.items())}
UNLISTED = {name: randomised(model, 800 + i, 0.3) for i, (name, model) in enumerate(UNLISTED.items())}
EXAMPLES = (
    CONTEXTS
    | UNLISTED
    | LATENT
    | GENERATORS
    | SEQUENCES
    | NETS
    | MACHINES
    | DBMS
    | RBMS
    | CENTRED
    | NORMALISED
    | REAL
    | OTHERS
    | COUNTS
)
