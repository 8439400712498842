"""Matrix products in bfloat16: all of them, wherever they stand, and nothing else."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import check_jaxpr, jaxprs_in_params

import harmonium as hm
from harmonium.errors import InputError
from harmonium.inference import natural_parameters
from harmonium.matmul import in_bfloat16, with_matmul_precision
from harmonium.objectives.contrastive import contrast
from harmonium.rng import fast_key
from harmonium.samplers import Gibbs
from harmonium.testing.statistics import FAILURE_RATE, chi_square

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

ROUNDING = 2.0**-9  # the largest relative error of eight significant bits, rounded to nearest
CHAINS = 30_000


def rounded(a, b):
    """The product as one would write it by hand."""
    return lax.dot(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


def with_rule(dot):
    """A product with a derivative of its own, forwards."""
    rule = jax.custom_jvp(dot)
    rule.defjvp(lambda primals, tangents: (rule(*primals), dot(tangents[0], primals[1])))
    return rule


def with_adjoint(dot):
    """A product with a derivative of its own, backwards."""
    rule = jax.custom_vjp(dot)
    rule.defvjp(lambda a, b: (dot(a, b), (a, b)), lambda kept, g: (dot(g, kept[1].T), dot(kept[0].T, g)))
    return rule


def repeated(step, x):
    return lax.scan(lambda carry, _: (step(carry), None), x, None, length=3)[0]


PLACES = {  # name: a computation on x and w with any kind of product, and how many products it writes down
    "plain": (lambda dot, x, w: dot(x, w), 1),
    "transposed": (lambda dot, x, w: dot(w.T, x.T), 1),
    "vmap": (lambda dot, x, w: jax.vmap(lambda row: jnp.tanh(dot(row, w)))(x), 1),
    "jit": (lambda dot, x, w: jax.jit(lambda x: dot(x, w) + 1)(x), 1),
    "scan": (lambda dot, x, w: repeated(lambda y: jnp.tanh(dot(y, w)), x), 1),
    "while": (lambda dot, x, w: lax.while_loop(lambda y: dot(y, w).sum() < 50, lambda y: dot(y, w) + y + 1, x), 2),
    "cond": (lambda dot, x, w: lax.cond(x.sum() > w.sum(), lambda: dot(x, w), lambda: dot(x, w.T)), 2),
    "checkpoint": (lambda dot, x, w: jax.checkpoint(dot)(x, w), 1),
    "custom_jvp": (lambda dot, x, w: with_rule(dot)(x, w), 1),
    "custom_vjp": (lambda dot, x, w: with_adjoint(dot)(x, w), 1),
    "gradient of custom_vjp": (
        lambda dot, x, w: jax.grad(lambda x: 0.5 * (with_adjoint(dot)(x, w) ** 2).sum())(x),
        3,  # forwards and both sides backwards
    ),
    "relu": (lambda dot, x, w: jax.nn.relu(dot(jax.nn.relu(x), w)), 1),
    "nested": (
        lambda dot, x, w: repeated(lambda y: lax.cond(y.sum() > 0, jax.jit(lambda z: dot(z, w)), jnp.cos, y), x),
        1,
    ),
}  # fmt: skip


def matrix_products(jaxpr):
    """The dtypes of operands of every product of two matrices in a jaxpr and all that it calls."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            left, right = (variable.aval for variable in equation.invars)
            (left_sum, _), (batch, _) = equation.params["dimension_numbers"]
            if left_sum and min(left.ndim, right.ndim) > len(left_sum) + len(batch):
                found.append((left.dtype.name, right.dtype.name))
        for inner in jaxprs_in_params(equation.params):
            found += matrix_products(inner)
    return found


def products_of(function, *args):
    closed = jax.make_jaxpr(function)(*args)
    check_jaxpr(closed.jaxpr)
    return matrix_products(closed.jaxpr)


