"""Requantisation and addition: RTL, golden and ONNX Runtime agree on every operand (N-01, N-02).

ONNX Runtime's rounding depends on the CPU's kernels in principle; the golden model does not, so a
difference from ONNX Runtime alone points there.
"""

import functools

import numpy as np
import onnxruntime
import pytest
from lane_pipeline import LANES, Batch, LanePipeline
from onnx import TensorProto, helper
from requantize_operands import (
    AdditionCase,
    RequantizeCase,
    addition_cases,
    code_range,
    hair_sums,
    requantize_cases,
    tying_terms,
)

from arch.isa import Addition, ElementType, Vector
from golden.ops.qlinear_add import add_table, addition_table
from golden.ops.requantize import add_zero_point, requantize

SEED = 20261122
MINIMUM_OPERANDS = 1_000_000


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> LanePipeline:
    return LanePipeline(tmp_path_factory.mktemp("lanes"))


def code_type(signed: bool) -> ElementType:
    return ElementType.INT8 if signed else ElementType.UINT8


def instruction(element_type: ElementType, **fields: int) -> Vector:
    """Clamps to the whole type; extents and addresses do not matter to the lanes."""
    common = {"rows": 1, "n_tiles": 1, "last_n": LANES, "parameter_address": 0}
    common |= {"output_address": 0, "output_row_stride": 0, "element_type": element_type}
    common |= {"clamp_low": element_type.low, "clamp_high": element_type.high}
    common |= {"sum_low": element_type.low, "sum_high": element_type.high}
    return Vector(**common, **fields)


def as_codes(results: np.ndarray, signed: bool) -> np.ndarray:
    """The low bytes: a row's ``LANES`` codes are its first bytes."""
    codes = np.ascontiguousarray(results["elements"]).view(np.int8 if signed else np.uint8)
    return codes.reshape(len(results), -1)[:, :LANES].astype(np.int64)


@functools.cache
def session(operator: str, signed: bool) -> onnxruntime.InferenceSession:
    """One node, of which every tensor is an input."""
    code = TensorProto.INT8 if signed else TensorProto.UINT8
    kinds = {
        "QLinearConv": "x:c x_scale:f x_zero:c w:i w_scale:f w_zero:i y_scale:f y_zero:c bias:b",
        "QLinearAdd": "a:c a_scale:f a_zero:c b:c b_scale:f b_zero:c y_scale:f y_zero:c",
    }[operator]
    types = {"c": code, "f": TensorProto.FLOAT, "i": TensorProto.INT8, "b": TensorProto.INT32}
    inputs = [
        helper.make_tensor_value_info(name, types[kind], None)
        for name, kind in (item.split(":") for item in kinds.split())
    ]
    domain = "com.microsoft" if operator == "QLinearAdd" else ""
    node = helper.make_node(operator, [i.name for i in inputs], ["y"], domain=domain)
    outputs = [helper.make_tensor_value_info("y", code, None)]
    graph = helper.make_graph([node], "one_node", inputs, outputs)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString())


def onnx_requantize(case: RequantizeCase) -> np.ndarray:
    """A convolution with weights of zero: each value is the bias of a channel of its own."""
    channels = case.values.size
    code = np.int8 if case.signed else np.uint8
    one, zero = np.float32(1), np.zeros((), np.int8)
    inputs = {
        "x": np.zeros((1, 1, 1, 1), code),
        "x_scale": one,
        "x_zero": code(0),
        "w": np.zeros((channels, 1, 1, 1), np.int8),
        "w_scale": np.tile(case.scales, len(case.values)),
        "w_zero": zero,
        "y_scale": one,
        "y_zero": code(case.zero_point),
        "bias": case.values.ravel(),
    }
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    (y,) = session("QLinearConv", case.signed).run(None, arrays)
    return np.asarray(y, np.int64).reshape(case.values.shape)


def onnx_add(case: AdditionCase) -> np.ndarray:
    """``com.microsoft.QLinearAdd``."""
    inputs = {"a": case.a, "b": case.b}
    for name in "aby":
        scale, zero = getattr(case, f"{name}_quantization")
        inputs |= {f"{name}_scale": np.asarray(scale), f"{name}_zero": case.a.dtype.type(zero)}
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    (y,) = session("QLinearAdd", case.signed).run(None, arrays)
    return np.asarray(y, np.int64)


def check(name: str, case: object, actual: np.ndarray, expected: np.ndarray) -> int:
    """Compare, and say where the first difference is; the number of operands compared."""
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        row, lane = wrong[0]
        pytest.fail(
            f"{name}: {len(wrong)} of {actual.size} differ, first in row {row}, lane {lane}: "
            f"{actual[row, lane]} instead of {expected[row, lane]} (seed {SEED})\n{case}"
        )
    return actual.size


