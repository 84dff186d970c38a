"""Which function turns which operator into steps."""

from __future__ import annotations

from compiler.append import lower_append
from compiler.attention import lower_attention
from compiler.elementwise import lower_add, lower_map, lower_multiply
from compiler.emitter import Emitter
from compiler.gather import lower_gather
from compiler.linear import lower_linear
from compiler.matmul import lower_matmul
from compiler.move import lower_concat, lower_move
from compiler.normalize import lower_normalize
from compiler.rotary import lower_rotary
from compiler.softmax import lower_softmax
from compiler.sum_rows import lower_sum_rows
from compiler.windows import lower_window
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    AveragePool,
    Concat,
    Conv,
    Gather,
    Map,
    MatMul,
    MaxPool,
    Move,
    Multiply,
    Normalize,
    Operator,
    Rotary,
    Softmax,
    SumRows,
)


def lower(emitter: Emitter, operator: Operator) -> None:
    """Emit all steps of an operator.

    Raises
    ------
    AssayError
        It does not fit the configuration.
    """
    match operator:
        case Linear():
            lower_linear(emitter, operator)
        case Conv() | MaxPool() | AveragePool():
            lower_window(emitter, operator)
        case MatMul():
            lower_matmul(emitter, operator)
        case Map():
            lower_map(emitter, operator)
        case Softmax():
            lower_softmax(emitter, operator)
        case Move():
            lower_move(emitter, operator)
        case Concat():
            lower_concat(emitter, operator)
        case Attention():
            lower_attention(emitter, operator)
        case Normalize():
            lower_normalize(emitter, operator)
        case Add():
            lower_add(emitter, operator)
        case Multiply():
            lower_multiply(emitter, operator)
        case Rotary():
            lower_rotary(emitter, operator)
        case SumRows():
            lower_sum_rows(emitter, operator)
        case Gather():
            lower_gather(emitter, operator)
        case Append():
            lower_append(emitter, operator)
