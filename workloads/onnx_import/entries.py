"""What a tensor's name can stand for while a model is normalised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.isa import ElementType
from workloads.onnx_import.model_graph import Operation
from workloads.onnx_import.normal import Function, Value


@dataclass(frozen=True, eq=False)
class Parameters:
    """A quantisation, ``real = (code - zero_point) * scale``; along `axis`, or of all elements."""

    element_type: ElementType
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for quantisations that are."""
        return self.element_type, self.axis, self.scale.tobytes(), self.zero_point.tobytes()


@dataclass(frozen=True, eq=False)
class Move:
    """A movement of elements, the same for codes and numbers.

    Attributes
    ----------
    operation
        Where it comes from.
    name, shape
        Of the result.
    op, attributes
        As in a node, but for `fill`.
    indices
        Those of a Gather, constant.
    fill
        What a Pad puts in: a float is a number, an int is a code.
    """

    operation: Operation
    name: str
    op: str
    shape: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    indices: NDArray[np.int64] | None = None
    fill: float | int = 0.0


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers of the model: of any type, not read as codes yet."""

    name: str
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


@dataclass(frozen=True, eq=False)
class Codes:
    """An integer tensor that is computed; its quantisation is that of its maker, if known."""

    value: Value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


@dataclass(frozen=True, eq=False)
class Real:
    """A floating-point tensor that stands for codes: a dequantised value, constant or computed."""

    value: Value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


@dataclass(frozen=True, eq=False)
class HostInput:
    """A floating-point input of the model, not quantised yet."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Computed:
    """What an operator makes in floating point, not quantised yet."""

    operation: Operation
    name: str
    op: str
    inputs: tuple[Value | None, ...]
    shape: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    functions: tuple[Function, ...] = ()


@dataclass(frozen=True, eq=False)
class Joined:
    """A Concat of which not all parts have the same quantisation yet.

    Attributes
    ----------
    depth, size
        How many of them lie within one another, and how many parts they have in all.
    """

    operation: Operation
    name: str
    parts: tuple[Entry, ...]
    axis: int
    shape: tuple[int, ...]
    depth: int = 1
    size: int = 1


@dataclass(frozen=True, eq=False)
class Moved:
    """What is not quantised yet, moved: quantisation in front of the movement gives the same."""

    source: HostInput | Computed | Joined
    moves: tuple[Move, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.moves[-1].shape


Unquantized = HostInput | Computed | Joined | Moved
Entry = Constant | Codes | Real | Unquantized
