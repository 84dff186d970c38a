"""How the AXI4 memory in Python behaves in time; part of the request of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

WriteOrder = Literal["free", "data_first", "address_waits"]


class AxiBehaviour(BaseModel):
    """Timing of the memory.

    Attributes
    ----------
    latency_cycles, bytes_per_cycle
        The reference memory of rules T-DRAM; unused where ``seed`` is given.
    seed
        Latencies, back-pressure, gaps and the order between IDs are random, made from this number.
    write_order
        Where ``seed`` is given, how AW and W meet: each ready at any time; AW ready only when the
        data of its burst have been taken; or AW ready only while W is valid, and W only behind
        its AW. By default one of them, by the seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_cycles: int
    bytes_per_cycle: int
    seed: int | None = None
    write_order: WriteOrder | None = None
