"""An operator whose shapes, types or ranges do not fit says so in one line when it is made."""

import re
from dataclasses import replace

import numpy as np
import pytest

from arch.errors import AssayError
from arch.isa import Addition, ElementType
from workloads.epilogue import Narrow, Residual, UnaryTable
from workloads.linear import Linear
from workloads.operators import (
    Add,
    Append,
    Attention,
    Gather,
    Multiply,
    Normalize,
    Rotary,
    Segment,
    SumRows,
)
from workloads.tensor import Tensor

INT8, UINT8, INT16, INT32 = ElementType


def tensor(rows, cols, element_type=INT16, name="t"):
    return Tensor(name, rows, cols, element_type)


OPERATORS = {
    "linear": Linear(
        name="op",
        input=tensor(3, 5, INT8),
        weight=np.ones((5, 2), np.int8),
        bias=np.zeros(2, np.int32),
        scale=np.ones(2, np.float32),
        output=tensor(3, 2, INT8),
    ),
    "gather": Gather("op", tensor(1, 4, INT32), np.zeros((9, 6), np.int16), tensor(4, 6)),
    "append": Append("op", tensor(5, 3, INT8), tensor(2, 3, INT8), tensor(7, 3, INT8)),
    "add": Add("op", tensor(3, 4), tensor(3, 4), tensor(3, 4, INT8), Narrow(7, -3)),
    "multiply": Multiply("op", tensor(3, 4, INT8), tensor(3, 4), 0.5, tensor(3, 4, UINT8)),
    "rotary": Rotary(
        "op", tensor(3, 8), tensor(3, 4), tensor(3, 4), 4, 0.5, tensor(3, 8, INT8), Narrow(7)
    ),
    "normalize": Normalize(
        "op",
        tensor(3, 4),
        True,
        np.ones(4, np.float32),
        np.zeros(4, np.int32),
        0,
        tensor(3, 4, INT8),
        Narrow(7),
        tensor(3, 4),
    ),
    "sum_rows": SumRows("op", tensor(5, 4, INT8), ((0, 2), (2, 3)), (1.0, 2.0), tensor(2, 4)),
    "attention": Attention(
        "op",
        tensor(6, 8, INT8),
        tensor(9, 4, INT8),
        tensor(9, 4, UINT8),
        tensor(6, 8, INT8),
        heads=4,
        kv_heads=2,
        head_size=2,
        score_scale=1.0,
        output_scale=1.0,
        segments=(Segment(2, 4, 4, 5), Segment(0, 2, 0, 4)),
    ),
}
TABLE = UnaryTable(np.zeros(256, np.uint8))
BYTE_RESIDUAL = Residual(tensor(3, 2, INT8), Addition.TABLE, 1.0, np.zeros(256, np.float32))
WIDE_RESIDUAL = Residual(tensor(3, 2), Addition.INT16)
CURVE = np.zeros(257, np.int16)