def drawn(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def bits(seed, *shape):
    return jax.random.bernoulli(jax.random.key(seed), 0.4, shape).astype(jnp.float32)


def machine(visible, hidden, scale):
    """An RBM with weights and biases away from zero."""
    rbm = hm.RBM(
        visible=hm.units.Bernoulli(visible), hidden=hm.units.Bernoulli(hidden), key=jax.random.key(1), scale=scale
    )
    return eqx.tree_at(lambda m: (m.b, m.c), rbm, (0.3 * drawn(2, visible), 0.3 * drawn(3, hidden)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", PLACES)
def test_every_product_is_the_rounded_one_bit_for_bit(name):
    place, count = PLACES[name]
    x, w = drawn(0, 7, 9), drawn(1, 9, 9)

    def usual(x, w):
        return place(jnp.dot, x, w)

    found = jax.jit(in_bfloat16(usual))(x, w)
    np.testing.assert_array_equal(found, jax.jit(lambda x, w: place(rounded, x, w))(x, w))
    assert found.dtype == jnp.float32
    assert np.abs(found - jax.jit(usual)(x, w)).max() > 1e-4
    assert products_of(usual, x, w) == [("float32", "float32")] * count
    assert products_of(in_bfloat16(usual), x, w) == [("bfloat16", "bfloat16")] * count


def test_rounding_really_takes_place():
    """Against float64 on rounded numbers: no compiler has taken the two conversions for superfluous."""
    a, b = drawn(0, 20, 300), drawn(1, 300, 30)
    low_a, low_b = (np.asarray(m.astype(jnp.bfloat16)).astype(np.float64) for m in (a, b))
    found = jax.jit(in_bfloat16(jnp.dot))(a, b)
    np.testing.assert_allclose(found, low_a @ low_b, atol=1e-4)
    assert np.abs(found - jnp.dot(a, b)).max() > 1e-2


def test_batches_of_products_are_rounded():
    a, b = drawn(0, 5, 4, 6), drawn(1, 5, 6, 3)
    found = jax.jit(in_bfloat16(jnp.matmul))(a, b)
    np.testing.assert_array_equal(found, jax.jit(jax.vmap(rounded))(a, b))


@pytest.mark.parametrize("right", [(9, 4, 6), (9, 6, 4), (6, 9, 4)])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_matrix_before_an_array_of_more_dimensions(right, batch):
    """Which XLA refuses on a CPU as it stands: pseudo-likelihood and ratio matching have such products."""
    a, b, n = drawn(0, *batch, 6, 7), drawn(1, *batch, *right), len(batch)
    numbers = (((n,), (n + right.index(6),)), ((*range(n),), (*range(n),)))

    def product(a, b):
        return lax.dot_general(a, b, numbers)

    low_a, low_b = (m.astype(jnp.bfloat16).astype(jnp.float32) for m in (a, b))
    found = jax.jit(in_bfloat16(product))(a, b)
    np.testing.assert_allclose(found, product(low_a, low_b), atol=1e-5)
    assert products_of(in_bfloat16(product), a, b) == [("bfloat16", "bfloat16")]


@pytest.mark.parametrize("rule", [hm.objectives.PseudoLikelihood(), hm.objectives.RatioMatching()])
def test_rules_that_visit_sites_train_in_bfloat16(rule):
    rbm = machine(6, 3, 0.1)
    run = hm.fit(rbm, bits(0, 20, 6), rule, epochs=1, batch_size=10, matmul_precision="bfloat16", key=jax.random.key(0))
    assert np.isfinite(run.metrics[-1]["loss"])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: x[0] @ w,
        lambda x, w: w @ x[0],
        lambda x, w: x[:1] @ w,
        lambda x, w: jnp.outer(x[0], w[0]),
        lambda x, w: lax.dot_general(x[0], w[0], (((), ()), ((), ()))),
        lambda x, w: x[:, :1] @ w[:1],
        lambda x, w: jnp.vecdot(x, x @ w[0]),
        lambda x, w: jnp.einsum("bi,bij->bj", x, jnp.tile(w, (7, 1, 1))),
        lambda x, w: x.astype(jnp.float16) @ w.astype(jnp.float16),
    ],
    ids=["row", "column", "one row", "outer", "outer dot", "one term", "inner", "a matrix each", "float16"],
)
def test_all_other_products_stay(function):
    x, w = drawn(0, 7, 7), drawn(1, 7, 7)
    assert str(jax.make_jaxpr(in_bfloat16(function))(x, w)) == str(jax.make_jaxpr(function)(x, w))
    np.testing.assert_array_equal(jax.jit(in_bfloat16(function))(x, w), jax.jit(function)(x, w))


@pytest.mark.parametrize("precision", ["highest", "F32_F32_F32"])
def test_a_demanded_precision_gives_way(precision):
    x, w = drawn(0, 4, 5), drawn(1, 5, 3)
    found = jax.make_jaxpr(in_bfloat16(lambda x, w: lax.dot(x, w, precision=precision)))(x, w)
    assert str(found) == str(jax.make_jaxpr(rounded)(x, w))


def test_keys_go_in_and_out_and_draws_are_the_same():
    def function(key, x, *, scale):
        again, draw = jax.random.split(key)
        noise = jax.lax.map(lambda k: jax.random.normal(k, (4,)), jax.random.split(draw, 3))
        return {"key": again, "noise": scale * noise, "product": x @ noise.T, "none": None}

    key, x = fast_key(jax.random.key(0)), drawn(0, 5, 4)
    expected, found = (jax.jit(f)(key, x, scale=2.0) for f in (function, in_bfloat16(function)))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert found["key"].dtype == key.dtype
    np.testing.assert_array_equal(jax.random.key_data(found["key"]), jax.random.key_data(expected["key"]))
    np.testing.assert_array_equal(found["noise"], expected["noise"])
    np.testing.assert_array_equal(found["product"], rounded(x, expected["noise"].T / 2))


def test_a_module_of_tracers_within_a_scan():
    """As in training: what is called holds this step's parameters, which no earlier trace may stand in for."""
    rbm, keys = machine(6, 4, 1.0), jax.random.split(fast_key(jax.random.key(0)), 3)
    start = {"v": bits(0, 50, 6), "h": bits(1, 50, 4)}

    def walk(change):
        def body(carry, key):
            model, state = carry
            sweep = jax.vmap(Gibbs(model))
            state, _ = change(sweep)(jax.random.split(key, 50), state)
            return (jax.tree.map(lambda p: jnp.round(4 * p + 1) / 4, model), state), state

        return jax.jit(lambda carry: lax.scan(body, carry, keys)[1])((coarse, start))

    coarse = jax.tree.map(lambda p: jnp.round(8 * p) / 8, rbm)  # exact in bfloat16, sums and all
    expected, found = walk(lambda f: f), walk(in_bfloat16)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert not np.array_equal(found["v"][0], found["v"][1])


def test_the_whole_gradient_of_contrastive_divergence():
    rbm, v, key = machine(784, 50, 0.05), bits(0, 20, 784), fast_key(jax.random.key(4))

    def gradient(model, v, key):
        return jax.grad(lambda m: hm.objectives.CD()(m, v, key, None)[0])(model)

    usual = products_of(gradient, rbm, v, key)
    assert len(usual) >= 5  # up, down and up again; two for the gradient
    assert products_of(in_bfloat16(gradient), rbm, v, key) == [("bfloat16", "bfloat16")] * len(usual)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(jax.jit(in_bfloat16(gradient))(rbm, v, key))} == {"float32"}


