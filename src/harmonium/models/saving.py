"""Models on disk: numbers in safetensors, structure in JSON, no pickle anywhere, so that a file can run no code."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

import harmonium
from harmonium.errors import InputError, shown
from harmonium.models.writing import write_together

FORMAT = "harmonium-model"
VERSION = 2  # of the format; files of earlier versions are read too
NAMESPACES = ("harmonium.models", "harmonium.units", "harmonium.nets")  # where the classes that a file names are found
NAME_BYTES = 240  # of a file's name, which with its ending has up to 255
RENAMED = {"Twin": "DoubledRBM"}  # classes: name in a file of before -> name now
RENAMED_FIELDS = {"MPDBM": {"averaged": "multi_inference"}}  # fields, by the class's name now


def known_classes() -> dict[str, type]:
    """The classes that a file may name: the public ones of models, units and nets, and what they were called before.

    >>> known_classes()["Twin"].__name__
    'DoubledRBM'
    """
    public = {name: value for module in NAMESPACES for name, value in vars(importlib.import_module(module)).items()}
    found = {name: value for name, value in public.items() if isinstance(value, type) and value.__name__ == name}
    return found | {old: found[new] for old, new in RENAMED.items()}


class UnknownClassError(InputError):
    """A file names a class that is not this library's and was not given; `name` is what it is called.

    >>> UnknownClassError("Mine").name
    'Mine'
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The file names a class '{name}' that is not known here, and no code is run from a file: give yours, "
            f"hm.load(path, classes=[{name}])."
        )
        self.name = name


def save(model: Any, path: Any) -> Path:
    """Write a model to `NAME.safetensors` (its arrays) and `NAME.json` (its structure); return the first path.

    The files are replaced when both are written, so a full disk leaves what was there. Raises `InputError` for no name
    or another ending, or where the model holds something that is neither an array, a number, a text nor a module;
    `RunError` where writing fails.

    >>> import harmonium as hm, jax, tempfile
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.load(hm.save(rbm, tempfile.mkdtemp() + "/rbm.safetensors")).W.shape
    (6, 3)
    """
    path = _tensor_path(path)
    if not isinstance(model, eqx.Module):
        raise InputError(f"A model is saved, not {shown(model)}: call hm.save(model, path).")
    tensors: dict[str, np.ndarray] = {}
    structure = _describe(model, "", tensors)
    data = write_tensors(tensors)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "library": harmonium.__version__,
        "sha256": hashlib.sha256(data).hexdigest(),
        "structure_sha256": _mark(structure),
        "model": structure,
    }
    write_together({path: data, path.with_suffix(".json"): json.dumps(description, indent=1).encode()})
    return path


def load(path: Any, *, classes: Any = None) -> Any:
    """Read a model that `save` wrote, or the one of a run.

    Arguments: `path`, the `.safetensors` file, with its `.json` beside it, or the folder of a run; `classes`, your own
    model classes, as a list or by name. Raises `InputError` for a missing, damaged or foreign file, in one line.

    >>> import harmonium as hm
    >>> hm.load("no-such-file.safetensors")
    Traceback (most recent call last):
    harmonium.errors.InputError: There is no model file 'no-such-file.safetensors'.
    """
    path, own = _found(path), _by_name(classes)
    description = _read_description(path.with_suffix(".json"))
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != description.get("sha256"):
        raise InputError(
            f"'{path}' is damaged or does not belong to '{path.with_suffix('.json').name}' (its SHA-256 differs): "
            "restore it from a checkpoint or a copy."
        )
    mark = _mark(description.get("model"))
    if description.get("structure_sha256", mark if description["version"] == 1 else None) != mark:  # the first had none
        raise InputError(
            f"'{path.with_suffix('.json')}' is damaged (the SHA-256 of its structure differs): restore it from a copy."
        )
    try:
        model = _build(description["model"], read_tensors(data), known_classes() | own)
    except InputError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"'{path}' is not a model that this version can read ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(model, eqx.Module):
        raise InputError(f"'{path}' holds {shown(model)} and no model.")
    return model


def check_saveable(model: Any) -> None:
    """Refuse a model that `save` would refuse, before it is trained for a file.

    >>> import harmonium as hm, jax
    >>> check_saveable(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    _describe(model, "", {})


def _found(path: Any) -> Path:
    """The file of a model, or of the model in the folder of a run."""
    _check_name(path)
    named = bool(os.fspath(path))
    beside = f"{path}.safetensors"  # a file that is meant by a name without its ending
    if named and Path(path).is_dir() and not Path(beside).is_file():
        folder, path = Path(path), Path(path) / "model.safetensors"
        if not path.is_file() and (folder / "run.json").is_file():
            raise InputError(f"The run in '{folder}' has no model yet: finish it with --resume.")
        if not path.is_file():
            raise InputError(
                f"The folder '{folder}' holds no run and no model (no model.safetensors): give the folder that "
                "training wrote, or a .safetensors file."
            )
    path = _tensor_path(path)
    if not path.is_file():
        raise InputError(f"There is no model file '{path}'.")
    return path


def _by_name(classes: Any) -> dict[str, type]:
    """A person's own classes by name."""
    found = classes.values() if isinstance(classes, Mapping) else classes or ()
    found = list(found) if isinstance(found, Iterable) else [found]
    if not all(isinstance(cls, type) for cls in found):
        raise InputError(f"Your own classes are given as classes=[MyModel], not {shown(classes)}.")
    named = classes if isinstance(classes, Mapping) else {cls.__name__: cls for cls in found}
    return dict(named)


