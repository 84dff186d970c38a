"""From a graph to a program image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arch.config import Config
from arch.image import PROGRAM_ALIGNMENT_BYTES, DebugInfo, Image, OperatorInfo, build_image
from arch.isa import INSTRUCTION_BYTES, End, Instruction, encode_program
from compiler.dependencies import dependencies
from compiler.emitter import Emitter
from compiler.layout import Layout, lay_out
from compiler.linear import LinearLowering
from compiler.schedule import order_of_issue
from compiler.step import Step
from compiler.synchronize import synchronize
from compiler.verify import reject_races
from model.tile_search import best_tilings
from model.tiling import Partition, Shape, Tiling, partition
from workloads.graph import Graph, Linear, check_inputs


def compile(graph: Graph, inputs: dict[str, NDArray[np.generic]], config: Config) -> Image:
    """Compile `graph` with its constants and `inputs` for `config`.

    Raises
    ------
    AssayError
        An input is missing or of another shape or type, or the workload needs more DRAM than
        there is.
    """
    check_inputs(graph, inputs)
    layout = lay_out(graph, inputs, config)
    has_residual = any(operator.residual is not None for operator in graph.operators)
    emitter = Emitter(config, layout, partition(config, has_residual))
    for index, operator in enumerate(graph.operators):
        emitter.operator = index
        LinearLowering(emitter, operator, _tiling(operator, config, emitter.space)).run()
    steps, program = _order_and_synchronize(emitter.steps, config)
    reject_races(program, steps)
    return _image(graph, config, layout, steps, program)


def _tiling(operator: Linear, config: Config, space: Partition) -> Tiling:
    residual = operator.residual
    shape = Shape(
        operator.input.rows,
        operator.input.cols,
        operator.output.cols,
        operator.output.element_type.bytes,
        0 if residual is None else residual.tensor.element_type.bytes,
    )
    return best_tilings(shape, config, space, 1)[0]


def _order_and_synchronize(
    steps: Sequence[Step], config: Config
) -> tuple[list[Step], list[Instruction]]:
    """The steps in the order of the program, and the program with END."""
    needs = dependencies(steps)
    order = order_of_issue(steps, needs, config)
    place = {step: index for index, step in enumerate(order)}
    place[-1] = -1
    ordered = [steps[index] for index in order]
    moved = [[place[index] for index in needs[step]] for step in order]
    instructions = [step.instruction for step in ordered]
    return ordered, [*synchronize(instructions, moved, config), End()]


def _image(
    graph: Graph,
    config: Config,
    layout: Layout,
    steps: Sequence[Step],
    program: Sequence[Instruction],
) -> Image:
    assert layout.end % PROGRAM_ALIGNMENT_BYTES == 0, "sections are aligned to more"
    address = layout.reserve(len(program) * INSTRUCTION_BYTES)
    debug = DebugInfo(
        workload=graph.name,
        operators=tuple(_operator_info(operator) for operator in graph.operators),
        operator_of=(*(step.operator for step in steps), -1),
        tensors=tuple(layout.tensors[tensor.name] for tensor in graph.tensors),
    )
    return build_image(config, address, encode_program(program), layout.sections, layout.end, debug)


def _operator_info(operator: Linear) -> OperatorInfo:
    constants = operator.weight.nbytes + operator.bias.nbytes + operator.scale.nbytes
    return OperatorInfo(
        name=operator.name,
        kind="linear",
        macs=operator.macs,
        read_bytes=constants + sum(tensor.bytes for tensor in operator.inputs),
        write_bytes=operator.output.bytes,
        outputs=(operator.output.name,),
    )
