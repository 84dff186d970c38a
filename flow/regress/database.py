"""Every run of every regression, in SQLite; rows are only ever added."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from arch.errors import AssayError
from flow.regress.schema import Regression, Run
from flow.suite.point import RunPoint

_POINT = tuple(RunPoint.model_fields)
_RUN = ("status", "cycles", "predicted_cycles", "utilization", "khz", "seconds", "build", "trace")
_TABLES = """
CREATE TABLE IF NOT EXISTS invocations (
    id INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,
    started TEXT NOT NULL,
    planned INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
    invocation INTEGER NOT NULL REFERENCES invocations (id),
    suite TEXT NOT NULL,
    finished TEXT NOT NULL,
    build TEXT NOT NULL,
    config TEXT NOT NULL,
    workload TEXT NOT NULL,
    simulator TEXT NOT NULL,
    memory TEXT NOT NULL,
    dram_latency_cycles INTEGER NOT NULL,
    dram_bytes_per_cycle INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL,
    passed INTEGER NOT NULL,
    cycles INTEGER,
    predicted_cycles INTEGER,
    utilization REAL,
    khz REAL,
    seconds REAL NOT NULL,
    failure TEXT NOT NULL,
    failures TEXT NOT NULL,
    trace TEXT NOT NULL,
    rerun TEXT NOT NULL
);
"""


class Database:
    """The file, opened for each access: processes are forked between them.

    ``runs.failure`` is the reason in one line, ``failures`` all of them as JSON.

    Raises
    ------
    AssayError
        The file cannot be made, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.executescript(_TABLES)

    def begin(self, suite: str, started: datetime, planned: int) -> int:
        """Note an invocation; returns its number."""
        with self._open() as connection:
            added = connection.execute(
                "INSERT INTO invocations (suite, started, planned) VALUES (?, ?, ?)",
                (suite, started.isoformat(), planned),
            )
            assert added.lastrowid is not None
            return added.lastrowid

    def add(self, invocation: int, suite: str, run: Run) -> None:
        """Keep a run."""
        row = {name: getattr(run.point, name) for name in _POINT}
        row |= {name: getattr(run, name) for name in _RUN}
        row |= {
            "invocation": invocation,
            "suite": suite,
            "finished": run.finished.isoformat(),
            "passed": run.status == "passed",
            "failure": run.reason,
            "failures": json.dumps(run.failures),
            "rerun": run.point.command,
        }
        columns, places = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._open() as connection:
            connection.execute(f"INSERT INTO runs ({columns}) VALUES ({places})", row)

    def last(self) -> Regression:
        """The last invocation, as far as it came."""
        with self._open() as connection:
            found = connection.execute(
                "SELECT * FROM invocations ORDER BY id DESC LIMIT 1"
            ).fetchone()
            if found is None:
                raise AssayError(f"{self._path}: there was no regression yet")
            rows = connection.execute(
                "SELECT * FROM runs WHERE invocation = ? ORDER BY rowid", (found["id"],)
            ).fetchall()
        started = datetime.fromisoformat(found["started"])
        runs = [_run(row) for row in rows]
        end = max((run.finished for run in runs), default=started)
        return Regression(
            suite=found["suite"],
            started=started,
            seconds=(end - started).total_seconds(),
            planned=found["planned"],
            runs=runs,
        )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as connection:
                connection.row_factory = sqlite3.Row
                with connection:
                    yield connection
        except (OSError, sqlite3.Error) as error:
            raise AssayError(f"{self._path}: not a database of regressions: {error}") from None


def _run(row: sqlite3.Row) -> Run:
    return Run.model_validate(
        {
            "point": {name: row[name] for name in _POINT},
            "failures": json.loads(row["failures"]),
            "finished": row["finished"],
            **{name: row[name] for name in _RUN},
        }
    )
