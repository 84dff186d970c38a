"""Passes of VECTOR behind pooling: one scale, which may differ from pixel to pixel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from arch.isa import ElementType, Vector
from compiler.emitter import Emitter
from compiler.operand import cut
from compiler.vector_fields import clamped, into, lanes, tensor_scale
from workloads.operators import AveragePool, MaxPool


class PoolEpilogue:
    """Stores maxima, or sums over their number, block by block."""

    def __init__(self, emitter: Emitter, operator: MaxPool | AveragePool) -> None:
        self._emitter = emitter
        self._operator = operator
        if isinstance(operator, MaxPool):
            self._scales = np.ones(operator.output.rows, np.float32)
            self._zero_point = operator.input.element_type.low
        else:
            counts = np.tile(operator.counts().reshape(-1), operator.image.batch)
            self._scales = np.float32(operator.scale) / counts.astype(np.float32)
            self._zero_point = operator.output_zero_point

    def emit_group(self, rows: range, group: range) -> None:
        """Passes over `rows` of a whole group; one for all where all pixels have one scale."""
        runs = list(self._runs(rows))
        if len(runs) == 1:
            self._pass(rows, rows, group, group, 0)
            return
        for index, tile in enumerate(cut(len(group), self._emitter.config.cols)):
            some = range(group.start + tile.start, group.start + tile.stop)
            for run in runs:
                self._pass(rows, run, group, some, index * len(rows) + run.start - rows.start)

    def finish(self, rows: range, group: range) -> None:
        """Behind the passes over a group."""
        self._emitter.finish(self._operator.output, rows, group)

    def _runs(self, rows: range) -> Iterator[range]:
        """Neighbouring pixels of one scale."""
        scales = self._scales[rows.start : rows.stop]
        changes = np.flatnonzero(np.diff(scales)) + 1
        for start, stop in pairwise([0, *changes.tolist(), len(rows)]):
            yield range(rows.start + start, rows.start + stop)

    def _pass(
        self, rows: range, run: range, group: range, columns: range, accumulator_address: int
    ) -> None:
        emitter, tensor = self._emitter, self._operator.output
        whole = emitter.target(tensor, rows, group)
        output = whole.rows(run.start - rows.start, len(run)).part(
            columns.start - group.start, len(columns)
        )
        emitter.append(
            Vector(
                accumulator_address=accumulator_address,
                accumulator_half=emitter.half,
                rows=len(run),
                zero_point=self._zero_point,
                **lanes(len(columns), emitter.config.cols),
                **tensor_scale(float(self._scales[run.start])),
                **self._clamped(tensor.element_type),
                **into(output, tensor.element_type),
            ),
            reads=(emitter.accumulators(emitter.half),),
            writes=(output.region,),
        )

    def _clamped(self, kind: ElementType) -> dict[str, int]:
        clamp = self._operator.clamp if isinstance(self._operator, AveragePool) else None
        return clamped(kind) if clamp is None else {"clamp_low": clamp[0], "clamp_high": clamp[1]}
