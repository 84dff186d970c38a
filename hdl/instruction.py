"""The encoded instruction as Amaranth layouts, made from the field tables of ``arch.isa``."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from arch.isa import INSTRUCTION_BYTES, LAYOUTS, Opcode


def instruction_layout(opcode: Opcode) -> data.StructLayout:
    """Layout of an instruction of ``opcode``, padded to ``INSTRUCTION_BYTES``."""
    members = {
        field.name: signed(field.bits) if field.signed else unsigned(field.bits)
        for field in LAYOUTS[opcode]
    }
    used = sum(field.bits for field in LAYOUTS[opcode])
    return data.StructLayout({**members, "reserved": 8 * INSTRUCTION_BYTES - used})
