"""How the long loops of training and annealing are compiled."""

from __future__ import annotations

from functools import partial

import equinox as eqx

OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # XLA's 256 leaves half of AVX-512 idle: 5 % of a CD-1 step

outermost = partial(eqx.filter_jit, compiler_options=OPTIONS)
"""`eqx.filter_jit` for functions that are called from Python only: JAX takes compiler options nowhere else."""
