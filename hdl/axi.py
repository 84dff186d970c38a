"""The memory port: fetch, LOAD and STORE on one AXI4 master."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.dma_store import write_beat_layout
from hdl.ports import BURST_REQUEST, Axi4, read_beat_layout

FETCH_ID = 0
LOAD_ID = 1
_BURST_INCR = 1


class MemoryPort(wiring.Component):
    """Shares AR between fetch and LOAD, tells their data apart by ID, and passes STORE through.

    Fetch goes first where both ask, unless LOAD's address is already presented (T-DRAM-01).

    Parameters
    ----------
    axi_bytes : int
        Bytes of a beat.

    Members
    -------
    fetch_request, load_request, store_request : In(stream of BURST_REQUEST)
    fetch_beats, load_beats : Out(stream of read_beat_layout)
    store_beats : In(stream of write_beat_layout)
    store_response : Out(1)
        A burst of STORE is answered, with ``store_response_code`` as AXI4 codes it.
    store_response_code : Out(2)
    handshake : Out(1)
        Something moves on any channel in this cycle.
    axi : Out(Axi4(...))
    """

    def __init__(self, *, axi_bytes: int):
        self._axi_bytes = axi_bytes
        request = In(stream.Signature(BURST_REQUEST))
        beats = Out(stream.Signature(read_beat_layout(axi_bytes=axi_bytes)))
        super().__init__(
            {
                "fetch_request": request,
                "load_request": request,
                "store_request": request,
                "fetch_beats": beats,
                "load_beats": beats,
                "store_beats": In(stream.Signature(write_beat_layout(axi_bytes=axi_bytes))),
                "store_response": Out(1),
                "store_response_code": Out(2),
                "handshake": Out(1),
                "axi": Out(Axi4(data_bytes=axi_bytes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        axi, fetch, load, store = (
            self.axi,
            self.fetch_request,
            self.load_request,
            self.store_request,
        )
        held = Signal()
        fetch_first = Signal()
        read = Mux(fetch_first, fetch.p.as_value(), load.p.as_value())
        m.d.comb += [
            fetch_first.eq(fetch.valid & ~held),
            axi.arvalid.eq(fetch.valid | load.valid),
            axi.arid.eq(Mux(fetch_first, FETCH_ID, LOAD_ID)),
            fetch.ready.eq(axi.arready & fetch_first),
            load.ready.eq(axi.arready & ~fetch_first),
            axi.awvalid.eq(store.valid),
            store.ready.eq(axi.awready),
        ]
        m.d.sync += held.eq(load.valid & ~fetch_first & ~axi.arready)
        for channel, value in (("ar", read), ("aw", store.p.as_value())):
            request = Signal(BURST_REQUEST, name=f"{channel}_request")
            m.d.comb += [
                request.eq(value),
                getattr(axi, f"{channel}addr").eq(request.address),
                getattr(axi, f"{channel}len").eq(request.beats - 1),
                getattr(axi, f"{channel}size").eq(exact_log2(self._axi_bytes)),
                getattr(axi, f"{channel}burst").eq(_BURST_INCR),
            ]

        for beats, read_id in ((self.fetch_beats, FETCH_ID), (self.load_beats, LOAD_ID)):
            m.d.comb += [
                beats.valid.eq(axi.rvalid & (axi.rid == read_id)),
                beats.p.data.eq(axi.rdata),
                beats.p.response.eq(axi.rresp),
            ]
        m.d.comb += [
            # Not by the ID alone, which says nothing while RVALID is low.
            axi.rready.eq(
                (self.fetch_beats.valid & self.fetch_beats.ready)
                | (self.load_beats.valid & self.load_beats.ready)
            ),
            axi.wvalid.eq(self.store_beats.valid),
            axi.wdata.eq(self.store_beats.p.data),
            axi.wstrb.eq(self.store_beats.p.strobe),
            axi.wlast.eq(self.store_beats.p.last),
            self.store_beats.ready.eq(axi.wready),
            self.store_response.eq(axi.bvalid),
            self.store_response_code.eq(axi.bresp),
            axi.bready.eq(1),
            self.handshake.eq(
                Cat(
                    getattr(axi, f"{channel}valid") & getattr(axi, f"{channel}ready")
                    for channel in ("ar", "aw", "r", "w", "b")
                ).any()
            ),
        ]
        return m
