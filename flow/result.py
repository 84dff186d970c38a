"""The result of a run as JSON, version by version.

A level of modelling that is not built is absent, never null. Version 1:

================== ==============================================================================
workload, config   what ran
simulator, memory  "verilator" or "icarus"; "fast", "axi" or "axi-random"
seed               of numbers and garbage
passed             no mismatch, every counter in its bound
failures           what is wrong, in words; empty where ``passed``
error              only where hardware stopped the program: code (by name), instruction (index),
                   address (of the instruction in DRAM), disassembly
outputs_compared   bytes written by program or image, each compared with the golden model
bytes_untouched    other bytes, each compared with what it held before the run
mismatches         wrong bytes of both kinds
accuracy           only where there is a reference in floating point and the run reached its end:
                   cosine_mean, cosine_min of the outputs with it; for three sentences or more the
                   rank_correlation (Spearman's) of the similarities of all pairs; where inputs
                   have labels the share of which RTL (top1) and floating point (top1_float)
                   give the right one
cycles, macs       of the run
utilization        macs / (cycles x rows x cols)
counters           every counter but the ledger, by name
ledger             cycles by engine and state
predicted          roofline {cycles, bound}; timeline {cycles, counters, ledger}. A bound is the
                   resource that the most cycles are needed of: "compute" (full tiles), "array"
                   (rows of the tiles that there are), "dram" or "vector"
operators          name, kind, span_cycles (first issue to last retirement), exclusive_cycles (they
                   partition the run by last retirement), predicted_span_cycles and
                   predicted_exclusive_cycles of the timeline, macs, utilization over the span, and
                   roofline_cycles and bound of the operator alone
host_operators     what happens to numbers outside the accelerator, in words
layers             operators by what stands before the first dot of their names: name,
                   exclusive_cycles, predicted_exclusive_cycles, macs, utilization over the
                   exclusive cycles, and bound of the layer's work together
sim                build_seconds, run_seconds (START to interrupt), khz
versions           of the tools
================== ==============================================================================
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Counters = dict[str, int]
Ledger = dict[str, dict[str, int]]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RooflinePrediction(_Model):
    """Lower bound of the cycles and the resource that binds."""

    cycles: int
    bound: str


class TimelinePrediction(_Model):
    """The timeline model's cycles, counters and ledger."""

    cycles: int
    counters: Counters
    ledger: Ledger


class Predicted(_Model):
    """Every level of the analytical model."""

    roofline: RooflinePrediction
    timeline: TimelinePrediction


class OperatorResult(_Model):
    """What one operator of the graph took."""

    name: str
    kind: str
    span_cycles: int
    exclusive_cycles: int
    predicted_span_cycles: int
    predicted_exclusive_cycles: int
    macs: int
    utilization: float
    roofline_cycles: int
    bound: str


class LayerResult(_Model):
    """What the operators of one layer took together."""

    name: str
    exclusive_cycles: int
    predicted_exclusive_cycles: int
    macs: int
    utilization: float
    bound: str


class Accuracy(_Model):
    """Cosine similarity of the outputs with a reference in floating point."""

    cosine_mean: float
    cosine_min: float
    rank_correlation: float | None = Field(default=None, exclude_if=lambda value: value is None)
    top1: float | None = Field(default=None, exclude_if=lambda value: value is None)
    top1_float: float | None = Field(default=None, exclude_if=lambda value: value is None)


class SimulatorSpeed(_Model):
    """Wall-clock times of building (0 from the cache) and of the run."""

    build_seconds: float
    run_seconds: float
    khz: float


class ErrorResult(_Model):
    """Why hardware stopped the program, and the instruction to blame."""

    code: str
    instruction: int
    address: int
    disassembly: str


class Result(_Model):
    """Everything a run tells."""

    schema_version: Literal[1] = 1
    workload: str
    config: str
    simulator: str
    memory: str
    seed: int
    passed: bool
    failures: list[str]
    error: ErrorResult | None = Field(default=None, exclude_if=lambda error: error is None)
    outputs_compared: int
    bytes_untouched: int
    mismatches: int
    accuracy: Accuracy | None = Field(default=None, exclude_if=lambda accuracy: accuracy is None)
    cycles: int
    macs: int
    utilization: float
    counters: Counters
    ledger: Ledger
    predicted: Predicted
    operators: list[OperatorResult]
    host_operators: list[str]
    layers: list[LayerResult]
    sim: SimulatorSpeed
    versions: dict[str, str]
