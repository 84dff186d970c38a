"""Constants of the timing rules in docs/architecture.md, one name for each number there.

RTL is built to these and checked against them; the timeline model predicts with them.
"""

FETCH_BURST_INSTRUCTIONS = 4
"""T-FE-01: instructions of one fetch burst."""
PREFETCH_INSTRUCTIONS = 16
"""T-FE-02: instructions requested and not yet dispatched, at most."""
FETCH_TO_DISPATCH_CYCLES = 2
"""T-FE-03: from an instruction's last beat to its earliest dispatch."""

DMA_INSTRUCTIONS_IN_FLIGHT = 8
"""T-LD-02, T-ST-02: instructions issued and not retired, of LOAD and of STORE each."""
GATHER_CYCLES = 3
"""T-LD-07: before the first burst of each gathered run."""
WRITE_FIFO_BEATS = 32
"""T-ST-03: beats read from the buffer and not yet sent."""
STORE_READ_TO_WRITE_CYCLES = 2
"""T-ST-04: from a buffer read to the earliest W beat and AW of that data."""

MATRIX_PIPELINE_CYCLES = 6
"""T-MX-05: from a row's issue to the write of its accumulators."""
MATRIX_WEIGHT_BANKS = 2
"""T-MX-02: weight tiles held in the compute tile."""

VECTOR_PARAMETER_CYCLES = 4
"""T-VX-02: before the first row of each n tile, where there are channel parameters."""
VECTOR_SETUP_CYCLES = 1
"""T-VX-02: before the first row, where there are none."""
VECTOR_PIPELINE_CYCLES = 16
"""T-VX-04: from a row's issue to its write into the buffer."""
TABLE_PIPELINE_CYCLES = 2
"""T-VX-06: from the read of a table's last word to retirement."""
SCALE_PIPELINE_CYCLES = 14
"""T-VX-07: from the read of the last row's statistics to retirement."""

TRACE_QUEUE_CYCLES = 4
"""R-02: cycles whose retirements wait for the trace memory, at most."""

SEMAPHORE_MAX = 255
"""T-SEM-03: the greatest count a semaphore holds."""
