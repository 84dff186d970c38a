"""From a graph to a program image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.errors import AssayError
from arch.image import PROGRAM_ALIGNMENT_BYTES, DebugInfo, Image, TensorPlace, build_image
from arch.isa import End, Instruction
from compiler.dependencies import dependencies
from compiler.emitter import Emitter
from compiler.layout import Layout
from compiler.lower import lower
from compiler.operator_info import operator_info
from compiler.placement import Placement, place
from compiler.schedule import order_of_issue
from compiler.step import Step
from compiler.synchronize import synchronize
from compiler.verify import reject_races
from workloads.graph import Graph, check_inputs


def compile(graph: Graph, inputs: dict[str, NDArray[np.generic]], config: Config) -> Image:
    """Compile `graph` with its constants and `inputs` for `config`.

    Raises
    ------
    AssayError
        An input is missing or of another shape or type, an operator cannot be mapped to `config`,
        or the workload needs more DRAM than there is.
    """
    check_inputs(graph, inputs)
    placement = place(graph, config)
    layout = Layout(graph, inputs, placement, config)
    emitter = Emitter(config, layout, placement)
    for index, operator in enumerate(graph.operators):
        emitter.begin(index, operator)
        lower(emitter, operator)
    order, program = _order_and_synchronize(emitter.steps, config)
    steps = [emitter.steps[index] for index in order]
    reject_races(program, steps)
    encoded = _encoded(program, [graph.operators[step.operator].name for step in steps])
    assert layout.end % PROGRAM_ALIGNMENT_BYTES == 0, "sections are aligned to more"
    address = layout.reserve(len(encoded))
    position = {step: index for index, step in enumerate(order)}
    complete = {name: position[step] for name, step in emitter.last_writes.items()}
    own: list[list[Step]] = [[] for _ in graph.operators]
    for step in emitter.steps:
        own[step.operator].append(step)
    debug = DebugInfo(
        workload=graph.name,
        operators=tuple(map(operator_info, graph.operators, own)),
        operator_of=(*(step.operator for step in steps), -1),
        tensors=_tensor_places(graph, placement, layout, complete),
    )
    return build_image(config, address, encoded, layout.sections, layout.end, debug)


def _order_and_synchronize(
    steps: Sequence[Step], config: Config
) -> tuple[list[int], list[Instruction]]:
    """The indices of the steps in the order of the program, and the program with END."""
    needs = dependencies(steps)
    order = order_of_issue(steps, needs, config)
    place = {step: index for index, step in enumerate(order)}
    place[-1] = -1
    moved = [[place[index] for index in needs[step]] for step in order]
    instructions = [steps[index].instruction for index in order]
    return order, [*synchronize(instructions, moved, config), End()]


def _encoded(program: Sequence[Instruction], owners: Sequence[str]) -> bytes:
    """The bytes of a program; `owners` are the operators of all instructions but END."""
    pieces = []
    for instruction, owner in zip(program, [*owners, ""], strict=True):
        try:
            pieces.append(instruction.encode())
        except AssayError as error:
            raise AssayError(
                f"operator '{owner}': no instruction holds it, make it smaller: {error}"
            ) from None
    return b"".join(pieces)


def _tensor_places(
    graph: Graph, placement: Placement, layout: Layout, complete: dict[str, int]
) -> tuple[TensorPlace, ...]:
    """Where each tensor is when the instruction `complete` has retired."""
    names: dict[str, Literal["int8", "uint8", "int16", "int32"]]
    names = {"INT8": "int8", "UINT8": "uint8", "INT16": "int16", "INT32": "int32"}
    roles: dict[str, Literal["input", "constant", "output"]]
    roles = {tensor.name: "input" for tensor in graph.inputs}
    roles |= {constant.tensor.name: "constant" for constant in graph.constants}
    roles |= {tensor.name: "output" for tensor in graph.outputs if tensor.name not in roles}
    return tuple(
        TensorPlace(
            name=tensor.name,
            role=roles.get(tensor.name, "intermediate"),
            element_type=names[tensor.element_type.name],
            rows=tensor.rows,
            cols=tensor.cols,
            memory=home.memory,
            address=layout.address(tensor.name) if home.memory == "dram" else home.address,
            row_bytes=home.row_bytes,
            complete=complete.get(tensor.name, -1),
        )
        for tensor in graph.tensors
        for home in (placement.homes[tensor.name],)
    )
