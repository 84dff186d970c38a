"""Calls in processes of their own: what happens to one happens to no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from arch.errors import AssayError
from compiler.verify import CompilerError
from flow.simulate import SimulationError

Item = TypeVar("Item")
Value = TypeVar("Value")

_TICK_SECONDS = 0.25


@dataclass(frozen=True)
class Lost:
    """A call that did not return.

    Attributes
    ----------
    reason
        What it raised or how its process died, in words.
    refused
        It raised ``AssayError``: its input is at fault.
    trace
        Where, if nobody foresaw it.
    """

    reason: str
    refused: bool = False
    trace: str = ""


@dataclass(frozen=True)
class _Worker(Generic[Item]):
    item: Item
    process: BaseProcess
    results: Connection

    def kill(self) -> None:
        """End the process and, as they are of its group, all that it has started."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()


def for_each(
    call: Callable[[Item], Value],
    items: Sequence[Item],
    jobs: int,
    *,
    finished: Callable[[Item, Value | Lost], None],
    begun: Callable[[Item], None] = lambda item: None,
    waiting: Callable[[], None] = lambda: None,
) -> None:
    """Call with each item, in processes forked from this one, which must have no threads.

    Parameters
    ----------
    call, items
        What is called, and with what.
    jobs
        Processes at a time.
    finished, begun
        Told of each item; in order of the items only ``begun``.
    waiting
        Called a few times a second.
    """
    left = list(reversed(items))
    running: dict[Connection, _Worker[Item]] = {}
    with _termination_interrupts():
        try:
            while left or running:
                while left and len(running) < jobs:
                    worker = _start(call, left.pop())
                    running[worker.results] = worker
                    begun(worker.item)
                for results in wait(list(running), _TICK_SECONDS):
                    assert isinstance(results, Connection)
                    worker = running[results]
                    outcome = _outcome(worker)
                    del running[results]
                    finished(worker.item, outcome)
                waiting()
        finally:
            for worker in running.values():
                worker.kill()


def _start(call: Callable[[Item], Value], item: Item) -> _Worker[Item]:
    context = multiprocessing.get_context("fork")
    results, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(call, item, sender))
    process.start()
    sender.close()
    return _Worker(item, process, results)


def _work(call: Callable[[Item], Value], item: Item, sender: Connection) -> None:
    """In the new process. Exceptions go back as text: not every one can be sent."""
    os.setpgid(0, 0)
    outcome: Value | Lost
    try:
        outcome = call(item)
    except (AssayError, CompilerError, SimulationError) as error:
        outcome = Lost(str(error), refused=isinstance(error, AssayError))
    except (Exception, SystemExit) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {said} ({place.filename}:{place.lineno})"
        outcome = Lost(reason, trace=traceback.format_exc())
    sender.send(outcome)


def _outcome(worker: _Worker[Item]) -> Value | Lost:
    """What a worker sends, or how it ended without."""
    outcome: Value | Lost
    try:
        outcome = worker.results.recv()
        worker.process.join()
    except EOFError:
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        outcome = Lost(f"the process of the run {how}")
        worker.kill()
    worker.results.close()
    return outcome


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """SIGTERM, which would leave the workers behind, interrupts."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
