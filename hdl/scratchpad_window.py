"""Where an access to a scratchpad falls (rules B-01, B-02)."""

from amaranth.hdl import Module, Mux
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

from hdl.ports import BUFFER_ADDRESS_BITS

EVEN, ODD = 0, 1


class ScratchpadWindow(Component):
    """Which sub-banks an access occupies, and where in them.

    The window of an access is the word that holds its address and the next one: an even and an
    odd word. Addresses outside the buffer belong to no bank.

    Parameters
    ----------
    word_bytes : int
        Bytes of a word, a power of two.
    banks : int
        Equal parts by address.
    pairs : int
        Pairs of words, one even and one odd, in each bank.

    Members
    -------
    valid : In(1)
        There is an access; nothing is wanted without it.
    address : In(24)
        Byte address.
    use_first, use_second : In(1)
        A byte of the word of ``address``, of the next word is accessed.
    wanted : Out(2 * banks)
        Sub-banks occupied: bit ``2 * bank + parity``.
    row : Out(range(pairs)).array(2)
        Where in their sub-banks the even and the odd word lie.
    """

    def __init__(self, *, word_bytes: int, banks: int, pairs: int):
        self._offset_bits = exact_log2(word_bytes)
        self._banks = banks
        self._pairs = pairs
        super().__init__(
            {
                "valid": In(1),
                "address": In(BUFFER_ADDRESS_BITS),
                "use_first": In(1),
                "use_second": In(1),
                "wanted": Out(2 * banks),
                "row": Out(range(pairs)).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()
        word = self.address[self._offset_bits :]
        next_word = (word + 1)[: len(word)]
        odd_first = word[0]
        sides = (
            (EVEN, next_word[1:], Mux(odd_first, self.use_second, self.use_first)),
            (ODD, word[1:], Mux(odd_first, self.use_first, self.use_second)),
        )
        with m.If(self.valid):
            for parity, pair, used in sides:
                for bank in range(self._banks):
                    begin = bank * self._pairs
                    with (m.Elif if bank else m.If)(pair < begin + self._pairs):
                        m.d.comb += [
                            self.wanted[2 * bank + parity].eq(used),
                            self.row[parity].eq(pair - begin),
                        ]
        return m
