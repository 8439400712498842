"""The commands that work on a finished run, and the ones that tell what there is."""

from __future__ import annotations

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
        int | None, typer.Option(help="Samples for each row (directed nets), or in total (csl).")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Measure only this many random rows. Default: all (for raise: 100).")
    ] = None,
    orders: Annotated[
        int | None, typer.Option(help="OrderlessNADE and NADE-k: number of random orders to average over.")
    ] = None,
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
    label: Annotated[int | None, typer.Option(help="Draw rows of this class, counted from 0, by its label.")] = None,
    classes: Classes = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Draw samples, each from its own chain (auto-regressive and directed models need no chain)."""
    from harmonium.cli.writing import write_samples

    folder, model = opened(run, classes)
    print(write_samples(folder, model, number, out, steps=steps, label=label, seed=seed, force=force))


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

    Columns with names are found by them, in whatever order they are, and keep order and names in a .csv file.
    """
    from harmonium.cli.writing import write_filled

    folder, model = opened(run, classes)
    print(write_filled(folder, model, input, out, steps=steps, seed=seed, force=force))


def encode(
    run: RunArgument,
    input: Annotated[Path, typer.Option(help="Rows like those of training.")],
    out: Annotated[Path, typer.Option(help="A .npy or .csv file.")] = Path("features.npy"),
    layer: Annotated[str | None, typer.Option(help="One hidden layer; all of them, side by side, without it.")] = None,
    classes: Classes = None,
    force: Force = False,
) -> None:
    """Write the expected values of the hidden units given each row: features for another model."""
    from harmonium.cli.writing import write_features

    folder, model = opened(run, classes)
    print(write_features(folder, model, input, out, layer=layer, force=force))


def compare(run: RunArgument, other: Annotated[Path, typer.Argument(metavar="RUN", help="Another run.")]) -> None:
    """Compare two runs on the same test rows: better, worse or inconclusive."""
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
    write: Annotated[
        Path | None, typer.Option(help="Markdown file in which to update this protocol's section.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Run a published protocol and print its number and ours side by side. It takes minutes to hours."""
    from harmonium.recipes.published import PROTOCOLS
    from harmonium.recipes.published import reproduce as run_protocol

    if name not in PROTOCOLS:
        unknown("published protocol", name, PROTOCOLS)
    print(run_protocol(name, seed=seed, page=write))


def list_(what: Annotated[str, typer.Argument(help="models, recipes, objectives or data.")]) -> None:
    """List the available models, recipes, objectives (and what each trains) or data sets."""
    import inspect

    lists = {"models": _models, "recipes": _recipes, "objectives": _objectives, "data": _data}
    if what not in lists:
        unknown("list", what, lists)
    found = lists[what]()
    wide = max(20, *(len(name) for name, _ in found))
    for name, text in found:
        about = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
        print(f"{name:<{wide}} {about}")


def _models() -> list[tuple[str, str]]:
    from harmonium.catalogue import ENTRIES

    return [(name, f"{entry.says} (section {entry.section})") for name, entry in ENTRIES.items()]


def _recipes() -> list[tuple[str, str]]:
    """Those that train and those that reproduce, of which some have the same name."""
    from harmonium.recipes import RECIPES, recipe
    from harmonium.recipes.published import PROTOCOLS

    trained = [(name, f"train: {recipe(name).__doc__}") for name in RECIPES]
    return trained + [(name, f"reproduce: {protocol.about}") for name, protocol in PROTOCOLS.items()]


def _objectives() -> list[tuple[str, str]]:
    """Each with the kinds of models that it trains."""
    from harmonium import objectives

    found = {name: getattr(objectives, name) for name in objectives.__all__}
    kinds = {name: cls.accepts for name, cls in found.items() if getattr(cls, "accepts", ())}
    return [(name, f"trains {' or '.join(kind.noun for kind in accepts)}") for name, accepts in kinds.items()]


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
