"""Matrix products in bfloat16 with float32 sums, for any computation and without the knowledge of any model.

A matrix product takes most of a training step, and machines with units for bfloat16 compute it several times faster
from operands of eight significant bits, at no loss to training as long as parameters, sums and everything else stay in
float32 (Kalamkar et al., *A study of BFLOAT16 for deep learning training*, 2019, arXiv:1905.12322). On a CPU without
such units nothing is gained. The binary states of Boltzmann machines are exact in bfloat16: only weights, means and
probabilities are rounded.

A cast inside a model would be differentiated and batched along with it, which rounds gradients themselves; the
precision flags of JAX have no effect on a CPU. So the products are replaced in the finished computation, its
jaxpr: after differentiation and batching, when it can be seen which products are of two matrices.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun
from jax.extend.core.primitives import dot_general_p

from harmonium.errors import InputError

PRODUCTS = ("float32", "bfloat16")

P = ParamSpec("P")
R = TypeVar("R")


def with_matmul_precision(function: Callable[P, R], products: str) -> Callable[P, R]:
    """The function with its matrix products in the number format asked for; in float32, the function itself.

    Arguments: `function`, from pytrees of arrays to a pytree of arrays; `products`, one of `PRODUCTS`. Raises
    `InputError` for any other format. What holds for `in_bfloat16` holds here.

    >>> with_matmul_precision(jnp.dot, "float32") is jnp.dot
    True
    """
    check_matmul_precision(products)
    return in_bfloat16(function) if products == "bfloat16" else function


def check_matmul_precision(products: str) -> None:
    """Refuse a number format in which matrix products are not computed.

    >>> check_matmul_precision("float8")
    Traceback (most recent call last):
    harmonium.errors.InputError: Matrix products are computed in 'float32' or 'bfloat16', not in 'float8': ...
    """
    if products not in PRODUCTS:
        formats = " or ".join(f"'{name}'" for name in PRODUCTS)
        raise InputError(f"Matrix products are computed in {formats}, not in {products!r}: choose one of these.")


def in_bfloat16(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the operands of every float32 matrix product rounded to bfloat16; its sums stay float32.

    A product is replaced where it is one of two matrices: more than one term is summed, and both operands keep a
    dimension of more than one element that is neither summed over nor a batch. Products of a matrix and a vector, and
    outer products, stay as they are. Products within loops, branches, nested `jax.jit`, rematerialised parts and
    functions with derivatives of their own are replaced too; convolutions and the inside of
    `jax.lax.custom_linear_solve` are not. Everything else is computed as before, and dtypes do not change.

    Apply it outside of `jax.grad` and `jax.vmap`, to what they return, and call the result within `jax.jit`: it is
    not to be differentiated, for that would round gradients as well, and it is traced anew at every call.
    Arguments: `function`, from pytrees of arrays to a pytree of arrays.

    >>> matrix = jnp.full((2, 2), 1 + 2**-9)
    >>> float(jnp.dot(matrix, matrix)[0, 0]), float(jax.jit(in_bfloat16(jnp.dot))(matrix, matrix)[0, 0])
    (2.0078201293945312, 2.0)
    """

    @functools.wraps(function)
    def rounded(*args: P.args, **kwargs: P.kwargs) -> R:
        jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*args, **kwargs)
        leaves = jaxpr_as_fun(_replaced(jaxpr))(*jax.tree.leaves((args, kwargs)))
        return jax.tree.unflatten(jax.tree.structure(shape), leaves)

    return rounded


def _replaced(part: Any) -> Any:
    """A jaxpr, or a parameter that may hold some, with its products replaced; the same object where there are none."""
    if isinstance(part, ClosedJaxpr):
        jaxpr = _replaced(part.jaxpr)
        return part if jaxpr is part.jaxpr else part.replace(jaxpr=jaxpr)
    if isinstance(part, Jaxpr):
        equations = [new for equation in part.eqns for new in _equations(equation)]
        return part if _same(equations, part.eqns) else part.replace(eqns=equations)
    if type(part) is tuple:  # the branches of a conditional
        items = tuple(_replaced(item) for item in part)
        return part if _same(items, part) else items
    return part


def _equations(equation: JaxprEqn) -> list[JaxprEqn]:
    """What takes the place of one equation."""
    if _is_matrix_product(equation):
        return _rounded_product(equation)
    params = {name: _replaced(value) for name, value in equation.params.items()}
    return [equation if _same(params.values(), equation.params.values()) else equation.replace(params=params)]


def _is_matrix_product(equation: JaxprEqn) -> bool:
    if equation.primitive is not dot_general_p:
        return False
    left, right, product = (variable.aval for variable in (*equation.invars, *equation.outvars))
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    sizes = (
        [left.shape[axis] for axis in left_sum],
        [size for axis, size in enumerate(left.shape) if axis not in (*left_sum, *left_batch)],
        [size for axis, size in enumerate(right.shape) if axis not in (*right_sum, *right_batch)],
    )
    is_float32 = all(aval.dtype == jnp.float32 for aval in (left, right, product))
    return is_float32 and all(math.prod(group) > 1 for group in sizes)


def _rounded_product(equation: JaxprEqn) -> list[JaxprEqn]:
    """The equations of `_product`, in place of the one."""
    product = functools.partial(_product, numbers=equation.params["dimension_numbers"])
    jaxpr = jax.make_jaxpr(product)(*(variable.aval for variable in equation.invars)).jaxpr
    names = dict(zip((*jaxpr.invars, *jaxpr.outvars), (*equation.invars, *equation.outvars), strict=True))
    place = {"source_info": equation.source_info, "ctx": equation.ctx}
    return [
        part.replace(
            invars=[names.get(v, v) for v in part.invars], outvars=[names.get(v, v) for v in part.outvars], **place
        )
        for part in jaxpr.eqns
    ]


def _product(left: jax.Array, right: jax.Array, numbers: Any) -> jax.Array:
    """The product of two rounded arrays, as XLA has it on a CPU too.

    There it has none of two transposed matrices (0.10: `DotThunk: BF16 x BF16 = F32`), and makes one where the array of
    more dimensions comes second, or where a transpose follows a product of arrays of more dimensions than two.
    """
    (left_sum, right_sum), (left_batch, right_batch) = numbers
    low = left.astype(jnp.bfloat16), right.astype(jnp.bfloat16)
    batch = len(left_batch)
    ours, theirs = left.ndim - len(left_sum) - batch, right.ndim - len(right_sum) - batch
    if ours >= theirs:
        product = jax.lax.dot_general(*low, numbers, preferred_element_type=jnp.float32)
        return product if max(left.ndim, right.ndim) == 2 else jax.lax.optimization_barrier(product)
    swapped = ((right_sum, left_sum), (right_batch, left_batch))
    product = jax.lax.dot_general(*low[::-1], swapped, preferred_element_type=jnp.float32)
    back = (*range(batch), *range(batch + theirs, product.ndim), *range(batch, batch + theirs))
    return jnp.transpose(jax.lax.optimization_barrier(product), back)


def _same(new: Any, old: Any) -> bool:
    new, old = list(new), list(old)
    return len(new) == len(old) and all(a is b for a, b in zip(new, old, strict=True))
