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
            for client, window in zip(self.read[::-1], reads[::-1], strict=True):
                with m.If(window.wanted[index]):
                    m.d.comb += [
                        read_port.en.eq(client.ready),
                        read_port.addr.eq(window.row[parity]),
                    ]
            for client, (window, (data, enable)) in zip(
                self.write[::-1], turned[::-1], strict=True
            ):
                with m.If(window.wanted[index]):
                    m.d.comb += [
                        write_port.en.eq(Mux(client.ready, enable[parity], 0)),
                        write_port.addr.eq(window.row[parity]),
                        write_port.data.eq(data[parity]),
                    ]
        for client, window in zip(self.read, reads, strict=True):
            self._answer(m, client, window, words)
        return m

    def _arbitrate(self, m, clients, windows):
        taken = 0
        for client, window in zip(clients, windows, strict=True):
            m.d.comb += client.ready.eq(~(window.wanted & taken).any())
            taken = taken | window.wanted

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
        """The window of a writer, and its data and enables by (even word, odd word)."""
        window = self._window(m, f"write_window_{number}", client)
        offset = client.address[: self._offset_bits]
        odd_first = client.address[self._offset_bits]
        turned = []
        for name, value, unit in (("data", client.data, 8), ("enable", client.enable, 1)):
            first = Signal(unit * self._word_bytes, name=f"{name}_{number}_first")
            second = Signal(unit * self._word_bytes, name=f"{name}_{number}_second")
            with m.If(client.valid):
                m.d.comb += Cat(first, second).eq(value << (offset * unit))
            turned.append((Mux(odd_first, second, first), Mux(odd_first, first, second)))
        m.d.comb += [window.use_first.eq(first.any()), window.use_second.eq(second.any())]
        return window, turned

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
