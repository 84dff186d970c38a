"""Faults of LOAD and STORE."""

from __future__ import annotations

import test_dma_address
import test_dma_faults
import test_dma_gather
import test_dma_halt
import test_dma_load
import test_dma_store
from component_faults import Case, Change, always, assigned, case
from reference_memory import SLVERR

from arch.isa import Buffer

LOAD: dict[str, Case] = {
    "burst generator: bursts are not cut at multiples of burst_bytes": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"12'h800 - dram\[10:0\];", "12'h800;"),
    ),
    "burst generator: runs have the stride of planes": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"(\+ \\word\S+ )\[169:138\];", r"\1[241:210];"),
    ),
    "burst generator: the last beat is left out where it is not whole": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"\+ 3'h7;", "+ 3'h0;"),
    ),
    "beat walker: every beat begins at the lane of the first": case(
        test_dma_address.test_a_burst_is_cut_into_beats_without_a_gap,
        *(always, 0),
        change=Change(r"o__payload\[31\] \? (i__payload\[26:24\]) : 3'h0;", r"\1;"),
    ),
    "LOAD: padding does not go on behind a beat of it": case(
        test_dma_load.test_runs_and_planes_are_copied_with_their_padding,
        module="engine.writer",
        change=Change(r"\[25:2\] = stage\[49:26\];", "[25:2] = stage[25:2];"),
    ),
    "LOAD: strobes are not shifted to the lane": case(
        test_dma_load.test_runs_and_planes_are_copied_with_their_padding,
        module="engine.writer",
        change=Change(r"\$signed\((\S+ )\) << beat\[26:24\];", r"\1;"),
    ),
    "LOAD: error responses are not looked at": case(
        test_dma_faults.test_a_beat_with_an_error_is_not_written,
        SLVERR,
        module="engine.writer",
        change=Change(r"\[64:63\] = data\[65:64\];", "[64:63] = 2'h0;"),
    ),
    "LOAD: the end of the buffer is a byte too far": case(
        test_dma_faults.test_a_load_beyond_its_buffer_is_to_blame,
        *(Buffer.PARAMETER, 0),
        module="engine.writer",
        change=Change(r"stage\[50:26\] > 13'h1000;", "stage[50:26] > 13'h1008;", count=2),
    ),
    "LOAD: a beat goes to the first part of a parameter word": case(
        test_dma_load.test_parameter_words_are_filled_by_aligned_beats,
        module="engine.writer",
        change=Change(r"casez \(stage\[6:5\]\)", "casez (2'h0)"),
    ),
    "LOAD: one burst more than the window allows": case(
        test_dma_load.test_a_burst_is_presented_exactly_while_the_window_allows,
        *(32, 10),
        module="engine",
        change=Change(r"outstanding < (\S+);", r"outstanding <= \1;"),
    ),
    "index buffer: the first entry of a word is read": case(
        test_dma_gather.test_rows_are_those_that_the_indices_name,
        64,
        module="engine.index_buffer",
        change=Change(r"place \* 6'h20;", "7'h0;"),
    ),
    "gather: rows are as far apart as runs in the buffer": case(
        test_dma_gather.test_rows_are_those_that_the_indices_name,
        64,
        module="engine.gather",
        change=Change(r"(index__data \* \S+)\[169:138\];", r"\1[193:170];"),
    ),
    "gather: the look-up begins before the run before is asked for": case(
        test_dma_gather.test_the_first_burst_of_each_run_is_three_cycles_later,
        module="engine.gather",
        change=Change(r"= busy & ready;", "= busy;", count=2),
    ),
    "LOAD: a gather does not wait for the LOADs before it": case(
        test_dma_gather.test_a_gather_is_issued_when_no_load_is_in_flight,
        module="engine",
        change=Change(r"issue__word\[286\] & \S+ ?;", "1'b0;"),
    ),
    "LOAD: a gather retires with its first run": case(
        test_dma_gather.test_the_look_up_is_neither_work_nor_the_end_of_a_load,
        module="engine",
        change=Change(r"= o__payload\[81\] & \S+ ;", "= o__payload[81];"),
    ),
    "LOAD: instructions in flight are not limited": case(
        test_dma_load.test_no_more_loads_are_in_flight_than_the_rule_allows,
        module="engine",
        change=assigned("issue__ready", "~o__valid"),
    ),
}

STORE: dict[str, Case] = {
    "STORE: strobes are not shifted to the lane": case(
        test_dma_store.test_runs_and_planes_are_copied,
        module="engine",
        change=Change(r"\$signed\((\S+ )\) << lane;", r"\1;"),
    ),
    "STORE: every beat is the last of its burst": case(
        test_dma_store.test_runs_and_planes_are_copied,
        change=assigned("axi__wlast", "1'b1"),
    ),
    "STORE: retires with the response of any burst": case(
        test_dma_store.test_a_store_retires_with_the_response_of_its_last_burst,
        module="engine",
        change=Change(r"(\\r_en\S+ ) & \\r_data\S+ ;", r"\1;"),
    ),
    "STORE: error responses are not looked at": case(
        test_dma_faults.test_the_store_whose_burst_is_refused_is_to_blame,
        SLVERR,
        module="engine",
        change=assigned("refused", "1'b0"),
    ),
    "STORE: strobes are set in beats that a halt kept from being read": case(
        test_dma_halt.test_a_store_halted_with_full_queues_sends_the_rest_of_its_burst,
        module="engine",
        change=Change(r"halt \? 4'h0 : ", ""),
    ),
    "STORE: reads stop a beat before the FIFO is full": case(
        test_dma_store.test_reads_go_on_exactly_while_the_write_fifo_has_room,
        *(2, 8),
        module="engine",
        change=Change(r"unsent != 6'h20;", "unsent < 6'h1f;"),
    ),
}
