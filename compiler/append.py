"""Rows behind a cache to steps: they are stored where the cache ends, and it stays in place."""

from __future__ import annotations

from compiler.emitter import Emitter
from workloads.operators import Append


def lower_append(emitter: Emitter, operator: Append) -> None:
    """Emit all steps."""
    behind = operator.cache.rows
    for rows, columns in emitter.blocks((operator.rows,), ()):
        source = emitter.source(operator.rows, rows, columns)
        stored = range(behind + rows.start, behind + rows.stop)
        emitter.store(operator.output, stored, columns, source)
