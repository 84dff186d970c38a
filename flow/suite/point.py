"""Points: what one run is made of."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from arch.config import Config, load_config
from flow.memory import Memory
from flow.toolchain import Simulator


class Point(BaseModel):
    """A program, its hardware and its memory timing.

    ``config`` is a name or a file, as the user gave it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workload: str
    config: str
    dram_latency_cycles: int
    dram_bytes_per_cycle: int
    seed: int

    @property
    def timing(self) -> str:
        """The memory timing as ``LATENCY:BYTES``."""
        return f"{self.dram_latency_cycles}:{self.dram_bytes_per_cycle}"

    @property
    def title(self) -> str:
        return f"{self.workload} on {self.config}, {self.timing}"

    @cached_property
    def loaded(self) -> Config:
        """The configuration with the timing of this point."""
        timing = Point.model_dump(self, include={"dram_latency_cycles", "dram_bytes_per_cycle"})
        return load_config(self.config, timing)

    @property
    def build_key(self) -> Hashable:
        """Equal for points that one build can run; memory timings share one."""
        return (self.loaded.hardware_hash, self.loaded.dram_mib)


class RunPoint(Point):
    """A point, and how it is simulated."""

    simulator: Simulator
    memory: Memory

    @property
    def title(self) -> str:
        return f"{super().title}, seed {self.seed}, {self.simulator}, {self.memory}"

    @property
    def build_key(self) -> Hashable:
        return (super().build_key, self.simulator, self.memory == "fast")

    @property
    def command(self) -> str:
        """Runs this point alone; the timing is in it where it is not that of the configuration."""
        named = load_config(self.config)
        words = ["assay", "run", self.workload, "--config", self.config]
        for field in ("dram_latency_cycles", "dram_bytes_per_cycle"):
            if getattr(self, field) != getattr(named, field):
                words += ["--set", f"{field}={getattr(self, field)}"]
        words += ["--sim", self.simulator, "--memory", self.memory, "--seed", str(self.seed)]
        return shlex.join(words)


AnyPoint = TypeVar("AnyPoint", bound=Point)


def distinct_builds(points: Sequence[AnyPoint]) -> list[AnyPoint]:
    """The first point of each build."""
    found: dict[Hashable, AnyPoint] = {}
    for point in points:
        found.setdefault(point.build_key, point)
    return list(found.values())
