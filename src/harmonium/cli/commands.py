"""The commands that work on a finished run, and the ones that tell what there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harmonium.cli.opening import Classes, DataFile, opened, opened_with_data
from harmonium.cli.recipe import check_seed, unknown
from harmonium.errors import InputError

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", callback=check_seed)]
Force = Annotated[bool, typer.Option(help="Replace a file that is there already.")]


def evaluate(
    run: RunArgument,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    method: Annotated[
        str,
        typer.Option(
            help="auto, exact, ais, reverse_ais, two_sided, raise or csl; of directed nets auto, exact, ais, "
            "importance or mean_field."
        ),
    ] = "auto",
    chains: Annotated[int | None, typer.Option(help="Chains of the estimate, where it is not exact.")] = None,
    temperatures: Annotated[int | None, typer.Option(help="Temperatures of the estimate.")] = None,
    samples: Annotated[
        int | None, typer.Option(help="Samples: for each row of a belief or other directed net, or altogether (csl).")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows to measure, drawn at random; all without it (raise: 100).")
    ] = None,
    orders: Annotated[int | None, typer.Option(help="Random orders, of a network of every order.")] = None,
    data: DataFile = None,
    classes: Classes = None,
    seed: Seed = 0,
) -> None:
    """Measure the log-likelihood of a split (the error rate, where the model is a classifier), print it with its kind
    and error, and record it in the run.

    A weaker estimate does not replace a stronger one of the same split: it is recorded beside it.
    """
    import jax

    from harmonium.evaluation import at_least_one, log_likelihood, some_of
    from harmonium.recipes.measuring import classifies, error_of

    folder, model, rows_of_run = opened_with_data(run, classes, data)
    chosen, key = _split(rows_of_run, split), jax.random.key(seed)
    if method == "auto" and classifies(model):
        rate = error_of(model, rows_of_run, split, chosen)
        folder.save_error_rate(split, rate)
        print(f"{rate}\nrecorded in {folder.path / 'error_rates.json'}; `harmonium report {run}` shows it")
        return
    given = {"chains": chains, "temperatures": temperatures, "samples": samples, "orders": orders}
    if method == "raise":
        given["rows"] = rows  # which draws them itself
    elif rows is not None:
        at_least_one("An evaluation", rows=rows)
        chosen = some_of(chosen, key, rows)
    options = {name: number for name, number in given.items() if number is not None}  # the rest as the method has it
    estimate = log_likelihood(model, chosen, key=key, method=method, **options)
    known = folder.estimates.get(split)
    how = f"by {method}" if method != "auto" or rows is None else f"on {len(chosen)} rows"
    name = split if known is None or estimate.strength >= known.strength else f"{split} {how}"
    name = name if orders is None else f"{split} in {orders} orders"
    folder.save_estimate(name, estimate)
    beside = "" if name == split else f" as '{name}'"
    beside += f", beside the stronger one ({known.kind}, n = {known.n})" if beside and orders is None else ""
    print(f"{estimate}\nrecorded in {folder.path / 'estimates.json'}{beside}; `harmonium report {run}` shows it")


def sample(
    run: RunArgument,
    number: Annotated[int, typer.Option("-n", "--number", help="How many samples.")] = 64,
    out: Annotated[Path, typer.Option(help="A .npy or .csv file.")] = Path("samples.npy"),
    steps: Annotated[int, typer.Option(help="Gibbs sweeps of each chain, where there are chains.")] = 1000,
    classes: Classes = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Draw samples of the visible units, each from a chain of its own (from an auto-regressive network, straight)."""
    import jax

    from harmonium.samplers import sample as draw

    _free(out, force)
    folder, model = opened(run, classes)
    shift, scale = folder.affine
    rows = draw(model, jax.random.key(seed), number, steps=steps)
    _write(out, rows if shift is None else rows * scale + shift)
    print(f"{number} samples: {out}")