def test_requantize_equals_golden_and_onnx_runtime(lanes: LanePipeline) -> None:
    """N-01: every zero point of int8 and uint8, seven kinds of operands for each."""
    cases = list(requantize_cases(np.random.default_rng(SEED), rows=320))
    batches = [
        Batch(
            instruction(code_type(case.signed), zero_point=case.zero_point),
            case.values,
            scales=case.scales,
        )
        for case in cases
    ]
    compared = 0
    for case, results in zip(cases, lanes.run(batches), strict=True):
        low, high = code_range(case.signed)
        golden = add_zero_point(requantize(case.values, case.scales), case.zero_point, low, high)
        check("ONNX Runtime and golden", case, onnx_requantize(case), golden)
        compared += check("RTL and golden", case, as_codes(results, case.signed), golden)
    assert compared >= MINIMUM_OPERANDS


def test_requantize_to_int16_saturates(lanes: LanePipeline) -> None:
    """N-01: with any int16 zero point the sum is exact before the clamp."""
    rng = np.random.default_rng(SEED)
    batches, expected = [], []
    for case in list(requantize_cases(rng, rows=8))[::4]:
        zero_point = int(rng.choice([-32768, 32767, int(rng.integers(-32768, 32768))]))
        scales = np.ldexp(np.minimum(case.scales, np.float32(2.0**100)), rng.integers(0, 9))
        vector = instruction(ElementType.INT16, zero_point=zero_point)
        batches.append(Batch(vector, case.values, scales=scales))
        expected.append(add_zero_point(requantize(case.values, scales), zero_point, -32768, 32767))
    for batch, results, golden in zip(batches, lanes.run(batches), expected, strict=True):
        check("RTL and golden", batch, results["elements"].astype(np.int64), golden)


def addition_batch(a: np.ndarray, b: np.ndarray, scale_bits: int, table: np.ndarray) -> Batch:
    """``a`` as accumulators, requantised by 1 to themselves."""
    options = {"addition": Addition.TABLE, "addition_scale": scale_bits}
    vector = instruction(code_type(a.dtype == np.int8), **options)
    return Batch(vector, a.astype(np.int32), operand=b, wide=table)


def golden_add(a: np.ndarray, b: np.ndarray, scale_bits: int, table: np.ndarray) -> np.ndarray:
    low, high = code_range(a.dtype == np.int8)
    return np.clip(add_table(a, b, scale_bits, table), low, high)


def quantization_constants(case: AdditionCase) -> tuple[int, np.ndarray]:
    """``ra`` and the table of N-02."""
    (a_scale, a_zero), (b_scale, b_zero) = case.a_quantization, case.b_quantization
    y_scale, y_zero = case.y_quantization
    scales = float(b_scale), b_zero, float(a_scale), a_zero, float(y_scale), y_zero
    return addition_table(*scales, case.signed)


def test_addition_equals_golden_and_onnx_runtime(lanes: LanePipeline) -> None:
    """N-02: all pairs of codes for some scales, random pairs for many."""
    cases = list(addition_cases(np.random.default_rng(SEED), count=900))
    constants = [quantization_constants(case) for case in cases]
    batches = [
        addition_batch(case.a, case.b, *pair) for case, pair in zip(cases, constants, strict=True)
    ]
    compared = 0
    for case, pair, results in zip(cases, constants, lanes.run(batches), strict=True):
        golden = golden_add(case.a, case.b, *pair)
        check("ONNX Runtime and golden", case, onnx_add(case), golden)
        compared += check("RTL and golden", case, as_codes(results, case.signed), golden)
    assert compared >= MINIMUM_OPERANDS


def test_addition_rounds_near_ties_exactly(lanes: LanePipeline) -> None:
    """N-02: any table, its terms within a last place of a tie, tiny, zero or subnormal."""
    rng = np.random.default_rng(SEED)
    batches, expected = [], []
    for index in range(600):
        dtype = np.int8 if index % 2 else np.uint8
        tied = rng.integers(0, 256, 256).astype(np.uint8).view(dtype)
        scale = np.float32(2.0 ** rng.uniform(-44, 8) if index % 3 else rng.uniform(0.004, 1))
        table = tying_terms(rng, tied.astype(np.int64), scale)
        b = rng.integers(0, 256, (64, LANES)).astype(np.uint8)
        a = np.where(rng.random(b.shape) < 0.75, tied[b], rng.permutation(tied)[b])
        bits = int(scale.view(np.uint32))
        batches.append(addition_batch(a, b, bits, table))
        expected.append(golden_add(a, b, bits, table))
    for batch, results, golden in zip(batches, lanes.run(batches), expected, strict=True):
        signed = batch.instruction.element_type == ElementType.INT8
        check("RTL and golden", batch, as_codes(results, signed), golden)


def test_addition_tells_a_tie_from_a_hair_beyond(lanes: LanePipeline) -> None:
    """N-02: what lies below the window of the adder decides as its sticky bit."""
    b = np.arange(256, dtype=np.uint8).reshape(-1, LANES)
    sums = [
        (np.full(b.shape, code, np.int8), b, int(scale.view(np.uint32)), terms)
        for code, scale, terms in hair_sums()
    ]
    results = lanes.run([addition_batch(*operands) for operands in sums])
    for operands, actual in zip(sums, results, strict=True):
        check("RTL and golden", operands, as_codes(actual, True), golden_add(*operands))
