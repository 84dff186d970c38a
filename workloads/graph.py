"""The source graph: integer operators over integer tensors, in the order in which they run.

A graph holds numbers only, no addresses and no tiles: those are the compiler's. An operator is one
frozen dataclass; further operators (convolution, attention, normalisation) are further classes
with the same properties `inputs` and `output`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arch.errors import AssayError
from arch.isa import Addition, ElementType

DTYPES: dict[ElementType, np.dtype[np.integer]] = {
    ElementType.INT8: np.dtype(np.int8),
    ElementType.UINT8: np.dtype(np.uint8),
    ElementType.INT16: np.dtype(np.int16),
}

_LEAST_NORMAL = float(np.finfo(np.float32).tiny)
_ADDITION_TERM_LIMIT = 1 << 26
"""Rule N-02: the bound on both terms of an addition by table."""
_NAME_CHARACTERS = 20


@dataclass(frozen=True)
class Tensor:
    """A matrix of ``rows`` x ``cols`` integers; a later layer finds it by ``name``."""

    name: str
    rows: int
    cols: int
    element_type: ElementType

    def __post_init__(self) -> None:
        _check_name("tensor", self.name)
        for key, value in (("rows", self.rows), ("cols", self.cols)):
            if value < 1:
                raise AssayError(f"tensor '{self.name}': {key} = {value} must be at least 1")

    @property
    def bytes(self) -> int:
        """Bytes of its elements, without padding."""
        return self.rows * self.cols * self.element_type.bytes


@dataclass(frozen=True, eq=False)
class UnaryTable:
    """An element-wise function of an int8 code: ``values[q & 255]``, int8 or uint8."""

    values: NDArray[np.int8] | NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.values.shape != (256,) or self.values.dtype not in (np.int8, np.uint8):
            raise AssayError(
                f"a unary table is 256 int8 or uint8, not {_describe(self.values)}: pad or cast it"
            )

    @property
    def element_type(self) -> ElementType:
        return ElementType.INT8 if self.values.dtype == np.int8 else ElementType.UINT8


@dataclass(frozen=True, eq=False)
class Residual:
    """A tensor added after requantisation and table.

    Attributes
    ----------
    tensor
        Of the shape of the operator's output; int16 for INT16, 8-bit for TABLE.
    kind
        INT16: ``q + b``. TABLE: ``rint(f32(q * scale + table[b & 255]))`` (rule N-02).
    scale, table
        float32 and 256 float32, for TABLE only.
    """

    tensor: Tensor
    kind: Addition
    scale: float = 0.0
    table: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        name = self.tensor.name
        wide = self.tensor.element_type is ElementType.INT16
        if self.kind is Addition.NONE or wide != (self.kind is Addition.INT16):
            raise AssayError(
                f"residual '{name}': {self.kind.name} addition does not take "
                f"{self.tensor.element_type.name}: INT16 takes int16, TABLE takes int8 or uint8"
            )
        if self.kind is Addition.INT16:
            return
        if self.table is None or self.table.shape != (256,) or self.table.dtype != np.float32:
            raise AssayError(f"residual '{name}': TABLE addition needs a table of 256 float32")
        least, limit = _LEAST_NORMAL, _ADDITION_TERM_LIMIT
        if not (least <= self.scale < limit / 256 and np.all(np.abs(self.table) < limit)):
            raise AssayError(
                f"residual '{name}': scale {self.scale:g} must be positive and normal, and "
                "neither 256 x scale nor the table may reach 2^26: raise the output scale"
            )


@dataclass(frozen=True, eq=False)
class Linear:
    """``output = add(table(requantize((input - zero) @ weight + bias)))``.

    Attributes
    ----------
    input
        Tensor [M, K], int8 or uint8.
    weight
        int8 [K, N], zero point 0.
    bias, scale
        int32 [N] in accumulator units, and float32 [N], positive normal: input scale times weight
        scale over the scale of the requantised value.
    output
        Tensor [M, N].
    input_zero_point, output_zero_point
        Subtracted from the input; added to the requantised value.
    table, residual
        Optional; applied in this order.
    """

    name: str
    input: Tensor
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    output: Tensor
    input_zero_point: int = 0
    output_zero_point: int = 0
    table: UnaryTable | None = None
    residual: Residual | None = None

    def __post_init__(self) -> None:
        _check_name("operator", self.name)
        self._check_arrays()
        self._check_types()
        for key, tensor, value in (
            ("input_zero_point", self.input.element_type, self.input_zero_point),
            ("output_zero_point", self.requantized_type, self.output_zero_point),
        ):
            if not tensor.low <= value <= tensor.high:
                raise AssayError(
                    f"operator '{self.name}': {key} = {value} is outside {tensor.name}, "
                    f"{tensor.low} to {tensor.high}"
                )

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Tensors it reads."""
        return (self.input,) if self.residual is None else (self.input, self.residual.tensor)

    @property
    def macs(self) -> int:
        return self.input.rows * self.weight.size

    @property
    def requantized_type(self) -> ElementType:
        """Type of the value that requantisation yields, before table and residual."""
        if self.table is not None:
            return ElementType.INT8
        return self.output.element_type

    def _check_arrays(self) -> None:
        shape = (self.input.cols, self.output.cols)
        for key, array, dtype, expected in (
            ("weight", self.weight, np.int8, shape),
            ("bias", self.bias, np.int32, shape[1:]),
            ("scale", self.scale, np.float32, shape[1:]),
        ):
            if array.dtype != dtype or array.shape != expected:
                raise AssayError(
                    f"operator '{self.name}': {key} is {_describe(array)}, must be "
                    f"{np.dtype(dtype).name} {list(expected)}"
                )
        if not (np.all(self.scale >= _LEAST_NORMAL) and np.all(np.isfinite(self.scale))):
            raise AssayError(f"operator '{self.name}': every scale must be positive and normal")
        if self.input.rows != self.output.rows:
            raise AssayError(
                f"operator '{self.name}': input has {self.input.rows} rows, output "
                f"{self.output.rows}: they must be equal"
            )

    def _check_types(self) -> None:
        if self.input.element_type is ElementType.INT16:
            raise AssayError(f"operator '{self.name}': the input must be int8 or uint8, not int16")
        produced = self.output.element_type if self.table is None else self.table.element_type
        if self.residual is None:
            if produced is not self.output.element_type:
                raise AssayError(
                    f"operator '{self.name}': the table yields {produced.name}, the output is "
                    f"{self.output.element_type.name}: make them equal"
                )
            return
        other = self.residual.tensor
        if (other.rows, other.cols) != (self.output.rows, self.output.cols):
            raise AssayError(
                f"operator '{self.name}': residual '{other.name}' is {other.rows} x {other.cols}, "
                f"the output {self.output.rows} x {self.output.cols}: they must be equal"
            )
        wide = self.output.element_type is ElementType.INT16
        if wide != (self.residual.kind is Addition.INT16):
            raise AssayError(
                f"operator '{self.name}': {self.residual.kind.name} addition does not yield "
                f"{self.output.element_type.name}: INT16 yields int16, TABLE int8 or uint8"
            )


