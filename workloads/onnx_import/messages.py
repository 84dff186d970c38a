"""Messages about models: names in them come from outside, so they are made fit for one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, Protocol

from arch.errors import AssayError

_LONGEST_NAME = 80
_MOST_EXTENTS = 10


class Named(Protocol):
    """What a message can be about: an operation of the model."""

    @property
    def name(self) -> str: ...

    @property
    def op(self) -> str: ...


def quoted(name: str | bytes) -> str:
    """A name between quotes, on one line and not too long; bytes stand for text that is none."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    line = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"'{line}'" if len(line) <= _LONGEST_NAME else f"'{line[:_LONGEST_NAME]}...'"


def extents(shape: Iterable[int]) -> str:
    """A shape, of which only the first extents are written out."""
    listed = list(shape)
    if len(listed) <= _MOST_EXTENTS:
        return str(listed)
    return f"[{', '.join(map(str, listed[:_MOST_EXTENTS]))}, ...]"


def title(operation: Named) -> str:
    """How messages name an operation."""
    return f"node {quoted(operation.name)} ({quoted(operation.op)[1:-1]})"


def as_the_quantizer(operation: Named) -> str:
    """How ONNX Runtime's quantiser comes to quantise the result of an operation."""
    op = quoted(operation.op)
    return f"as quantize_static (format QDQ) does with {op} in op_types_to_quantize"


def problem(operation: Named, message: str) -> AssayError:
    """The error to raise about an operation."""
    return AssayError(f"{title(operation)}: {message}")


def fail(operation: Named, message: str) -> NoReturn:
    """Raise an AssayError about an operation."""
    raise problem(operation, message)
