"""Who wants to know how far an estimate has come: a watcher is `watcher(stage)`, told by the methods that take long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import jax
from jaxtyping import PyTree


class Stage(NamedTuple):
    """How far an estimate has come: `done` of `total`, in any unit, by the method `what`.

    Where the method stops as soon as its number settles, `total` is what it takes at most.

    >>> stage = Stage("importance weighting", 50, 200)
    >>> f"{stage.what}: {stage.done / stage.total:.0%}"
    'importance weighting: 25%'
    """

    what: str
    done: float
    total: float
    until_settled: bool = False


Watcher = Callable[[Stage], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """While it lasts, every estimate of this thread tells `watcher` how far it has come.

    >>> stages = []
    >>> with watched(stages.append):
    ...     tell(Stage("AIS", 1, 4))
    >>> stages
    [Stage(what='AIS', done=1, total=4, until_settled=False)]
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(stage: Stage, after: PyTree = None) -> None:
    """Tell the watcher, if there is one, as soon as the arrays `after` are computed.

    >>> tell(Stage("AIS", 1, 4))                            # nobody listens
    """
    watcher = _watcher.get()
    if watcher is not None:
        jax.block_until_ready(after)
        watcher(stage)
