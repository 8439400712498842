"""The generator of inner loops: known answers, uniform and independent bits, and the choice of Threefry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from harmonium import rng

FAILURE_RATE = 1e-3  # of each statistical test, were its seed drawn anew
CHAINS, UNITS = 512, 2048


def reference(x, y, z):
    """PCG3D in Python's whole numbers, as published."""
    mask = 0xFFFFFFFF

    def mix(x, y, z):
        x = (x + y * z) & mask
        y = (y + z * x) & mask
        z = (z + x * y) & mask
        return x, y, z

    words = mix(*((w * 1664525 + 1013904223) & mask for w in (x, y, z)))
    return mix(*(w ^ (w >> 16) for w in words))


@pytest.fixture(scope="module")
def words():
    """Words `[chains, units]` as a sweep of many chains draws them."""
    keys = jax.random.split(rng.fast_key(jax.random.key(0)), CHAINS)
    return np.asarray(jax.vmap(lambda key: jax.random.bits(key, (UNITS,)))(keys))


def chi_square(counts):
    return stats.chisquare(np.asarray(counts).ravel()).pvalue


def test_known_answers():
    random = np.random.default_rng(0)
    for x, y, z in random.integers(0, 2**32, (20, 3)):
        found = rng.pcg3d(*(jnp.uint32(int(w)) for w in (x, y, z)))
        assert tuple(int(w) for w in found) == reference(int(x), int(y), int(z))


def test_a_draw_is_the_hash_of_counter_and_key():
    key = jax.random.fold_in(rng.fast_key(jax.random.key(3)), 5)
    k0, k1 = (int(w) for w in jax.random.key_data(key))
    found = np.asarray(jax.random.bits(key, (2, 3)))
    assert found.tolist() == [[reference(3 * i + j, k0, k1)[0] for j in range(3)] for i in range(2)]


def test_every_bit_is_fair(words):
    ones = np.array([((words >> bit) & 1).sum() for bit in range(32)])
    z = (ones - words.size / 2) / np.sqrt(words.size / 4)
    assert np.abs(z).max() < stats.norm.isf(FAILURE_RATE / 2 / 32)


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_bytes_are_uniform(words, shift):
    assert chi_square(np.bincount(((words >> shift) & 255).ravel(), minlength=256)) > FAILURE_RATE


@pytest.mark.parametrize("axis", [0, 1], ids=["neighbouring chains", "neighbouring units"])
@pytest.mark.parametrize("lag", [1, 2, 3, 64])
def test_neighbours_are_independent(words, axis, lag):
    high = words >> 27  # five leading bits: what decides a Bernoulli draw
    pairs = 32 * high + np.roll(high, lag, axis=axis)
    assert chi_square(np.bincount(pairs.ravel(), minlength=1024)) > FAILURE_RATE


def test_derived_keys_are_the_hash_taken_twice():
    key = rng.fast_key(jax.random.key(11))
    k0, k1 = (int(w) for w in jax.random.key_data(key))

    def twice(number, purpose):
        return list(reference(*reference(number, k0 ^ purpose, k1))[1:])

    assert jax.random.key_data(jax.random.split(key, 3)).tolist() == [twice(i, 0x53504C54) for i in range(3)]
    assert jax.random.key_data(jax.random.fold_in(key, 9)).tolist() == twice(9, 0x464F4C44)


def folded(key, count):
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(count))


@pytest.mark.parametrize("derive", [jax.random.split, folded], ids=["split", "fold_in"])
def test_derived_keys_are_distinct_and_fair(derive):
    found = np.asarray(jax.random.key_data(derive(rng.fast_key(jax.random.key(12)), 2**17)))
    pairs = found[:, 0].astype(np.uint64) << np.uint64(32) | found[:, 1]
    assert len(np.unique(pairs)) == len(pairs)
    for word in found.T:
        assert chi_square(np.bincount(word >> 20, minlength=4096)) > FAILURE_RATE
        assert chi_square(np.bincount(word & 4095, minlength=4096)) > FAILURE_RATE


def test_splits_of_splits_are_independent():
    """Keys as a chain derives them: by chain, by step, by block; the first draws of each are uniform together."""
    keys = jax.random.split(rng.fast_key(jax.random.key(13)), 64)
    steps = jax.vmap(lambda key: jax.vmap(lambda i: jax.random.split(jax.random.fold_in(key, i)))(jnp.arange(256)))(
        keys
    )
    draws = np.asarray(jax.vmap(jax.vmap(jax.vmap(lambda key: jax.random.bits(key, (4,)))))(steps)) >> 27
    for a, b in ((draws[:, :, 0], draws[:, :, 1]), (draws[:, 1:, 1], draws[:, :-1, 0]), (draws[1:], draws[:-1])):
        assert chi_square(np.bincount((32 * a + b).ravel(), minlength=1024)) > FAILURE_RATE


