"""What each operator and each layer of the graph took, measured and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.image import DebugInfo
from flow.result import LayerResult, OperatorResult
from model.roofline import Roofline, limit
from model.timeline import Prediction

_Cycles = NDArray[np.int64]


@dataclass(frozen=True)
class Analysis:
    """What the levels of the model say beyond :class:`flow.result.Predicted`."""

    roofline: Roofline
    timeline: Prediction


class _Share(NamedTuple):
    """Span and exclusive cycles of an operator."""

    span: int
    exclusive: int


def operator_results(
    debug: DebugInfo, analysis: Analysis, retired: NDArray[Any], cycles: int, config: Config
) -> list[OperatorResult]:
    """Span and share of each operator.

    Parameters
    ----------
    debug
        Maps instructions to operators.
    analysis
        Of the same program.
    retired
        Array of ``tb.run_files.RETIRE_RECORD``.
    cycles
        Of the run.
    config
        What it ran on.
    """
    owner = np.array(debug.operator_of)
    count = len(debug.operators)
    measured = _shares(
        owner[retired["instruction"]],
        retired["start"].astype(np.int64),
        retired["end"].astype(np.int64),
        cycles,
        count,
    )
    timings = analysis.timeline.instructions
    predicted = _shares(
        owner[[each.index for each in timings]],
        np.array([each.start for each in timings], np.int64),
        np.array([each.end for each in timings], np.int64),
        analysis.timeline.cycles,
        count,
    )
    rows = zip(debug.operators, measured, predicted, analysis.roofline.operators, strict=True)
    return [
        OperatorResult(
            name=info.name,
            kind=info.kind,
            span_cycles=took.span,
            exclusive_cycles=took.exclusive,
            predicted_span_cycles=expected.span,
            predicted_exclusive_cycles=expected.exclusive,
            macs=info.macs,
            utilization=_utilization(info.macs, took.span, config),
            roofline_cycles=bound.cycles,
            bound=bound.bound,
        )
        for info, took, expected, bound in rows
    ]


def layer_results(
    debug: DebugInfo, operators: Sequence[OperatorResult], config: Config
) -> list[LayerResult]:
    """Operators added up by layer, in the order in which layers begin in the graph."""
    members: dict[str, list[int]] = {}
    for index, info in enumerate(debug.operators):
        members.setdefault(info.layer, []).append(index)
    results = []
    for name, indices in members.items():
        own = [operators[index] for index in indices]
        exclusive = sum(each.exclusive_cycles for each in own)
        macs = sum(each.macs for each in own)
        results.append(
            LayerResult(
                name=name,
                exclusive_cycles=exclusive,
                predicted_exclusive_cycles=sum(each.predicted_exclusive_cycles for each in own),
                macs=macs,
                utilization=_utilization(macs, exclusive, config),
                bound=limit([debug.operators[index] for index in indices], config).bound,
            )
        )
    return results


def _utilization(macs: int, cycles: int, config: Config) -> float:
    """Share of the MACs that fit into some cycles; 0 in none."""
    return macs / (cycles * config.rows * config.cols) if cycles else 0.0


def _shares(
    owner: _Cycles, starts: _Cycles, ends: _Cycles, cycles: int, count: int
) -> list[_Share]:
    """Divide a run at the last retirement of each of `count` operators (section 11).

    ``owner``, ``starts`` and ``ends`` are of each instruction. An operator without instructions has
    no cycles.
    """
    first = np.full(count, cycles, np.int64)
    last = np.full(count, -1, np.int64)
    np.minimum.at(first, owner, starts)
    np.maximum.at(last, owner, ends)
    shares = [_Share(0, 0)] * count
    owned = 0
    present = [int(index) for index in np.argsort(last, kind="stable") if last[index] >= 0]
    for index in present:
        # What follows the last retirement of all belongs to the operator that made it.
        until = cycles if index == present[-1] else int(last[index]) + 1
        shares[index] = _Share(int(last[index]) + 1 - int(first[index]), until - owned)
        owned = until
    return shares
