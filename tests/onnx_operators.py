"""Single operators by ONNX Runtime, and their operands."""

import numpy as np
import onnxruntime
from onnx import helper

from arch.isa import ElementType
from golden.ops.quantize import DTYPES

EIGHT_BITS = (ElementType.INT8, ElementType.UINT8)


def run_onnx(operator: str, arrays: dict[str, np.ndarray], domain: str = "", **attributes):
    """The first output of a graph of one operator, by ONNX Runtime."""
    types = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in arrays.items()}
    node = helper.make_node(operator, list(arrays), ["y"], domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        operator,
        [helper.make_tensor_value_info(n, types[n], a.shape) for n, a in arrays.items()],
        [helper.make_empty_tensor_value_info("y")],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, arrays)[0]


def qlinear_arrays(**operands: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict:
    """Codes, scale and zero point of each operand, in ONNX's order; y without codes."""
    suffixes = ("", "_scale", "_zero")
    return {
        f"{name}{suffix}": np.asarray(value)
        for name, values in operands.items()
        for suffix, value in zip(suffixes, values, strict=True)
        if value is not None
    }


def random_codes(rng: np.random.Generator, element: ElementType, shape) -> np.ndarray:
    return rng.integers(element.low, element.high + 1, shape).astype(DTYPES[element])
