"""What the viewer shows, in which order: names of the source, labels, formats, words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from arch.isa import Engine
from arch.registers import register_map

Format = Literal["hex", "dec"]

OPCODES, INSTRUCTIONS, PRODUCERS, ERRORS = "opcodes", "instructions", "producers", "errors"
RESPONSES, READERS, REGISTERS = "responses", "readers", "registers"
"""Tables of words (:mod:`flow.waves.words`); ``ledger_<engine>`` are more."""

BENCH = "bench."
"""Begins names that are not the accelerator's: of ``tb/waves.sv``, with their widths."""

_BENCH_BITS = {"error": 8, "opcode": 8, "next": 32, "waits_for": 4, "current": 32}


@dataclass(frozen=True)
class Row:
    """A line of the viewer.

    ``words`` names a table; without, the source's own words are taken where it has them.
    """

    name: str
    label: str
    form: Format = "hex"
    words: str | None = None

    @property
    def bench_bits(self) -> int:
        """Width of a signal of ``tb/waves.sv``."""
        return _BENCH_BITS[self.name.rsplit(".", 1)[1]]


@dataclass(frozen=True)
class Group:
    """Lines under a title, if there is one; ``closed`` shows only that at first."""

    title: str | None
    rows: tuple[Row, ...]
    closed: bool = False


def groups() -> Iterator[Group]:
    """Everything shown, from above."""
    yield Group(
        None,
        (
            Row("clk", "clock"),
            Row("cycle", "cycle", "dec"),
            Row("registers.running", "running"),
            Row("interrupt", "interrupt"),
            Row(f"{BENCH}error", "error", "dec", ERRORS),
            *_overview(),
        ),
    )
    yield Group("Front end", _FRONT_END)
    for engine in Engine:
        yield Group(engine.name, (*_issue(engine), *_ENGINES[engine]))
    yield Group("Semaphores", tuple(_semaphores()), closed=True)
    yield from _AXI
    yield from _BUFFERS
    yield Group("CSR", _CSR, closed=True)
    yield Group("Errors", _ERRORS, closed=True)
    yield Group("Counters", tuple(_counters()), closed=True)


def _overview() -> Iterator[Row]:
    """State and oldest instruction in flight."""
    for engine in Engine:
        name = engine.name.lower()
        yield Row(f"control.ledger_{name}", engine.name, "dec", f"ledger_{name}")
        yield Row(f"{BENCH}{name}.current", "in flight", "dec", INSTRUCTIONS)


def _issue(engine: Engine) -> tuple[Row, ...]:
    """Queue, issue and retirement, the same for every engine."""
    name = engine.name.lower()
    unit = f"control.issue_{name}"
    return (
        Row(f"control.ledger_{name}", "state", "dec", f"ledger_{name}"),
        Row(f"{BENCH}{name}.opcode", "head opcode", "dec", OPCODES),
        Row(f"{BENCH}{name}.next", "head", "dec", INSTRUCTIONS),
        Row(f"{unit}.queue.level", "queue level", "dec"),
        Row(f"{BENCH}{name}.waits_for", "waits for", "dec", PRODUCERS),
        Row(f"{unit}.semaphores.take", "issue"),
        Row(f"{BENCH}{name}.current", "oldest in flight", "dec", INSTRUCTIONS),
        Row(f"{unit}.retired.valid", "retire"),
    )


_FRONT_END = (
    Row("control.front_end.request.valid", "fetch request"),
    Row("control.front_end.request.payload.address", "fetch address"),
    Row("control.front_end.fetch.ahead", "instructions ahead", "dec"),
    Row("control.front_end.index", "next to dispatch", "dec", INSTRUCTIONS),
    Row("control.front_end.dispatched", "dispatch"),
    Row("control.front_end.ended", "END dispatched"),
)

_ENGINES: dict[Engine, tuple[Row, ...]] = {
    Engine.LOAD: (
        Row("load.request.valid", "burst request"),
        Row("load.outstanding", "beats outstanding", "dec"),
        Row("load.beats.valid", "beat valid"),
        Row("load.beats.ready", "beat ready"),
        Row("load.written_bytes", "bytes written", "dec"),
        Row("load.pad_bytes", "padding written", "dec"),
        Row("counters.load_bytes", "load_bytes", "dec"),
    ),
    Engine.MATRIX: (
        Row("matrix.loader.read.valid", "weight read"),
        Row("matrix.tile", "tile loaded"),
        Row("matrix.held", "tiles held", "dec"),
        Row("matrix.row", "row issued"),
        Row("matrix.activation.address", "activation address"),
        Row("matrix.macs", "MACs of the row", "dec"),
        Row("matrix.accumulator_write.enable", "accumulator write"),
        Row("counters.macs", "macs", "dec"),
    ),
    Engine.VECTOR: (
        Row("vector.rows.fsm_state", "sequencer", "dec"),
        Row("vector.row", "row issued"),
        Row("vector.reads.denied", "denied by a conflict"),
        Row("vector.activation_read.address", "source and residual address"),
        Row("vector.writes.valid", "row written"),
        Row("vector.writes.address", "output address"),
        Row("vector.scale_rows.reading", "statistics read for a scale"),
        Row("counters.vector_rows", "vector_rows", "dec"),
    ),
    Engine.STORE: (
        Row("store.read.valid", "buffer read"),
        Row("store.read.ready", "buffer ready"),
        Row("store.unsent", "beats unsent", "dec"),
        Row("store.sent", "beat sent"),
        Row("store.response", "burst answered"),
        Row("counters.store_bytes", "store_bytes", "dec"),
    ),
}


