"""Interfaces between the components of the accelerator, as signatures.

Directions are those of the component that asks (the client of a memory, the producer of events);
a component that answers declares the member with ``In``.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from arch.isa import INSTRUCTION_BYTES, ErrorCode

BUFFER_ADDRESS_BITS = 24
CYCLE_BITS = 40
INDEX_BITS = 32

BURST_REQUEST = data.StructLayout({"address": 32, "beats": range(256 + 1)})
"""What a DMA or the fetch unit asks of the memory port: an aligned address and its beats, 1 up."""

DISPATCHED = data.StructLayout({"word": 8 * INSTRUCTION_BYTES, "index": INDEX_BITS})
"""An encoded instruction on its way to its engine, with its index in the program."""


def read_beat_layout(*, axi_bytes: int) -> data.StructLayout:
    """A beat of read data with its response, as AXI4 codes it."""
    return data.StructLayout({"data": 8 * axi_bytes, "response": 2})


class BufferRead(Signature):
    """Read client of a scratchpad (rules B-01 to B-04).

    The read happens in a cycle with ``valid`` and ``ready``; ``ready`` is combinational and may
    depend on the other clients. ``data`` holds the window in the next cycle: byte 0 is the byte at
    ``address``; bytes beyond the second word touched are undefined.

    Parameters
    ----------
    word_bytes : int
        Bytes of a word of the scratchpad.

    Members
    -------
    valid : Out(1)
    address : Out(24)
        Byte address.
    count : Out(range(2 * word_bytes + 1))
        Bytes wanted, 1 up; decides which sub-banks the access occupies.
    ready : In(1)
    data : In(16 * word_bytes)
    """

    def __init__(self, *, word_bytes: int):
        super().__init__(
            {
                "valid": Out(1),
                "address": Out(BUFFER_ADDRESS_BITS),
                "count": Out(range(2 * word_bytes + 1)),
                "ready": In(1),
                "data": In(16 * word_bytes),
            }
        )


class BufferWrite(Signature):
    """Write client of a scratchpad (rules B-01 to B-04).

    The write happens in a cycle with ``valid`` and ``ready``. Byte ``i`` of ``data`` goes to
    ``address + i`` where ``enable[i]``; they must lie in the word of ``address`` or in the next.
    """

    def __init__(self, *, word_bytes: int):
        super().__init__(
            {
                "valid": Out(1),
                "address": Out(BUFFER_ADDRESS_BITS),
                "data": Out(16 * word_bytes),
                "enable": Out(2 * word_bytes),
                "ready": In(1),
            }
        )


class MemoryRead(Signature):
    """Read of a plain synchronous memory: ``data`` answers in the cycle after ``enable``."""

    def __init__(self, *, depth: int, width: int):
        super().__init__({"enable": Out(1), "address": Out(range(depth)), "data": In(width)})


class MemoryWrite(Signature):
    """Write of a plain synchronous memory, ``granularity`` bits to each bit of ``enable``."""

    def __init__(self, *, depth: int, width: int, granularity: int | None = None):
        super().__init__(
            {
                "enable": Out(width // granularity if granularity else 1),
                "address": Out(range(depth)),
                "data": Out(width),
            }
        )


class Issue(Signature):
    """An instruction offered to its engine; issued in a cycle with ``valid`` and ``ready``.

    ``valid`` already means that every semaphore holds the wanted count (T-SEM-01). ``word`` is the
    encoded instruction, ``index`` its place in the program.
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "word": Out(unsigned(8 * INSTRUCTION_BYTES)),
                "index": Out(INDEX_BITS),
                "ready": In(1),
            }
        )


class Fault(Signature):
    """An error in this cycle, and the instruction to blame (E-01); may stay high for longer."""

    def __init__(self):
        super().__init__({"valid": Out(1), "code": Out(ErrorCode), "instruction": Out(INDEX_BITS)})


class EngineStatus(Signature):
    """What an engine tells ledger, semaphores and retire port in every cycle.

    Members
    -------
    working, wait_port : Out(1)
        Ledger conditions of section 7 in this very cycle.
    in_flight : Out(1)
        From the cycle after an issue to the cycle of that instruction's retirement.
    retire : Out(1)
        The oldest instruction in flight ends in this cycle.
    """

    def __init__(self):
        super().__init__(
            {"working": Out(1), "wait_port": Out(1), "in_flight": Out(1), "retire": Out(1)}
        )


class AxiLite(Signature):
    """AXI4-Lite master, 32 data bits."""

    def __init__(self, *, address_bits: int):
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(address_bits),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(32),
                "wstrb": Out(4),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(address_bits),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(32),
                "rresp": In(2),
            }
        )


class Axi4(Signature):
    """AXI4 master: INCR bursts of full-width beats, 32-bit addresses, one ID bit."""

    def __init__(self, *, data_bytes: int):
        address = {"addr": Out(32), "len": Out(8), "size": Out(3), "burst": Out(2), "id": Out(1)}
        members = {}
        for channel in ("ar", "aw"):
            members |= {f"{channel}valid": Out(1), f"{channel}ready": In(1)}
            members |= {f"{channel}{name}": flow for name, flow in address.items()}
        members |= {
            "rvalid": In(1),
            "rready": Out(1),
            "rdata": In(8 * data_bytes),
            "rresp": In(2),
            "rlast": In(1),
            "rid": In(1),
            "wvalid": Out(1),
            "wready": In(1),
            "wdata": Out(8 * data_bytes),
            "wstrb": Out(data_bytes),
            "wlast": Out(1),
            "bvalid": In(1),
            "bready": Out(1),
            "bresp": In(2),
            "bid": In(1),
        }
        super().__init__(members)


class Retirement(Signature):
    """Retire port of an engine (R-01): the instruction that ends, and the cycle of its issue."""

    def __init__(self):
        super().__init__(
            {"valid": Out(1), "instruction": Out(INDEX_BITS), "start": Out(CYCLE_BITS)}
        )
