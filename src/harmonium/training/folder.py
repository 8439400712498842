"""A run on disk: `run.json`, `metrics.jsonl`, `checkpoints/`, `model.safetensors`, `estimates.json` or
`error_rates.json`, `report.html`; `stages/`, the runs of the machines that it began with; and `earlier/`, the results
that it had before it was trained longer."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from harmonium.data import Dataset, Whole, space_of
from harmonium.errors import InputError, RunError
from harmonium.evaluation import ErrorRate, Estimate
from harmonium.models import UnknownClassError, load, save, write_atomically
from harmonium.training.about import checked, damage_of
from harmonium.training.devices import is_main, together

OURS = ("run.json", "metrics.jsonl", "checkpoints", "model.safetensors", "model.json", "estimates.json",
        "error_rates.json", "per_example.npz", "report.html", "tensorboard", "stages", "earlier")  # fmt: skip
LIBRARIES = ("harmonium", "jax", "jaxlib", "equinox", "optax", "numpy")


class RunFolder:
    """The folder of one run; everything it writes replaces the old file in one step.

    Arguments: `path`, the folder. Raises `InputError` from `create` where it holds anything already.

    >>> import tempfile
    >>> folder = RunFolder.create(tempfile.mkdtemp() + "/run", {"recipe": "rbm"})
    >>> RunFolder.open(folder.path).about["recipe"]
    'rbm'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # ---- made, opened ---------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, about: dict[str, Any] | None = None, *, force: bool = False) -> RunFolder:
        """A new folder with its `run.json`; with `force`, the files of a run that it holds are removed first (others
        are not touched)."""
        self = cls(path)
        self.refuse_occupied(force)
        together("looked at the folder")  # before the first process writes into it
        if is_main():
            self._make_empty()
            self.write_about(about or {})
        together("made the folder")
        return self

    def refuse_occupied(self, force: bool) -> None:
        """Refuse a folder that is in use, or no folder of a run; nothing is written."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"'{self.path}' is a file: choose another --out for the run's folder.")
        cut_short = self._cut_short() if self.path.is_dir() else []
        if self.path.is_dir() and any(path not in cut_short for path in self.path.iterdir()) and not force:
            raise InputError(
                f"'{self.path}' is not empty: choose another --out, go on with --resume, "
                "or replace the run in it with --force."
            )
        like_ours = [name for name in OURS if (self.path / name).exists()]
        if like_ours and "run.json" not in like_ours:
            raise InputError(
                f"'{self.path}' holds no run (no run.json) but a '{like_ours[0]}', which --force would replace: "
                "choose another --out."
            )

    def _make_empty(self) -> None:
        """Remove what a run wrote. `run.json` goes last of all, when another takes its place: as long as anything of a
        run is there, so is the record that says whose it is."""
        try:
            for target in (self.path / name for name in OURS if name != "run.json"):
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            self.path.mkdir(parents=True, exist_ok=True)
            self.sweep()
        except OSError as error:
            raise InputError(f"'{self.path}' cannot be written ({error.strerror}): choose another --out.") from error

    def _cut_short(self) -> list[Path]:
        """Files that a process was writing when it was killed."""
        return [path for name in OURS for path in self.path.glob(f".{name}.*.tmp")]

    def sweep(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for path in self._cut_short():
            path.unlink(missing_ok=True)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run. Raises `InputError` where there is none."""
        self = cls(path)
        if not (self.path / "run.json").is_file():
            begun = self.path.is_dir() and all(path in self._cut_short() for path in self.path.iterdir())
            cure = "start it again without --resume" if begun else "give the folder that training wrote"
            raise InputError(f"'{self.path}' holds no run (no run.json): {cure}.")
        return self

    @property
    def last_step(self) -> int | None:
        """The step of the newest whole checkpoint; None where there is none to go on from.

        >>> RunFolder("nowhere").last_step
        """
        found = self.path / "checkpoints"
        steps = [int(path.name) for path in found.iterdir() if path.name.isdecimal()] if found.is_dir() else []
        return max(steps, default=None)

    # ---- run.json -------------------------------------------------------------------------------------------

    def write_about(self, about: dict[str, Any]) -> None:
        """What was run: recipe, arguments, seed, versions, device, data."""
        self._write_json("run.json", about)

    @property
    def about(self) -> dict[str, Any]:
        """What `write_about` wrote."""
        return checked(self._read_json("run.json"), self.path / "run.json")

    @property
    def affine(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Shift and scale of the values before the model saw them, or None twice where they are as given."""
        data = self.about.get("data", {})
        if "scale" not in data:
            return None, None
        return np.asarray(data["shift"], np.float64), np.asarray(data["scale"], np.float64)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that the run was trained on; none where its file had none."""
        return self.about.get("data", {}).get("columns") or []

    @property
    def whole(self) -> Whole:
        """Which columns held whole numbers alone, so that what is drawn for them is rounded."""
        data = self.about.get("data", {})
        return Whole.from_dict(data, math.prod(data.get("space", {}).get("shape", ())))

    # ---- the model, the metrics, the estimates --------------------------------------------------------------

    def save_model(self, model: Any) -> None:
        """Write `model.safetensors` and `model.json`."""
        save(model, self.path / "model.safetensors")

    def load_model(self, classes: Mapping[str, type] | None = None) -> Any:
        """The trained model, of which a person's own `classes` are given. Raises `InputError` where training has not
        finished, the file is damaged, or a class is missing."""
        if not (self.path / "model.safetensors").is_file():
            raise InputError(f"The run in '{self.path}' has no model yet: finish it with --resume.")
        try:
            return load(self.path / "model.safetensors", classes=classes)
        except UnknownClassError as error:
            where = self.about.get("classes", {}).get(error.name) or "FILE.py"
            raise InputError(
                f"The model of the run in '{self.path}' holds a class '{error.name}' that is not this library's, and "
                f"no code is run from a file: say where it is, with --classes {where}:{error.name}"
            ) from error

    @property
    def metrics(self) -> list[dict[str, float]]:
        """The lines of `metrics.jsonl` that are whole. Raises `InputError` where one of them is no record."""
        path = self.path / "metrics.jsonl"
        try:
            lines = path.read_text().splitlines() if path.is_file() else []
            found = [json.loads(line) for line in lines if line.endswith("}")]
            if wrong := next(filter(None, map(damage_of, found)), None):
                raise ValueError(wrong)
        except (ValueError, RecursionError) as error:  # also of bytes that are no text, and of text that is no JSON
            raise InputError(f"'{path}' is damaged ({error}): restore it, or remove the line.") from error
        return found

    def write_metrics(self, records: list[dict[str, float]]) -> None:
        """Write all of `metrics.jsonl` anew (at the start and at a resume)."""
        text = "".join(_line(record) for record in records)
        write_atomically(self.path / "metrics.jsonl", text.encode())

    def append_metrics(self, record: dict[str, float]) -> None:
        """Add a line to `metrics.jsonl`."""
        try:
            with (self.path / "metrics.jsonl").open("a") as file:
                file.write(_line(record))
        except OSError as error:
            raise RunError(
                f"'{self.path / 'metrics.jsonl'}' could not be written ({error.strerror}): free some space and "
                "continue with --resume."
            ) from error

    def save_estimate(self, name: str, estimate: Estimate) -> None:
        """Add or replace an estimate, and its values per example."""
        records = self._read_json("estimates.json") if (self.path / "estimates.json").is_file() else {}
        self._write_json("estimates.json", records | {name: estimate.to_dict()})
        values = {key: value for key, value in self._per_example().items() if key != name}
        if estimate.per_example is not None:
            values |= {name: estimate.per_example}
        if values or (self.path / "per_example.npz").is_file():
            buffer = io.BytesIO()
            np.savez(buffer, **values)
            write_atomically(self.path / "per_example.npz", buffer.getvalue())

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The estimates by name, with their values per example where those were kept."""
        if not (self.path / "estimates.json").is_file():
            return {}
        values = self._per_example()
        try:
            found = {k: Estimate.from_dict(v) for k, v in self._read_json("estimates.json").items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{self.path / 'estimates.json'}' holds no estimates: evaluate again.") from error
        for name, estimate in found.items():
            object.__setattr__(estimate, "per_example", values.get(name))
        return found

    def save_error_rate(self, name: str, rate: ErrorRate) -> None:
        """Add or replace the error rate of a classifier."""
        records = self._read_json("error_rates.json") if (self.path / "error_rates.json").is_file() else {}
        self._write_json("error_rates.json", records | {name: rate.to_dict()})

    @property
    def error_rates(self) -> dict[str, ErrorRate]:
        """The error rates by name."""
        if not (self.path / "error_rates.json").is_file():
            return {}
        try:
            return {k: ErrorRate.from_dict(v) for k, v in self._read_json("error_rates.json").items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{self.path / 'error_rates.json'}' holds no error rates: evaluate again.") from error

    def _per_example(self) -> dict[str, np.ndarray]:
        path = self.path / "per_example.npz"
        if not path.is_file():
            return {}
        try:
            with np.load(path) as file:
                return dict(file)
        except Exception as error:  # np.load raises whatever the parsers of the archive and its arrays trip over
            raise InputError(f"'{path}' is damaged: remove it and evaluate again.") from error

    # ---- JSON -----------------------------------------------------------------------------------------------

    def _write_json(self, name: str, record: dict[str, Any]) -> None:
        write_atomically(self.path / name, (json.dumps(record, indent=1, default=str) + "\n").encode())

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.path / name).read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"'{self.path / name}' is missing or damaged ({error}): restore it, or train again in another folder."
            ) from error
        if not isinstance(found, dict):
            raise InputError(f"'{self.path / name}' is damaged (no record): restore it, or train again.")
        return found


def describe(data: Dataset, **about: Any) -> dict[str, Any]:
    """The content of `run.json`: what was run, on what, with which versions.

    >>> import harmonium as hm
    >>> about = describe(hm.data.from_arrays(np.eye(2)), recipe="rbm"); about["recipe"], "jax" in about["versions"]
    ('rbm', True)
    """
    device = jax.devices()[0]
    space = dataclasses.replace(data.space, hash=space_of(data.train).hash)
    names = None if data.columns is None else list(data.columns)
    known = {"name": data.name, "image_shape": data.image_shape, "columns": names, "notes": list(data.notes)}
    known |= {"classes": None if data.class_names is None else list(data.class_names)}
    return about | {
        "data": known | {"space": space.to_dict()} | _affine(data) | data.whole.to_dict(data.train.shape[1]),
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
        "git_commit": _git_commit(),
    }


def _affine(data: Dataset) -> dict[str, Any]:
    """How values were shifted and scaled before the model saw them, for samples and gaps in the original units."""
    if data.affine is None:
        return {}
    shift, scale = (np.asarray(part, float).tolist() for part in data.affine)
    return {"shift": shift, "scale": scale}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _line(record: dict[str, float]) -> str:
    """JSON has no NaN: what is not finite is written as null."""
    clean = {k: (v if not isinstance(v, float) or math.isfinite(v) else None) for k, v in record.items()}
    return json.dumps(clean) + "\n"
