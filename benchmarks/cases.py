"""The cases that the contestants take turns at, with the bars they are held to."""

from __future__ import annotations

from typing import Any

from benchmarks.case import OURS, PRODUCTS, PRODUCTS_TORCH, Bar, Case

SKLEARN, RBMS, LEARNERGY, THRML, PYTHAE = "scikit-learn", "rbms", "learnergy", "thrml", "pythae"
OURS_16, PRODUCTS_16 = f"{OURS}, bfloat16 products", f"{PRODUCTS}, bfloat16"
ACTIVATIONS, TRAFFIC, STEPWISE = "its activations alone", "its memory traffic alone", "step by step, torch"
WRITTEN, DERIVED = "written by hand", "derived from the energy"
OFF = "nats off exact log Z, 20 hidden units"
PER_EPOCH = "s per 60,000 examples"
SIZE = {"visible": 784, "hidden": 500}


def training(rule: str, sweeps: int, batch: int, rows: int, bars: tuple[Bar, ...] = (), repeats: int = 5) -> Case:
    """CD-k or PCD-k of a 784 x 500 machine by ours and all peers that know the rule."""
    settings = SIZE | {"rule": rule, "sweeps": sweeps, "batch": batch, "rows": rows}
    half = {"matmul_precision": "bfloat16"}
    entries: dict[str, Any] = {OURS: "ours:training", PRODUCTS: "products:training"}
    entries[PRODUCTS_TORCH] = "peer_torch:training"
    if sweeps == 1:
        entries |= {OURS_16: ("ours:training", half), PRODUCTS_16: ("products:training", half)}
        entries[SKLEARN] = "peer_sklearn:training"
    entries[RBMS] = "peer_rbms:training"
    if rule == "CD":
        entries[LEARNERGY] = "peer_learnergy:training"
    name = f"{rule.lower()}{sweeps}" + ("" if batch == 100 else f"-batch{batch}")
    title = f"{rule}-{sweeps}, 784 x 500, batch {batch}, from {rows:,} examples"
    return Case(name, title, PER_EPOCH, entries, settings, 60_000 / rows, bars, repeats)


def annealing(chains: int, bars: tuple[Bar, ...] = (), repeats: int = 7) -> Case:
    """AIS of a trained machine."""
    entries = {OURS: "ours:annealing", PRODUCTS: "products:annealing", RBMS: "peer_rbms:annealing"}
    settings = SIZE | {"chains": chains, "temperatures": 1000, "rows": 1000}
    title = f"AIS, 784 x 500, {chains:,} chains, 1,000 temperatures"
    return Case(f"ais{chains}", title, "s", entries, settings, 1.0, bars, repeats)


def networks(name: str, title: str, unit: str, function: str, settings: dict[str, Any], scale: float = 1.0) -> Case:
    """NADE by ours, by its twin, and its activations and memory traffic alone."""
    here = SIZE | settings | {"gradient": function == "training"}
    entries = {OURS: f"nade:{function}", ACTIVATIONS: "nade:activations", TRAFFIC: "nade:traffic"}
    entries[STEPWISE] = f"peer_torch_nade:{function}"
    bars = (Bar("times", STEPWISE, 2.0),) if function == "training" else ()
    return Case(name, title, unit, entries, here, scale, bars, repeats=5, limit=ACTIVATIONS)


def twins(
    name: str, title: str, unit: str, function: str, settings: dict[str, Any], scale: float, repeats: int
) -> Case:
    """The derived code beside the same thing written by hand."""
    entries = {DERIVED: f"twin:derived_{function}", WRITTEN: f"twin:written_{function}"}
    return Case(name, title, unit, entries, SIZE | settings, scale, (Bar("share", WRITTEN, 0.95, DERIVED),), repeats)