def _semaphores() -> Iterator[Row]:
    for producer in Engine:
        for consumer in Engine:
            if producer is not consumer:
                pair = f"{producer.name.lower()}_to_{consumer.name.lower()}"
                yield Row(f"control.semaphores.{pair}", pair.replace("_", " "), "dec")


def _channel(port: str, channel: str, *rows: Row, closed: bool = True) -> Group:
    handshake = (
        Row(f"{port}.{channel}valid", f"{channel}valid"),
        Row(f"{port}.{channel}ready", f"{channel}ready"),
    )
    return Group(f"AXI {channel.upper()}", (*handshake, *rows), closed)


_AXI = (
    _channel(
        "axi",
        "ar",
        Row("axi.arid", "arid", "dec", READERS),
        Row("axi.araddr", "araddr"),
        Row("axi.arlen", "arlen", "dec"),
    ),
    _channel(
        "axi",
        "r",
        Row("axi.rid", "rid", "dec", READERS),
        Row("axi.rdata", "rdata"),
        Row("axi.rlast", "rlast"),
        Row("axi.rresp", "rresp", "dec", RESPONSES),
    ),
    _channel("axi", "aw", Row("axi.awaddr", "awaddr"), Row("axi.awlen", "awlen", "dec")),
    _channel(
        "axi",
        "w",
        Row("axi.wdata", "wdata"),
        Row("axi.wstrb", "wstrb"),
        Row("axi.wlast", "wlast"),
    ),
    _channel("axi", "b", Row("axi.bresp", "bresp", "dec", RESPONSES)),
)


def _clients(buffer: str, readers: tuple[str, ...], writers: tuple[str, ...]) -> Iterator[Row]:
    """Ports of a scratchpad, in the order in which B-04 grants them."""
    for kind, clients in (("read", readers), ("write", writers)):
        for index, client in enumerate(clients):
            for member in ("valid", "ready", "address"):
                yield Row(f"{buffer}.{kind}[{index}].{member}", f"{client} {kind} {member}")


_BUFFERS = (
    Group(
        "Activation buffer",
        tuple(_clients("activation_buffer", ("MATRIX", "VECTOR", "STORE"), ("VECTOR", "LOAD"))),
        closed=True,
    ),
    Group(
        "Weight buffer",
        tuple(_clients("weight_buffer", ("MATRIX",), ("VECTOR", "LOAD"))),
        closed=True,
    ),
    Group(
        "Parameter buffer",
        tuple(
            Row(f"parameter_buffer.{kind}.{member}", f"{client} {kind} {member}")
            for kind, client in (("read", "VECTOR"), ("write", "LOAD"))
            for member in ("enable", "address", "data")
        ),
        closed=True,
    ),
    Group(
        "Accumulator",
        tuple(
            Row(f"accumulator.{port}.{member}", f"{port.replace('_', ' ')} {member}")
            for port in ("matrix_read", "matrix_write", "vector_read")
            for member in ("enable", "half", "address", "data")
        ),
        closed=True,
    ),
)

_CSR = (
    Row("csr.awvalid", "awvalid"),
    Row("csr.awaddr", "awaddr", "dec", REGISTERS),
    Row("csr.wdata", "wdata"),
    Row("csr.bvalid", "bvalid"),
    Row("csr.arvalid", "arvalid"),
    Row("csr.araddr", "araddr", "dec", REGISTERS),
    Row("csr.rvalid", "rvalid"),
    Row("csr.rdata", "rdata"),
)

_ERRORS = (
    Row("errors.error", "error"),
    Row(f"{BENCH}error", "code", "dec", ERRORS),
    Row("errors.instruction", "instruction to blame", "dec", INSTRUCTIONS),
    Row("errors.halt", "halt"),
    Row("errors.drained", "drained"),
    Row("errors.quiet", "bus quiet"),
    Row("errors.progress", "progress"),
    Row("errors.resetting", "resetting"),
)


def _counters() -> Iterator[Row]:
    for counter in register_map().counters:
        if not counter.name.startswith("ledger_"):
            yield Row(f"counters.{counter.name}", counter.name, "dec")
