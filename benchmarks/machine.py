"""What the numbers were measured on, and with."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

import jax

PACKAGES = ("harmonium", "jax", "jaxlib", "numpy", "scikit-learn", "torch", "rbms", "learnergy", "thrml")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of the processor, where products depend on them


def describe(rows: str) -> dict[str, str]:
    """Machine, versions and date, for people."""
    versions = {name: _version(name) for name in PACKAGES}
    here = [f"{name} {version}" for name, version in versions.items() if version]
    missing = [name for name, version in versions.items() if not version]
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}",
        "device": f"{jax.default_backend()}: {jax.devices()[0].device_kind}",
        "versions": f"Python {platform.python_version()}, " + ", ".join(here),
        "not installed": ", ".join(missing) or "nothing",
        "rows": rows,
    }


def slug(about: dict[str, str]) -> str:
    """The name of a machine's results: the kind of device, and a hash of the device and the machine around it.

    >>> slug({"device": "cpu: cpu", "machine": "an abacus"})
    'cpu-348b8141'
    """
    facts = f"{about['device']}, {about['machine']}"
    return f"{about['device'].split(':')[0]}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor()
    lines = dict(line.split(":", 1) for line in path.read_text().split("\n\n")[0].splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    has = set(facts.get("flags", "").split())
    flags = ", ".join(flag if flag in has else f"no {flag}" for flag in FLAGS)
    return f"{facts.get('model name', platform.processor())} ({flags})"