def impute(
    run: RunArgument,
    input: Annotated[Path, typer.Option(help="Rows with missing cells: NaN in .npy, empty in .csv.")],
    out: Annotated[Path, typer.Option(help="A .npy or .csv file.")] = Path("filled.npy"),
    steps: Annotated[int, typer.Option(help="Gibbs sweeps of each row's chain, where there are chains.")] = 500,
    classes: Classes = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Fill missing cells with draws from the model given the others, which stay as they are.

    A table with names of its columns keeps them in a .csv file.
    """
    import jax
    import numpy as np

    from harmonium.data.files import read_array
    from harmonium.data.text import column_names

    _free(out, force)
    folder, model = opened(run, classes)
    rows = np.asarray(read_array(input))
    if rows.dtype.kind not in "biuf":
        raise InputError(f"'{input}' holds no numbers ({rows.dtype}): give rows of numbers, NaN where one is missing.")
    rows = rows.reshape(len(rows), -1) if rows.ndim > 2 else np.atleast_2d(rows)
    missing = np.isnan(rows.astype(np.float32))
    filled = np.where(missing, _filled(folder, model, rows, jax.random.key(seed), steps), rows)
    _write(out, filled, ~missing, column_names(input))
    print(f"{int(missing.sum())} cells filled: {out}")


def _filled(folder: Any, model: Any, rows: Any, key: Any, steps: int) -> Any:
    """Rows filled by the model, in the units that they were given in."""
    import numpy as np

    from harmonium.samplers import impute as fill

    shift, scale = folder.affine
    if shift is None:
        _refuse_grey(folder, rows)
        return np.asarray(fill(model, key, rows, steps=steps))
    if np.ndim(shift) and rows.shape[1] != len(shift):
        raise InputError(f"The rows have {rows.shape[1]} columns, and the run was trained on {len(shift)}.")
    return np.asarray(fill(model, key, (rows - shift) / scale, steps=steps)) * scale + shift


def _refuse_grey(folder: Any, rows: Any) -> None:
    """Refuse grey values of a run that was trained on zeros and ones made of such, for there is no one way to them."""
    import numpy as np

    scheme = folder.about.get("data", {}).get("space", {}).get("binarization")
    others = rows[(rows != 0) & (rows != 1) & ~np.isnan(rows.astype(np.float32))]
    if scheme is not None and others.size:
        raise InputError(
            f"The run was trained on grey values made zeros and ones ({scheme}), but --input holds {others[0]:g}: give "
            "rows of 0 and 1, such as 1 where a grey value is at least a half."
        )


def compare(run: RunArgument, other: Annotated[Path, typer.Argument(metavar="RUN", help="Another run.")]) -> None:
    """Whether the first run is better, worse or not shown to be either, on the split that both were measured on."""
    from harmonium.evaluation import compare as answer
    from harmonium.training import RunFolder

    first, second = RunFolder.open(run).estimates, RunFolder.open(other).estimates
    shared = [split for split in ("test", "valid", "train") if split in first and split in second]
    if not shared:
        raise InputError("The two runs have no estimate of the same split: measure both with `harmonium evaluate`.")
    a, b = first[shared[0]], second[shared[0]]
    result = answer(a, b)
    answered = "inconclusive" if result == "inconclusive" else f"{run} is {result} than {other}"
    print(f"{run}: {a}\n{other}: {b}\n{answered}: {result.reason}")


def report(run: RunArgument, data: DataFile = None, classes: Classes = None, seed: Seed = 0) -> None:
    """Write the run's report.html anew."""
    import jax

    from harmonium.report import write_report

    folder, model, rows = opened_with_data(run, classes, data)
    print(write_report(folder, model, rows, key=jax.random.key(seed)))


def reproduce(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="A published protocol; see `harmonium list recipes`.")],
    write: Annotated[Path | None, typer.Option(help="A results page whose section to replace.")] = None,
    seed: Seed = 0,
) -> None:
    """Run a published protocol and print its number and ours side by side."""
    from harmonium.recipes.published import PROTOCOLS
    from harmonium.recipes.published import reproduce as run_protocol

    if name not in PROTOCOLS:
        unknown("published protocol", name, PROTOCOLS)
    print(run_protocol(name, seed=seed, page=write))


def list_(what: Annotated[str, typer.Argument(help="models, recipes or data.")]) -> None:
    """What there is: models, recipes or data."""
    import inspect

    lists = {"models": _models, "recipes": _recipes, "data": _data}
    if what not in lists:
        unknown("list", what, lists)
    for name, text in lists[what]():
        about = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
        print(f"{name:<20} {about}")


def _models() -> list[tuple[str, str]]:
    from harmonium import models

    return [(name, getattr(models, name).__doc__) for name in models.MODELS]


def _recipes() -> list[tuple[str, str]]:
    """Those that train and those that reproduce, of which some have the same name."""
    from harmonium.recipes import RECIPES, recipe
    from harmonium.recipes.published import PROTOCOLS

    trained = [(name, f"train: {recipe(name).__doc__}") for name in RECIPES]
    return trained + [(name, f"reproduce: {protocol.about}") for name, protocol in PROTOCOLS.items()]


def _data() -> list[tuple[str, str]]:
    from harmonium.data import available

    return list(available().items())


def _split(data: Any, split: str) -> Any:
    if split not in ("train", "valid", "test"):
        raise InputError(f"There is no split '{split}': choose train, valid or test.")
    rows = getattr(data, split)
    if rows is None:
        there = " or ".join(name for name in ("train", "valid", "test") if getattr(data, name) is not None)
        raise InputError(f"'{data.name}' has no {split} rows: choose --split {there}.")
    return rows if data.decode is None or split != "train" else data.shown(rows)


def _free(out: Path, force: bool) -> None:
    if out.suffix not in (".npy", ".csv"):
        raise InputError(f"'{out}' is no name of a table: choose an --out that ends in .npy or .csv.")
    if out.exists() and not force:
        raise InputError(f"'{out}' is there already: choose another --out, or replace it with --force.")
    if not out.parent.is_dir():
        raise InputError(
            f"There is no folder '{out.parent}' to write '{out.name}' into: make it, or choose another --out."
        )


def _write(out: Path, rows: Any, given: Any = None, names: Sequence[str] = ()) -> None:
    """Write rows to a file; in text, cells that were `given` with all their digits, under the names of columns."""
    import csv
    import io

    import numpy as np

    from harmonium.models import write_atomically

    rows = np.asarray(rows)
    if out.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, rows)
        write_atomically(out, buffer.getvalue())
        return
    cells = np.char.mod("%d" if rows.dtype.kind == "i" else "%g", rows)
    cells = cells if given is None else np.where(given, np.char.mod("%.15g", rows), cells)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names] * bool(names) + cells.tolist())
    write_atomically(out, text.getvalue().encode())
