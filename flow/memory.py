"""The memories a run can have: in the simulator, or in Python on the AXI4 port."""

from __future__ import annotations

from typing import Literal, get_args

from arch.config import Config
from arch.errors import AssayError
from tb.axi_behaviour import AxiBehaviour

Memory = Literal["fast", "axi", "axi-random"]
"""``fast`` is the reference memory; ``axi`` has the same timing, in Python; ``axi-random`` any
timing that AXI4 allows. The last two come with the protocol checker."""


def check_memory(name: str) -> Memory:
    """Narrow the name of a memory.

    Raises
    ------
    AssayError
        The name is unknown.
    """
    memories: tuple[Memory, ...] = get_args(Memory)
    for memory in memories:
        if name == memory:
            return memory
    raise AssayError(f"no memory '{name}': give one of {', '.join(memories)}")


def behaviour(memory: Memory, config: Config, seed: int) -> AxiBehaviour | None:
    """What the memory in Python does; None for the reference memory."""
    if memory == "fast":
        return None
    return AxiBehaviour(
        latency_cycles=config.dram_latency_cycles,
        bytes_per_cycle=config.dram_bytes_per_cycle,
        seed=seed if memory == "axi-random" else None,
    )
