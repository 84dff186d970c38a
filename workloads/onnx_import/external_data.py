"""Tensors that a model keeps in other files: read only from below the model's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import ModelProto, TensorProto

from arch.errors import AssayError
from workloads.onnx_import.messages import quoted
from workloads.onnx_import.tensors import stored_bytes

_MEND = "save model and data in one folder again"


def load_external_data(model: ModelProto, folder: Path) -> None:
    """Bring all external tensors of the main graph into the model.

    Raises
    ------
    AssayError
        A file is missing, lies outside of the folder (also by a link), or is not as long as the
        tensors in it say.
    """
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _read(tensor, folder)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _read(tensor: TensorProto, folder: Path) -> bytes:
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        # The bindings give bytes where a string is not UTF-8.
        if not isinstance(entry.key, str) or not isinstance(entry.value, str):
            raise AssayError(f"tensor {quoted(tensor.name)}: its location is not text")
        entries[entry.key] = entry.value
    where = f"tensor {quoted(tensor.name)}"
    path = _inside(where, entries.get("location", ""), folder)
    expected = stored_bytes(tensor)
    offset = _number(where, entries, "offset", 0)
    length = _number(where, entries, "length", expected)
    if length != expected:
        raise AssayError(
            f"{where}: {length} bytes of external data, its shape needs {expected}: {_MEND}"
        )
    try:
        size = path.stat().st_size
        if offset + length > size:
            raise AssayError(
                f"{where}: bytes {offset} to {offset + length} are not within the {size} of "
                f"{quoted(path.name)}: {_MEND}"
            )
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except OSError as error:
        raise AssayError(
            f"{where}: {quoted(path.name)} cannot be read ({error.strerror}): {_MEND}"
        ) from error
    if len(data) != length:
        raise AssayError(f"{where}: {quoted(path.name)} is shorter than it was: {_MEND}")
    return data


def _inside(where: str, location: str, folder: Path) -> Path:
    """The file of a location, after all links, if it is one below the folder."""
    relative = PurePosixPath(location)
    if (
        not location
        or "\0" in location
        or "\\" in location
        or relative.is_absolute()
        or PureWindowsPath(location).drive
        or ".." in relative.parts
    ):
        raise AssayError(
            f"{where}: external data at {quoted(location)} is not below the model's folder: {_MEND}"
        )
    root = folder.resolve()
    try:
        path = (root / relative).resolve()
    except (OSError, RuntimeError) as error:
        raise AssayError(f"{where}: {quoted(location)} is a link to itself: {_MEND}") from error
    if not path.is_relative_to(root):
        raise AssayError(
            f"{where}: external data at {quoted(location)} links out of the model's folder: {_MEND}"
        )
    try:
        regular = path.is_file()
    except (OSError, ValueError):
        regular = False
    if not regular:
        raise AssayError(f"{where}: there is no file {quoted(location)} beside the model: {_MEND}")
    return path


def _number(where: str, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key)
    if text is None:
        return default
    # isdecimal() alone also accepts other scripts; and int() takes time with thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise AssayError(f"{where}: {key} {quoted(text)} of external data is no number: {_MEND}")
    return int(text)
