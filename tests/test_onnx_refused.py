"""Models that cannot be normalised: one line that names the node, and says how to mend it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_cases import op
from onnx_models import ModelBuilder
from onnx_refusals import REFUSED, ROWS

from arch.errors import AssayError
from workloads.onnx_import.normalize import normalize_model


def refusal(model: onnx.ModelProto) -> str:
    with pytest.raises(AssayError) as raised:
        normalize_model(model, "test")
    message = str(raised.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_said_with_the_way_to_mend_it(name):
    build, said = REFUSED[name]
    b = ModelBuilder()
    message = refusal(b.model(build(b)))
    assert ": " in message
    for part in said:
        assert part in message, message


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (("N", 10), "dynamic dimension 'N': fix it, for example with python -m onnxruntime.tools."),
        (("batch size", 10), "--dim_param batch size --dim_value 1 in.onnx out.onnx"),
        ((None, 10), "dynamic dimension, number 0"),
        ((0, 10), "extent 0"),
        ((-3, 10), "extent -3"),
        ((1,) * 9, "9 dimensions"),
        ((2**40, 2**40), "more than 268435456 elements"),
        (None, "has no shape"),
    ],
)
def test_dynamic_or_impossible_inputs(shape, said):
    b = ModelBuilder()
    message = refusal(b.model(b.through(b.input(shape))))
    assert message.startswith("input 'x'")
    assert said in message


def test_padding_that_is_no_code_is_refused_without_quantisation_behind():
    b = ModelBuilder()
    y = op("Pad", np.array([0, 0, 0, 1]), np.float32(0.02))(b, b.through(b.input(ROWS)))
    message = refusal(b.model(b.through(b.node("Tanh", [y]))))
    assert "(Pad): it pads with 0.02, which is no code" in message


def test_names_are_made_fit_for_one_line():
    b = ModelBuilder()
    model = b.model(b.through(b.node("Foo", [b.through(b.input(ROWS))])))
    model.graph.node[2].name = "line\nbreak" + 200 * "x"
    message = refusal(model)
    assert "'line?break" in message
    assert len(message) < 300
