"""The activation or weight buffer (rules B-01 to B-04)."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In
from amaranth.utils import exact_log2

from hdl.ports import BufferRead, BufferWrite
from hdl.scratchpad_window import EVEN, ODD, ScratchpadWindow


class Scratchpad(Component):
    """Banked byte-addressed memory; clients in order of priority.

    A client that wants a sub-bank which a client before it wants too is not ready, and its access
    waits whole (B-04). Reads outside the buffer return undefined bytes, writes outside are lost;
    the word after the last one of the address range is the one at address 0. A read in the cycle
    of a write to the same word returns the old word (B-03).

    Parameters
    ----------
    word_bytes : int
        Bytes of a word, a power of two.
    size_bytes : int
        Bytes of the buffer, a multiple of ``2 * banks * word_bytes``.
    banks : int
        Equal parts by address (B-01), each an even and an odd sub-bank.
    readers, writers : int
        Clients of each kind.

    Members
    -------
    read : In(BufferRead).array(readers)
    write : In(BufferWrite).array(writers)

    Raises
    ------
    ValueError
        The buffer does not divide into banks of whole pairs of words.
    """

    def __init__(self, *, word_bytes: int, size_bytes: int, banks: int, readers: int, writers: int):
        pairs, rest = divmod(size_bytes, 2 * banks * word_bytes)
        if rest or not pairs:
            raise ValueError(
                f"size_bytes = {size_bytes} must be a multiple of 2 x banks x word_bytes = "
                f"{2 * banks * word_bytes}"
            )
        self._banks = banks
        self._pairs = pairs
        self._word_bytes = word_bytes
        self._offset_bits = exact_log2(word_bytes)
        super().__init__(
            {
                "read": In(BufferRead(word_bytes=word_bytes)).array(readers),
                "write": In(BufferWrite(word_bytes=word_bytes)).array(writers),
            }
        )

    def elaborate(self, platform):
        m = Module()
        reads = [self._read_window(m, i, client) for i, client in enumerate(self.read)]
        turned = [self._write_window(m, i, client) for i, client in enumerate(self.write)]
        writes = [window for window, _ in turned]
        self._arbitrate(m, self.read, reads)
        self._arbitrate(m, self.write, writes)
        words = []
        for index in range(2 * self._banks):
            parity = (EVEN, ODD)[index % 2]
            memory = Memory(shape=unsigned(8 * self._word_bytes), depth=self._pairs, init=[])
            m.submodules[f"bank_{index // 2}_{('even', 'odd')[parity]}"] = memory
            read_port = memory.read_port()
            write_port = memory.write_port(granularity=8)
            words.append(read_port.data)
            read_rows = [window.row[parity] for window in reads]
            write_rows = [window.row[parity] for window in writes]
            data, enable = zip(*(lanes[parity] for _, lanes in turned), strict=True)
            m.d.comb += [
                read_port.en.eq(self._granted(self.read, reads, index).any()),
                read_port.addr.eq(_of_first(reads, index, read_rows)),
                write_port.addr.eq(_of_first(writes, index, write_rows)),
                write_port.data.eq(_of_first(writes, index, data)),
            ]
            with m.If(self._granted(self.write, writes, index).any()):
                m.d.comb += write_port.en.eq(_of_first(writes, index, enable))
        for client, window in zip(self.read, reads, strict=True):
            self._answer(m, client, window, words)
        return m

    def _arbitrate(self, m, clients, windows):
        taken = 0
        for client, window in zip(clients, windows, strict=True):
            m.d.comb += client.ready.eq(~(window.wanted & taken).any())
            taken = taken | window.wanted

    def _granted(self, clients, windows, index):
        return Cat(
            window.wanted[index] & client.ready
            for client, window in zip(clients, windows, strict=True)
        )

    def _window(self, m, name, client):
        window = ScratchpadWindow(word_bytes=self._word_bytes, banks=self._banks, pairs=self._pairs)
        m.submodules[name] = window
        m.d.comb += [window.valid.eq(client.valid), window.address.eq(client.address)]
        return window

    def _read_window(self, m, number, client):
        window = self._window(m, f"read_window_{number}", client)
        end = client.address[: self._offset_bits] + client.count
        m.d.comb += [window.use_first.eq(1), window.use_second.eq(end > self._word_bytes)]
        return window

    def _write_window(self, m, number, client):
        """The window of a writer, and (data, enable) turned to its even and its odd word."""
        window = self._window(m, f"write_window_{number}", client)
        offset = client.address[: self._offset_bits]
        odd_first = client.address[self._offset_bits]
        turned = []
        for name, value, unit in (("data", client.data, 8), ("enable", client.enable, 1)):
            bits = unit * self._word_bytes
            first, second = Signal(bits), Signal(bits)
            even = Signal(bits, name=f"writer_{number}_even_{name}")
            odd = Signal(bits, name=f"writer_{number}_odd_{name}")
            with m.If(client.valid):
                m.d.comb += Cat(first, second).eq(value << (offset * unit))
            m.d.comb += [
                even.eq(Mux(odd_first, second, first)),
                odd.eq(Mux(odd_first, first, second)),
            ]
            turned.append((even, odd))
        m.d.comb += [window.use_first.eq(first.any()), window.use_second.eq(second.any())]
        return window, list(zip(*turned, strict=True))

    def _answer(self, m, client, window, words):
        """Turn what the sub-banks read in the cycle before to the window of a client."""
        answering = Signal()
        address = Signal(self._offset_bits + 1)
        occupied = Signal.like(window.wanted)
        m.d.sync += answering.eq(client.valid & client.ready)
        with m.If(client.valid & client.ready):
            m.d.sync += [address.eq(client.address), occupied.eq(window.wanted)]
        pair = []
        for parity in (EVEN, ODD):
            word = Signal(8 * self._word_bytes, name=("even", "odd")[parity])
            for bank in range(self._banks):
                with m.If(occupied[2 * bank + parity]):
                    m.d.comb += word.eq(words[2 * bank + parity])
            pair.append(word)
        even, odd = pair
        with m.If(answering):
            window_bytes = Mux(address[-1], Cat(odd, even), Cat(even, odd))
            m.d.comb += client.data.eq(window_bytes >> (address[:-1] << 3))


def _of_first(windows, index, values):
    """The value of the first client that wants a sub-bank, anything where none does."""
    chosen = values[-1]
    for window, value in reversed(list(zip(windows[:-1], values[:-1], strict=True))):
        chosen = Mux(window.wanted[index], value, chosen)
    return chosen
