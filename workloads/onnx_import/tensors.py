"""Tensors of a model file to arrays.

onnx.numpy_helper trusts what it reads; a file from outside may claim any type and any shape.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from arch.errors import AssayError
from workloads.onnx_import.messages import extents, quoted

Array = NDArray[Any]

MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 28
"""Of one tensor, constant or computed."""

_FIELDS: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("<f4", "float_data"),
    TensorProto.DOUBLE: ("<f8", "double_data"),
    TensorProto.INT8: ("<i1", "int32_data"),
    TensorProto.UINT8: ("<u1", "int32_data"),
    TensorProto.INT16: ("<i2", "int32_data"),
    TensorProto.UINT16: ("<u2", "int32_data"),
    TensorProto.INT32: ("<i4", "int32_data"),
    TensorProto.INT64: ("<i8", "int64_data"),
    TensorProto.BOOL: ("|b1", "int32_data"),
}
"""Type of the elements in `raw_data`, and the field that holds them where there is none."""


def type_name(data_type: int) -> str:
    """Name of a type of ONNX, for messages."""
    names: dict[int, str] = {number: name for name, number in TensorProto.DataType.items()}
    return names.get(data_type, f"type {data_type}").lower()


def dtype_of(data_type: int) -> np.dtype[Any] | None:
    """NumPy's type of a type of ONNX, where the importer reads it."""
    return np.dtype(_FIELDS[data_type][0]) if data_type in _FIELDS else None


def check_extents(what: str, shape: tuple[int, ...]) -> int:
    """Raise an AssayError unless a shape is sane; give the number of elements."""
    if len(shape) > MOST_DIMENSIONS:
        raise AssayError(
            f"{what} has {len(shape)} dimensions: {MOST_DIMENSIONS} are the most that are imported"
        )
    if any(extent < 0 for extent in shape):
        raise AssayError(f"{what} has a negative extent in {extents(shape)}: export it again")
    elements = math.prod(shape)
    if elements > MOST_ELEMENTS:
        raise AssayError(
            f"{what} of {extents(shape)} has more than {MOST_ELEMENTS} elements: make it smaller"
        )
    return elements


def stored_bytes(tensor: TensorProto) -> int:
    """Length of a tensor in raw form; an AssayError where type or shape cannot be."""
    elements = check_extents(f"tensor {quoted(tensor.name)}", tuple(tensor.dims))
    return elements * np.dtype(_field(tensor)[0]).itemsize


def to_array(tensor: TensorProto) -> Array:
    """Elements of a tensor whose data is in it.

    Raises
    ------
    AssayError
        Type unknown, data elsewhere, or not as long as its shape says.
    """
    dtype, field = _field(tensor)
    shape = tuple(tensor.dims)
    length = stored_bytes(tensor)
    if tensor.data_location == TensorProto.EXTERNAL:
        raise AssayError(
            f"tensor {quoted(tensor.name)} is in another file: load the model by its path"
        )
    if tensor.HasField("segment"):
        raise AssayError(f"tensor {quoted(tensor.name)} is in segments: export it in one piece")
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != length:
            _wrong_length(tensor, f"{len(tensor.raw_data)} bytes", f"{length} bytes")
        raw: Array = np.frombuffer(tensor.raw_data, "|u1" if dtype == "|b1" else dtype)
        return raw.reshape(shape).astype(np.dtype(dtype), copy=False)
    values = getattr(tensor, field)
    if len(values) != math.prod(shape):
        _wrong_length(tensor, f"{len(values)} elements", f"{math.prod(shape)}")
    return _narrowed(tensor, values, np.dtype(dtype)).reshape(shape)


def _field(tensor: TensorProto) -> tuple[str, str]:
    if tensor.data_type not in _FIELDS:
        raise AssayError(
            f"tensor {quoted(tensor.name)} is {type_name(tensor.data_type)}: quantise to int8 or "
            "uint8 with float scales"
        )
    return _FIELDS[tensor.data_type]


def _wrong_length(tensor: TensorProto, held: str, expected: str) -> None:
    raise AssayError(
        f"tensor {quoted(tensor.name)} holds {held}, its shape {extents(tensor.dims)} needs "
        f"{expected}: export it again"
    )


def _narrowed(tensor: TensorProto, values: Any, dtype: np.dtype[Any]) -> Array:
    """From a field whose elements may be wider than the tensor's."""
    if dtype.kind == "f":
        return np.asarray(values, dtype)
    wide: NDArray[np.int64] = np.asarray(values, np.int64)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if wide.size and not low <= wide.min() <= wide.max() <= high:
        raise AssayError(
            f"tensor {quoted(tensor.name)} holds numbers beyond {dtype.name}: export it again"
        )
    narrow: Array = wide.astype(dtype)
    return narrow
