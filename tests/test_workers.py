"""Processes of runs: their results, their deaths, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from arch.errors import AssayError
from flow.suite.workers import Lost, for_each


def outcomes(call, items, jobs=2) -> dict[object, object]:
    found: dict[object, object] = {}
    for_each(call, items, jobs, finished=found.__setitem__)
    return found


def test_every_item_has_its_result():
    assert outcomes(lambda item: item * item, range(7)) == {item: item * item for item in range(7)}


def test_a_result_may_be_larger_than_a_pipe():
    assert outcomes(lambda item: bytes(item), [4 << 20])[4 << 20] == bytes(4 << 20)


def test_no_more_than_jobs_run_at_a_time():
    active, most = 0, 0

    def begun(item: int) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)

    def finished(item: int, outcome: object) -> None:
        nonlocal active
        active -= 1

    for_each(abs, range(9), 3, finished=finished, begun=begun)
    assert (active, most) == (0, 3)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda: os._exit(3), "exited with 3"),
    ],
)
def test_a_process_that_dies_loses_its_own_item_only(how, reason):
    found = outcomes(lambda item: how() if item == 1 else item, range(4))
    assert found == {0: 0, 1: Lost(f"the process of the run {reason}"), 2: 2, 3: 3}


def test_an_exception_is_a_reason_with_a_trace_where_nobody_foresaw_it():
    found = outcomes(lambda item: 1 // item, [0, 1])
    assert found[1] == 1
    assert found[0].reason.startswith("ZeroDivisionError: ")
    assert found[0].trace.startswith("Traceback")
    assert not found[0].refused
    (exited,) = outcomes(lambda item: sys.exit("no such simulator"), [0]).values()
    assert exited.reason.startswith("SystemExit: no such simulator (")

    def refuse(item: int) -> None:
        raise AssayError("does not fit")

    assert outcomes(refuse, [0]) == {0: Lost("does not fit", refused=True)}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where a shell that started the tests in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_no_process_behind(tmp_path, sent):
    def work(item: int) -> None:
        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / str(item)).write_text(f"{os.getpid()} {child.pid} ")
        child.wait()

    def interrupt() -> None:
        while sum(path.read_text().endswith(" ") for path in tmp_path.iterdir()) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), sent)

    handler = signal.getsignal(signal.SIGTERM)
    sender = threading.Timer(0.3, interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        outcomes(work, range(4))
    sender.join()
    assert signal.getsignal(signal.SIGTERM) is handler
    pids = [int(pid) for path in tmp_path.iterdir() for pid in path.read_text().split()]
    assert len(pids) == 4
    deadline = time.monotonic() + 5
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(running, pids))


def running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