def test_the_gradient_is_as_close_as_the_roundings_allow():
    """Weights are rounded on the way up, and the products' means on the way down; binary `v` are exact."""
    rbm, data, chains = machine(784, 50, 0.05), bits(0, 20, 784), bits(1, 20, 784)
    gradient = in_bfloat16(jax.grad(lambda m, p, n: contrast(m, p, n)[0]))
    assert products_of(gradient, rbm, data, chains) == [("bfloat16", "bfloat16")] * 4
    exact, bound = 0.0, 0.0
    W, c = np.asarray(rbm.W, np.float64), np.asarray(rbm.c, np.float64)
    for sign, v in ((-1, data), (1, chains)):
        v = np.asarray(v, np.float64)
        h = sigmoid(v @ W + c)
        exact += sign * v.T @ h / len(v)
        bound += v.T @ (ROUNDING * h + ROUNDING * (v @ np.abs(W)) / 4) / len(v)
    error = jax.jit(gradient)(rbm, data, chains).W - exact
    assert (np.abs(error) <= 1.02 * bound + 1e-6).all()
    assert 1e-4 < np.linalg.norm(error) / np.linalg.norm(exact) < 1e-2


def test_a_sweep_draws_from_the_exact_conditionals():
    """Weights that are exact in bfloat16: rounding has no effect, and the law is the model's own."""
    rbm = machine(4, 3, 1.0)
    rbm = eqx.tree_at(lambda m: m.W, rbm, jnp.clip(jnp.round(8 * rbm.W) / 8, -1.5, 1.5))
    start = {"v": jnp.array([1.0, 0, 1, 1]), "h": jnp.array([1.0, 0, 1])}
    states = jax.tree.map(lambda x: jnp.tile(x, (CHAINS, 1)), start)
    keys = jax.random.split(fast_key(jax.random.key(0)), CHAINS)
    sweep = in_bfloat16(jax.vmap(Gibbs(rbm)))
    assert products_of(sweep, keys, states) == [("bfloat16", "bfloat16")] * 2
    found, _ = jax.jit(sweep)(keys, states)
    v, h = (np.asarray(found[name], int) @ 2 ** np.arange(size) for name, size in (("v", 4), ("h", 3)))
    counts = np.bincount(v + 16 * h, minlength=128).reshape(8, 16)
    all_v, all_h = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1 for n in (4, 3))
    W, b, c = (np.asarray(p, np.float64) for p in (rbm.W, rbm.b, rbm.c))
    down, up = sigmoid(W @ np.asarray(start["h"]) + b), sigmoid(all_v @ W + c)
    p_v = np.prod(np.where(all_v, down, 1 - down), axis=1)
    p_h = np.prod(np.where(all_h[:, None], up, 1 - up), axis=2)  # [h, v], given v
    assert chi_square(counts.ravel(), (p_h * p_v).ravel()) > FAILURE_RATE


