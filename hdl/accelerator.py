"""The accelerator: the top of the hardware."""

from amaranth.hdl import Module, Mux, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import Engine
from arch.registers import ledger_counter, register_map
from hdl.accumulator import Accumulator
from hdl.axi import MemoryPort
from hdl.control import Control
from hdl.counters import Counters
from hdl.csr import CSR_ADDRESS_BITS, Csr
from hdl.dma_load import LoadEngine
from hdl.dma_store import StoreEngine
from hdl.error_unit import ErrorUnit
from hdl.matrix import MatrixEngine
from hdl.parameter_buffer import ParameterBuffer
from hdl.ports import CYCLE_BITS, Axi4, AxiLite, Retirement
from hdl.scratchpad import Scratchpad
from hdl.trace import TraceMemory
from hdl.vector import VectorEngine


class Accelerator(wiring.Component):
    """Four engines on shared memories, as docs/architecture.md describes them.

    Parameters
    ----------
    config : Config

    Members
    -------
    csr : In(AxiLite(address_bits=12))
    axi : Out(Axi4(data_bytes=config.axi_bytes))
        DRAM.
    interrupt : Out(1)
        High while an enabled interrupt is pending.
    retire_load, retire_matrix, retire_vector, retire_store : Out(Retirement())
    cycle : Out(40)
        The cycle in which they retire, counted from 0.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "csr": In(AxiLite(address_bits=CSR_ADDRESS_BITS)),
                "axi": Out(Axi4(data_bytes=config.axi_bytes)),
                "interrupt": Out(1),
                **{f"retire_{engine.name.lower()}": Out(Retirement()) for engine in Engine},
                "cycle": Out(CYCLE_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.registers = csr = Csr(config)
        m.submodules.counters = counters = Counters(config)
        control = Control(config)
        m.submodules.errors = errors = ErrorUnit(sources=len(Engine) + len(control.faults))
        load, store = LoadEngine(config), StoreEngine(config)
        matrix, vector = MatrixEngine(config), VectorEngine(config)
        port = MemoryPort(axi_bytes=config.axi_bytes)
        resettable = {
            "control": control,
            "load": load,
            "matrix": matrix,
            "vector": vector,
            "store": store,
            "port": port,
        }
        for name, component in resettable.items():
            m.submodules[name] = ResetInserter(errors.soft_reset)(component)

        for engine, unit in zip(Engine, (load, matrix, vector, store), strict=True):
            connect(m, control.issue[engine], unit.issue)
            connect(m, unit.status, control.status[engine])
            connect(m, unit.fault, errors.faults[engine])
            retire = getattr(self, f"retire_{engine.name.lower()}")
            connect(m, control.retired[engine], flipped(retire))
        for fault, source in zip(control.faults, errors.faults[len(Engine) :], strict=True):
            connect(m, fault, source)
        self._connect_memories(m, load, matrix, vector, store)
        self._connect_bus(m, control, load, store, port)
        self._connect_registers(m, csr, counters, control)
        self._connect_errors(m, errors, csr, control, load, store, port)
        self._connect_trace(m, csr, control, counters)
        self._count(m, counters, control, load, matrix, vector, store, port)
        return m

    def _connect_bus(self, m, control, load, store, port):
        connect(m, control.request, port.fetch_request)
        connect(m, port.fetch_beats, control.beats)
        connect(m, load.request, port.load_request)
        connect(m, port.load_beats, load.beats)
        connect(m, store.request, port.store_request)
        connect(m, store.beats, port.store_beats)
        connect(m, port.axi, flipped(self.axi))
        m.d.comb += [
            store.response.eq(port.store_response),
            store.response_code.eq(port.store_response_code),
        ]

    def _connect_registers(self, m, csr, counters, control):
        connect(m, flipped(self.csr), csr.bus)
        m.d.comb += [
            control.start.eq(csr.start),
            control.address.eq(csr.program_address),
            control.length.eq(csr.program_length),
            control.cycle.eq(counters.cycle),
            counters.clear.eq(csr.start),
            counters.enable.eq(csr.running),
            counters.snapshot.eq(csr.snapshot),
            counters.read.eq(csr.counter_read),
            counters.address.eq(csr.counter_address),
            csr.counter_word.eq(counters.word),
            self.interrupt.eq(csr.interrupt),
            self.cycle.eq(counters.cycle),
        ]

    def _connect_trace(self, m, csr, control, counters):
        trace = TraceMemory(depth=self._config.trace_depth)
        m.submodules.trace = ResetInserter(csr.start)(trace)
        for engine in Engine:
            for name in trace.retire[engine].signature.members:
                m.d.comb += getattr(trace.retire[engine], name).eq(
                    getattr(control.retired[engine], name)
                )
        m.d.comb += [
            trace.cycle.eq(counters.cycle),
            trace.select.eq(csr.trace_select),
            csr.trace_record.eq(trace.record),
            csr.trace_records.eq(trace.records),
            csr.trace_dropped.eq(trace.dropped),
        ]

    def _connect_errors(self, m, errors, csr, control, load, store, port):
        m.d.comb += [
            errors.start.eq(csr.start),
            errors.address.eq(csr.program_address),
            errors.running.eq(csr.running),
            errors.reset.eq(csr.reset),
            errors.limit.eq(csr.watchdog_cycles),
            errors.drained.eq(control.drained),
            errors.progress.eq(control.progress),
            errors.oldest.eq(control.oldest),
            errors.handshake.eq(port.handshake),
            errors.quiet.eq(control.idle & load.quiet & store.quiet),
            csr.finished.eq(errors.finished),
            csr.completed.eq(errors.completed),
            csr.failed.eq(errors.failed),
            csr.error.eq(errors.error),
            csr.bus_stuck.eq(errors.bus_stuck),
            csr.resetting.eq(errors.resetting),
            csr.soft_reset.eq(errors.soft_reset),
            csr.error_code.eq(errors.code),
            csr.error_instruction.eq(errors.instruction),
            csr.error_address.eq(errors.instruction_address),
        ]
        m.d.comb += [unit.halt.eq(errors.halt) for unit in (control, load, store)]

    def _connect_memories(self, m, load, matrix, vector, store):
        """Clients of the scratchpads in the order of B-04."""
        config = self._config
        m.submodules.activation_buffer = activation = Scratchpad(
            word_bytes=config.word_bytes,
            size_bytes=config.activation_buffer_bytes,
            banks=ACTIVATION_BANKS,
            readers=3,
            writers=2,
        )
        m.submodules.weight_buffer = weight = Scratchpad(
            word_bytes=config.word_bytes,
            size_bytes=config.weight_buffer_bytes,
            banks=WEIGHT_BANKS,
            readers=1,
            writers=2,
        )
        m.submodules.parameter_buffer = parameter = ParameterBuffer(
            depth=config.parameter_buffer_bytes // config.parameter_word_bytes, lanes=config.cols
        )
        m.submodules.accumulator = accumulator = Accumulator(
            depth=config.accumulator_depth, lanes=config.cols
        )
        for index, client in enumerate((matrix.activation, vector.activation_read, store.read)):
            connect(m, client, activation.read[index])
        for index, client in enumerate((vector.activation_write, load.activation)):
            connect(m, client, activation.write[index])
        connect(m, matrix.weight, weight.read[0])
        for index, client in enumerate((vector.weight_write, load.weight)):
            connect(m, client, weight.write[index])
        connect(m, load.parameter, parameter.write)
        connect(m, vector.parameters, parameter.read)
        connect(m, matrix.accumulator_read, accumulator.matrix_read)
        connect(m, matrix.accumulator_write, accumulator.matrix_write)
        connect(m, vector.accumulator, accumulator.vector_read)

    def _count(self, m, counters, control, load, matrix, vector, store, port):
        """What each counter adds in this cycle (section 8)."""
        config = self._config

        def accepted(stream):
            return stream.valid & stream.ready

        add = {
            "cycles": 1,
            "instructions": control.dispatched,
            "load_instructions": load.status.retire,
            "matrix_instructions": matrix.status.retire,
            "vector_instructions": vector.status.retire,
            "store_instructions": store.status.retire,
            "macs": Mux(matrix.row, matrix.macs, 0),
            "mac_slots": Mux(matrix.row, config.rows * config.cols, 0),
            "matrix_rows": matrix.row,
            "weight_tiles": matrix.tile,
            "vector_rows": vector.row,
            "fetch_bursts": accepted(port.fetch_request),
            "fetch_beats": accepted(port.fetch_beats),
            "load_bursts": accepted(port.load_request),
            "load_beats": accepted(port.load_beats),
            "load_bytes": load.written_bytes,
            "pad_bytes": load.pad_bytes,
            "store_bursts": accepted(port.store_request),
            "store_beats": accepted(port.store_beats),
            "store_bytes": Mux(accepted(store.beats), store.beats.p.bytes, 0),
        }
        for engine, states in register_map().ledger_states.items():
            state = getattr(control, f"ledger_{engine.name.lower()}")
            for index, name in enumerate(states):
                add[ledger_counter(engine, name)] = state[index]
        assert add.keys() == set(counters.add.signature.members.keys()), "a counter without a count"
        m.d.comb += [getattr(counters.add, name).eq(value) for name, value in add.items()]
