"""What AXI4 demands of a master, checked on every address and every beat of write data."""

from __future__ import annotations

from typing import Any

_BURST_INCR = 1
_PAGE_BYTES = 4096
_ADDRESS = ("addr", "len", "size", "burst", "id")
_PAYLOADS = {"ar": _ADDRESS, "aw": _ADDRESS, "w": ("data", "strb", "last")}


class AxiRules:
    """Call ``observe`` once a cycle, when the signals of the cycle are settled.

    Raises
    ------
    AssertionError
        What was presented goes away or changes before it is accepted; a burst is not of whole
        beats with rising addresses, or crosses a 4 KiB boundary.
    """

    def __init__(self, axi: Any, *, axi_bytes: int) -> None:
        self._axi = axi
        self._axi_bytes = axi_bytes
        self._presented: dict[str, dict[str, int]] = {}

    def observe(self, ctx: Any) -> None:
        for channel, names in _PAYLOADS.items():
            before = self._presented.pop(channel, None)
            if not ctx.get(getattr(self._axi, f"{channel}valid")):
                assert before is None, f"{channel}valid fell before {channel}ready: {before}"
                continue
            signals = {name: getattr(self._axi, f"{channel}{name}") for name in names}
            # Bytes without a strobe may be unknown.
            payload = {
                name: ctx.get(signal, unknown=0 if name == "data" else None)
                for name, signal in signals.items()
            }
            assert before in (None, payload), f"{channel} changed: {before}, then {payload}"
            if channel != "w":
                self._check_burst(channel, payload)
            if not ctx.get(getattr(self._axi, f"{channel}ready")):
                self._presented[channel] = payload

    def _check_burst(self, channel: str, payload: dict[str, int]) -> None:
        assert 1 << payload["size"] == self._axi_bytes, f"{channel}size = {payload['size']}"
        assert payload["burst"] == _BURST_INCR, f"{channel}burst = {payload['burst']}"
        first = payload["addr"]
        last = first + payload["len"] * self._axi_bytes
        assert first // _PAGE_BYTES == last // _PAGE_BYTES, f"{channel} {first:#x} to {last:#x}"
