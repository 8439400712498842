"""Checkpoints of a run, written by Orbax: each is complete or absent, and the last two are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from harmonium.errors import InputError, RunError

KEPT = 2


class Checkpoints:
    """The checkpoints in a folder, by step.

    Arguments: `folder`, made when the first one is written.

    >>> import jax.numpy as jnp, tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp())); checkpoints.save(3, {"W": jnp.ones(2)}, wait=True)
    >>> checkpoints.latest, checkpoints.restore({"W": jnp.zeros(2)})["W"]
    (3, Array([1., 1.], dtype=float32))
    >>> checkpoints.close()
    """

    def __init__(self, folder: Path) -> None:
        import orbax.checkpoint as ocp

        self.folder = folder.absolute()
        self._ocp = ocp
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=True)
        handler = ocp.StandardCheckpointHandler()
        self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handler)

    @property
    def latest(self) -> int | None:
        """The step of the newest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state: PyTree, *, wait: bool = False) -> None:
        """Write the arrays of `state`, in the background unless `wait`; earlier checkpoints stay until it is whole.

        Raises `RunError` where writing fails, such as on a full disk.
        """
        if step == self.latest:
            return
        try:
            self._manager.save(step, args=self._ocp.args.StandardSave(_named(state)), force=True)
            if wait:
                self._manager.wait_until_finished()
        except Exception as error:  # Orbax raises what the file system and its own layers raise
            raise RunError(self._unwritten(f"Checkpoint {step}", error)) from error

    def wait(self) -> None:
        """Wait until what is being written is whole."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise RunError(self._unwritten("A checkpoint", error)) from error

    def restore(self, like: PyTree) -> PyTree:
        """The newest checkpoint, with the structure and placement of the state `like`.

        Raises `InputError` where there is none, it is damaged, or it belongs to other settings.
        """
        step = self.latest
        if step is None:
            raise InputError(f"There is no checkpoint in '{self.folder}' to resume from: start again with --force.")
        arrays, static = eqx.partition(like, eqx.is_array)
        template = {name: _spec(leaf) for name, leaf in _named(like).items()}
        try:
            same = _kinds(self._manager.item_metadata(step)) == _kinds(template)
            found = self._manager.restore(step, args=self._ocp.args.StandardRestore(template)) if same else None
        except Exception as error:
            raise InputError(self._damaged(step, error)) from error
        if not same:
            raise InputError(
                f"Checkpoint {step} in '{self.folder}' belongs to a run with other settings: "
                "resume with the arguments that the run was started with."
            )
        leaves = [found[name] for name in template]
        return eqx.combine(jax.tree.unflatten(jax.tree.structure(arrays), leaves), static)

    def _unwritten(self, what: str, error: Exception) -> str:
        whole = [step for step in self._manager.all_steps(read=True) if (self.folder / str(step)).is_dir()]
        then = (
            f"continue with --resume; checkpoint {max(whole)} is still valid" if whole else "start again with --force"
        )
        return f"{what} could not be written ({_first_line(error)}): free some space in '{self.folder}' and {then}."

    def _damaged(self, step: int, error: Exception) -> str:
        others = [other for other in self._manager.all_steps() if other != step]
        cure = (
            f"move '{self.folder / str(step)}' away to resume from step {max(others)}"
            if others
            else "start again with --force"
        )
        return f"Checkpoint {step} in '{self.folder}' is damaged ({_first_line(error)}): {cure}."

    def close(self) -> None:
        """Finish writing and let go of the folder."""
        self.wait()
        self._manager.close()


def _named(state: PyTree) -> dict[str, Any]:
    leaves = jax.tree.leaves(eqx.filter(state, eqx.is_array))
    return {f"{i:04d}": leaf for i, leaf in enumerate(leaves)}


def _kinds(arrays: Mapping[str, Any]) -> dict[str, tuple]:
    return {name: (tuple(array.shape), str(array.dtype)) for name, array in arrays.items()}


def _spec(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}"
