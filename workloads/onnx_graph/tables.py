"""Element-wise functions as tables of codes, or as a range where they only clamp."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.epilogue import Range, UnaryTable
from workloads.onnx_graph.codes import all_codes, requantized
from workloads.onnx_import.functions import CLAMPS
from workloads.onnx_import.messages import fail
from workloads.onnx_import.normal import Function, Node
from workloads.quantize import Quantization
from workloads.tensor import DTYPES

Reals = NDArray[np.float64]
Attributes = dict[str, Any]


def number(attributes: Attributes, name: str, default: float) -> float:
    """An attribute of one number, which is float32."""
    value = attributes.get(name)
    return float(np.float32(default if value is None else np.asarray(value).reshape(-1)[0]))


def _sigmoid(x: Reals) -> Reals:
    return np.asarray(1 / (1 + np.exp(-x)))


def _erf(x: Reals) -> Reals:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x), np.float64)


def _hard_sigmoid(x: Reals, alpha: float, beta: float) -> Reals:
    """In float32 step by step, since what is linear is often just between two codes."""
    line = np.float32(alpha) * x.astype(np.float32) + np.float32(beta)
    clipped: NDArray[np.float32] = np.clip(line, 0, 1)
    return clipped.astype(np.float64)


def _gelu(x: Reals, attributes: Attributes) -> Reals:
    approximate = attributes.get("approximate", "none")
    if approximate in ("tanh", b"tanh"):
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2))))


def _clip(x: Reals, attributes: Attributes) -> Reals:
    return np.clip(x, number(attributes, "min", -math.inf), number(attributes, "max", math.inf))


def _elu(x: Reals, alpha: float) -> Reals:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _leaky(x: Reals, attributes: Attributes) -> Reals:
    return np.where(x < 0, number(attributes, "alpha", 0.01) * x, x)


def _selu(x: Reals, attributes: Attributes) -> Reals:
    return number(attributes, "gamma", 1.0) * _elu(x, number(attributes, "alpha", 1.0))


def _swish(x: Reals, attributes: Attributes) -> Reals:
    return x * _sigmoid(number(attributes, "alpha", 1.0) * x)


def _pow(x: Reals, attributes: Attributes) -> Reals:
    """Squares and cubes are products in float32."""
    exponent = number(attributes, "exponent", 1.0)
    if exponent not in (2, 3):
        return np.asarray(np.power(x, exponent))
    narrow = x.astype(np.float32)
    square = narrow * narrow
    return (square if exponent == 2 else square * narrow).astype(np.float64)


FUNCTIONS: dict[str, Callable[[Reals, Attributes], Reals]] = {
    "Abs": lambda x, _: np.abs(x),
    "Ceil": lambda x, _: np.ceil(x),
    "Clip": _clip,
    "Elu": lambda x, a: _elu(x, number(a, "alpha", 1.0)),
    "Erf": lambda x, _: _erf(x),
    "Exp": lambda x, _: np.exp(x),
    "Floor": lambda x, _: np.floor(x),
    "Gelu": _gelu,
    "HardSigmoid": lambda x, a: _hard_sigmoid(x, number(a, "alpha", 0.2), number(a, "beta", 0.5)),
    "HardSwish": lambda x, _: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "LeakyRelu": _leaky,
    "Log": lambda x, _: np.log(x),
    "Mish": lambda x, _: x * np.tanh(np.logaddexp(0, x)),
    "Neg": lambda x, _: -x,
    "Pow": _pow,
    "Reciprocal": lambda x, _: 1 / x,
    "Relu": lambda x, _: np.maximum(x, 0),
    "Round": lambda x, _: np.rint(x),
    "Selu": _selu,
    "Sigmoid": lambda x, _: _sigmoid(x),
    "Softplus": lambda x, _: np.logaddexp(0, x),
    "Softsign": lambda x, _: x / (1 + np.abs(x)),
    "Sqrt": lambda x, _: np.sqrt(x),
    "Swish": _swish,
    "Tanh": lambda x, _: np.tanh(x),
}
"""Functions of one real, by ONNX name, with the attributes of the operator."""


def apply_functions(node: Node, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the node, where it is a function, and those behind it make of `x`, in float32."""
    own = (Function(node.op, node.attributes),) if node.op in FUNCTIONS else ()
    for function in (*own, *node.functions):
        x = apply(node, function, x)
    return x


def apply(node: Node, function: Function, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """One function, in float64 and rounded to float32."""
    if function.op not in FUNCTIONS:
        fail(
            node,
            f"the function {function.op} is unknown: use one of {', '.join(FUNCTIONS)}",
        )
    with np.errstate(all="ignore"):
        result = FUNCTIONS[function.op](x.astype(np.float64), function.attributes)
    return np.asarray(result, np.float32)


def table_of(
    codes: NDArray[np.integer] | Reals, source: Quantization, target: Quantization
) -> UnaryTable:
    """The table that holds `codes`, one for each low byte of the source."""
    values = codes.astype(DTYPES[target.element_type])
    return UnaryTable(values, source.element_type)


def real_values(source: Quantization) -> NDArray[np.float32]:
    """What the codes of a type stand for, each at its low byte."""
    return source.dequantize(all_codes(source.element_type))


def function_table(node: Node, source: Quantization, target: Quantization) -> UnaryTable:
    """All functions of a node between two quantisations; without any the requantisation."""
    reals = apply_functions(node, real_values(source))
    return table_of(requantized(reals, target), source, target)


def is_identity(table: UnaryTable) -> bool:
    """Whether a table leaves every code as it is."""
    return table.element_type is table.source and bool(
        np.all(table.values.astype(np.int64) == all_codes(table.source))
    )


def clamp_of(table: UnaryTable) -> Range | None:
    """The range to which a table only clamps; None if it does more."""
    if table.element_type is not table.source:
        return None
    values = table.values.astype(np.int64)
    low, high = int(values.min()), int(values.max())
    clamped = np.clip(all_codes(table.source), low, high)
    return (low, high) if np.array_equal(values, clamped) else None


def composed(first: UnaryTable, second: UnaryTable) -> UnaryTable:
    """``second[first[q]]``."""
    assert second.source is first.element_type
    return UnaryTable(second.values[first.values.astype(np.int64) & 255], first.source)


def clamp_range(node: Node, target: Quantization) -> Range | None:
    """The range of codes to which the node's functions clamp; None where that is the whole type.

    Rounding is monotone, so clamping reals to bounds and then quantising equals quantising and then
    clamping to the codes of the bounds.
    """
    low, high = target.element_type.low, target.element_type.high
    for function in node.functions:
        if function.op not in CLAMPS:
            fail(
                node,
                f"{function.op} follows a result that is not quantised: put QuantizeLinear and "
                f"DequantizeLinear in front of {function.op}, or use Relu or Clip",
            )
        ends = apply(node, function, np.array([-np.inf, np.inf], np.float32))
        first, last = (int(code) for code in requantized(ends, target))
        low, high = min(max(low, first), last), max(min(high, last), first)
    whole = (target.element_type.low, target.element_type.high)
    return None if (low, high) == whole else (low, high)
