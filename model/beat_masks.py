"""The sub-banks of what LOAD writes and STORE reads, beat by beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arch.config import Config
from arch.isa import Load, Store
from model.sub_banks import Integers, Masks, SubBanks


def _runs(instruction: Load | Store, rows: Sequence[int] | None) -> tuple[Integers, Integers]:
    """Where each run begins, in DRAM and in the buffer (I-01)."""
    i = instruction
    plane, run = np.ogrid[: i.planes, : i.runs]
    row = run if rows is None else np.array(rows, np.int64)[None, :]
    dram = i.dram_address + plane * i.plane_dram_stride + row * i.run_dram_stride
    buffer = i.buffer_address + plane * i.plane_buffer_stride + run * i.run_buffer_stride
    return dram.ravel(), buffer.ravel()


def beat_masks(
    instruction: Load | Store,
    config: Config,
    sub_banks: SubBanks,
    rows: Sequence[int] | None = None,
) -> Masks:
    """Sub-banks of each beat: of the bytes of a run that lie in it (T-LD-01, T-ST-01).

    ``rows`` are what a gathering LOAD takes in place of the numbers of its runs.
    """
    width, run_bytes = config.axi_bytes, instruction.run_bytes
    dram, buffer = _runs(instruction, rows)
    # Bytes of the run's first beat that lie before the run.
    before = dram % width
    beats = (before + run_bytes - 1) // width + 1
    of_run = np.repeat(np.arange(len(beats)), beats)
    beat = np.arange(len(of_run)) - (np.cumsum(beats) - beats)[of_run]
    first = np.maximum(0, beat * width - before[of_run])
    end = np.minimum(run_bytes, (beat + 1) * width - before[of_run])
    return sub_banks.of(buffer[of_run] + first, end - first)


def padding_masks(load: Load, config: Config, sub_banks: SubBanks) -> Masks:
    """Sub-banks of each piece of padding (second axis) behind each run (T-LD-05)."""
    _, buffer = _runs(load, None)
    first = np.arange(0, load.pad_bytes, config.axi_bytes)
    sizes = np.minimum(config.axi_bytes, load.pad_bytes - first)
    return sub_banks.of(buffer[:, None] + load.run_bytes + first, sizes)


class WriteMasks:
    """Sub-banks of what a LOAD writes, worked out when somebody looks."""

    def __init__(
        self, load: Load, config: Config, sub_banks: SubBanks, rows: Sequence[int] | None
    ) -> None:
        self._load = load
        self._config = config
        self._sub_banks = sub_banks
        self._rows = rows
        self._beats: Masks | None = None
        self._padding: Masks | None = None

    def of(self, first_beat: int, beats: int, ended_run: int | None) -> Masks:
        """Of some beats, and of the padding behind the run that ends with them."""
        if self._beats is None:
            self._beats = beat_masks(self._load, self._config, self._sub_banks, self._rows)
        masks = self._beats[first_beat : first_beat + beats]
        if ended_run is None or not self._load.pad_bytes:
            return masks
        if self._padding is None:
            self._padding = padding_masks(self._load, self._config, self._sub_banks)
        return np.concatenate((masks, self._padding[ended_run]))
