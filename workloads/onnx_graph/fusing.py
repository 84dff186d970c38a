"""Maps made part of the operators in front of them, where nothing else reads what lies between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from arch.isa import Addition
from workloads.epilogue import Accumulated, Range, Residual, UnaryTable
from workloads.onnx_graph.additions import Sum
from workloads.onnx_graph.tables import clamp_of, composed
from workloads.operators import AveragePool, Conv, Gather, Linear, Map, MatMul, Operator
from workloads.tensor import Tensor

_SUMS = (Linear, Conv, MatMul)


def used(operators: Iterable[Operator], outputs: Iterable[Tensor]) -> list[Operator]:
    """Only the operators on which an output depends, in order."""
    wanted = {tensor.name for tensor in outputs}
    kept: list[Operator] = []
    for operator in reversed(list(operators)):
        if any(tensor.name in wanted for tensor in operator.outputs):
            kept.append(operator)
            wanted |= {tensor.name for tensor in operator.inputs}
    return kept[::-1]


class Fusion:
    """Operators, with Maps fused into those that make their input.

    Parameters
    ----------
    operators, outputs
        Of the graph.
    exchanges
        For Maps that add, by name: the sum with exchanged operands, if it is the same for all
        codes.
    """

    def __init__(
        self,
        operators: list[Operator],
        outputs: Iterable[Tensor],
        exchanges: dict[str, Callable[[], Sum | None]],
    ) -> None:
        self._exchanges = exchanges
        self._outputs = {tensor.name for tensor in outputs}
        self._makers: dict[str, int] = {}
        self._result: list[Operator | None] = []
        self._reads = Counter(tensor.name for operator in operators for tensor in operator.inputs)
        for operator in operators:
            self._take(operator)
        self.operators = [operator for operator in self._result if operator is not None]

    def _take(self, operator: Operator) -> None:
        """Append an operator, or what becomes of it and the one in front."""
        if isinstance(operator, Map):
            operator = self._fused(operator)
        for tensor in operator.outputs:
            self._makers[tensor.name] = len(self._result)
        self._result.append(operator)

    def _fused(self, operator: Map) -> Operator:
        if operator.residual is None:
            maker = self._only_for(operator.input)
            merged = None if maker is None else _with_table(maker, operator)
            return operator if merged is None else self._replacing(operator.input, merged)
        return self._fused_sum(operator, operator.residual)

    def _fused_sum(self, operator: Map, residual: Residual) -> Operator:
        """Into the maker of one operand; of two that could, into the later one."""
        choices: list[tuple[int, Tensor, Operator]] = []
        maker = self._only_for(operator.input)
        if maker is not None:
            merged = _with_residual(maker, operator.table, residual, operator.output)
            if merged is not None:
                choices.append((self._makers[operator.input.name], operator.input, merged))
        maker = self._only_for(residual.tensor)
        if maker is not None and operator.name in self._exchanges and _takes_residual(maker):
            place = self._makers[residual.tensor.name]
            total = None
            if not choices or place > choices[0][0]:
                total = self._exchanges[operator.name]()
            if total is not None:
                other = replace(
                    residual,
                    tensor=operator.input,
                    scale=float(total.scale),
                    table=total.table,
                )
                merged = _with_residual(maker, None, other, operator.output)
                if merged is not None:
                    choices.append((place, residual.tensor, merged))
        if not choices:
            return operator
        _, tensor, merged = max(choices, key=lambda choice: choice[0])
        return self._replacing(tensor, merged)

    def _only_for(self, tensor: Tensor) -> Operator | None:
        """What makes a tensor that has one reader and is no output."""
        if self._reads[tensor.name] != 1 or tensor.name in self._outputs:
            return None
        place = self._makers.get(tensor.name)
        return None if place is None else self._result[place]

    def _replacing(self, tensor: Tensor, merged: Operator) -> Operator:
        """The merged operator stands where the later one was: all that it reads is made by then."""
        self._result[self._makers.pop(tensor.name)] = None
        return merged


def _with_table(maker: Operator, operator: Map) -> Operator | None:
    """`maker` with a table behind it, as a clamp where it is no more than that."""
    table = operator.table
    if table is None:
        return None
    clamp = clamp_of(table)
    if clamp is not None:
        clamped = _with_clamp(maker, clamp, operator.output)
        if clamped is not None:
            return clamped
    if isinstance(maker, Map) and maker.residual is None and maker.table is not None:
        return replace(maker, table=composed(maker.table, table), output=operator.output)
    if isinstance(maker, Gather):
        entries = table.values[maker.table.astype(np.int64) & 255]
        return replace(maker, table=entries, output=operator.output)
    if isinstance(maker, _SUMS) and _yields_codes(maker) and maker.residual is None:
        whole = table if maker.table is None else composed(maker.table, table)
        return replace(maker, table=whole, output=operator.output)
    return None


def _with_clamp(maker: Operator, clamp: Range, output: Tensor) -> Operator | None:
    if isinstance(maker, _SUMS) and _yields_codes(maker):
        if maker.residual is not None:
            return replace(maker, residual=_clamped(maker.residual, clamp), output=output)
        if maker.table is None:
            return replace(maker, clamp=_within(maker.clamp, clamp), output=output)
    if isinstance(maker, Map) and maker.residual is not None:
        return replace(maker, residual=_clamped(maker.residual, clamp), output=output)
    if isinstance(maker, AveragePool):
        return replace(maker, clamp=_within(maker.clamp, clamp), output=output)
    return None


def _with_residual(
    maker: Operator, table: UnaryTable | None, residual: Residual, output: Tensor
) -> Operator | None:
    if not _takes_residual(maker) or residual.tensor.rows not in (1, output.rows):
        return None
    assert isinstance(maker, _SUMS)
    if table is not None and maker.table is not None:
        table = composed(maker.table, table)
    return replace(maker, table=table or maker.table, residual=residual, output=output)


def _takes_residual(maker: Operator) -> bool:
    return isinstance(maker, _SUMS) and _yields_codes(maker) and maker.residual is None


def _yields_codes(maker: Accumulated) -> bool:
    """Whether it makes bytes, and not int16 or raw sums."""
    added = maker.residual
    return not maker.raw and (added is None or added.kind is Addition.TABLE)


def _clamped(residual: Residual, clamp: Range) -> Residual:
    return replace(residual, clamp=_within(residual.clamp, clamp))


def _within(first: Range | None, then: Range) -> Range:
    """Clamping to `then` what was clamped to `first`."""
    if first is None:
        return then
    low, high = np.clip(first, *then)
    return int(low), int(high)
