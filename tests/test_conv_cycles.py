"""What a single convolution takes: little more than its slowest resource, start and drain."""

import pytest

from arch.config import load_config
from arch.isa import Buffer, Load, Matrix, Store, Vector
from arch.timing import (
    FETCH_TO_DISPATCH_CYCLES,
    MATRIX_PIPELINE_CYCLES,
    STORE_READ_TO_WRITE_CYCLES,
    VECTOR_PARAMETER_CYCLES,
    VECTOR_PIPELINE_CYCLES,
)
from compiler import compile
from model.tiling import ceil_div
from model.timeline import predict
from workloads.registry import load

BASE = load_config("base")
ALLOWANCE = 1.11
SHAPES = [
    "conv:22x35x54:8x6x29",
    "conv:16x8x128:3x3x32",
    "conv:8x6x192:3x3x32",
    "conv:30x30x32:3x3x32:d2:p2",
    "conv:33x29x48:3x3x40:d3",
    "conv:16x16x64:3x3x64:s2:p1",
    "conv:9x9x256:1x1x256:s2",
    "conv:32x32x3:7x7x64:s2:p3",
    "conv:28x28x1:5x5x6",
    "conv:60x60x2:11x11x8",
    "conv:14x14x96:1x1x48",
    "conv:10x10x20:3x3x20",
    "conv:17x17x8:3x3x8",
    "conv:1x1x512:1x1x512",
    "conv:13x300x16:3x3x16:p1",
    "conv:5x5x1024:5x5x64",
    "conv:56x56x64:3x3x64:p1",
]


def instructions(image, kind):
    return [instruction for instruction in image.program if isinstance(instruction, kind)]


def start_cycles(image):
    """Section 11: what the first MATRIX waits for."""
    loads = instructions(image, Load)
    read = [
        next(load for load in loads if load.buffer == buffer)
        for buffer in (Buffer.WEIGHT, Buffer.ACTIVATION)
    ]
    size = sum(each.run_bytes * each.runs * each.planes for each in read)
    bursts = sum(each.runs * each.planes for each in read)
    latency = BASE.dram_latency_cycles
    fetch = latency + 64 // BASE.axi_bytes + 2 + FETCH_TO_DISPATCH_CYCLES + 2
    data = max(size / BASE.dram_bytes_per_cycle, bursts * latency / BASE.max_outstanding_reads)
    return fetch + latency + data + 3 + BASE.rows


def drain_cycles(image):
    """Section 11: from the last row of MATRIX to the end."""
    vector, store = instructions(image, Vector)[-1], instructions(image, Store)[-1]
    latency = BASE.dram_latency_cycles
    runs = store.runs * store.planes
    beats = runs * ceil_div(store.run_bytes, BASE.axi_bytes)
    stored = max(beats, runs * latency / BASE.max_outstanding_writes)
    computed = MATRIX_PIPELINE_CYCLES + 1 + VECTOR_PARAMETER_CYCLES + vector.rows * vector.n_tiles
    return computed + VECTOR_PIPELINE_CYCLES + 1 + STORE_READ_TO_WRITE_CYCLES + stored + latency + 2


def slowest_cycles(operator):
    """Rows of the fewest tiles, loading those, or what must come from and go to DRAM."""
    window, image, made = operator.window, operator.image, operator.output_image
    run = window.kernel[1] * ceil_div(image.channels, BASE.rows)
    if window.dilation[1] == 1:
        run = min(run, ceil_div(window.kernel[1] * image.channels, BASE.rows))
    tiles = window.kernel[0] * run * ceil_div(operator.output.cols, BASE.cols)
    size = image.pixels * image.channels + operator.weight.size + made.pixels * operator.output.cols
    return max(tiles * made.pixels, tiles * BASE.rows, size / BASE.dram_bytes_per_cycle)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_convolution_takes_little_more_than_its_slowest_resource(shape):
    workload = load(shape)
    image = compile(workload.graph, workload.inputs, BASE)
    slowest = slowest_cycles(workload.graph.operators[0])
    allowed = ALLOWANCE * (slowest + start_cycles(image) + drain_cycles(image))
    cycles = predict(image, BASE).cycles
    assert slowest < cycles <= allowed, f"{cycles} cycles, {allowed:.0f} allowed"


@pytest.mark.parametrize(
    ("shape", "tiles", "pixels"),
    [("conv:22x35x54:8x6x29", 8 * 21 * 2, 15 * 30), ("conv:9x9x3:3x3x8", 3, 7 * 7)],
)
def test_kernel_columns_and_channels_are_one_run(shape, tiles, pixels):
    workload = load(shape)
    image = compile(workload.graph, workload.inputs, BASE)
    assert {each.kx_count for each in instructions(image, Matrix)} == {1}
    assert predict(image, BASE).counters["matrix_rows"] == tiles * pixels
