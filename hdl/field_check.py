"""What the front end refuses: undefined opcodes and fields that break a rule (E-02)."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from arch.isa import INSTRUCTION_BYTES, LAYOUTS, Addition, Buffer, ElementType, Engine, Opcode
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
        return [
            word.buffer > max(Buffer),
            (word.buffer == Buffer.PARAMETER) & broken,  # B-05
        ]

    def _store(self, word):
        return [word.buffer != Buffer.ACTIVATION]

    def _matrix(self, word):
        tile = _misaligned(word.weight_address, self._rows)
        column = _misaligned(word.weight_column_stride, self._rows)
        repeated = (word.ky_count > 1) | (word.kx_count > 1)
        return [
            _outside(word.activation_zero_point, word.activation_signed),
            _outside(word.weight_zero_point, word.weight_signed) & ~word.weight_zero_row,
            word.weight_transposed & (word.weight_zero_row | repeated | tile | column),
            ~word.weight_transposed & _misaligned(word.weight_address, self._cols),
        ]

    def _vector(self, word):
        wide = word.element_type == ElementType.INT16
        wide_residual = word.addition == Addition.INT16
        adds = word.addition != Addition.NONE
        exponent = word.addition_scale[23:31]
        normal = (exponent != 0) & ~exponent.all() & ~word.addition_scale[31]
        return [
            word.addition > max(Addition),
            word.element_type > max(ElementType),
            self._misaligned_element(word.output_address, wide),
            self._misaligned_element(word.output_row_stride, wide),
            adds & self._misaligned_element(word.residual_address, wide_residual),
            adds & self._misaligned_element(word.residual_row_stride, wide_residual),
            word.clamp_low > word.clamp_high,
            adds & (word.sum_low > word.sum_high),
            (word.addition == Addition.TABLE) & ~normal,
            *self._table(word),
        ]

    def _table(self, word):
        return [_misaligned(word.parameter_address, 4 * self._cols)]

    def _misaligned_element(self, address, wide):
        """No multiple of the bytes of ``cols`` elements; ``wide`` elements have two."""
        return _misaligned(address, self._cols) | (wide & _misaligned(address, 2 * self._cols))


def _misaligned(address, alignment):
    return address[: exact_log2(alignment)] != 0


def _outside(zero_point, is_signed):
    """A 9-bit zero point that int8, or uint8, does not hold."""
    return zero_point[8] != (is_signed & zero_point[7])
