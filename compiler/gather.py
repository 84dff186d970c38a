"""Rows of a table by index to steps: LOAD alone does it (rules I-01, B-09)."""

from __future__ import annotations

from arch.config import INDEX_ENTRIES
from arch.isa import Buffer, ElementType, Load
from compiler.emitter import Emitter
from compiler.layout import pack_rows
from compiler.operand import cut
from model.tiling import round_up
from workloads.operators import Gather
from workloads.tensor import Tensor

_INDEX_BYTES = ElementType.INT32.bytes


def lower_gather(emitter: Emitter, operator: Gather) -> None:
    """Emit all steps: as many indices at a time as fit, and for each of them blocks of rows."""
    size = len(emitter.row_blocks((), operator.outputs)[0])
    for entries in cut(operator.output.rows, INDEX_ENTRIES):
        for start in range(entries.start, entries.stop, size):
            rows = range(start, min(start + size, entries.stop))
            _lower_block(emitter, operator, entries, rows)


def _lower_block(emitter: Emitter, operator: Gather, entries: range, rows: range) -> None:
    """Emit steps for `rows`; their indices are among `entries`, which are loaded together."""
    output = operator.output
    columns = range(output.cols)
    run_bytes = output.cols * output.element_type.bytes
    row_bytes = round_up(run_bytes, emitter.config.word_bytes)
    table = Tensor(output.name, len(operator.table), output.cols, output.element_type)
    base = emitter.layout.constant(
        f"table.{operator.name}", lambda: pack_rows(operator.table, table, row_bytes)
    )
    indices = emitter.indices(operator.indices, entries)
    target = emitter.target(output, rows, columns)
    emitter.append(
        Load(
            buffer=Buffer[target.destination.name],
            buffer_address=target.address,
            dram_address=base,
            run_bytes=run_bytes,
            runs=len(rows),
            run_dram_stride=row_bytes,
            run_buffer_stride=target.row_stride,
            gather=1,
            index_address=indices.address // _INDEX_BYTES + rows.start - entries.start,
        ),
        reads=(indices.region,),
        writes=(target.region,),
    )
    emitter.finish(output, rows, columns)
