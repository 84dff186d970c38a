"""What each operator of the graph took, from the log of retired instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.image import DebugInfo
from flow.result import OperatorResult
from model.roofline import Roofline


def operator_results(
    debug: DebugInfo, roofline: Roofline, retired: NDArray[Any], cycles: int, config: Config
) -> list[OperatorResult]:
    """Span and share of each operator.

    Parameters
    ----------
    debug
        Maps instructions to operators.
    roofline
        Of the same operators.
    retired
        Array of ``tb.run_files.RETIRE_RECORD``.
    config
        What they ran on.
    cycles
        Of the run. They are divided at the last retirement of each operator: an operator owns the
        cycles after those of the operators that ended before it.
    """
    operator_of = np.array(debug.operator_of)[retired["instruction"]]
    chosen = [retired[operator_of == index] for index in range(len(debug.operators))]
    starts = [int(records["start"].min()) for records in chosen]
    ends = [int(records["end"].max()) for records in chosen]
    exclusive = [0] * len(ends)
    owned = 0
    for index in sorted(range(len(ends)), key=lambda index: ends[index]):
        exclusive[index] = ends[index] + 1 - owned
        owned = ends[index] + 1
        last = index
    exclusive[last] += cycles - owned
    slots = config.rows * config.cols
    results = []
    for index, info in enumerate(debug.operators):
        span = ends[index] + 1 - starts[index]
        results.append(
            OperatorResult(
                name=info.name,
                kind=info.kind,
                span_cycles=span,
                exclusive_cycles=exclusive[index],
                macs=info.macs,
                utilization=info.macs / (span * slots),
                roofline_cycles=roofline.operators[index].cycles,
                bound=roofline.operators[index].bound,
            )
        )
    return results