def autoencoder(
    name: str, title: str, unit: str, function: str, settings: dict[str, Any], scale: float, repeats: int
) -> Case:
    """An importance-weighted auto-encoder by ours, by pythae, and its products alone."""
    entries = {OURS: f"vae:{function}", PRODUCTS: f"vae:{function}_products", PYTHAE: f"peer_pythae:{function}"}
    return Case(name, title, unit, entries, {"visible": 784} | settings, scale, repeats=repeats)


FAST = (Bar("share", PRODUCTS, 0.75), Bar("times", SKLEARN, 1.8), Bar("times", RBMS, 3.0))
HALF = Bar("times", SKLEARN, 2.5, OURS_16)

CASES = (
    training("CD", 1, 100, 30_000, (*FAST, Bar("times", LEARNERGY, 3.0), HALF)),
    training("PCD", 1, 100, 30_000, (*FAST, HALF)),
    training("PCD", 10, 100, 24_000, (Bar("share", PRODUCTS, 0.8), Bar("times", RBMS, 3.0))),
    training("PCD", 100, 100, 3000, repeats=3),
    training("CD", 1, 500, 20_000),
    training("PCD", 1, 500, 20_000),
    training("PCD", 10, 500, 10_000, repeats=3),
    training("PCD", 100, 500, 5000, repeats=3),
    annealing(100, (Bar("share", PRODUCTS, 0.6), Bar("times", RBMS, 5.0), Bar("value", OFF, 0.1))),
    annealing(1000, repeats=3),
    Case(
        "exact20",
        "Exact log Z, 784 x 20",
        "s",
        {OURS: "ours:enumeration", PRODUCTS: "products:enumeration", RBMS: "peer_rbms:enumeration"},
        {"visible": 784, "hidden": 20},
        bars=(Bar("value", "seconds", 2.0),),
        repeats=3,
    ),
    Case(
        "free-energy",
        "Free energy of 10,000 images, 784 x 500",
        "ms",
        {
            OURS: "ours:free_energy",
            PRODUCTS: "products:free_energy",
            SKLEARN: "peer_sklearn:free_energy",
            RBMS: "peer_rbms:free_energy",
            LEARNERGY: "peer_learnergy:free_energy",
        },
        SIZE | {"images": 10_000},
        1000.0,
        repeats=20,
    ),
    twins("twin-cd1", "Compiled steps of CD-1, 784 x 500, batch 100", PER_EPOCH, "training",
          {"rule": "CD", "sweeps": 1, "batch": 100, "rows": 12_000}, 60_000 / 12_000, 21),
    twins("twin-ais", "Compiled AIS, 784 x 500, 100 chains, 1,000 temperatures", "s", "annealing",
          {"chains": 100, "temperatures": 1000, "rows": 1000}, 1.0, 9),
    Case(
        "lattice",
        "Block Gibbs on the 32 x 32 Ising lattice, 100 chains, 1,000 sweeps",
        "s",
        {OURS: "ours:lattice", THRML: "peer_thrml:lattice"},
        {"side": 32, "chains": 100, "sweeps": 1000, "coupling": 0.4},
        repeats=5,
    ),
    networks("nade-step", "A training step of NADE, 784 x 500, batch 100", "ms", "training",
             {"batch": 100, "rows": 2000}, 1000 / 20),
    networks("nade-samples", "1,000 samples of NADE, 784 x 500", "s", "sampling", {"batch": 1000}),
    networks("nade-density", "Log-probabilities of 10,000 rows under NADE, 784 x 500", "s", "density",
             {"batch": 1000, "images": 10_000}),
    autoencoder("iwae-step", "A training step of IWAE, 784-200-200-50, 50 guesses for each row, batch 100", "ms",
                "training", {"batch": 100, "rows": 2000, "samples": 50}, 1000 / 20, 5),
    autoencoder("iwae-bound", "Importance-weighted bound of 1,000 rows by 5,000 guesses for each, 784-200-200-50", "s",
                "bound", {"images": 1000, "samples": 5000, "every": 20}, 1.0, 3),
)  # fmt: skip
