"""What the mathematics gives beside what the program gives: tensors by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.image import Image, TensorPlace
from flow.evaluate import Array, Tensors, evaluate
from golden.capture import TensorBytes

__all__ = ["evaluate", "first_difference", "read_outputs", "read_tensor"]


def read_tensor(tensor: TensorBytes, place: TensorPlace) -> Array:
    """The elements (rows, cols) of a tensor of the golden machine."""
    return _elements(tensor.data, place)


def read_outputs(dram: NDArray[np.uint8], image: Image) -> Tensors:
    """The outputs of a program from the bytes of DRAM after the run, by name."""
    return {
        place.name: _elements(_used_bytes(dram, place), place)
        for place in image.debug.tensors
        if place.role == "output"
    }


def first_difference(
    expected: Tensors, tensors: dict[str, TensorBytes], image: Image
) -> str | None:
    """Where the program's tensors first differ from the mathematics, in words; None if nowhere.

    Parameters
    ----------
    expected
        Every tensor of the graph (:func:`evaluate`).
    tensors
        Those of the golden machine, as each was when it was complete.
    image
        Says where each lay, and when; tensors are compared in that order.
    """
    for place in sorted(image.debug.tensors, key=lambda place: place.complete):
        got, want = read_tensor(tensors[place.name], place), expected[place.name]
        written = np.asarray(tensors[place.name].written.reshape(*want.shape, -1).all(axis=2))
        wrong = np.argwhere(~written | (got != want))
        if wrong.size:
            row, column = (int(i) for i in wrong[0])
            value = got[row, column] if written[row, column] else "nothing"
            return (
                f"{place.role} {place.name} [{row}, {column}]: the operators give "
                f"{want[row, column]}, the program on the golden machine gives {value} "
                f"({len(wrong)} elements differ)"
            )
    return None


def _used_bytes(dram: NDArray[np.uint8], place: TensorPlace) -> NDArray[np.uint8]:
    """(rows, bytes) of a tensor in DRAM, without its padding."""
    rows = dram[place.address : place.address + place.rows * place.row_bytes]
    row_bytes = place.cols * np.dtype(place.element_type).itemsize
    return rows.reshape(place.rows, place.row_bytes)[:, :row_bytes]


def _elements(data: NDArray[np.uint8], place: TensorPlace) -> Array:
    return np.ascontiguousarray(data).view(np.dtype(place.element_type).newbyteorder("<"))
