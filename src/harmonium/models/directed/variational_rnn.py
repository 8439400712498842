"""The variational recurrent network: a variational auto-encoder in every frame of a sequence (section 20.10.3)."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown, whole
from harmonium.models.directed.latent import LATENT, Latents, WeightedSample
from harmonium.models.kind import Kind
from harmonium.models.validation import check_sizes, check_units
from harmonium.nets import ACTIVATIONS, GRU, MLP
from harmonium.rng import check_key
from harmonium.units import Frames, Stats, Unit


class Seen(NamedTuple):
    """What a sequence alone says, whatever the latent variables: found once, outside of the recurrence.

    Attributes: `present`, which frames are there; `encoder`, the sum at the encoder's first layer; `drive`, what acts
    on the gates.
    """

    present: Bool[Array, "frames"]
    encoder: Float[Array, "frames first"]
    drive: Float[Array, "frames gates"]


class VariationalRNN(eqx.Module):
    """A recurrent network whose state, with a latent variable `z_t` of each frame, gives that frame.

        log p(x, z) = sum_t log p(z_t | h_{t-1}) + log p(x_t | z_t, h_{t-1}),      h_t = f(h_{t-1}, x_t, z_t)
        log q(z | x) = sum_t log q(z_t | x_t, h_{t-1}),                            h_0 = 0

    (Chung et al. 2015; book, section 20.10.3.) Networks of one form give the prior, the encoder and the decoder; `f` is
    a GRU of features of `x_t` and `z_t`. The sums run over the frames that are there: a row `x` of data is one sequence
    `[frames * size]`, with absent frames at its end, as `hm.units.Frames` says. The latent variables of an absent frame
    are neutral units under both `p` and `q`, which leaves every weight `p / q`, every sum over latent
    states and every gradient as if they were not there. `simulate` and `sample` draw every frame, since
    no distribution of lengths is modelled.

    Arguments: `visible`, `Frames` of the units of a frame; `latent`, the units of `z_t`; `hidden`, the size of `h`;
    `sizes`, of the hidden layers of every network, of which the last is also that of the features; `activation` of
    these; `key`, for the weights' start; `b`, the bias of the units of a frame, beside the decoder's own (default:
    that of their neutral member): the marginals of real columns, whose log-precision is `limited` in what a net sets
    and not in what stands here. Fields: `b`, `features`, `latent_features`, `prior`, `encoder`, `decoder`, `gru`.
    Raises `InputError` for visible units that are no frames, latent ones that are none, or sizes that are none.

    >>> import harmonium as hm, jax
    >>> rolls, latent = hm.units.Frames(hm.units.Bernoulli(88), 5), hm.units.Gaussian(3)
    >>> model = VariationalRNN(rolls, latent, hidden=8, sizes=[6], key=jax.random.key(0))
    >>> model.sample(jax.random.key(1)).shape
    (440,)
    """

    model_kind: ClassVar[Kind] = LATENT

    visible: Frames
    latent: Unit
    features: MLP
    latent_features: MLP
    prior: MLP
    encoder: MLP
    decoder: MLP
    gru: GRU
    b: PyTree = no_decay(default=None)

    def __init__(
        self, visible: Any, latent: Any, hidden: Any = 200, *, key: Key[Array, ""], sizes: Any = (200,),
        activation: str = "tanh", b: PyTree = None,
    ) -> None:  # fmt: skip
        if not isinstance(visible, Frames):
            raise InputError(
                "A VariationalRNN takes sequences, hm.units.Frames(hm.units.Bernoulli(88), 160) for one, not "
                f"{shown(visible)}."
            )
        check_units("A VariationalRNN", visible.unit, latent)
        check_key(key)
        if not whole(hidden):
            raise InputError(f"A VariationalRNN has a state of units, such as hidden=200, not hidden={shown(hidden)}.")
        sizes = check_sizes(sizes)
        unit, last = visible.unit, sizes[-1]
        keys = jax.random.split(key, 6)

        def net(i: int, inputs: int, *out: int) -> MLP:
            return MLP([inputs, *sizes, *out], key=keys[i], activation=activation)

        self.visible, self.latent, self.b = visible, latent, b
        self.features, self.latent_features = net(0, unit.width), net(1, latent.width)
        self.prior = net(2, hidden, latent.num_outputs)
        self.encoder = net(3, last + hidden, latent.num_outputs)
        self.decoder = net(4, last + hidden, unit.num_outputs)
        self.gru = GRU(2 * last, hidden, key=keys[5])

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the sequence, and `z`, its latent variables frame by frame."""
        return {"v": self.visible, "z": Frames(self.latent, self.visible.frames)}

    # ---- the recognition model -------------------------------------------------------------------------------

    def encode_features(self, x: Array) -> Seen:
        """Which frames of a sequence `[frames * size]` are there, and what they add to the encoder and the gates."""
        features = self._features(self.features, self.visible.unit, self.visible.split(x))
        W, b = self.encoder.W[0], self.encoder.b[0]
        n = features.shape[1]
        return Seen(self.visible.present(x), features @ W[:n] + b, features @ self.gru.W[:n] + self.gru.b)

    def sample_posterior(self, key: Key[Array, ""], encoded: Seen) -> Latents:
        """Latent variables `z ~ q(z | x)`, frame after frame."""
        return {"z": self._guessed(key, encoded)[0].reshape(-1)}

    def log_q(self, latents: Latents, encoded: Seen) -> Float[Array, ""]:
        """`log q(z | x)`, in nats."""
        z = self._frames_of(latents)
        states = self._states(encoded.drive, self._features(self.latent_features, self.latent, z))
        return self._log_prob(jax.vmap(self._encoded)(states, encoded.encoder), z, encoded.present)

    def importance_sample(self, key: Key[Array, ""], x: Array, encoded: Seen) -> WeightedSample:
        """A sample with both log-probabilities; the prior and the decoder are taken of all frames at once."""
        z, states, natural, features = self._guessed(key, encoded)
        joint = self._log_joint(x, encoded.present, z, states, features)
        return WeightedSample({"z": z.reshape(-1)}, joint, self._log_prob(natural, z, encoded.present))

    # ---- the generative model --------------------------------------------------------------------------------

    def log_joint(self, x: Array, latents: Latents) -> Float[Array, ""]:
        """`log p(x, z)`, in nats."""
        encoded, z = self.encode_features(x), self._frames_of(latents)
        features = self._features(self.latent_features, self.latent, z)
        return self._log_joint(x, encoded.present, z, self._states(encoded.drive, features), features)

    def simulate(self, key: Key[Array, ""]) -> tuple[Array, Latents]:
        """A sequence `[frames * size]` of all frames and its latent variables, drawn frame after frame."""
        unit = self.visible.unit

        def frame(h: Array, key: Key[Array, ""]) -> tuple[Array, tuple[Array, Array]]:
            first, second = jax.random.split(key)
            z = self.latent.sample(first, self._prior(h))
            after = self._features(self.latent_features, self.latent, z[None])[0]
            x = unit.sample(second, self._decoded(h, after))
            encoded = self._features(self.features, unit, x[None])[0]
            return self.gru(h, self.gru.drive(jnp.concatenate([encoded, after]))), (x, z)

        _, (x, z) = jax.lax.scan(frame, jnp.zeros(self.gru.size, jnp.float32), self._keys(key))
        return x.reshape(-1), {"z": z.reshape(-1)}

    def sample(self, key: Key[Array, ""]) -> Array:
        """A sequence `[frames * size]` of all frames."""
        return self.simulate(key)[0]

    # ---- one frame -------------------------------------------------------------------------------------------

    def _prior(self, h: Float[Array, "hidden"]) -> Stats:
        """Natural parameters of `p(z_t | h_{t-1})`."""
        return _given(self.latent, self.prior(h))

    def _encoded(self, h: Float[Array, "hidden"], encoded: Float[Array, "first"]) -> Stats:
        """Natural parameters of `q(z_t | x_t, h_{t-1})`."""
        return _given(self.latent, _above(self.encoder, encoded + h @ self.encoder.W[0][-len(h) :]))

    def _decoded(self, h: Float[Array, "hidden"], features: Float[Array, "features"]) -> Stats:
        """Natural parameters of `p(x_t | z_t, h_{t-1})`."""
        return _given(self.visible.unit, self.decoder(jnp.concatenate([features, h])), self.b)

    # ---- all frames ------------------------------------------------------------------------------------------

    def _features(self, net: MLP, unit: Unit, values: Array) -> Float[Array, "frames features"]:
        return ACTIVATIONS[net.activation](jax.vmap(lambda value: net(unit.as_input(value)))(values))

    def _keys(self, key: Key[Array, ""]) -> Key[Array, "frames"]:
        """A key for each frame, the same however many others there are."""
        return jax.vmap(lambda t: jax.random.fold_in(key, t))(jnp.arange(self.visible.frames, dtype=jnp.int32))

    def _guessed(self, key: Key[Array, ""], encoded: Seen) -> tuple[Array, Array, Stats, Array]:
        """Of every frame `z_t`, `h_{t-1}`, the natural parameters of `q`, and the features of `z_t`."""

        def frame(h: Array, step: tuple[Array, Seen]) -> tuple[Array, tuple[Array, Array, Stats, Array]]:
            key, (present, encoder, drive) = step
            natural = self._encoded(h, encoder)
            z = self.latent.sample(key, self._where(present, natural))
            features = self._features(self.latent_features, self.latent, z[None])[0]
            return self.gru(h, drive + self._pull(features)), (z, h, natural, features)

        return jax.lax.scan(frame, jnp.zeros(self.gru.size, jnp.float32), (self._keys(key), encoded))[1]

    def _pull(self, features: Float[Array, "*frames features"]) -> Float[Array, "*frames gates"]:
        """What features of `z_t` add to what acts on the gates."""
        return features @ self.gru.W[-features.shape[-1] :]

    def _states(
        self, drive: Float[Array, "frames gates"], features: Float[Array, "frames features"]
    ) -> Float[Array, "frames hidden"]:
        """`h_{t-1}` of every frame."""
        start = jnp.zeros(self.gru.size, jnp.float32)
        return jax.lax.scan(lambda h, d: (self.gru(h, d), h), start, drive + self._pull(features))[1]

    def _log_joint(
        self, x: Array, present: Bool[Array, "frames"], z: Array, states: Float[Array, "frames hidden"],
        features: Float[Array, "frames features"],
    ) -> Float[Array, ""]:  # fmt: skip
        prior = self._log_prob(jax.vmap(self._prior)(states), z, present)
        return prior + self.visible.log_prob(jax.vmap(self._decoded)(states, features), x)

    def _log_prob(self, natural: Stats, z: Array, present: Bool[Array, "frames"]) -> Float[Array, ""]:
        """Log-probability of the latent variables, of which those of absent frames are neutral."""
        return jnp.sum(jax.vmap(self.latent.log_prob)(jax.vmap(self._where)(present, natural), z))

    def _where(self, present: Bool[Array, ""], natural: Stats) -> Stats:
        """Natural parameters of the latent units of a frame, or the neutral ones where it is absent."""
        return jax.tree.map(
            lambda own, neutral: jnp.where(present, own, neutral), natural, self.latent.neutral_natural()
        )

    def _frames_of(self, latents: Latents) -> Array:
        return latents["z"].reshape(self.visible.frames, self.latent.size)


def _given(unit: Unit, out: Float[Array, "num_outputs"], b: PyTree = None) -> Stats:
    return unit.natural_from_output(unit.bias(unit.neutral_natural()) if b is None else b, out)


def _above(net: MLP, first: Float[Array, "first"]) -> Float[Array, "out"]:
    """The output of a network, from the sum at its first layer."""
    out = first
    for W, b in zip(net.W[1:], net.b[1:], strict=True):
        out = ACTIVATIONS[net.activation](out) @ W + b
    return out
