"""A model file to what the package `onnx` makes of it: the file may be anything."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from arch.errors import AssayError
from workloads.onnx_import.external_data import load_external_data
from workloads.onnx_import.messages import quoted

_LARGEST = (1 << 31) - 1
"""Bytes of a protobuf message."""


def read_model(path: str | Path) -> onnx.ModelProto:
    """Read a model file and the files that its tensors are in.

    What is in the model is checked where it is used, by
    :func:`~workloads.onnx_import.normalize.normalize_model`.

    Raises
    ------
    AssayError
        It cannot be read, is no ONNX model, or its external data is not as it says or outside of
        its folder.
    """
    path = Path(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(_bytes(path))
    except DecodeError as error:
        raise AssayError(
            f"{quoted(str(path))} is not an ONNX model, or only a part of one: export it again"
        ) from error
    if not model.HasField("graph"):
        raise AssayError(f"{quoted(str(path))} holds no graph: give an ONNX model")
    load_external_data(model, path.parent)
    return model


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise AssayError(f"there is no file {quoted(str(path))}: give the path of a model")
        size = path.stat().st_size
        if size > _LARGEST:
            raise AssayError(
                f"{quoted(str(path))} has {size} bytes, more than a protobuf message: save its "
                "tensors as external data"
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise AssayError(f"{quoted(str(path))} cannot be read: {_reason(error)}") from error
    if not data:
        raise AssayError(f"{quoted(str(path))} is empty: export it again")
    return data


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or "its path is malformed"