CHECKS = [
    ("linear", {"weight": np.ones((5, 3), np.int8)}, "weight is int8 [5, 3], must be int8 [5, 2]"),
    ("linear", {"bias": np.zeros(2, np.int64)}, "bias is int64 [2], must be int32 [2]"),
    ("linear", {"scale": np.zeros(2, np.float32)}, "scale 0 must be positive and normal"),
    ("linear", {"scale": np.full(2, np.inf, np.float32)}, "scale inf must be positive and normal"),
    ("linear", {"output": tensor(4, 2, INT8)}, "output is 4 x 2, must be 3 x 2"),
    ("linear", {"output": tensor(3, 2, INT32)}, "output must be int8 or uint8 or int16, not int32"),
    ("linear", {"input": tensor(3, 5)}, "input must be int8 or uint8, not int16"),
    ("linear", {"input_zero_point": 128}, "input_zero_point = 128 must be -128 to 127"),
    ("linear", {"output_zero_point": 128}, "output_zero_point = 128 must be -128 to 127"),
    ("linear", {"table": TABLE}, "output must be uint8, not int8"),
    ("linear", {"table": TABLE, "narrow": Narrow(1)}, "a table yields bytes: it goes with neither"),
    ("linear", {"interpolation": CURVE[1:]}, "interpolation is int16 [256], must be int16 [257]"),
    ("linear", {"table": TABLE, "interpolation": CURVE}, "a table yields bytes: it goes with"),
    ("linear", {"residual": WIDE_RESIDUAL}, "output must be int16, not int8"),
    ("linear", {"residual": BYTE_RESIDUAL, "narrow": Narrow(1)}, "a TABLE residual goes with"),
    ("linear", {"residual": BYTE_RESIDUAL, "output": tensor(3, 2)}, "output must be int8 or uint8"),
    ("linear", {"residual": Residual(tensor(2, 2), Addition.INT16)}, "residual is 2 x 2, must be"),
    ("linear", {"narrow": Narrow(16)}, "bits of narrow = 16 must be 0 to 15"),
    ("linear", {"narrow": Narrow(1, 128)}, "zero_point of narrow = 128 must be -128 to 127"),
    ("gather", {"indices": tensor(1, 4)}, "indices must be int32, not int16"),
    ("gather", {"indices": tensor(4, 1, INT32)}, "indices is 4 x 1, must be 1 x 4"),
    ("gather", {"table": np.zeros((9, 6), np.int8)}, "table is int8 [9, 6], must be [entries,"),
    ("gather", {"table": np.zeros(9, np.int16)}, "table is int16 [9], must be [entries, width]"),
    ("gather", {"output": tensor(4, 5)}, "output is 4 x 5, must be 4 x 6"),
    ("append", {"rows": tensor(2, 3)}, "rows must be int8, not int16"),
    ("append", {"rows": tensor(2, 4, INT8)}, "rows is 2 x 4, must be 2 x 3"),
    ("append", {"output": tensor(8, 3, INT8)}, "output is 8 x 3, must be 7 x 3"),
    ("append", {"cache": tensor(5, 3, INT32)}, "cache must be int8 or uint8 or int16, not int32"),
    ("add", {"left": tensor(3, 4, INT8)}, "left must be int16, not int8"),
    ("add", {"right": tensor(3, 5)}, "right is 3 x 5, must be 3 x 4"),
    ("add", {"output": tensor(3, 4)}, "zero_point of narrow = -3 must be 0 to 0"),
    ("multiply", {"left": tensor(3, 4, INT32)}, "left must be int8 or uint8 or int16, not int32"),
    (
        "multiply",
        {"right": tensor(2, 4)},
        "right is 2 x 4, must have 4 columns and a divisor of 3 rows",
    ),
    ("multiply", {"right_zero_point": 1}, "right_zero_point = 1 must be 0 to 0"),
    ("multiply", {"output_zero_point": -1}, "output_zero_point = -1 must be 0 to 255"),
    ("multiply", {"scale": 0.0}, "scale 0 must be positive and normal"),
    ("rotary", {"head_size": 3}, "head_size = 3 must be even and divide the 8 columns"),
    ("rotary", {"head_size": 6}, "head_size = 6 must be even and divide the 8 columns"),
    ("rotary", {"input": tensor(3, 8, INT8)}, "input must be int16, not int8"),
    ("rotary", {"cosine": tensor(3, 8)}, "cosine is 3 x 8, must be 3 x 4"),
    ("rotary", {"output": tensor(4, 8, INT8)}, "input is 3 x 8, must be 4 x 8"),
    ("rotary", {"scale": -1.0}, "scale -1 must be positive and normal"),
    ("normalize", {"input": tensor(3, 4, INT32)}, "input must be int8 or uint8 or int16"),
    ("normalize", {"input": tensor(3, 32768)}, "columns of the input = 32768 must be 1 to 32767"),
    ("normalize", {"scale": np.ones(3, np.float32)}, "scale is float32 [3], must be float32 [4]"),
    ("normalize", {"scale": np.full(4, 2**-63, np.float32)}, "scale 1.0842e-19 must be 2^-62 at"),
    ("normalize", {"offset": np.full(4, 1 << 15, np.int32)}, "offset = 32768 must be -32768 to"),
    ("normalize", {"offset": np.zeros(4, np.int16)}, "offset is int16 [4], must be int32 [4]"),
    ("normalize", {"epsilon": 1 << 32}, "epsilon = 4294967296 must be 0 to 4294967295"),
    ("normalize", {"output": tensor(3, 5, INT8)}, "output is 3 x 5, must be 3 x 4"),
    ("normalize", {"wide": tensor(3, 4, INT8)}, "wide must be int16, not int8"),
    ("sum_rows", {"input": tensor(5, 4)}, "input must be int8 or uint8, not int16"),
    ("sum_rows", {"output": tensor(2, 4, INT32)}, "output must be int8 or uint8 or int16"),
    ("sum_rows", {"output": tensor(3, 4)}, "output is 3 x 4, must be 2 x 4"),
    ("sum_rows", {"segments": ((0, 2), (2, 4))}, "the segment of 4 rows from row 2 on is not"),
    ("sum_rows", {"segments": ((0, 2), (2, 0))}, "the segment of 0 rows from row 2 on is not"),
    ("sum_rows", {"scale": (1.0,)}, "1 scales must be 2, one a segment"),
    ("sum_rows", {"scale": (1.0, 0.0)}, "scale 0 must be positive and normal"),
    ("sum_rows", {"input_zero_point": 200}, "input_zero_point = 200 must be -128 to 127"),
    ("attention", {"heads": 3}, "heads = 3 must be a multiple of kv_heads = 2"),
    ("attention", {"head_size": 0}, "head_size = 0 must be 1 to 32767"),
    ("attention", {"query": tensor(6, 8)}, "query must be int8 or uint8, not int16"),
    ("attention", {"key": tensor(9, 8, INT8)}, "key is 9 x 8, must be 9 x 4"),
    ("attention", {"value": tensor(8, 4, INT8)}, "value is 8 x 4, must be 9 x 4"),
    ("attention", {"output": tensor(5, 8, INT8)}, "output is 5 x 8, must be 6 x 8"),
    ("attention", {"output": tensor(6, 8, INT32)}, "output must be int8 or uint8 or int16"),
    ("attention", {"value_zero_point": -1}, "value_zero_point = -1 must be 0 to 255"),
    ("attention", {"output_zero_point": 128}, "output_zero_point = 128 must be -128 to 127"),
    ("attention", {"score_scale": np.nan}, "score_scale nan must be positive and normal"),
    ("attention", {"output_scale": 1e-30}, "output_scale 1e-30 must be 2^-62 at least and finite"),
    ("attention", {"segments": (Segment(0, 5, 0, 9),)}, "segments hold 5 queries of 6: each is in"),
    ("attention", {"segments": (Segment(1, 5, 0, 9),)}, "must begin with query 0 and have one at"),
    ("attention", {"segments": (Segment(0, 6, 5, 5),)}, "has keys beyond the 9 of the key tensor"),
    ("attention", {"segments": (Segment(0, 6, 0, 0),)}, "key_count = 0 must be 1 to 32767"),
]


