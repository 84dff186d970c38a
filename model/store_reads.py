"""What STORE reads from the activation buffer."""

from __future__ import annotations

import numpy as np

from arch.config import Config
from arch.isa import Store
from model.sub_banks import Masks, SubBanks


def beat_masks(instruction: Store, config: Config, sub_banks: SubBanks) -> Masks:
    """Sub-banks of each beat: of the bytes of a run that lie in one beat of DRAM (T-ST-01)."""
    s, width = instruction, config.axi_bytes
    plane, run = np.ogrid[: s.planes, : s.runs]
    dram = s.dram_address + plane * s.plane_dram_stride + run * s.run_dram_stride
    buffer = s.buffer_address + plane * s.plane_buffer_stride + run * s.run_buffer_stride
    # Bytes of the run's first beat that lie before the run.
    before = (dram % width).ravel()
    beats = (before + s.run_bytes - 1) // width + 1
    of_run = np.repeat(np.arange(len(beats)), beats)
    beat = np.arange(len(of_run)) - (np.cumsum(beats) - beats)[of_run]
    first = np.maximum(0, beat * width - before[of_run])
    end = np.minimum(s.run_bytes, (beat + 1) * width - before[of_run])
    return sub_banks.of(buffer.ravel()[of_run] + first, end - first)
