"""Flags by which XLA compiles plainly, and on one thread: programs of tests are tiny, and compiling is what takes time.

A scan then takes 0.07 s of CPU instead of 0.18.
"""

FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
