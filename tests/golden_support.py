"""Programs by hand, for the tests of the golden model."""

from collections.abc import Sequence

import numpy as np

from arch.config import Config, load_config
from arch.image import DebugInfo, Image, build_image
from arch.isa import Buffer, End, Instruction, Load, Matrix, Store, Vector, encode_program
from golden.machine import MachineState, run

TINY = load_config("tiny")
R, C = TINY.rows, TINY.cols
DATA = 0x4000
DRAM_BYTES = 0x10000
ACTIVATION, WEIGHT, PARAMETER, INDEX = Buffer
DEBUG = DebugInfo(workload="test", operators=(), operator_of=(), tensors=())


def image_of(program: Sequence[Instruction], data: bytes = b"", config: Config = TINY) -> Image:
    """An image with the program, END behind it, at 0 and the data at ``DATA``."""
    code = encode_program([*program, End()])
    sections = [("data", DATA, data)] if data else []
    return build_image(config, 0, code, sections, DRAM_BYTES, DEBUG)


def execute(
    program: Sequence[Instruction], data: bytes = b"", config: Config = TINY, seed: int = 0
) -> MachineState:
    return run(image_of(program, data, config), config, seed)


def chained(program: Sequence[Instruction]) -> list[Instruction]:
    """The same program, every instruction waiting for the one before it."""
    result = [program[0]]
    for instruction in program[1:]:
        before = result[-1]
        if before.engine != instruction.engine:
            result[-1] = with_fields(before, signal=before.signal | 1 << instruction.engine)
            wait = f"wait_{before.engine.name.lower()}"
            instruction = with_fields(instruction, **{wait: getattr(instruction, wait) + 1})
        result.append(instruction)
    return result


def with_fields(instruction: Instruction, **changes: int) -> Instruction:
    return type(instruction)(**{**vars(instruction), **changes})


def load(buffer: Buffer, buffer_address: int, dram_address: int, count: int, **more) -> Load:
    return Load(
        buffer=buffer,
        buffer_address=buffer_address,
        dram_address=dram_address,
        run_bytes=count,
        **more,
    )


def store(buffer_address: int, dram_address: int, count: int, **more) -> Store:
    return Store(
        buffer=Buffer.ACTIVATION,
        buffer_address=buffer_address,
        dram_address=dram_address,
        run_bytes=count,
        **more,
    )


def gemm(M: int, K: int, N: int, **more) -> Matrix:
    """(M, K) activations, rows padded to R, at 0, by a weight image at 0."""
    k_tiles, n_tiles = -(-K // R), -(-N // C)
    fields = {
        "activation_address": 0,
        "y_limit": M,
        "row_stride": k_tiles * R,
        "x_limit": K,
        "output_rows": M,
        "k_tiles": k_tiles,
        "last_k": K - (k_tiles - 1) * R,
        "n_tiles": n_tiles,
        "last_n": N - (n_tiles - 1) * C,
        "weight_address": 0,
    }
    return Matrix(**{**fields, **more})


def vector(rows: int, N: int, **more) -> Vector:
    """Requantise to int8 from parameters at 0 into rows of N padded to C at 0x1000."""
    n_tiles = -(-N // C)
    fields = {
        "rows": rows,
        "n_tiles": n_tiles,
        "last_n": N - (n_tiles - 1) * C,
        "parameter_address": 0,
        "clamp_low": -128,
        "clamp_high": 127,
        "element_type": 0,
        "output_address": 0x1000,
        "output_row_stride": n_tiles * C,
    }
    return Vector(**{**fields, **more})


def padded(array: np.ndarray, multiple: int, axis: int = -1) -> np.ndarray:
    """Zeros behind the last element of an axis, up to a multiple."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % multiple)
    return np.pad(array, widths)


def weight_image(weight: np.ndarray, zero_row: np.ndarray | None = None) -> bytes:
    """(runs, K, N) as ``[n tile][run][k tile][row][col]``, each n tile behind its zero points."""
    tiles = padded(padded(weight, R, 1), C, 2)
    runs, K, N = tiles.shape
    by_n = tiles.reshape(runs, K, N // C, C).transpose(2, 0, 1, 3).reshape(N // C, -1)
    if zero_row is not None:
        by_n = np.concatenate([padded(zero_row, C).reshape(-1, C), by_n], axis=1)
    return by_n.tobytes()


def parameters(bias: np.ndarray, scale: np.ndarray) -> bytes:
    """Channel parameters: for each n tile C int32 biases, then C float32 scales."""
    words = [padded(a, C).reshape(-1, 1, C) for a in (bias.astype("<i4"), scale.astype("<f4"))]
    return np.concatenate([w.view(np.uint8) for w in words], axis=1).tobytes()


def accumulators(state: MachineState, first: int, count: int) -> np.ndarray:
    """int32 (count, C): vectors from ``first`` on, counted over both halves; all are written."""
    memory = state.buffers["accumulator"]
    span = slice(first * 4 * C, (first + count) * 4 * C)
    assert memory.written[span].all()
    return memory.data[span].view("<i4").reshape(count, C)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def laid_out(*pieces: tuple[Buffer, int, bytes]) -> tuple[list, bytes]:
    """LOADs that bring each piece to its place in its buffer, and the data they copy."""
    loads, data = [], b""
    for buffer, address, content in pieces:
        data += bytes(-len(data) % 64)
        loads.append(load(buffer, address, DATA + len(data), len(content)))
        data += content
    return loads, data


def run_on(pieces: list[tuple[Buffer, int, bytes]], *program, config=TINY):
    loads, data = laid_out(*pieces)
    return execute(chained([*loads, *program]), data, config)


def operands(x: np.ndarray, weights: bytes) -> list[tuple[Buffer, int, bytes]]:
    return [(ACTIVATION, 0, padded(x, R).tobytes()), (WEIGHT, 0, weights)]
