"""What the front end refuses: undefined opcodes and fields that break a rule (E-02)."""

from itertools import combinations

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.config import INDEX_ENTRIES
from arch.isa import (
    INSTRUCTION_BYTES,
    LAYOUTS,
    Addition,
    Buffer,
    Destination,
    ElementType,
    Engine,
    Opcode,
    Operation,
    Raw,
    RowFunction,
    Source,
    Statistic,
)
from hdl.instruction import instruction_layout

_COUNTS = (
    *("run_bytes", "runs", "planes"),
    *("output_rows", "output_columns", "ky_count", "kx_count", "k_tiles", "last_k"),
    *("rows", "n_tiles", "last_n"),
)
"""Fields that count from 1 up."""


class FieldCheck(wiring.Component):
    """Judges one encoded instruction, in the same cycle.

    Parameters
    ----------
    rows, cols : int
        Extent of the compute tile.
    axi_bytes : int
        Bytes of a beat.

    Members
    -------
    word : In(512)
    illegal_opcode : Out(1)
        The opcode is undefined.
    illegal_field : Out(1)
        The opcode is defined, and a field breaks a rule of E-02.
    """

    def __init__(self, *, rows: int, cols: int, axi_bytes: int):
        self._rows = rows
        self._cols = cols
        self._axi_bytes = axi_bytes
        super().__init__(
            {
                "word": In(8 * INSTRUCTION_BYTES),
                "illegal_opcode": Out(1),
                "illegal_field": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        rules = {
            Opcode.END: lambda word: [],
            Opcode.LOAD: self._load,
            Opcode.STORE: self._store,
            Opcode.MATRIX: self._matrix,
            Opcode.VECTOR: self._vector,
            Opcode.TABLE: self._table,
            Opcode.SCALE: self._scale,
        }
        with m.Switch(self.word[:8]):
            for opcode, broken in rules.items():
                word = data.View(instruction_layout(opcode), self.word)
                with m.Case(opcode):
                    every = [*self._header(opcode, word), *self._counts(opcode, word)]
                    m.d.comb += self.illegal_field.eq(Cat(*every, *broken(word)).any())
            with m.Default():
                m.d.comb += self.illegal_opcode.eq(1)
        return m

    def _header(self, opcode, word):
        waits = {engine: word[f"wait_{engine.name.lower()}"] for engine in Engine}
        if opcode.engine is None:
            own = [word.signal, *waits.values()]
        else:
            own = [word.signal[opcode.engine], waits[opcode.engine]]
        return [word.reserved != 0, *(field != 0 for field in own)]

    def _counts(self, opcode, word):
        names = [field.name for field in LAYOUTS[opcode]]
        limits = {"last_k": self._rows, "last_n": self._cols}
        return [
            *(word[name] == 0 for name in names if name in _COUNTS),
            *(word[name] > limit for name, limit in limits.items() if name in names),
        ]

    def _load(self, word):
        gathers_wrongly = (
            (word.planes > 1)
            | (word.buffer == Buffer.PARAMETER)
            | (word.buffer == Buffer.INDEX)
            | (word.index_address + word.runs > INDEX_ENTRIES)
        )
        return [word.gather & gathers_wrongly, self._crosses_beats(word)]

    def _crosses_beats(self, word):
        """A beat would not be an aligned part of the memory, which takes no other (B-05)."""
        lane_bits = exact_log2(self._axi_bytes)

        def lane(address):
            return address[:lane_bits]

        pads = word.pad_bytes != 0
        broken = (lane(word.dram_address) != lane(word.buffer_address)) | (
            pads & (lane(word.buffer_address + word.run_bytes) != 0)
        )
        for count, dram, buffer in (
            (word.runs, word.run_dram_stride, word.run_buffer_stride),
            (word.planes, word.plane_dram_stride, word.plane_buffer_stride),
        ):
            strides = (lane(dram) != lane(buffer)) | (pads & (lane(buffer) != 0))
            broken |= (count > 1) & strides
        return ((word.buffer == Buffer.PARAMETER) | (word.buffer == Buffer.INDEX)) & broken

    def _store(self, word):
        return [word.buffer != Buffer.ACTIVATION]

    def _matrix(self, word):
        columns, rows = word.weight_transposed, word.weight_row_major
        orders = (columns, rows, word.weight_zero_row, word.weight_diagonal)
        repeated = (word.ky_count > 1) | (word.kx_count > 1)
        return [
            _outside(word.activation_zero_point, word.activation_signed),
            _outside(word.weight_zero_point, word.weight_signed) & ~word.weight_zero_row,
            (columns | rows) & repeated,
            *(one & other for one, other in combinations(orders, 2)),
            columns & _misaligned(word.weight_address, self._rows),
            columns & _misaligned(word.weight_stride, self._rows),
            ~columns & _misaligned(word.weight_address, self._cols),
            rows & _misaligned(word.weight_stride, self._cols),
        ]

    def _vector(self, word):
        adds = word.addition != Addition.NONE
        return [
            word.addition > max(Addition),
            word.output_buffer > max(Destination),
            word.statistic > max(Statistic),
            word.raw > max(Raw),
            word.element_type == ElementType.INT32,
            word.clamp_low > word.clamp_high,
            adds & (word.sum_low > word.sum_high),
            (word.addition == Addition.TABLE) & ~_is_positive_normal(word.addition_scale),
            word.tensor_scale & ~_is_positive_normal(word.scale),
            ~word.tensor_scale & self._misplaced_parameters(word),
            word.interpolate & (word.unary_table | (word.addition == Addition.TABLE)),
            *self._vector_places(word),
            *self._operation(word),
        ]

    def _vector_places(self, word):
        """Source, ``y`` and output: where they lie, and their zero points."""
        writes = word.output_buffer != Destination.NONE
        reads_source = word.source != Source.ACCUMULATOR
        multiplies = word.operation == Operation.MULTIPLY
        reads_y = multiplies | (word.addition != Addition.NONE)
        wide_y = Mux(
            multiplies,
            word.multiplier_type == ElementType.INT16,
            word.addition == Addition.INT16,
        )
        return [
            writes & self._misplaced(word, "output", word.element_type == ElementType.INT16),
            writes & _outside_element(word.output_zero_point, word.element_type),
            reads_source & self._misplaced(word, "source", word.source == Source.INT16),
            Mux(
                (word.source == Source.INT8) | (word.source == Source.UINT8),
                _outside(word.source_zero_point, word.source == Source.INT8),
                word.source_zero_point != 0,
            ),
            reads_y & self._misplaced(word, "residual", wide_y),
        ]

    def _operation(self, word):
        """What goes with MULTIPLY, CENTRE and EXPONENT, and with ``raw``."""
        adds = word.addition != Addition.NONE
        from_accumulator = word.source == Source.ACCUMULATOR
        multiply = (
            adds
            | from_accumulator
            | (word.multiplier_type == ElementType.INT32)
            | _outside_element(word.multiplier_zero_point, word.multiplier_type)
        )
        centre = (
            from_accumulator
            | (word.statistic != Statistic.NONE)
            | ~(word.tensor_scale | word.bias_after)
        )
        exponent = (
            adds
            | word.unary_table
            | word.interpolate
            | word.row_scale
            | word.bias_after
            | (word.output_shift != 0)
            | (word.statistic == Statistic.MAXIMUM)
            | (word.element_type == ElementType.INT8)
        )
        raw = (
            adds
            | (word.operation == Operation.EXPONENT)
            | word.unary_table
            | word.interpolate
            | word.bias_after
            | (word.statistic != Statistic.NONE)
            | word.masked
            | (word.output_shift != 0)
            | (word.element_type != ElementType.INT16)
        )
        return [
            (word.raw != Raw.NONE) & raw,
            (word.operation == Operation.MULTIPLY) & multiply,
            (word.operation == Operation.CENTRE) & centre,
            (word.operation == Operation.EXPONENT) & exponent,
        ]

    def _table(self, word):
        return [self._misplaced_parameters(word)]

    def _scale(self, word):
        return [word.function > max(RowFunction)]

    def _misplaced_parameters(self, word):
        return _misaligned(word.parameter_address, 4 * self._cols)

    def _misplaced(self, word, name, wide):
        """Address or stride is no multiple of ``cols`` elements; ``wide`` ones have two bytes."""
        place = word[f"{name}_address"] | word[f"{name}_row_stride"]
        return _misaligned(place, self._cols) | (wide & _misaligned(place, 2 * self._cols))


def _misaligned(address, alignment):
    return address[: exact_log2(alignment)] != 0


def _is_positive_normal(float32):
    exponent = float32[23:31]
    return (exponent != 0) & ~exponent.all() & ~float32[31]


def _outside(zero_point, is_signed):
    """A 9-bit zero point that int8, or uint8, does not hold."""
    return zero_point[8] != (is_signed & zero_point[7])


def _outside_element(zero_point, element_type):
    """A 9-bit zero point that the type does not have; that of int16 is 0."""
    return Mux(
        element_type == ElementType.INT16,
        zero_point != 0,
        _outside(zero_point, element_type == ElementType.INT8),
    )
