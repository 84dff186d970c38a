"""Fields of VECTOR that most lowerings fill alike."""

from __future__ import annotations

import numpy as np

from arch.isa import Destination, ElementType, Source
from compiler.operand import Operand
from model.tiling import ceil_div
from workloads.epilogue import KEEP, Narrow

Fields = dict[str, int]

_SOURCES = {
    ElementType.INT8: Source.INT8,
    ElementType.UINT8: Source.UINT8,
    ElementType.INT16: Source.INT16,
}


def float_bits(value: float) -> int:
    """The bits of the float32 nearest to `value`."""
    return int(np.float32(value).view(np.uint32))


def lanes(columns: int, cols: int) -> Fields:
    """The n tiles of `columns` elements."""
    n_tiles = ceil_div(columns, cols)
    return {"n_tiles": n_tiles, "last_n": columns - (n_tiles - 1) * cols}


def tensor_scale(value: float) -> Fields:
    """One scale for all channels, and no bias."""
    return {"tensor_scale": 1, "scale": float_bits(value)}


def from_buffer(operand: Operand, element_type: ElementType, zero_point: int = 0) -> Fields:
    """``x`` from the activation buffer."""
    return {
        "source": _SOURCES[element_type],
        "source_zero_point": zero_point,
        "source_address": operand.address,
        "source_row_stride": operand.row_stride,
    }


def second(operand: Operand) -> Fields:
    """``y``, the residual or multiplier."""
    return {"residual_address": operand.address, "residual_row_stride": operand.row_stride}


def clamped(element_type: ElementType) -> Fields:
    """The requantised value within a type."""
    return {"clamp_low": element_type.low, "clamp_high": element_type.high}


def into(operand: Operand, element_type: ElementType, narrow: Narrow = KEEP) -> Fields:
    """Where the results go, and what becomes of them before (N-09)."""
    return {
        "output_shift": narrow.bits,
        "output_zero_point": narrow.zero_point,
        "element_type": element_type,
        "output_buffer": operand.destination,
        "output_address": operand.address,
        "output_row_stride": operand.row_stride,
    }


NOWHERE: Fields = {"output_buffer": Destination.NONE}
"""Only the statistics count."""