def _check_name(path: Any) -> None:
    """Refuse what no file can be called."""
    if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
        raise InputError(f"A model file has a name, such as 'rbm.safetensors', not {shown(path)}: give one.")
    if any(len(os.fsencode(part)) > NAME_BYTES for part in Path(path).parts):
        ending = os.fspath(path)[-40:]
        raise InputError(f"The name of the file that ends in '{ending}' is too long: choose a shorter name.")


def _tensor_path(path: Any) -> Path:
    _check_name(path)
    if not Path(path).name:
        raise InputError(f"A model file has a name, such as 'rbm.safetensors', not {shown(path)}: give one.")
    path = Path(path)
    if path.suffix == "":
        path = path.with_suffix(".safetensors")
    if path.suffix != ".safetensors":
        raise InputError(f"A model file ends in .safetensors, not '{path.suffix}': '{path}'.")
    return path


def _read_description(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"'{path}', the structure of the model, is missing: keep both files together.")
    try:
        description = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: it is not JSON ({error}).") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"'{path}' does not describe a harmonium model.")
    version = description.get("version")
    if version not in range(1, VERSION + 1):
        of = f" by harmonium {description['library']}" if isinstance(description.get("library"), str) else ""
        raise InputError(
            f"'{path}' was written{of} in version {version} of the format, and this one reads up to {VERSION}: "
            "update harmonium."
        )
    return description


def _mark(structure: Any) -> str:
    """A checksum of the structure, whatever the order of its names and the blanks of its text."""
    return hashlib.sha256(json.dumps(structure, sort_keys=True).encode()).hexdigest()


def _fields(node: Any) -> dict[str, Any]:
    names = node._fields if isinstance(node, tuple) else [field.name for field in dataclasses.fields(node)]
    return {name: getattr(node, name) for name in names}


def _describe(node: Any, path: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """The structure of a node as JSON; its arrays go to `tensors` under their dotted path."""

    def inside(children: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _describe(child, f"{path}.{name}".lstrip("."), tensors) for name, child in children.items()}

    if isinstance(node, jax.Array | np.ndarray):
        tensors[path] = np.asarray(node, order="C")  # safetensors writes memory as it lies
        return {"tensor": path}
    if isinstance(node, eqx.Module) or (isinstance(node, tuple) and hasattr(node, "_fields")):
        return {"type": type(node).__name__, "fields": inside(_fields(node))}
    if isinstance(node, Mapping):
        return {"dict": inside(node)}
    if isinstance(node, list | tuple):
        kind = "list" if isinstance(node, list) else "tuple"
        return {kind: list(inside({str(i): child for i, child in enumerate(node)}).values())}
    if node is None or isinstance(node, bool | int | float | str):
        return {"value": node}
    raise InputError(f"A model that holds {shown(node)} (at '{path}') cannot be saved.")


def _build(spec: Mapping[str, Any], tensors: Mapping[str, np.ndarray], classes: Mapping[str, type]) -> Any:
    if "tensor" in spec:
        return jnp.asarray(tensors[spec["tensor"]])
    if "value" in spec:
        return spec["value"]
    if "list" in spec:
        return [_build(child, tensors, classes) for child in spec["list"]]
    if "tuple" in spec:
        return tuple(_build(child, tensors, classes) for child in spec["tuple"])
    if "dict" in spec:
        return {name: _build(child, tensors, classes) for name, child in spec["dict"].items()}
    if spec["type"] not in classes:
        raise UnknownClassError(spec["type"])
    cls = classes[spec["type"]]
    renamed = RENAMED_FIELDS.get(cls.__name__, {})
    fields = {renamed.get(name, name): _build(child, tensors, classes) for name, child in spec["fields"].items()}
    if issubclass(cls, tuple):
        return cls(**fields)
    node = object.__new__(cls)  # the fields are all there is; __init__ would draw new weights
    for field in dataclasses.fields(cls):
        known = field.name in fields or field.default is dataclasses.MISSING
        object.__setattr__(node, field.name, fields[field.name] if known else field.default)  # newer than the file
    return node
