"""Suites: groups of points, each a product of axes, from TOML or the command."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arch.config import load_config
from arch.errors import AssayError
from flow.memory import Memory
from flow.suite.point import RunPoint
from flow.toolchain import Simulator
from workloads import registry

SUITE_DIR = Path(__file__).resolve().parent.parent.parent / "suites"

_TIMING = re.compile(r"(\d+):(\d+)", re.ASCII)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Timing(_Model):
    """A memory timing; what is absent is as the configuration says."""

    dram_latency_cycles: int | None = None
    dram_bytes_per_cycle: int | None = None


_Least = Field(min_length=1)


class Axes(_Model):
    """Every workload on every configuration, and so on.

    Attributes
    ----------
    workloads, seeds
        As ``assay run`` takes them.
    configs
        Names, or files as seen from where the command runs.
    timings
        Memory timings; one that says nothing is that of each configuration.
    simulators, memories
        As ``assay run`` takes them.
    """

    workloads: Annotated[list[str], _Least] | None = None
    configs: Annotated[list[str], _Least] | None = None
    timings: Annotated[list[Timing], _Least] = [Timing()]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], _Least] = [0]
    simulators: Annotated[list[Simulator], _Least] = ["verilator"]
    memories: Annotated[list[Memory], _Least] = ["fast"]

    def given(self) -> dict[str, Any]:
        """The axes that were named."""
        return {name: getattr(self, name) for name in self.model_fields_set & AXES}

    def product(self) -> Iterator[RunPoint]:
        """Every point; errors as :meth:`Suite.runs`."""
        axes = (self.configs or [], self.timings, self.simulators, self.memories)
        for name, timing, simulator, memory in itertools.product(*axes):
            config = load_config(name, timing.model_dump(exclude_none=True))
            for workload, seed in itertools.product(self.workloads or [], self.seeds):
                yield RunPoint(
                    workload=workload,
                    config=name,
                    dram_latency_cycles=config.dram_latency_cycles,
                    dram_bytes_per_cycle=config.dram_bytes_per_cycle,
                    seed=seed,
                    simulator=simulator,
                    memory=memory,
                )


AXES = frozenset(Axes.model_fields)


class Suite(Axes):
    """Groups of points; what a group does not say is as the suite itself says.

    Without groups the axes of the suite are the only one.
    """

    name: str
    groups: Annotated[list[Axes], _Least] = [Axes()]

    def replaced(self, **axes: Any) -> Self:
        """The suite with other axes, in every group."""
        groups = [group.model_copy(update=axes) for group in self.groups]
        return self.model_copy(update={**axes, "groups": groups})

    def runs(self) -> list[RunPoint]:
        """Every point once, all of them checked.

        Raises
        ------
        AssayError
            A workload or configuration is unknown or missing, or a timing does not fit a
            configuration.
        """
        groups = [Axes.model_construct(**(self.given() | group.given())) for group in self.groups]
        for key in ("workloads", "configs"):
            if any(getattr(group, key) is None for group in groups):
                raise AssayError(
                    f"suite '{self.name}': key '{key}' is missing: every group needs workloads "
                    "and configs"
                )
        points = list(dict.fromkeys(point for group in groups for point in group.product()))
        for workload, seed in dict.fromkeys((point.workload, point.seed) for point in points):
            registry.load(workload, seed)
        return points


AnySuite = TypeVar("AnySuite", bound=Suite)


def read_suite(name_or_path: str, kind: type[AnySuite]) -> AnySuite:
    """Read a suite of ``suites/`` or a TOML file.

    Raises
    ------
    AssayError
        The file is missing or malformed, or a key breaks a rule; one line.
    """
    path = SUITE_DIR / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        names = ", ".join(sorted(found.stem for found in SUITE_DIR.glob("*.toml")))
        raise AssayError(f"no suite '{name_or_path}': give one of {names}, or a TOML file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AssayError(f"{path}: not a readable TOML file: {error}") from None
    try:
        return kind(**{"name": path.stem, **values})
    except ValidationError as error:
        raise AssayError(f"{path}: {_one_line(error)}") from None


def parse_timings(texts: Sequence[str]) -> list[Timing]:
    """Read timings of the form ``LATENCY:BYTES``."""
    timings = []
    for text in texts:
        match = _TIMING.fullmatch(text)
        if match is None:
            raise AssayError(
                f"timing '{text}' is not LATENCY:BYTES, cycles and bytes a cycle, such as 100:4"
            )
        latency, rate = (int(group) for group in match.groups())
        timings.append(Timing(dram_latency_cycles=latency, dram_bytes_per_cycle=rate))
    return timings


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = first["loc"]
    key = ".".join(str(part) for part in where)
    if first["type"] == "extra_forbidden":
        model = Timing if "timings" in where else Axes if "groups" in where else Suite
        return f"unknown key '{key}': the keys are {', '.join(model.model_fields)}"
    return f"{key} = {first['input']!r}: {first['msg']}"
