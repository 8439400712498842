"""A run that is trained longer than it was started for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harmonium.training.folder import RunFolder

# What is made of a finished run, the model last: where it is, so were the others.
RESULTS = ("estimates.json", "error_rates.json", "per_example.npz", "report.html", "model.json", "model.safetensors")


def continue_to(folder: RunFolder, about: dict[str, Any], step: int, steps: int) -> None:
    """Record that a run goes on from `step` to `steps` of another number of epochs, if it does, and put the results of
    the shorter run aside, into `earlier/`: the longer one has none before its end.

    >>> import tempfile
    >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", {"settings": {"epochs": 2}})
    >>> continue_to(folder, {"settings": {"epochs": 5}}, 8, 20); folder.about
    {'settings': {'epochs': 5}, 'continued': [{'epochs': 2, 'step': 8}]}
    """
    record = folder.about
    before = record.get("settings", {}).get("epochs")
    if before not in (None, about["settings"]["epochs"]):
        now = {name: about[name] for name in ("settings", "arguments") if name in about}
        record = record | now | {"continued": [*record.get("continued", []), {"epochs": before, "step": step}]}
        folder.write_about(record)
    if step < steps and "continued" in record and (folder.path / "model.safetensors").is_file():
        put_aside(folder.path, folder.path / "earlier" / f"{record['continued'][-1]['epochs']}-epochs")


def put_aside(run: Path, place: Path) -> None:
    """Move the results of a run, which is begun again where it was cut short; a place that is taken stays as it is."""
    if (place / "model.safetensors").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    for name in (name for name in RESULTS if (run / name).exists()):
        (run / name).replace(place / name)
