"""Where every tensor lives: in DRAM, or in a buffer from its first writer to its last reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from arch.config import ACTIVATION_BANKS, WEIGHT_BANKS, Config
from arch.isa import ElementType
from compiler.joins import joined_parts
from compiler.packer import Lifetime, Packer
from compiler.staging import (
    ROLES,
    Staging,
    activation_reads,
    deal,
    least_ring_bytes,
    memory_reads,
    roles,
    weight_reads,
)
from model.tiling import round_up
from workloads.graph import Graph
from workloads.linear import Linear
from workloads.operators import Append, Concat, Normalize, Operator
from workloads.tensor import Tensor

Memory = Literal["dram", "activation", "weight"]

ALIGNMENT_BYTES = 4096
"""Of tensors in DRAM: bursts are cut at multiples of this, so nothing begins between them."""
SHARED = "shared by intermediate tensors"
"""The memory in DRAM that they take for their lifetimes; too long for the name of a tensor."""

_LEAST_WEIGHT_TILES = 4
"""Of the ring of weights: what the smallest weight buffer holds."""


@dataclass(frozen=True)
class Home:
    """Where a tensor lies.

    Attributes
    ----------
    memory, address, row_bytes
        Address of its first row, and bytes from row to row. In DRAM the address is relative to
        `origin`.
    origin
        The memory in DRAM that it is part of: its own (by name of the tensor), that of the cache
        it is appended to, or ``SHARED``; empty in a buffer.
    """

    memory: Memory
    address: int
    row_bytes: int
    origin: str = ""


@dataclass(frozen=True)
class Placement:
    """Homes by name of tensor, and what they leave of the buffers.

    Attributes
    ----------
    joined
        Names of the Concat operators whose inputs are made in their places.
    shared_bytes
        Of the memory ``SHARED``.
    weight_ring_bytes
        Of the weight buffer, from address 0 on, for what streams through it.
    staging
        For each operator. Operators that follow one another with the same free memory have the
        same, so that loads of one run ahead into room that the one before no longer needs.
    """

    homes: dict[str, Home]
    joined: frozenset[str]
    shared_bytes: int
    weight_ring_bytes: int
    staging: tuple[Staging, ...]


def place(graph: Graph, config: Config) -> Placement:
    """Find a home for every tensor, in the order in which they are made."""
    return _Placer(graph, config).place()


class _Placer:
    def __init__(self, graph: Graph, config: Config) -> None:
        self._graph = graph
        self._config = config
        self._lifetimes = _lifetimes(graph)
        self._homes: dict[str, Home] = {}
        self._streamed = {tensor.name for tensor in graph.tensors}
        alignment = 2 * config.word_bytes
        self._activation = Packer(config.activation_buffer_bytes, alignment)
        half = config.weight_buffer_bytes // WEIGHT_BANKS
        least = _LEAST_WEIGHT_TILES * config.rows * config.cols
        self._weight_homes = half if config.weight_buffer_bytes - half >= least else 0
        self._weight = Packer(self._weight_homes, alignment)
        self._shared = Packer(None, ALIGNMENT_BYTES)
        self._least = least_ring_bytes(config)
        fixed = (*graph.inputs, *graph.outputs, *(c.tensor for c in graph.constants))
        self._outside = {tensor.name for tensor in fixed}
        self._parts = joined_parts(graph, self._outside, config)
        wholes = {whole.name for whole, _ in self._parts.values()}
        self._joins = frozenset(
            operator.name
            for operator in graph.operators
            if isinstance(operator, Concat) and operator.output.name in wholes
        )
        for part, (whole, _) in self._parts.items():
            self._lifetimes[whole.name] = self._lifetimes[whole.name].joined(self._lifetimes[part])

    def place(self) -> Placement:
        self._place_fixed()
        for tensor in self._graph.tensors:
            if tensor.name in self._parts:
                whole, column = self._parts[tensor.name]
                self._find(whole)
                self._homes[tensor.name] = self._part(tensor, self._homes[whole.name], column)
            else:
                self._find(tensor)
        return Placement(
            self._homes,
            self._joins,
            self._shared.peak,
            self._config.weight_buffer_bytes - (self._weight_homes if self._weight.peak else 0),
            self._deal(),
        )

    def _find(self, tensor: Tensor) -> None:
        """A home for a tensor that has none."""
        if tensor.name not in self._homes:
            home = self._in_buffer(tensor) or self._in_shared(tensor)
            self._homes[tensor.name] = home

    def _part(self, tensor: Tensor, home: Home, column: int) -> Home:
        """The home of what is columns of a whole from `column` on."""
        if home.memory != "dram":
            self._streamed.discard(tensor.name)
        offset = column * tensor.element_type.bytes
        return replace(home, address=home.address + offset)

    def _place_fixed(self) -> None:
        """What lives in DRAM in any case: what comes from or goes to outside."""
        for tensor in self._graph.tensors:
            if tensor.name in self._outside:
                self._homes[tensor.name] = self._in_dram(tensor, tensor.name, 0)
        for operator in self._graph.operators:
            if isinstance(operator, Append):
                cache = self._homes[operator.cache.name]
                self._homes[operator.output.name] = cache

    def _in_dram(self, tensor: Tensor, origin: str, address: int) -> Home:
        """Rule D-01."""
        row_bytes = round_up(tensor.cols * tensor.element_type.bytes, self._config.word_bytes)
        return Home("dram", address, row_bytes, origin)

    def _in_shared(self, tensor: Tensor) -> Home:
        lifetime = self._lifetimes[tensor.name]
        home = self._in_dram(tensor, SHARED, 0)
        size = tensor.rows * home.row_bytes
        address = self._shared.find(size, lifetime)
        assert address is not None, "it has no end"
        self._shared.take(address, size, lifetime)
        return self._in_dram(tensor, SHARED, address)

    def _in_buffer(self, tensor: Tensor) -> Home | None:
        """A home in the buffer from which all readers read, if there is room."""
        parts = [name for name, (whole, _) in self._parts.items() if whole == tensor]
        as_activation, as_weight, from_memory = (
            any(
                read == tensor or read.name in parts
                for operator in self._graph.operators
                if operator.name not in self._joins
                for read in reads(operator)
            )
            for reads in (activation_reads, weight_reads, memory_reads)
        )
        if from_memory or (as_activation and as_weight):
            return None
        packer = self._weight if as_weight else self._activation
        lifetime = self._lifetimes[tensor.name]
        row_bytes = _row_bytes(tensor, self._config)
        size = tensor.rows * row_bytes
        address = packer.find(size, lifetime, self._rival_banks(tensor))
        if address is None:
            address = packer.find(size, lifetime)
        if address is None:
            return None
        packer.take(address, size, lifetime)
        if as_weight:
            self._streamed.remove(tensor.name)
            return Home("weight", address + self._weight_ring_end, row_bytes)
        if not self._rest_suffices(tensor.name, lifetime):
            packer.drop(address, lifetime)
            return None
        self._streamed.remove(tensor.name)
        return Home("activation", address, row_bytes)

    def _rival_banks(self, tensor: Tensor) -> list[tuple[int, int]]:
        """Banks of the activation buffer with what another engine reads meanwhile (rule B-04)."""
        bank = self._config.activation_buffer_bytes // ACTIVATION_BANKS
        result = []
        for pair in map(_read_at_once, self._graph.operators):
            for other in pair if tensor in pair else ():
                home = self._homes.get(other.name)
                if home is not None and home.memory == "activation":
                    end = home.address + other.rows * home.row_bytes
                    result.append((home.address // bank * bank, round_up(end, bank)))
        return result

    @property
    def _weight_ring_end(self) -> int:
        return self._config.weight_buffer_bytes - self._weight_homes

    def _rest_suffices(self, name: str, lifetime: Lifetime) -> bool:
        """Whether enough is left for what may stream while the tensor `name` lives.

        What goes to or comes from outside gets a bank, so that it meets nothing else (B-04); for
        what may yet find a home half a bank does.
        """
        streamed = self._streamed - {name}
        for index in range(lifetime.first, lifetime.last + 1):
            operator = self._graph.operators[index]
            outside = roles(operator, self._outside)
            wanted = roles(operator, streamed)
            staging = deal(self._free(index), wanted, self._config)
            for role in wanted:
                in_bank = role in outside and role != "scratch"
                if staging.size(role) < self._least * (1 + in_bank):
                    return False
        return True

    def _free(self, index: int) -> list[tuple[int, int]]:
        """What is free of the activation buffer during an operator."""
        gaps = self._activation.gaps(Lifetime(index, index))
        return [(start, end) for start, end in gaps if end is not None]

    def _deal(self) -> tuple[Staging, ...]:
        result: list[Staging] = []
        operators = self._graph.operators
        for _, group in groupby(range(len(operators)), key=self._free):
            members = list(group)
            each = [roles(operators[index], self._streamed) for index in members]
            together = [role for role in ROLES if any(role in wanted for wanted in each)]
            free = self._free(members[0])
            common = deal(free, together, self._config)
            if any(size < self._least for _, (_, size) in common.rings):
                result += [deal(free, wanted, self._config) for wanted in each]
            else:
                result += [common] * len(members)
        return tuple(result)


def _lifetimes(graph: Graph) -> dict[str, Lifetime]:
    """Of every tensor that an operator makes."""
    result: dict[str, Lifetime] = {}
    for index, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            if tensor.name in result:
                result[tensor.name] = Lifetime(result[tensor.name].first, index)
        for tensor in operator.outputs:
            result[tensor.name] = Lifetime(index, index)
    return result


def _read_at_once(operator: Operator) -> tuple[Tensor, ...]:
    """Tensors of which MATRIX reads one while VECTOR reads the other."""
    match operator:
        case Linear():
            return operator.inputs
        case Normalize() if operator.output.element_type is not ElementType.INT16:
            # The next operator begins while the normalisation makes its wide output.
            return (operator.input, operator.output)
        case _:
            return ()


def _row_bytes(tensor: Tensor, config: Config) -> int:
    """Row stride in a buffer: what VECTOR writes and MATRIX reads as weights (I-03, I-04)."""
    element_bytes = tensor.element_type.bytes
    multiple = max(config.rows, config.cols * element_bytes)
    return round_up(tensor.cols * element_bytes, multiple)