@pytest.mark.parametrize(("kind", "changes", "message"), CHECKS)
def test_an_operator_checks_its_numbers(kind, changes, message):
    with pytest.raises(AssayError, match=re.escape(message)) as raised:
        replace(OPERATORS[kind], **changes)
    assert str(raised.value).startswith("operator 'op': ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", OPERATORS)
def test_an_operator_knows_its_kind_and_checks_its_name(kind):
    operator = OPERATORS[kind]
    assert operator.kind == kind
    assert operator.macs == {"linear": 30, "sum_rows": 20, "attention": 448}.get(kind, 0)
    with pytest.raises(AssayError, match=r"operator name 'a{41}' must be 1 to 40 bytes"):
        replace(operator, name="a" * 41)


def test_a_linear_value_is_int16_where_it_is_narrowed_later():
    linear = OPERATORS["linear"]
    assert linear.requantized_type is INT8
    assert replace(linear, narrow=Narrow(3)).requantized_type is INT16
    assert replace(linear, interpolation=CURVE).requantized_type is INT16
    narrowed = replace(linear, residual=WIDE_RESIDUAL, narrow=Narrow(3))
    assert narrowed.requantized_type is INT16
    assert replace(linear, table=UnaryTable(np.zeros(256, np.int8))).requantized_type is INT8


@pytest.mark.parametrize(
    ("scale", "entry"), [(0.0, 0.0), (2.0**18, 0.0), (1.0, 2.0**26), (1.0, np.nan)]
)
def test_a_residual_stays_in_the_range_of_the_adder(scale, entry):
    table = np.full(256, entry, np.float32)
    with pytest.raises(AssayError, match="residual 't': scale"):
        Residual(tensor(3, 2, INT8), Addition.TABLE, scale, table)


def test_a_residual_table_needs_8_bits_and_int16_needs_16():
    with pytest.raises(AssayError, match="TABLE addition does not take INT16"):
        Residual(tensor(3, 2), Addition.TABLE)
