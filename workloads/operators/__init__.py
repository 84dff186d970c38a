"""The operators of a graph: integers in, integers out, no addresses and no tiles.

Every operator has a `name` (what stands before its first dot is its layer), a `kind`, the tensors
`inputs` that it reads and `outputs` that it makes, and its `macs`. Numbers are those of section 5
of docs/architecture.md; N-01 is `requantize`. Zero points are subtracted from what is read and
added to what is written. An operator whose shapes, types or ranges do not fit raises an AssayError
when it is made.
"""

from __future__ import annotations

from workloads.linear import Linear
from workloads.operators.attention import Attention, Segment
from workloads.operators.elementwise import Add, Map, Multiply, Rotary
from workloads.operators.matmul import MatMul
from workloads.operators.reduction import Normalize, Softmax, SumRows
from workloads.operators.rows import Append, Concat, Gather, Move
from workloads.operators.windows import AveragePool, Conv, MaxPool

__all__ = [
    "Add",
    "Append",
    "Attention",
    "AveragePool",
    "Concat",
    "Conv",
    "Gather",
    "Linear",
    "Map",
    "MatMul",
    "MaxPool",
    "Move",
    "Multiply",
    "Normalize",
    "Operator",
    "Rotary",
    "Segment",
    "Softmax",
    "SumRows",
]

Operator = (
    Linear
    | Conv
    | MatMul
    | MaxPool
    | AveragePool
    | Gather
    | Add
    | Map
    | Multiply
    | Normalize
    | Softmax
    | Attention
    | Rotary
    | SumRows
    | Append
    | Concat
    | Move
)
