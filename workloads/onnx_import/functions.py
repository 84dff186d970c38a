"""Element-wise functions of one tensor, by ONNX's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.onnx_import import attributes
from workloads.onnx_import.messages import fail
from workloads.onnx_import.model_graph import MICROSOFT, Operation
from workloads.onnx_import.normal import Function

_TABLES: dict[str, attributes.Table] = {
    "Relu": {},
    "Sigmoid": {},
    "Tanh": {},
    "HardSwish": {},
    "Erf": {},
    "Exp": {},
    "Abs": {},
    "Neg": {},
    "Softplus": {},
    "Sqrt": {},
    "Mish": {},
    "Softsign": {},
    "Clip": {},
    "Pow": {},
    "Selu": {
        "alpha": attributes.number(float(np.float32(1.6732632))),
        "gamma": attributes.number(float(np.float32(1.050701))),
    },
    "Swish": {"alpha": attributes.number(1.0)},
    "LeakyRelu": {"alpha": attributes.number(float(np.float32(0.01)))},
    "Elu": {"alpha": attributes.number(1.0)},
    "HardSigmoid": {
        "alpha": attributes.number(float(np.float32(0.2))),
        "beta": attributes.number(0.5),
    },
    "Gelu": {"approximate": attributes.text("none")},
}
FUNCTIONS = frozenset(_TABLES)
CLAMPS = ("Relu", "Clip")
"""Functions that commute with rounding."""

_MONOTONE = frozenset(
    ("Relu", "Clip", "Sigmoid", "Tanh", "Erf", "Exp", "Softplus", "Sqrt", "Softsign")
)
_SIXTH = np.float32(1 / 6)


def function_of(operation: Operation, constant: Callable[[int], NDArray[Any] | None]) -> Function:
    """The function that an operation applies to its first input.

    Raises
    ------
    AssayError
        Attributes or bounds are not as they should be.
    """
    if operation.domain == MICROSOFT and operation.op == "Gelu":
        attributes.read(operation, {})
        return Function("Gelu", {"approximate": "none"})
    given = attributes.read(operation, _TABLES[operation.op])
    if not all(math.isfinite(each) for each in given.values() if isinstance(each, float)):
        fail(operation, "its attributes must be finite")
    if operation.op == "Gelu":
        attributes.choice(operation, "approximate", given["approximate"], ("none", "tanh"))
    if operation.op == "Swish":
        attributes.require(operation, "alpha", given.pop("alpha"), 1.0)
    if operation.op == "Clip":
        given = {
            "min": _bound(operation, constant(1), -math.inf),
            "max": _bound(operation, constant(2), math.inf),
        }
    if operation.op == "Pow":
        given = {"exponent": _exponent(operation, constant(1))}
    return Function(operation.op, given)


def is_monotone(function: Function) -> bool:
    """Whether the greatest element stays the greatest."""
    if function.op in ("LeakyRelu", "Elu", "HardSigmoid"):
        return bool(function.attributes["alpha"] >= 0)
    return function.op in _MONOTONE


def gated(functions: tuple[Function, ...], behind: tuple[Function, ...]) -> Function | None:
    """The function that ``f(x) * g(f(x))`` is of ``f(x)``, if it has a name.

    `functions` are f, `behind` are f and then g.
    """
    gate = behind[len(functions) :]
    names = tuple(each.op for each in gate)
    if behind[: len(functions)] != functions:
        return None
    if names == ("Sigmoid",):
        return Function("Swish")
    if names == ("Softplus", "Tanh"):
        return Function("Mish")
    if names == ("HardSigmoid",):
        alpha, beta = gate[0].attributes["alpha"], gate[0].attributes["beta"]
        if np.float32(alpha) == _SIXTH and beta == 0.5:
            return Function("HardSwish")
    return None


def _exponent(operation: Operation, given: NDArray[Any] | None) -> float:
    if given is None or given.size != 1 or given.ndim > 1 or given.dtype.kind not in "iuf":
        fail(operation, "its exponent must be one number")
    if not math.isfinite(given.item()):
        fail(operation, "its exponent must be finite")
    return float(given.item())


def _bound(operation: Operation, given: NDArray[Any] | None, default: float) -> float:
    if given is None:
        return default
    if given.size != 1 or given.dtype.kind not in "iuf" or math.isnan(given.item()):
        fail(operation, "its bounds must be one number each")
    return float(given.item())
