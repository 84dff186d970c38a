"""What the AXI4 memory holds, and which addresses answer with an error."""

from __future__ import annotations

from tb.axi_channels import Address, ReadBeat, WriteBeat
from tb.run_files import DECERR, OKAY, MemoryFaults


class AxiStore:
    """Bytes of DRAM. A beat beyond them is answered DECERR, and counted.

    Parameters
    ----------
    contents
        Whole words, changed in place.
    axi_bytes
        Of a word.
    faults
        Of which addresses and responses count here. Refused reads give what is there, refused
        writes change nothing.

    Attributes
    ----------
    outside_beats
        Beats beyond the contents.
    """

    def __init__(self, contents: bytearray, axi_bytes: int, faults: MemoryFaults) -> None:
        self.contents = contents
        self.outside_beats = 0
        self._axi_bytes = axi_bytes
        self._faults = faults

    def read(self, burst: Address, beat: int) -> str:
        """Payload of R."""
        address = self._address(burst, beat)
        response = self._response(address, self._faults.read)
        data = bytes(self.contents[address : address + self._axi_bytes])
        data = data or bytes(self._axi_bytes)
        return ReadBeat(data, response, beat == burst.beats - 1, burst.id).encode()

    def write(self, burst: Address, beat: int, data: WriteBeat) -> int:
        """Write the bytes with a strobe; returns the response."""
        address = self._address(burst, beat)
        response = self._response(address, self._faults.write)
        if response != OKAY:
            return response
        if data.strobes == (1 << self._axi_bytes) - 1:
            self.contents[address : address + self._axi_bytes] = data.data
        else:
            for lane in range(self._axi_bytes):
                if data.strobes >> lane & 1:
                    self.contents[address + lane] = data.data[lane]
        return response

    def _address(self, burst: Address, beat: int) -> int:
        """Address of the word that a beat carries."""
        return (burst.address // self._axi_bytes + beat) * self._axi_bytes

    def _response(self, address: int, injected: int) -> int:
        if address >= len(self.contents):
            self.outside_beats += 1
            return DECERR
        return injected if address in self._faults.addresses else OKAY
