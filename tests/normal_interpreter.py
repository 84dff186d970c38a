"""The normal form of an ONNX model, node by node in floating point.

Each node computes on dequantised inputs and quantises what it yields, as the form is defined; only
sums of products are integers, so that they are exact. It shares no code with the importer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from arch.isa import ElementType
from workloads.onnx_import.normal import Function, Node, Normalized, Value

Array = np.ndarray
DTYPES = {
    ElementType.INT8: np.int8,
    ElementType.UINT8: np.uint8,
    ElementType.INT16: np.int16,
    ElementType.INT32: np.int32,
}


def run(normalized: Normalized, feeds: dict[str, Array]) -> dict[str, Array]:
    """Outputs by the model's names; floating point is quantised and dequantised here."""
    codes: dict[str, Array] = {}
    for name, value in normalized.inputs.items():
        fed = feeds[normalized.origins.get(name, name)]
        assert fed.shape == value.shape, name
        codes[value.name] = quantize(fed, value) if name in normalized.float_inputs else fed
    for node in normalized.nodes:
        (output,) = node.outputs
        made = evaluate(node, codes)
        assert made.shape == output.shape, (node.name, made.shape, output.shape)
        assert output.name not in codes, output.name
        codes[output.name] = made.astype(DTYPES[output.element_type])
    outputs = {}
    for name, value in normalized.outputs.items():
        made = codes[value.name]
        outputs[name] = dequantize(made, value) if name in normalized.float_outputs else made
    return outputs


def check_form(normalized: Normalized) -> None:
    """Nodes run in order, names differ, all that is said in the docstring of `normal`."""
    known = {value.name for value in normalized.inputs.values()}
    names = [node.name for node in normalized.nodes]
    assert all(names)
    assert len(set(names)) == len(names)
    for node in normalized.nodes:
        for value in node.inputs:
            if value is not None and value.constant is None:
                assert value.name in known
            elif value is not None:
                assert value.name not in known
                assert value.constant.shape == value.shape
        for value in node.outputs:
            assert value.name not in known
            known.add(value.name)


def quantize(reals: Array, value: Value) -> Array:
    kind = value.element_type
    scale, zero_point = along(value, reals.ndim)
    steps = np.rint(np.asarray(reals, np.float32) / scale) + zero_point
    return np.clip(steps, kind.low, kind.high).astype(DTYPES[kind])


def dequantize(codes: Array, value: Value) -> Array:
    scale, zero_point = along(value, codes.ndim)
    return (codes.astype(np.int64) - zero_point).astype(np.float32) * scale


def along(value: Value, rank: int) -> tuple[Array, Array]:
    if value.axis is None:
        assert value.zero_point.shape == ()
        return np.float32(1) if value.scale is None else value.scale, value.zero_point
    shape = [1] * rank
    shape[value.axis] = -1
    scale = np.ones(1, np.float32) if value.scale is None else value.scale
    return scale.reshape(shape), value.zero_point.reshape(shape)


def evaluate(node: Node, codes: dict[str, Array]) -> Array:
    """Codes of the node's output."""
    given = [
        None if value is None else (codes[value.name] if value.constant is None else value.constant)
        for value in node.inputs
    ]
    if node.op in MOVEMENTS:
        assert not node.functions
        for value in node.inputs[:1]:
            assert_same_quantization(value, node.outputs[0])
        return MOVEMENTS[node.op](node, *given)
    if node.op in PRODUCTS:
        return product(node, *given)
    reals = [
        None
        if value is None
        else (array if value.element_type is None else dequantize(array, value))
        for value, array in zip(node.inputs, given, strict=True)
    ]
    made = OPERATORS[node.op](node, *reals)
    return quantize(apply(node.functions, made), node.outputs[0])


def assert_same_quantization(one: Value, other: Value) -> None:
    assert one.element_type is other.element_type
    if other.scale is None:
        assert one.scale is None
    else:
        assert one.scale == other.scale
        assert one.zero_point == other.zero_point


def apply(functions: tuple[Function, ...], reals: Array) -> Array:
    for function in functions:
        reals = FUNCTIONS[function.op](reals, **function.attributes)
    return reals


def product(node: Node, x: Array, w: Array, bias: Array | None = None) -> Array:
    """Integer sums, then their scale; without functions as ONNX Runtime requantises."""
    left, right = (
        array.astype(np.int64) - along(value, array.ndim)[1]
        for array, value in zip((x, w), node.inputs[:2], strict=True)
    )
    convolves = node.op.startswith("Conv")
    sums = convolve(node, left, right) if convolves else left @ right
    axis = 1 if convolves else sums.ndim - 1
    channels = [1] * sums.ndim
    channels[axis] = -1
    if bias is not None:
        assert bias.dtype == np.int32
        assert bias.shape == (sums.shape[axis],)
        sums = sums + bias.astype(np.int64).reshape(channels)
    output = node.outputs[0]
    if output.scale is None:
        return sums
    scale = (node.inputs[0].scale * node.inputs[1].scale).astype(np.float32)
    scale = scale.reshape(channels) if scale.ndim else scale
    if node.functions:
        return quantize(apply(node.functions, sums.astype(np.float32) * scale), output)
    kind, zero_point = output.element_type, output.zero_point
    steps = sums.astype(np.float32) * (scale / output.scale)
    return np.rint(np.clip(steps, kind.low - zero_point, kind.high - zero_point)) + zero_point


