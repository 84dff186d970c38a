"""Tensors of the golden machine as they were when they were complete."""

import numpy as np
from golden_support import ACTIVATION, DATA, DRAM_BYTES, TINY, WEIGHT, chained, load, store

from arch.image import DebugInfo, Image, TensorPlace, build_image
from arch.isa import End, encode_program
from golden.capture import TensorBytes
from golden.machine import run

RESULT = 0x8000
BYTES = bytes(range(64))


def place(name: str, role: str, memory: str, address: int, complete: int) -> TensorPlace:
    """Two rows of three int8, four bytes from row to row."""
    shape = {"element_type": "int8", "rows": 2, "cols": 3, "row_bytes": 4}
    where = {"memory": memory, "address": address, "complete": complete}
    return TensorPlace(name=name, role=role, **shape, **where)


def image_of(program: list, places: list[TensorPlace]) -> Image:
    debug = DebugInfo(workload="test", operators=(), operator_of=(), tensors=tuple(places))
    code = encode_program([*chained(program), End()])
    return build_image(TINY, 0, code, [("data", DATA, BYTES)], DRAM_BYTES, debug)


def captured(program: list, *places: TensorPlace) -> dict[str, TensorBytes]:
    return run(image_of(program, list(places)), TINY).tensors


def test_a_tensor_is_taken_before_its_place_is_reused():
    program = [
        load(ACTIVATION, 0x40, DATA, 8),
        load(ACTIVATION, 0x40, DATA + 32, 8),
        load(WEIGHT, 0x80, DATA + 16, 8),
    ]
    tensors = captured(
        program,
        place("first", "intermediate", "activation", 0x40, 0),
        place("second", "intermediate", "activation", 0x40, 1),
        place("weight", "intermediate", "weight", 0x80, 2),
    )
    assert tensors["first"].data.tolist() == [[0, 1, 2], [4, 5, 6]]
    assert tensors["second"].data.tolist() == [[32, 33, 34], [36, 37, 38]]
    assert tensors["weight"].data.tolist() == [[16, 17, 18], [20, 21, 22]]


def test_inputs_are_taken_at_the_start_and_outputs_at_the_end():
    program = [
        load(ACTIVATION, 0, DATA + 8, 8),
        store(0, DATA, 8),
        store(0, RESULT, 8),
        load(ACTIVATION, 0, DATA + 32, 8),
        store(0, RESULT, 4),
    ]
    tensors = captured(
        program,
        place("input", "input", "dram", DATA, -1),
        place("constant", "constant", "dram", DATA + 8, -1),
        place("complete", "intermediate", "dram", RESULT, 2),
        place("output", "output", "dram", RESULT, 2),
        place("unknown", "intermediate", "dram", DATA, -1),
    )
    elements = {name: tensor.data.tolist() for name, tensor in tensors.items()}
    assert elements == {
        "input": [[0, 1, 2], [4, 5, 6]],
        "constant": [[8, 9, 10], [12, 13, 14]],
        "complete": [[8, 9, 10], [12, 13, 14]],
        "output": [[32, 33, 34], [12, 13, 14]],
        "unknown": [[8, 9, 10], [12, 13, 14]],
    }


def test_what_was_not_written_is_told():
    tensors = captured(
        [load(ACTIVATION, 0x42, DATA, 4)], place("half", "intermediate", "activation", 0x40, 0)
    )
    expected = [[False, False, True], [True, True, False]]
    np.testing.assert_array_equal(tensors["half"].written, expected)
