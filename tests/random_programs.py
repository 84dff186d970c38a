"""Small random programs and configurations for timing tests: every rule gets its turn."""

from __future__ import annotations

from random import Random
from typing import Any

from arch.config import Config
from arch.isa import (
    Addition,
    Buffer,
    Destination,
    ElementType,
    End,
    Engine,
    FillTable,
    Instruction,
    Load,
    Matrix,
    Operation,
    RowFunction,
    ScaleRows,
    Source,
    Store,
    Vector,
)

DRAM = Random(0).randbytes(1024)
"""What index LOADs bring: numbers of rows that lie anywhere."""


def random_config(rng: Random) -> Config:
    """Narrow and slow, so that limits are met often."""
    axi_bits = rng.choice((32, 32, 64, 128, 512))
    return Config(
        name="random",
        rows=rng.choice((4, 8)),
        cols=16 if axi_bits == 512 else rng.choice((4, 8)),
        activation_buffer_kib=8,
        weight_buffer_kib=4,
        parameter_buffer_kib=4,
        accumulator_kib=4,
        queue_depth=rng.choice((2, 2, 3, 8)),
        max_outstanding_reads=rng.choice((1, 2, 3, 32)),
        max_outstanding_writes=rng.choice((1, 2, 3, 32)),
        read_window_beats=rng.choice((1, 2, 7, 20, 64, 256)),
        axi_data_bits=axi_bits,
        dram_latency_cycles=rng.choice((4, 5, 9, 30, 100)),
        dram_bytes_per_cycle=rng.choice((1, 3, axi_bits // 8, axi_bits // 8)),
    )


def random_program(rng: Random, config: Config, length: int) -> list[Instruction]:
    """``length`` instructions and END; waits only for signals that earlier ones give."""
    given = {(producer, consumer): 0 for producer in Engine for consumer in Engine}
    weights = [rng.choice((0.2, 1, 3)) for _ in Engine]
    program: list[Instruction] = []
    for _ in range(length):
        engine = rng.choices(list(Engine), weights)[0]
        header: dict[str, Any] = {"signal": 0}
        for other in Engine:
            if other is engine:
                continue
            if given[other, engine] and rng.random() < 0.6:
                count = rng.randint(1, min(3, given[other, engine]))
                header[f"wait_{other.name.lower()}"] = count
                given[other, engine] -= count
            if rng.random() < 0.4:
                header["signal"] |= 1 << other
                given[engine, other] += 1
        program.append(_BUILDERS[engine](rng, config, header))
    return [*program, End()]


def _address(rng: Random, multiple: int = 1) -> int:
    """Mostly in the first two banks of the activation buffer, and now and then at its end."""
    address = rng.choice((rng.randint(0, 100), rng.randint(1900, 2200), rng.randint(8100, 8200)))
    return address - address % multiple


def _transfer(rng: Random, config: Config) -> dict[str, int]:
    small = rng.random() < 0.6
    run_bytes = rng.randint(1, 3 * config.axi_bytes if small else 1500)
    return {
        "buffer_address": _address(rng),
        "run_buffer_stride": rng.randint(0, 100),
        "plane_buffer_stride": rng.randint(0, 3000),
        "dram_address": rng.choice((0, 4096 - 8, 1024 - 4)) + rng.randint(0, 64),
        "run_bytes": run_bytes,
        "runs": rng.randint(1, 12) if small else rng.randint(1, 2),
        "run_dram_stride": rng.randint(0, 1000),
        "planes": rng.choice((1, 1, 2)),
        "plane_dram_stride": rng.randint(0, 5000),
    }


def _load(rng: Random, config: Config, header: dict[str, Any]) -> Load:
    pad = rng.choice((0, 0, rng.randint(1, 5 * config.axi_bytes)))
    if rng.random() < 0.2:
        return _index_load(rng, config, {**header, "pad_bytes": pad, "pad_value": 1})
    buffer = rng.choice((Buffer.ACTIVATION, Buffer.WEIGHT))
    fields = header | _transfer(rng, config) | {"buffer": buffer, "pad_bytes": pad}
    if rng.random() < 0.3:
        fields |= {"planes": 1, "gather": 1, "index_address": rng.randint(0, 40)}
    return Load(**fields)


def _index_load(rng: Random, config: Config, fields: dict[str, Any]) -> Load:
    """Runs and planes that overlap in the buffer and end beyond what DRAM holds."""
    strides = {
        f"{name}_stride": config.axi_bytes * rng.randint(0, 3)
        for name in ("run_dram", "run_buffer", "plane_dram", "plane_buffer")
    }
    return Load(
        **fields,
        **strides,
        buffer=Buffer.INDEX,
        buffer_address=config.axi_bytes * rng.randint(0, 2),
        dram_address=config.axi_bytes * rng.randint(0, 1100 // config.axi_bytes),
        run_bytes=rng.randint(1, 200),
        runs=rng.randint(1, 3),
        planes=rng.choice((1, 2)),
    )


def _store(rng: Random, config: Config, header: dict[str, Any]) -> Store:
    return Store(**header, buffer=Buffer.ACTIVATION, **_transfer(rng, config))


def _matrix(rng: Random, config: Config, header: dict[str, Any]) -> Matrix:
    order = rng.choice(("tiles", "tiles", "transposed", "row_major", "diagonal"))
    tiles = order in ("tiles", "diagonal")
    return Matrix(
        **header,
        activation_address=_address(rng),
        y_origin=rng.choice((0, 0, -2, 95)),
        y_row_step=rng.randint(0, 2),
        y_ky_step=1,
        y_limit=100,
        row_stride=rng.choice((0, 8, 16, rng.randint(0, 40))),
        ky_stride=rng.randint(0, 500),
        x_origin=rng.choice((0, 0, -3, 80)),
        column_stride=rng.randint(0, 9),
        kx_stride=rng.randint(0, 9),
        n_stride=rng.choice((0, 0, 8, 30, rng.randint(0, 60))),
        x_limit=100,
        output_rows=rng.choice((1, 2, 7, 20)),
        output_columns=rng.choice((1, 2)),
        ky_count=rng.choice((1, 3)) if tiles else 1,
        kx_count=rng.choice((1, 2)) if tiles else 1,
        k_tiles=rng.randint(1, 4),
        last_k=rng.randint(1, config.rows),
        n_tiles=rng.randint(1, 3),
        last_n=rng.randint(1, config.cols),
        weight_address=0,
        weight_transposed=int(order == "transposed"),
        weight_row_major=int(order == "row_major"),
        weight_diagonal=int(order == "diagonal"),
        weight_zero_row=rng.randint(0, 1) if order == "tiles" else 0,
        maximum=int(rng.random() < 0.2),
        mac_k=rng.choice((0, 0, rng.randint(1, config.rows))),
    )


def _vector(rng: Random, config: Config, header: dict[str, Any]) -> Instruction:
    kind = rng.random()
    if kind < 0.15:
        return FillTable(**header, table=rng.randint(0, 1), parameter_address=0)
    if kind < 0.3:
        return ScaleRows(**header, function=rng.choice(list(RowFunction)), rows=rng.randint(1, 20))
    source = rng.choice(list(Source))
    operation, addition = Operation.DIRECT, rng.choice(list(Addition))
    if source is not Source.ACCUMULATOR and rng.random() < 0.5:
        operation, addition = rng.choice((Operation.MULTIPLY, Operation.CENTRE)), Addition.NONE
    return Vector(
        **header,
        source_address=_address(rng, 2 * config.cols),
        source_row_stride=2 * config.cols * rng.randint(0, 3),
        residual_address=_address(rng, 2 * config.cols),
        residual_row_stride=2 * config.cols * rng.randint(0, 3),
        multiplier_type=rng.choice((ElementType.INT8, ElementType.UINT8, ElementType.INT16)),
        rows=rng.choice((1, 2, 30, 150)),
        n_tiles=rng.randint(1, 3),
        last_n=rng.randint(1, config.cols),
        source=source,
        operation=operation,
        addition=addition,
        tensor_scale=rng.randint(0, 1),
        bias_after=1,
        element_type=rng.choice((ElementType.INT8, ElementType.INT16)),
        output_buffer=rng.choice(list(Destination)),
        output_address=_address(rng, 2 * config.cols),
        output_row_stride=2 * config.cols * rng.randint(0, 3),
    )


_BUILDERS = {
    Engine.LOAD: _load,
    Engine.MATRIX: _matrix,
    Engine.VECTOR: _vector,
    Engine.STORE: _store,
}
