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
from workloads.operators.elementwise import Add, Multiply, Rotary
from workloads.operators.reduction import Normalize, SumRows
from workloads.operators.rows import Append, Gather

__all__ = [
    "Add",
    "Append",
    "Attention",
    "Gather",
    "Linear",
    "Multiply",
    "Normalize",
    "Operator",
    "Rotary",
    "Segment",
    "SumRows",
]

Operator = Linear | Gather | Add | Multiply | Normalize | Attention | Rotary | SumRows | Append
