"""Sums of rows to steps: a row of ones times the rows, as weights that lie row by row."""

from __future__ import annotations

from arch.isa import ElementType, Matrix, Vector
from compiler.emitter import Emitter
from compiler.operand import cut
from compiler.vector_fields import clamped, into, lanes, tensor_scale
from compiler.weight_chunks import weight_chunks
from model.tiling import ceil_div, round_up
from workloads.operators import SumRows


def lower_sum_rows(emitter: Emitter, operator: SumRows) -> None:
    """Emit all steps: for each segment blocks of columns that fit an accumulator half."""
    for index in range(len(operator.segments)):
        for columns in cut(operator.input.cols, _most_columns(emitter, operator)):
            _accumulate(emitter, operator, index, columns)
            _scale(emitter, operator, index, columns)
            emitter.half ^= 1


def _most_columns(emitter: Emitter, operator: SumRows) -> int:
    """Of a block: whole tiles, of which a row of tiles fits the weight buffer if possible."""
    config = emitter.config
    tile = max(config.rows, config.cols)
    most = min(config.accumulator_depth * config.cols, emitter.most_n // tile * tile)
    while most > tile and emitter.weight_rows(operator.input, most) < config.rows:
        most = round_up(most // 2, tile)
    return most


def _accumulate(emitter: Emitter, operator: SumRows, index: int, columns: range) -> None:
    first, count = operator.segments[index]
    rows = range(first, first + count)
    tile = emitter.config.rows
    most = min(emitter.scratch_bytes // tile * tile, emitter.most_k)
    loaded = weight_chunks(emitter, operator.input, rows, len(columns), tile)
    chunks = [chunk[some.start : some.stop] for chunk in loaded for some in cut(len(chunk), most)]
    ones = emitter.ones(len(chunks[0]))
    for rows in chunks:
        source = emitter.weights(operator.input, rows, columns)
        k_tiles = ceil_div(len(rows), emitter.config.rows)
        emitter.append(
            Matrix(
                activation_address=ones.address,
                activation_signed=0,
                y_limit=1,
                row_stride=ones.row_stride,
                x_limit=len(rows),
                output_rows=1,
                k_tiles=k_tiles,
                last_k=len(rows) - (k_tiles - 1) * emitter.config.rows,
                weight_address=source.address,
                weight_signed=int(operator.input.element_type is ElementType.INT8),
                weight_zero_point=operator.input_zero_point,
                weight_row_major=1,
                weight_stride=source.row_stride,
                accumulator_half=emitter.half,
                accumulate=int(rows.start > first),
                **lanes(len(columns), emitter.config.cols),
            ),
            reads=(ones.region, source.region),
            writes=(emitter.accumulators(emitter.half),),
        )


def _scale(emitter: Emitter, operator: SumRows, index: int, columns: range) -> None:
    rows = range(index, index + 1)
    output = emitter.target(operator.output, rows, columns)
    emitter.append(
        Vector(
            accumulator_half=emitter.half,
            rows=1,
            **lanes(len(columns), emitter.config.cols),
            zero_point=operator.output_zero_point,
            **tensor_scale(operator.scale[index]),
            **clamped(operator.output.element_type),
            **into(output, operator.output.element_type),
        ),
        reads=(emitter.accumulators(emitter.half),),
        writes=(output.region,),
    )
    emitter.finish(operator.output, rows, columns)