def test_a_draw_says_nothing_of_the_keys_split_from_the_same_key():
    keys = jax.random.split(rng.fast_key(jax.random.key(14)), 2**14)
    draws = np.asarray(jax.vmap(lambda key: jax.random.bits(key, (2,)))(keys)) >> 27
    split = np.asarray(jax.random.key_data(jax.vmap(jax.random.split)(keys))) >> 27
    for word in (0, 1):
        pairs = 32 * draws.ravel() + split[:, :, word].ravel()
        assert chi_square(np.bincount(pairs, minlength=1024)) > FAILURE_RATE


def test_neighbouring_seeds_are_independent():
    draws = jax.vmap(lambda seed: jax.random.bits(rng.fast_key(jax.random.key(seed)), (1024,)))(jnp.arange(512))
    high = np.asarray(draws) >> 27
    assert chi_square(np.bincount((32 * high[:-1] + high[1:]).ravel(), minlength=1024)) > FAILURE_RATE


def test_every_bit_of_a_key_turns_half_of_its_childs_bits():
    keys = jax.random.split(rng.fast_key(jax.random.key(15)), 256)
    data = np.asarray(jax.random.key_data(keys))

    def children(words):
        wrapped = jax.random.wrap_key_data(jnp.asarray(words), impl=rng.PCG3D)
        return np.asarray(jax.random.key_data(jax.vmap(lambda key: jax.random.fold_in(key, 3))(wrapped)))

    for word in (0, 1):
        for bit in range(32):
            turned = data.copy()
            turned[:, word] ^= np.uint32(1 << bit)
            share = np.unpackbits((children(data) ^ children(turned)).view(np.uint8)).mean()
            assert abs(share - 0.5) < 0.02, (word, bit, share)  # 256 x 64 bits: a standard error of 0.004


def test_successive_steps_are_independent():
    key = rng.fast_key(jax.random.key(1))
    steps = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i), (4096,)))(jnp.arange(256))
    high = np.asarray(steps) >> 27
    assert chi_square(np.bincount((32 * high[:-1] + high[1:]).ravel(), minlength=1024)) > FAILURE_RATE


def test_rows_have_no_linear_dependence(words):
    """Correlations between any two chains over their units stay within what independence allows."""
    u = words[:128] / 2**32 - 0.5
    u /= u.std()
    r = (u @ u.T / UNITS)[np.triu_indices(128, 1)] * np.sqrt(UNITS)
    assert np.abs(r).max() < stats.norm.isf(FAILURE_RATE / 2 / r.size)
    assert stats.kstest(r, "norm").pvalue > FAILURE_RATE


def test_birthday_spacings():
    """Duplicates among 2^10 leading-24-bit words follow the Poisson law (Marsaglia's test of lattice structure)."""
    key, days, n = rng.fast_key(jax.random.key(2)), 2**24, 2**10
    draws = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i), (n,)))(jnp.arange(400))
    births = np.sort(np.asarray(draws) >> 8, axis=1)
    spacings = np.sort(np.diff(births, axis=1), axis=1)
    duplicates = (np.diff(spacings, axis=1) == 0).sum()
    mean = 400 * n**3 / (4 * days)
    assert stats.poisson.sf(duplicates - 1, mean) > FAILURE_RATE / 2
    assert stats.poisson.cdf(duplicates, mean) > FAILURE_RATE / 2


def test_uniforms_and_normals_have_their_laws():
    key = rng.fast_key(jax.random.key(4))
    assert stats.kstest(np.asarray(jax.random.uniform(key, (2**17,))), "uniform").pvalue > FAILURE_RATE
    assert stats.kstest(np.asarray(jax.random.normal(key, (2**17,))), "norm").pvalue > FAILURE_RATE


def test_threefry_is_kept_as_a_choice():
    key = jax.random.key(7)
    kept = rng.fast_key(rng.threefry(key))
    np.testing.assert_array_equal(jax.random.bits(kept, (5,)), jax.random.bits(key, (5,)))
    assert not np.array_equal(jax.random.bits(rng.fast_key(key), (5,)), jax.random.bits(key, (5,)))
    children = [jax.random.key_data(jax.random.split(k, 3)) for k in (kept, key, rng.fast_key(key))]
    np.testing.assert_array_equal(children[0], children[1])
    assert not np.array_equal(children[0], children[2])


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="8, 16, 32 or 64"):
        jax.eval_shape(lambda key: rng._random_bits(key, 24, (2,)), jnp.zeros(2, jnp.uint32))


def test_words_of_64_bits_are_two_words_of_the_hash():
    """What JAX draws in its 64-bit mode: every half is uniform, and the first is that of the 32-bit mode."""
    key = rng.fast_key(jax.random.key(3))
    with jax.enable_x64(True):
        found = np.asarray(jax.random.bits(key, (4096,), "uint64"))
        uniform = np.asarray(jax.random.uniform(key, (4096,)))
    high, low = found >> np.uint64(32), found & np.uint64(0xFFFFFFFF)
    np.testing.assert_array_equal(high, jax.random.bits(key, (4096,), "uint32"))
    bits = (low[:, None] >> np.arange(32, dtype=np.uint64)) & np.uint64(1)
    assert (abs(bits.mean(0) - 0.5) < 4.2 * 0.5 / 64).all()  # failure rate 1e-3 over 32 bits
    assert uniform.dtype == np.float64
    assert len(np.unique(uniform)) == 4096
