"""Attributes of operations: read by a table of what each operator knows, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from onnx import TensorProto

from workloads.onnx_import.messages import extents, fail, quoted
from workloads.onnx_import.model_graph import Operation


class Kind(Enum):
    """Type of an attribute, in words."""

    INTEGER = "an integer"
    NUMBER = "a floating-point number"
    TEXT = "text"
    INTEGERS = "a list of integers"
    NUMBERS = "a list of floating-point numbers"
    TENSOR = "a tensor"


_TYPES: dict[Kind, type] = {
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.TEXT: str,
    Kind.INTEGERS: tuple,
    Kind.NUMBERS: tuple,
    Kind.TENSOR: TensorProto,
}
_LIST_ELEMENTS: dict[Kind, type] = {Kind.INTEGERS: int, Kind.NUMBERS: float}


@dataclass(frozen=True)
class Attribute:
    """What an operator expects. Without a default it is required; None stands for left out."""

    kind: Kind
    default: Any = ...


Table = Mapping[str, Attribute]


def integer(default: Any = ...) -> Attribute:
    """Any integer."""
    return Attribute(Kind.INTEGER, default)


def number(default: Any = ...) -> Attribute:
    """A float, exact as Python has it."""
    return Attribute(Kind.NUMBER, default)


def text(default: Any = ...) -> Attribute:
    """A word."""
    return Attribute(Kind.TEXT, default)


def integers(default: Any = ...) -> Attribute:
    """A list, which may be empty."""
    return Attribute(Kind.INTEGERS, default)


def read(operation: Operation, table: Table) -> dict[str, Any]:
    """Attributes of an operation by name.

    Raises
    ------
    AssayError
        One is missing, of the wrong type, or unknown: it could change what the operator means.
    """
    for name in operation.attributes:
        if name not in table:
            fail(operation, f"its attribute {quoted(name)} is not known: leave it out")
    values = {}
    for name, expected in table.items():
        value = operation.attributes.get(name, expected.default)
        if value is ...:
            fail(operation, f"it lacks its attribute '{name}': export it again")
        if name in operation.attributes and not _is(expected.kind, value):
            fail(operation, f"its attribute '{name}' is not {expected.kind.value}: export it again")
        values[name] = value
    return values


def flag(operation: Operation, name: str, value: int) -> bool:
    """An attribute that is 0 or 1."""
    if value not in (0, 1):
        fail(operation, f"{name} = {value} must be 0 or 1")
    return bool(value)


def choice(operation: Operation, name: str, value: str, allowed: tuple[str, ...]) -> str:
    """An attribute that is one of some words."""
    if value not in allowed:
        fail(operation, f"{name} {quoted(value)} is not supported: use {' or '.join(allowed)}")
    return value


def require(operation: Operation, name: str, value: object, allowed: object) -> None:
    """Refuse any value of an attribute but one."""
    if value != allowed:
        shown = quoted(value)[1:-1] if isinstance(value, str) else value
        fail(operation, f"{name} = {shown} is not supported: use {allowed}")


def axis_of(operation: Operation, axis: int, rank: int, name: str = "axis") -> int:
    """An axis counted from the front."""
    if not -rank <= axis < rank:
        fail(operation, f"{name} = {axis} must be {-rank} to {rank - 1}")
    return axis % rank


def axes_of(operation: Operation, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, in their order, none twice."""
    if len(axes) > rank:
        fail(operation, f"axes {extents(axes)} are more than the {rank} dimensions")
    resolved = tuple(axis_of(operation, axis, rank, "an axis") for axis in axes)
    if len(set(resolved)) != len(resolved):
        fail(operation, f"axes {extents(axes)} name one axis twice")
    return resolved


def _is(kind: Kind, value: object) -> bool:
    if not isinstance(value, _TYPES[kind]):
        return False
    element = _LIST_ELEMENTS.get(kind)
    return element is None or (
        isinstance(value, tuple) and all(isinstance(each, element) for each in value)
    )
