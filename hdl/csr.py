"""The control and status registers, built from the register map."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from arch.config import Config
from arch.isa import ErrorCode
from arch.registers import register_map
from hdl.ports import AxiLite
from hdl.trace import TRACE_RECORD

CSR_ADDRESS_BITS = 12


class Csr(wiring.Component):
    """AXI4-Lite slave; one read and one write at a time, each answered in the next cycle.

    Every response is OKAY: writes elsewhere are ignored, reads elsewhere give zero.

    Parameters
    ----------
    config : Config

    Members
    -------
    bus : In(AxiLite(address_bits=12))
    start : Out(1)
        The run begins with the next cycle, cycle 0.
    running : Out(1)
    finished, completed, failed : In(1)
        This is the last cycle of the run; and its program is done; and an error ended it.
    snapshot : Out(1)
    reset : Out(1)
        A soft reset is asked for.
    resetting, soft_reset : In(1)
        It waits for the bus; it is done in this cycle (E-09).
    error, bus_stuck : In(1)
        For STATUS; no run starts after an error.
    error_code, error_instruction, error_address : In(ErrorCode), In(32), In(32)
    trace_records, trace_dropped : In(32), In(32)
    trace_record : In(TRACE_RECORD)
    watchdog_cycles, program_address, program_length, trace_select : Out(32)
    interrupt : Out(1)
    counter_read, counter_address : Out(1), Out(12)
    counter_word : In(32)
        Zero where no counter lies, in the cycle after ``counter_read``.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "bus": In(AxiLite(address_bits=CSR_ADDRESS_BITS)),
                "start": Out(1),
                "running": Out(1),
                "finished": In(1),
                "completed": In(1),
                "failed": In(1),
                "snapshot": Out(1),
                "reset": Out(1),
                "resetting": In(1),
                "soft_reset": In(1),
                "error": In(1),
                "bus_stuck": In(1),
                "error_code": In(ErrorCode),
                "error_instruction": In(32),
                "error_address": In(32),
                "trace_records": In(32),
                "trace_dropped": In(32),
                "trace_record": In(TRACE_RECORD),
                "trace_select": Out(32),
                "watchdog_cycles": Out(32),
                "program_address": Out(32),
                "program_length": Out(32),
                "interrupt": Out(1),
                "counter_read": Out(1),
                "counter_address": Out(CSR_ADDRESS_BITS),
                "counter_word": In(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        registers = register_map().registers
        stored = {
            name: Signal(32, init=register.reset_value(self._config), name=name.lower())
            for name, register in registers.items()
            if register.access in ("rw", "w1c")
        }
        pulses = Signal(32)
        self._write(m, stored, pulses)

        interrupt_status = stored["INTERRUPT_STATUS"]
        m.d.comb += [
            self.watchdog_cycles.eq(stored["WATCHDOG_CYCLES"]),
            self.program_address.eq(stored["PROGRAM_ADDRESS"]),
            self.program_length.eq(stored["PROGRAM_LENGTH"]),
            self.trace_select.eq(stored["TRACE_SELECT"]),
            self.interrupt.eq((interrupt_status & stored["INTERRUPT_ENABLE"]) != 0),
        ]
        status = self._run(m, pulses, interrupt_status)
        errors = {
            "ERROR_CODE": self.error_code,
            "ERROR_INSTRUCTION": self.error_instruction,
            "ERROR_ADDRESS": self.error_address,
        }
        record = self.trace_record
        trace = {
            "TRACE_RECORDS": self.trace_records,
            "TRACE_DROPPED": self.trace_dropped,
            "TRACE_ENGINE": record.engine,
            "TRACE_INSTRUCTION": record.instruction,
            "TRACE_START_LOW": record.start[:32],
            "TRACE_START_HIGH": record.start[32:],
            "TRACE_END_LOW": record.end[:32],
            "TRACE_END_HIGH": record.end[32:],
        }
        self._read(m, {**stored, **errors, **trace, "STATUS": status})
        return m

    def _run(self, m, pulses, interrupt_status):
        """Start and end of runs; returns STATUS."""
        registers = register_map().registers
        control = registers["CONTROL"].fields
        interrupts = registers["INTERRUPT_STATUS"].fields
        done = Signal()
        m.d.comb += [
            self.snapshot.eq(pulses[control["SNAPSHOT"].low]),
            self.reset.eq(pulses[control["RESET"].low]),
            # E-09
            self.start.eq(
                pulses[control["START"].low]
                & ~(self.running | self.error | self.reset | self.resetting)
            ),
        ]
        with m.If(self.start):
            m.d.sync += [self.running.eq(1), done.eq(0)]
        with m.If(self.finished):  # T-RUN-02, E-08
            m.d.sync += self.running.eq(0)
        with m.If(self.completed):
            m.d.sync += [done.eq(1), interrupt_status[interrupts["DONE"].low].eq(1)]
        with m.If(self.failed):
            m.d.sync += interrupt_status[interrupts["ERROR"].low].eq(1)
        with m.If(self.soft_reset):
            m.d.sync += [done.eq(0), interrupt_status.eq(0)]
        status = Signal(32)
        bits = {
            "RUNNING": self.running,
            "DONE": done,
            "ERROR": self.error,
            "RESETTING": self.resetting,
            "BUS_STUCK": self.bus_stuck,
        }
        fields = registers["STATUS"].fields
        assert bits.keys() == fields.keys(), "STATUS has other fields"
        m.d.comb += [status[fields[name].low].eq(bit) for name, bit in bits.items()]
        return status

    def _write(self, m, stored: dict[str, Signal], pulses: Signal):
        """Accept address and data together; apply the bytes that are strobed."""
        bus = self.bus
        accepted = bus.awvalid & bus.wvalid & bus.awready
        written = Signal(32)
        mask = Cat(strobe.replicate(8) for strobe in bus.wstrb)
        m.d.comb += [
            bus.awready.eq(bus.wvalid & ~bus.bvalid),
            bus.wready.eq(bus.awvalid & ~bus.bvalid),
            written.eq(bus.wdata & mask),
        ]
        with m.If(accepted):
            m.d.sync += bus.bvalid.eq(1)
            with m.Switch(bus.awaddr[2:]):
                for name, register in register_map().registers.items():
                    with m.Case(register.offset_bytes >> 2):
                        if register.access == "rw":
                            m.d.sync += stored[name].eq(stored[name] & ~mask | written)
                        elif register.access == "w1c":
                            m.d.sync += stored[name].eq(stored[name] & ~written)
                        elif register.access == "w1p":
                            m.d.comb += pulses.eq(written)
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

    def _read(self, m, values: dict[str, Signal]):
        """Answer from the registers here or from the counters: the other one gives zero."""
        bus = self.bus
        word = Signal(32)
        m.d.comb += [
            bus.arready.eq(~bus.rvalid),
            self.counter_read.eq(bus.arvalid & bus.arready),
            self.counter_address.eq(bus.araddr),
            bus.rdata.eq(word | self.counter_word),
        ]
        with m.If(self.counter_read):
            m.d.sync += [bus.rvalid.eq(1), word.eq(0)]
            with m.Switch(bus.araddr[2:]):
                for name, register in register_map().registers.items():
                    with m.Case(register.offset_bytes >> 2):
                        value = values.get(name, register.reset_value(self._config))
                        m.d.sync += word.eq(value)
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