@dataclass(frozen=True)
class Graph:
    """Operators in the order in which they run.

    Raises
    ------
    AssayError
        A tensor is read before it is made, made twice, or an output is never made.
    """

    name: str
    inputs: tuple[Tensor, ...]
    operators: tuple[Linear, ...]
    outputs: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if not self.operators:
            raise AssayError(f"graph '{self.name}' has no operator: add one")
        if len({operator.name for operator in self.operators}) < len(self.operators):
            raise AssayError(f"graph '{self.name}' has two operators of one name: rename one")
        made: dict[str, Tensor] = {}
        for tensor in self.inputs:
            _make(made, tensor)
        for operator in self.operators:
            for tensor in operator.inputs:
                _require(made, tensor, f"operator '{operator.name}' reads")
            _make(made, operator.output)
        for tensor in self.outputs:
            _require(made, tensor, f"graph '{self.name}' returns")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor, in the order in which they are made."""
        return (*self.inputs, *(operator.output for operator in self.operators))


def check_inputs(graph: Graph, inputs: dict[str, NDArray[np.generic]]) -> None:
    """Raise an AssayError unless `inputs` holds just the graph's inputs, shaped and typed so."""
    names = [tensor.name for tensor in graph.inputs]
    if unknown := sorted(set(inputs) - set(names)):
        raise AssayError(f"no graph input '{unknown[0]}': the inputs are {', '.join(names)}")
    for tensor in graph.inputs:
        if tensor.name not in inputs:
            raise AssayError(f"graph input '{tensor.name}' is missing: give an array for it")
        array, dtype = inputs[tensor.name], DTYPES[tensor.element_type]
        if array.shape != (tensor.rows, tensor.cols) or array.dtype != dtype:
            raise AssayError(
                f"graph input '{tensor.name}' is {_describe(array)}, must be "
                f"{dtype.name} {[tensor.rows, tensor.cols]}"
            )


def _make(made: dict[str, Tensor], tensor: Tensor) -> None:
    if tensor.name in made:
        raise AssayError(f"tensor '{tensor.name}' is made twice: rename one")
    made[tensor.name] = tensor


def _require(made: dict[str, Tensor], tensor: Tensor, reader: str) -> None:
    if made.get(tensor.name) != tensor:
        known = ", ".join(made) if made else "none"
        raise AssayError(
            f"{reader} tensor '{tensor.name}', which no input or operator before it makes so: "
            f"made are {known}"
        )


def _check_name(kind: str, name: str) -> None:
    if not 1 <= len(name.encode()) <= _NAME_CHARACTERS:
        raise AssayError(f"{kind} name '{name}' must be 1 to {_NAME_CHARACTERS} bytes: shorten it")


def _describe(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} {list(array.shape)}"
