"""Published protocols: run one, and put its number and ours side by side on the results page."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jax
import optax

from harmonium.data import Dataset, load
from harmonium.errors import InputError
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred, write_atomically
from harmonium.objectives import CD, PCD, Objective
from harmonium.training import Run, fit
from harmonium.units import Bernoulli


@dataclass(frozen=True)
class Result:
    """One number of a protocol: what it is of, ours, the published or required one with its source, the time."""

    setting: str
    ours: Estimate
    reference: str
    seconds: float


@dataclass(frozen=True)
class Protocol:
    """A published experiment: a line about it, its settings in words, and what runs it, result by result."""

    about: str
    settings: str
    run: Callable[[int], Iterator[Result]]


def reproduce(name: str, *, seed: int = 0, page: Path | None = None) -> str:
    """Run a protocol; return its section in Markdown, and replace it on the page if one is given.

    Arguments: `name`, one of `PROTOCOLS`; `page`, a Markdown file with or without such a section.
    Raises `InputError` for another name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"There is no published protocol '{name}': choose one of {', '.join(PROTOCOLS)}.")
    protocol = PROTOCOLS[name]
    results = []
    for result in protocol.run(seed):
        print(f"{result.setting}: {result.ours}  [{result.seconds:.0f} s]", flush=True)
        results.append(result)
    section = _section(name, protocol, results, seed)
    if page is not None:
        _replace(page, name, section)
    return section


# ---- protocols ----------------------------------------------------------------------------------------------


def _trained(
    data: Dataset, hidden: int, rule: Objective, *, centred: bool, rate: float, epochs: int, seed: int, **options: Any
) -> tuple[Run, float]:
    """An RBM started at the marginals and trained by SGD with a rate that falls to zero; and the wall time."""
    clock = time.perf_counter()
    key = jax.random.key(seed)
    units = Bernoulli(data.train.shape[1]), Bernoulli(hidden)
    model = at_marginals(RBM(*units, key=jax.random.fold_in(key, 1)), data.train)
    optimizer = optax.sgd(optax.linear_schedule(rate, 0.0, epochs * data.steps_per_epoch(100)))
    run = fit(
        Centred(model) if centred else model, data, rule, optimizer=optimizer, epochs=epochs, batch_size=100, key=key,
        monitor=False, **options,
    )  # fmt: skip
    return run, time.perf_counter() - clock


def _rbm20(seed: int) -> Iterator[Result]:
    data, key = load("binarized_mnist"), jax.random.key(seed)
    references = {
        "CD-1": "required: 15 nats below PCD-1",
        "PCD-1": "required: at least -146",
        "PCD-1, centred": "required: at least -142",
    }
    rules = {"CD-1": (CD(1), False), "PCD-1": (PCD(1, 100), False), "PCD-1, centred": (PCD(1, 100), True)}
    in_float32 = {}
    for name, (rule, centred) in rules.items():
        run, seconds = _trained(data, 20, rule, centred=centred, rate=0.1, epochs=10, seed=seed)
        exact = in_float32[name] = log_likelihood(run.model, data.test)
        yield Result(f"{name}: exact", exact, references[name], seconds + exact.settings["seconds"])
        options = {"method": "two_sided", "chains": 500, "temperatures": 10_000}
        both = log_likelihood(run.model, data.test, key=key, **options)
        ends = both.settings["log_partition"]
        off = {side: value - exact.settings["log_partition"]["exact"] for side, value in ends.items()}
        inside = both.lower <= exact.value <= both.upper
        reference = (
            f"exact {exact.value:.2f} {'inside' if inside else 'OUTSIDE'}; log Z by AIS {off['lower']:+.2f}, "
            f"by reverse AIS {off['upper']:+.2f} from exact; required: within 0.2 and 0.5"
        )
        yield Result(f"{name}: AIS and reverse AIS", both, reference, both.settings["seconds"])
    for name in ("CD-1", "PCD-1"):
        rule, centred = rules[name]
        options = {"rate": 0.1, "epochs": 10, "seed": seed, "products": "bfloat16"}
        run, seconds = _trained(data, 20, rule, centred=centred, **options)
        exact = log_likelihood(run.model, data.test)
        reference = f"{exact.value - in_float32[name].value:+.2f} from float32; required: within 1"
        yield Result(f"{name}, bfloat16 products: exact", exact, reference, seconds + exact.settings["seconds"])


def _rbm500(seed: int) -> Iterator[Result]:
    data, key = load("binarized_mnist"), jax.random.key(seed)
    rule = PCD(1, 100)
    run, seconds = _trained(data, 500, rule, centred=True, rate=0.05, epochs=60, seed=seed, average=0.999)
    both = log_likelihood(run.model, data.test, key=key, method="two_sided", chains=100, temperatures=10_000)
    reference = (
        "required: both ends above -95 within 10 minutes; published: -86.34 by AIS alone, after CD-25 "
        "(Salakhutdinov & Murray 2008, as quoted by later papers)"
    )
    yield Result("PCD-1, centred, 60 epochs, averaged", both, reference, seconds + both.settings["seconds"])


PROTOCOLS = {
    "rbm20": Protocol(
        "RBM with 20 hidden units on fixed-binarized MNIST: three learning rules, two of them also with bfloat16 "
        "products, exact log-likelihood",
        "784 x 20 Bernoulli units; 10 epochs, batch 100, SGD with rate 0.1 falling linearly to 0, 100 chains; "
        "visible biases start at the marginals. AIS: 500 chains, 10,000 temperatures.",
        _rbm20,
    ),
    "rbm500": Protocol(
        "RBM with 500 hidden units on fixed-binarized MNIST, in minutes: log-likelihood from both sides",
        "784 x 500 Bernoulli units; batch 100, SGD with rate 0.05 falling linearly to 0, 100 chains; the model is the "
        "moving average of the parameters with decay 0.999. AIS: 100 chains, 10,000 temperatures.",
        _rbm500,
    ),
}


# ---- the page -----------------------------------------------------------------------------------------------


def _section(name: str, protocol: Protocol, results: list[Result], seed: int) -> str:
    space = results[0].ours.space
    lines = [
        f"## {name}",
        "",
        f"{protocol.about}. {protocol.settings}",
        "",
        f"Test set: {space}. Seed {seed}. {date.today().isoformat()}, {_machine()}. "
        f"Written by `harmonium reproduce {name}`.",
        "",
        "| setting | ours, nats | kind | verdict | required or published | wall time |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        number = (
            f"{r.ours.lower:.2f} to {r.ours.upper:.2f}"
            if r.ours.kind == "interval"
            else f"{r.ours.value:.2f} ± {r.ours.stderr:.2f}"
        )
        kind = f"interval, gap {r.ours.gap:.2f}" if r.ours.kind == "interval" else r.ours.kind
        lines.append(f"| {r.setting} | {number} | {kind} | {r.ours.verdict} | {r.reference} | {r.seconds:.0f} s |")
    return "\n".join(lines) + "\n"


def _machine() -> str:
    device = jax.devices()[0]
    cores = f"{len(os.sched_getaffinity(0))} cores" if device.platform == "cpu" else device.device_kind
    return f"{platform.machine()} {device.platform.upper()}, {cores}, JAX {jax.__version__}"


def _replace(page: Path, name: str, section: str) -> None:
    """Put a section between its marks on a page, in place of the old one or at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = page.read_text() if page.is_file() else "# Results\n"
    block = f"{begin}\n{section}{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
    write_atomically(page, text.encode())
