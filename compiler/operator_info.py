"""What the hardware has to do for an operator, for the debug section of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.image import OperatorInfo
from arch.isa import Load, Matrix, Store, Vector
from compiler.step import Step
from workloads.operators import Operator


def operator_info(operator: Operator, steps: Sequence[Step]) -> OperatorInfo:
    """Of one operator and its steps."""
    instructions = [step.instruction for step in steps]
    loads = [i for i in instructions if isinstance(i, Load)]
    gathered = sum(i.run_bytes * i.runs for i in loads if i.gather)
    return OperatorInfo(
        name=operator.name,
        kind=operator.kind,
        macs=operator.macs,
        read_bytes=gathered + _distinct_bytes([i for i in loads if not i.gather]),
        write_bytes=_distinct_bytes([i for i in instructions if isinstance(i, Store)]),
        matrix_rows=sum(_matrix_rows(i) for i in instructions if isinstance(i, Matrix)),
        vector_rows=sum(i.n_tiles * i.rows for i in instructions if isinstance(i, Vector)),
        outputs=tuple(tensor.name for tensor in operator.outputs),
    )


def _matrix_rows(matrix: Matrix) -> int:
    tiles = matrix.n_tiles * matrix.ky_count * matrix.kx_count * matrix.k_tiles
    return tiles * matrix.output_rows * matrix.output_columns


def _distinct_bytes(transfers: Sequence[Load] | Sequence[Store]) -> int:
    """Bytes of DRAM that transfers touch, each counted once."""
    if not transfers:
        return 0
    starts = np.concatenate([_run_starts(i) for i in transfers])
    runs = [i.planes * i.runs for i in transfers]
    ends = starts + np.repeat([i.run_bytes for i in transfers], runs)
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    covered = np.concatenate([starts[:1], np.maximum.accumulate(ends)[:-1]])
    return int(np.maximum(ends - np.maximum(starts, covered), 0).sum())


def _run_starts(transfer: Load | Store) -> NDArray[np.int64]:
    planes = transfer.plane_dram_stride * np.arange(transfer.planes, dtype=np.int64)
    runs = transfer.run_dram_stride * np.arange(transfer.runs, dtype=np.int64)
    starts: NDArray[np.int64] = (transfer.dram_address + planes[:, None] + runs).reshape(-1)
    return starts