def test_logits_move_by_no_more_than_the_rounding_of_weights():
    rbm, v = machine(784, 50, 0.1), bits(0, 100, 784)

    def logits(model, v):
        return jax.vmap(lambda v: natural_parameters(model, {"v": v}, ["h"])["h"])(v)

    W, c = np.asarray(rbm.W, np.float64), np.asarray(rbm.c, np.float64)
    exact, size = v @ W + c, v @ np.abs(W)
    moved = np.abs(jax.jit(in_bfloat16(logits))(rbm, v) - exact) / size
    assert 1e-6 < moved.max() <= 1.01 * ROUNDING
    assert np.abs(jax.jit(logits)(rbm, v) - exact).max() < 1e-4  # as float32 gives them


def test_donated_buffers():
    rbm, v = machine(30, 8, 0.1), bits(0, 10, 30)

    def step(model, v, key):
        gradient = jax.grad(lambda m: hm.objectives.CD()(m, v, key, None)[0])(model)
        return jax.tree.map(lambda p, g: p - 0.1 * g, model, gradient)

    key = fast_key(jax.random.key(0))
    expected = eqx.filter_jit(in_bfloat16(step))(rbm, v, key)
    given = jax.tree.map(jnp.copy, rbm)
    found = eqx.filter_jit(lambda fixed, model: in_bfloat16(step)(model, *fixed), donate="all-except-first")(
        (v, key), given
    )
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert given.W.is_deleted()
    assert not np.array_equal(found.W, rbm.W)


def test_the_choice_of_products():
    x, w = drawn(0, 4, 5), drawn(1, 5, 3)
    assert with_matmul_precision(jnp.dot, "float32") is jnp.dot
    np.testing.assert_array_equal(jax.jit(with_matmul_precision(jnp.dot, "bfloat16"))(x, w), rounded(x, w))
    with pytest.raises(InputError, match=r"in 'float32' or 'bfloat16', not in 'float16': choose one of these\."):
        with_matmul_precision(jnp.dot, "float16")
