"""The counters and their snapshot (section 8 of docs/architecture.md)."""

from amaranth.hdl import Module, ResetSignal, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.registers import register_map
from hdl.matrix_rows import macs_shape
from hdl.ports import CYCLE_BITS

COUNTER_BITS = 64


def counter_widths(config: Config) -> dict[str, int]:
    """Bits of what each counter adds in a cycle."""
    beat = config.axi_bytes.bit_length()
    wide = {
        "macs": Shape.cast(macs_shape(config.cols)).width,
        "mac_slots": (config.rows * config.cols).bit_length(),
        "load_bytes": beat,
        "pad_bytes": beat,
        "store_bytes": beat,
    }
    return {counter.name: wide.get(counter.name, 1) for counter in register_map().counters}


class Counters(wiring.Component):
    """Counts while ``enable`` (T-RUN-01).

    A snapshot latches all counts in one cycle and disturbs none. Before the first one ``word`` is
    zero.

    Parameters
    ----------
    config : Config

    Members
    -------
    clear, enable, snapshot : In(1)
    add : In(Signature of one number for each counter, by its name)
        What each adds in this cycle.
    cycle : Out(40)
        Number of this cycle of the run.
    read : In(1)
    address : In(12)
        Byte offset in the register map.
    word : Out(32)
        In the cycle after ``read``: that word of the snapshot, zero where no counter lies.
    """

    def __init__(self, config: Config):
        widths = counter_widths(config)
        super().__init__(
            {
                "clear": In(1),
                "enable": In(1),
                "snapshot": In(1),
                "add": In(wiring.Signature({name: Out(width) for name, width in widths.items()})),
                "cycle": Out(CYCLE_BITS),
                "read": In(1),
                "address": In(12),
                "word": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        latched = {}
        # The snapshot itself is not reset: until it is taken once, nobody reads it.
        known = Signal()
        # One way to zero for both: there are many of these, and simulators pay for each branch.
        clear = Signal()
        m.d.comb += clear.eq(self.clear | ResetSignal())
        for counter in register_map().counters:
            count = Signal(COUNTER_BITS, name=counter.name, reset_less=True)
            snapshot = Signal(COUNTER_BITS, name=f"{counter.name}_snapshot", reset_less=True)
            latched[counter.offset_bytes] = snapshot[:32]
            latched[counter.offset_bytes + 4] = snapshot[32:]
            add = getattr(self.add, counter.name)
            with m.If(clear):
                m.d.sync += count.eq(0)
            with m.Elif(self.enable & (add != 0)):
                m.d.sync += count.eq(count + add)
            with m.If(self.snapshot):
                m.d.sync += snapshot.eq(count)
            if counter.name == "cycles":
                m.d.comb += self.cycle.eq(count)
        with m.If(self.snapshot):
            m.d.sync += known.eq(1)
        with m.If(self.read):
            m.d.sync += self.word.eq(0)
        with m.If(self.read & known), m.Switch(self.address[2:]):
            for offset, word in latched.items():
                with m.Case(offset >> 2):
                    m.d.sync += self.word.eq(word)
        return m