def convolve(node: Node, x: Array, w: Array) -> Array:
    group = node.attributes["group"]
    windows = taken(node, x, 0)
    spatial = x.ndim - 2
    parts = []
    for place in range(group):
        channels = slice(place * w.shape[1], (place + 1) * w.shape[1])
        outputs = slice(place * w.shape[0] // group, (place + 1) * w.shape[0] // group)
        axes = [1, *range(2 + spatial, 2 + 2 * spatial)]
        weight_axes = [1, *range(2, 2 + spatial)]
        part = np.tensordot(windows[:, channels], w[outputs], (axes, weight_axes))
        parts.append(np.moveaxis(part, -1, 1))
    return np.concatenate(parts, 1)


def taken(node: Node, x: Array, fill: Any) -> Array:
    """Windows of a padded tensor: [N, C, *made, *kernel]."""
    kernel, dilations = node.attributes["kernel_shape"], node.attributes["dilations"]
    spatial, pads = x.ndim - 2, node.attributes["pads"]
    assert len(pads) == 2 * spatial == 2 * len(kernel)
    widths = [(0, 0), (0, 0), *zip(pads[:spatial], pads[spatial:], strict=True)]
    padded = np.pad(x, widths, constant_values=fill)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    windows = sliding_window_view(padded, reach, tuple(range(2, x.ndim)))
    strided = tuple(slice(None, None, step) for step in node.attributes["strides"])
    dilated = tuple(slice(None, None, step) for step in dilations)
    return windows[(slice(None), slice(None), *strided, *dilated)]


def average_pool(node: Node, x: Array) -> Array:
    axes = tuple(range(x.ndim, 2 * x.ndim - 2))
    total = taken(node, x, 0).sum(axes)
    counted = np.ones_like(x)
    if node.attributes["count_include_pad"]:
        return total / math.prod(node.attributes["kernel_shape"])
    return total / taken(node, counted, 0).sum(axes)


def max_pool(node: Node, x: Array) -> Array:
    low = np.iinfo(x.dtype).min
    return taken(node, x, low).max(tuple(range(x.ndim, 2 * x.ndim - 2)))


def softmax(node: Node, x: Array) -> Array:
    axis = node.attributes["axis"]
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def layer_normalization(node: Node, x: Array, scale: Array, bias: Array | None) -> Array:
    axes = tuple(range(node.attributes["axis"], x.ndim))
    centred = x - x.mean(axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axes, keepdims=True) + node.attributes["epsilon"])
    return centred / deviation * scale + (0 if bias is None else bias)


def slice_(node: Node, x: Array) -> Array:
    starts, steps = node.attributes["starts"], node.attributes["steps"]
    places = [
        start + step * np.arange(count)
        for start, step, count in zip(starts, steps, node.outputs[0].shape, strict=True)
    ]
    assert all(place.min() >= 0 for place in places)
    return x[np.ix_(*places)]


def gather(node: Node, x: Array, indices: Array) -> Array:
    assert indices.min() >= 0
    return np.take(x, indices, node.attributes["axis"])


def pad(node: Node, x: Array) -> Array:
    pads, mode = node.attributes["pads"], node.attributes["mode"]
    widths = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    options = {"constant_values": node.attributes["fill"]} if mode == "constant" else {}
    return np.pad(x, widths, mode=mode, **options)


def concat(node: Node, *parts: Array) -> Array:
    for value in node.inputs:
        assert_same_quantization(value, node.outputs[0])
    return np.concatenate(parts, node.attributes["axis"])


_erf = np.vectorize(math.erf)

PRODUCTS = ("Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger")
FUNCTIONS: dict[str, Callable[..., Array]] = {
    "Relu": lambda x: np.maximum(x, 0),
    "Clip": lambda x, min, max: np.minimum(np.maximum(x, min), max),
    "LeakyRelu": lambda x, alpha: np.where(x < 0, x * np.float32(alpha), x),
    "Elu": lambda x, alpha: np.where(x < 0, np.expm1(x) * alpha, x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "HardSigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "Tanh": np.tanh,
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Gelu": lambda x, approximate: (
        x * 0.5 * (1 + _erf(x / math.sqrt(2)))
        if approximate == "none"
        else x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "Erf": _erf,
    "Exp": np.exp,
    "Abs": np.abs,
    "Neg": np.negative,
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "Sqrt": np.sqrt,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Selu": lambda x, alpha, gamma: np.where(x < 0, np.expm1(x) * alpha, x) * gamma,
    "Pow": lambda x, exponent: x ** np.float32(exponent),
    "Swish": lambda x: x / (1 + np.exp(-x)),
    "Mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
}
OPERATORS: dict[str, Callable[..., Array]] = {
    "Add": lambda node, a, b: a + b,
    "Sub": lambda node, a, b: a - b,
    "Mul": lambda node, a, b: a * b,
    "Div": lambda node, a, b: a / b,
    "Softmax": softmax,
    "LayerNormalization": layer_normalization,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda node, x: x.mean(tuple(range(2, x.ndim)), keepdims=True),
    "ReduceMean": lambda node, x: x.mean(
        axis=node.attributes["axes"], keepdims=node.attributes["keepdims"]
    ),
    "Requantize": lambda node, x: x,
    **{
        name: (lambda node, x, name=name: FUNCTIONS[name](x, **node.attributes))
        for name in FUNCTIONS
    },
}
MOVEMENTS: dict[str, Callable[..., Array]] = {
    "Reshape": lambda node, x: x.reshape(node.outputs[0].shape),
    "Transpose": lambda node, x: x.transpose(node.attributes["perm"]),
    "Slice": slice_,
    "Pad": pad,
    "Concat": concat,
    "Resize": lambda node, x: x[np.ix_(*node.attributes["indices"])],
    "Gather": gather,
    "MaxPool": max_pool,
}
